"""Reads the pages of answers: their elements, texts and pictures."""

import base64
import html.parser
import io
from pathlib import Path

from PIL import Image


class Page(html.parser.HTMLParser):
    """Collects the elements of a page, and checks that they are closed in order."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.elements, self.texts = [], [], {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("img", "meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            identity = self.elements[-1][1].get("id") if self.open[-1] == "script" else None
            self.texts.setdefault(identity or self.open[-1], []).append(data)

    def of(self, tag):
        """The attributes of all elements of a tag."""
        return [attributes for name, attributes in self.elements if name == tag]

    def pictures(self):
        """The pictures, which are in the page itself."""
        found = []
        for picture in self.of("img"):
            kind, data = decode(picture["src"])
            assert kind == "data:image/png;base64" and picture["alt"]
            found.append(Image.open(io.BytesIO(data)))
        return found


def read_page(path: Path) -> Page:
    """Reads a page, which must need nothing from elsewhere."""
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not page.of("link") and all("src" not in script for script in page.of("script"))
    for attributes in (attributes for _, attributes in page.elements):
        for key in ("src", "href"):
            assert attributes.get(key, "data:").startswith("data:")
    assert "http://" not in text and "https://" not in text
    return page


def decode(url: str) -> tuple[str, bytes]:
    """The kind and the bytes of a URL that holds them."""
    kind, data = url.split(",", 1)
    return kind, base64.b64decode(data)

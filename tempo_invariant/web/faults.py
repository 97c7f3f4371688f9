"""How what is refused or goes wrong is answered: to programs in JSON, to people as a page."""

import html

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>tempo-invariant</title>
<style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto;
       padding: 0 1.5rem }}
h1 {{ font: 1.8rem/1.2 Palatino, Georgia, serif; overflow-wrap: anywhere }}
</style>
</head>
<body>
<h1>{what}</h1>
{advice}{way_back}</body>
</html>
"""


def answer(headers: Headers, status: int, message: str, way_back: bool = True) -> Response:
    """Returns what a request is answered with that fails.

    Args:
        headers: Headers of the request: a browser that is to show a page asks for HTML.
        status: Status of HTTP.
        message: What is wrong; after a semicolon what to do about it.
        way_back: Whether a page has a link to the library.
    """
    if "text/html" not in headers.get("accept", ""):
        return JSONResponse({"error": message}, status)
    what, _, advice = map(html.escape, message.partition("; "))
    content = _PAGE.format(
        what=_sentence(what),
        advice=f"<p>{_sentence(advice)}.</p>\n" if advice else "",
        way_back='<p><a href="/">To the library</a></p>\n' if way_back else "",
    )
    return HTMLResponse(content, status, {"content-security-policy": _POLICY})


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

"""What the README shows is what there is."""

import re
from pathlib import Path

from tempo_invariant import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_client_is_the_one_that_is_tested():
    printed = re.search(r"```python\n(import sys.*?)```", README, re.DOTALL)
    code = (ROOT / "examples" / "client.py").read_text(encoding="utf-8")
    assert printed and code.endswith(printed[1])


def test_its_commands_exist():
    found = re.findall(r"^tempo-invariant ([a-z-]+)|`([a-z]+-[a-z-]+)`", README, re.MULTILINE)
    shown = {first or second for first, second in found}
    listed = {cli.typed(name) for name in cli.names()}
    assert {first for first, _ in found if first} <= listed
    assert {"index", "identify", "follow", "build-msmd", "server"} <= shown


def test_its_links_lead_somewhere():
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / path).exists(), path

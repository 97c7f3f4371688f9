"""A missing extra is a line that says how to get it."""

import sys

import pytest

from tempo_invariant import extras
from tempo_invariant.errors import UserError


def test_the_failed_import_of_an_extra_is_explained():
    missing = ModuleNotFoundError(name="apache_beam.options")
    wanted = 'index needs Apache Beam: pip install "tempo-invariant[beam]"'
    assert extras.explain(missing, "index") == wanted
    assert extras.explain(ModuleNotFoundError(name="beams"), "index") is None
    assert extras.explain(ModuleNotFoundError("no name"), "index") is None


def test_what_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setitem(extras.MODULES, "json", ("JSON", "json"))
    extras.require("json", "this")
    monkeypatch.setitem(sys.modules, "lilypond", None)
    with pytest.raises(UserError, match=r'^a.ly: needs .*: pip install "tempo-invariant\[lily'):
        extras.require("lilypond", "a.ly:")

"""Names from outside: what is made of them, and what is refused."""

import pytest

from tempo_invariant.web.names import numbered, safe_path
from tempo_invariant.web.refusals import Refusal


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("waltz.pdf", "waltz.pdf"),
        ("Chopin/op. 28/04.pdf", "Chopin/op. 28/04.pdf"),
        ("Chopin\\op28\\.\\04.pdf", "Chopin/op28/04.pdf"),
        ("/etc/waltz.pdf", "etc/waltz.pdf"),
        ("C:\\waltz?.pdf", "C_/waltz_.pdf"),
        (".hidden.pdf", "hidden.pdf"),
        ("Für Elise\n\x1b[31m\u202e.pdf", "Für Elise[31m.pdf"),
        ("Fu\u0308r.pdf", "Für.pdf"),
        ("con.pdf", "_con.pdf"),
        ("waltz. . ", "waltz"),
        ("é" * 200 + ".pdf", "é" * 58 + ".pdf"),
        ("a\x00b.pdf", "ab.pdf"),
        ("\udcff.pdf" * 2, "pdf.pdf"),
    ],
)
def test_a_name_becomes_a_path_that_nothing_minds(given, made):
    assert str(safe_path(given)) == made


@pytest.mark.parametrize(
    "given", ["", "/", "..", "../waltz.pdf", "a/../../b.pdf", "a\\..\\b", " .. /x", "a/..."]
)
def test_a_name_that_is_none_or_leads_out_is_refused(given):
    with pytest.raises(Refusal) as caught:
        safe_path(given)
    assert caught.value.status == 400


def test_a_name_is_neither_long_nor_deep():
    for given in ("x" * 1001, "/".join("abcdefghi")):
        with pytest.raises(Refusal):
            safe_path(given)


def test_a_number_goes_before_the_ending():
    path = safe_path("Chopin/waltz.mxl")
    assert [str(numbered(path, n)) for n in (1, 2)] == ["Chopin/waltz.mxl", "Chopin/waltz (2).mxl"]

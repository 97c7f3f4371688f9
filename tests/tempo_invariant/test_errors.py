"""Messages that any terminal can take, whatever files are called."""

import os
import pickle

from tempo_invariant.errors import UserError, one_line, printable


def test_what_is_not_printable_is_written_as_python_writes_it():
    assert printable("Für Elise — ♯ 楽譜.pdf") == "Für Elise — ♯ 楽譜.pdf"
    assert printable("a\x1b[2J\r\n\tb\x00\x7f") == r"a\x1b[2J\r\n\tb\x00\x7f"
    # Right-to-left marks reorder what is shown; a byte that is not UTF-8 comes as a surrogate.
    assert printable("a\u202egpj.exe") == r"a\u202egpj.exe"
    assert printable("Un rêve,\xa0à 2\u2009voix") == "Un rêve, à 2 voix"
    assert printable(os.fsdecode(b"caf\xe9.pdf")) == r"caf\xe9.pdf"
    assert printable("\ud800 \U000e0001") == r"\ud800 \U000e0001"


def test_every_message_is_one_printable_line():
    name = os.fsdecode(b"b\xff")
    error = UserError(f"{name}/x\ny.png: is wrong")
    assert str(error) == r"b\xff/x\ny.png: is wrong"
    assert str(error).encode("ascii")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert one_line(ValueError("a\n  b\x07")) == r"a b\x07"
    assert one_line(ValueError(" \n")) == "ValueError"

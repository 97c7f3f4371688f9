"""The one exception that stands for something the user can mend, and the text of other errors."""

import unicodedata


class UserError(Exception):
    """Input, a file or a setting is wrong; the message is one line that says which and why.

    Its text is printable whatever the names of files hold, see `printable`.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


def printable(text: str) -> str:
    """Returns text that any terminal and log can take.

    Control characters, invisible ones and the bytes of names that are not UTF-8 are written as
    Python writes them in a literal: `\\n`, `\\x1b`, `\\xff`.

    Args:
        text: Text that may hold names of files as the system gives them.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    """Returns an escape sequence, or a space for one that does not break or has another width.

    Surrogates that stand for a byte give that byte's.
    """
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode("ascii")


def one_line(error: BaseException | str, limit: int = 200) -> str:
    """Returns the text of an error as one printable line.

    Args:
        error: Exception, or the text itself.
        limit: Largest number of characters that are returned.

    Returns:
        The text with all white space folded, or the name of the exception if it says nothing.
    """
    return printable(" ".join(str(error).split()))[:limit] or type(error).__name__

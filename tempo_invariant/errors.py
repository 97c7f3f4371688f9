"""The one exception that stands for something the user can mend, and the text of other errors."""


class UserError(Exception):
    """Input, a file or a setting is wrong; the message is one line that says which and why."""

    def __str__(self) -> str:
        return printable(super().__str__())


def printable(text: str) -> str:
    """Returns text with escapes for line breaks, control characters and bytes that are no text.

    Names of files may hold any of these, and a terminal would act on them.
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def one_line(error: BaseException | str, limit: int = 200) -> str:
    """Returns the text of an error as one line.

    Args:
        error: Exception, or the text itself.
        limit: Largest number of characters that are returned.

    Returns:
        The text with all white space folded, or the name of the exception if it says nothing.
    """
    return printable(" ".join(str(error).split()))[:limit] or type(error).__name__

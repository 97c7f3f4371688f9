"""The one exception that stands for something the user can mend, and the text of other errors."""


class UserError(Exception):
    """Input, a file or a setting is wrong; the message is one line that says which and why."""


def one_line(error: BaseException | str, limit: int = 200) -> str:
    """Returns the text of an error as one line.

    Args:
        error: Exception, or the text itself.
        limit: Largest number of characters that are returned.

    Returns:
        The text with all white space folded, or the name of the exception if it says nothing.
    """
    return " ".join(str(error).split())[:limit] or type(error).__name__


def printable(text: str) -> str:
    """Returns a text that a terminal or a page shows as it is, on one line.

    Control characters, marks that turn the direction of writing, and what is not Unicode in the
    name of a file each become a replacement character.
    """
    return "".join(
        character
        if character.isprintable()
        else " "
        if character.isspace()
        else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )

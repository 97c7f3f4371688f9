"""What a client must not or cannot do, and what is told of errors."""

from tempo_invariant.errors import UserError, one_line


class Refusal(UserError):
    """A request is refused.

    Args:
        status: Status of HTTP that says why.
        message: The reason, one line.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def told(error: BaseException) -> str:
    """Returns what a page is told of an error, one printable line; faults of ours are named."""
    if isinstance(error, UserError):
        return str(error)
    return f"{type(error).__name__}: {one_line(error)}"

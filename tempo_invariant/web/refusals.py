"""The error that stands for something a client must not or cannot do."""

from tempo_invariant.errors import UserError


class Refusal(UserError):
    """A request is refused.

    Args:
        status: Status of HTTP that says why.
        message: The reason, one line.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status

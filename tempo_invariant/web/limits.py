"""How much the page takes from outside before it says no."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of what others can make the server hold or wait for.

    Attributes:
        file_bytes: Largest file that can be dropped.
        free_bytes: Room on the disk that no dropped file may use up.
        uploads: Files that may come in at the same time.
        waiting: Jobs that may wait or run at the same time.
        kept: Jobs that are remembered when they are done.
        answers: Answers to recordings that are kept, the newest.
        connections: Connections that may be open at the same time.
        head_bytes: Longest head of a request.
        head_seconds: Longest time between the opening of a connection, or the end of a request, and
            the end of the next request's head.
        stall_seconds: Longest time in which nothing of a body comes, or goes.
        upload_seconds: Longest time that a file may take to come.
        message_bytes: Largest message of a microphone.
        listeners: Listening sessions at the same time, those that may resume among them.
        resume_seconds: How long a session outlives its connection.
        behind_seconds: Sound that may wait to be heard; of more, the oldest is dropped.
    """

    file_bytes: int = 200 * 2**20
    free_bytes: int = 2**29
    uploads: int = 8
    waiting: int = 2000
    kept: int = 500
    answers: int = 20
    connections: int = 128
    head_bytes: int = 16 * 2**10
    head_seconds: float = 10.0
    stall_seconds: float = 20.0
    upload_seconds: float = 900.0
    message_bytes: int = 256 * 2**10
    listeners: int = 8
    resume_seconds: float = 60.0
    behind_seconds: float = 2.5

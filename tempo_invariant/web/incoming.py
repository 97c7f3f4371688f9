"""Files that are dropped on the page: they come piece by piece, and are seen when whole."""

import asyncio
import contextlib
import filecmp
import itertools
import os
import shutil
import threading
from collections.abc import AsyncIterator, Collection
from pathlib import Path, PurePosixPath

from tempo_invariant import files
from tempo_invariant.errors import UserError, printable
from tempo_invariant.web.limits import Limits
from tempo_invariant.web.names import numbered
from tempo_invariant.web.refusals import Refusal

_WRITE_BYTES = 2**20


class Incoming:
    """Takes files in, so many at the same time.

    Args:
        limits: How many, and how large.
    """

    def __init__(self, limits: Limits):
        self._limits = limits
        self._places = threading.Lock()
        self.count = 0

    @contextlib.asynccontextmanager
    async def receive(
        self, chunks: AsyncIterator[bytes], folder: Path, declared: int | None
    ) -> AsyncIterator[Path]:
        """Writes what comes to a file, which is removed when the block ends unless it was moved.

        Args:
            chunks: The content.
            folder: Directory in which the file is, under a hidden name; made if need be.
            declared: Size that the client has announced, in bytes.

        Raises:
            Refusal: 413, too large; 408, too slow; 429, too many at the same time; 507, no room.
        """
        self._check_size(declared or 0)
        if self.count >= self._limits.uploads:
            raise Refusal(429, "too many files at the same time; try again")
        self.count += 1
        try:
            with files.telling_failures(folder), files.partial_directory(folder) as directory:
                self._check_room(folder, declared or 0)
                path = directory / "file"
                try:
                    async with asyncio.timeout(self._limits.upload_seconds):
                        await self._write(chunks, path)
                except TimeoutError as error:
                    raise Refusal(408, "the file takes too long to come") from error
                yield path
        finally:
            self.count -= 1

    async def _write(self, chunks: AsyncIterator[bytes], path: Path) -> None:
        size, waiting = 0, bytearray()
        with path.open("wb") as stream:
            async for chunk in chunks:
                size += len(chunk)
                self._check_size(size)
                waiting += chunk
                if len(waiting) >= _WRITE_BYTES:
                    self._check_room(path.parent, len(waiting))
                    await asyncio.to_thread(stream.write, bytes(waiting))
                    waiting.clear()
            stream.write(waiting)
        if not size:
            raise Refusal(400, "the file is empty")

    def _check_size(self, size: int) -> None:
        if size > self._limits.file_bytes:
            most = _mebibytes(self._limits.file_bytes)
            raise Refusal(413, f"larger than {most}, the most that can be dropped")

    def _check_room(self, folder: Path, size: int) -> None:
        free = shutil.disk_usage(folder).free
        if free - size < self._limits.free_bytes:
            needed = _mebibytes(size + self._limits.free_bytes)
            kept = _mebibytes(self._limits.free_bytes)
            raise Refusal(
                507,
                f"too little room on the disk: {needed} are needed, {kept} of them to stay free, "
                f"and there are {_mebibytes(free)}",
            )

    def place(
        self, file: Path, folder: Path, path: PurePosixPath, taken: Collection[str]
    ) -> tuple[Path, bool]:
        """Moves a file to its place in a folder; a file that is there already is not touched.

        Args:
            file: The file.
            folder: The folder.
            path: Where the file belongs in it; if another is there, it gets a number.
            taken: Names of scores, without their endings, that belong to files elsewhere.

        Returns:
            Its place, or that of a file with the same content there; and whether it is new there.

        Raises:
            UserError: It cannot be moved there.
        """
        with self._places, files.telling_failures(folder):
            for number in itertools.count(1):
                wanted = numbered(path, number)
                target = folder / wanted
                if target.is_file() and filecmp.cmp(file, target, shallow=False):
                    return target, False
                if os.path.lexists(target) or printable(str(wanted.with_suffix(""))) in taken:
                    continue
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                except (FileExistsError, NotADirectoryError) as error:
                    reason = "a file is there of the name of its folder"
                    raise UserError(f"{path}: {reason}") from error
                os.replace(file, target)
                return target, True
        raise AssertionError("numbers do not end")


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"

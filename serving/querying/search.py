"""Finds the sheet snippets that one excerpt of a recording matches best."""

import dataclasses
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tempo_invariant import geometry, progress
from tempo_invariant.audio import reading
from tempo_invariant.audio.windows import SILENCE, window_samples
from tempo_invariant.errors import UserError, printable
from tempo_invariant.retrieval.client import EmbeddingClient

_PLACE = re.compile(r"(?P<piece>.+)_p(?P<page>\d+)_s(?P<system>\d+)_x(?P<x>\d+)")
"""Names that `tfrecords_tools.snippets` gives, without the suffix."""


@dataclasses.dataclass(frozen=True)
class Excerpt:
    """A window of a recording.

    Attributes:
        pcm: Samples, float32 [samples], mono at 22,050 Hz.
        centre_seconds: Time of its middle in the recording, in seconds.
    """

    pcm: np.ndarray
    centre_seconds: float


@dataclasses.dataclass(frozen=True)
class Match:
    """A snippet and how well it matches.

    Attributes:
        path: The image file.
        similarity: Cosine of the angle between the embeddings.
    """

    path: Path
    similarity: float

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Piece, page, system and x as the file name tells them; else the name and dashes."""
        name = printable(self.path.stem)
        found = _PLACE.fullmatch(name)
        if not found:
            return name, "-", "-", "-"
        page, system, x = (str(int(found[name])) for name in ("page", "system", "x"))
        return found["piece"], page, system, x


def read_excerpt(path: str | Path, frames: int, at_seconds: float | None = None) -> Excerpt:
    """Reads a window from a recording of any format and rate; what is missing is silence.

    Args:
        path: An audio file.
        frames: Length of the window in spectrogram frames.
        at_seconds: The middle of the window in seconds; None: the middle of the recording.

    Raises:
        UserError: The file is no audio, there is nothing at that time, or nothing but silence.
    """
    duration = reading.audio_info(path).seconds
    centre_seconds = duration / 2 if at_seconds is None else at_seconds
    if not 0 <= centre_seconds <= duration:
        raise UserError(f"{at_seconds:g} s is outside of {path}, which lasts {duration:.1f} s")
    first = int(geometry.onset_frame(centre_seconds)) - frames // 2
    samples = window_samples(frames)
    parts = [np.zeros(geometry.frame_start(max(-first, 0)), np.float32)]
    for block in reading.read_blocks(
        path, start_seconds=max(first, 0) / geometry.FRAMES_PER_SECOND
    ):
        parts.append(block)
        if sum(map(len, parts)) >= samples:
            break
    pcm = np.pad(np.concatenate(parts), (0, samples))[:samples]
    if np.abs(pcm).max() < SILENCE:
        raise UserError(f"{path}: nothing but silence around {centre_seconds:.2f} s")
    return Excerpt(pcm, centre_seconds)


def find_snippets(directory: str | Path) -> list[Path]:
    """Returns the PNG files of a directory, by name.

    Raises:
        UserError: There is no such directory, or it has none.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise UserError(f"{directory}: no such directory")
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix.lower() == ".png")
    except OSError as error:
        raise UserError(f"{directory}: cannot be read ({error.strerror})") from error
    if not paths:
        raise UserError(f"{directory}: no PNG files in it")
    return paths


def read_snippet(path: Path) -> np.ndarray:
    """Reads a snippet as uint8 [160, 200], grey.

    Raises:
        UserError: It cannot be read, or has another size.
    """
    from PIL import Image

    wanted = (geometry.SNIPPET_WIDTH, geometry.SNIPPET_HEIGHT)
    if not path.is_file():  # a pipe would be waited for
        raise UserError(f"{path}: not a file")
    try:
        with Image.open(path, formats=("PNG",)) as image:
            # Checked before any pixel is decoded: a small file can hold a huge image.
            if image.size != wanted:
                raise UserError(f"{path}: is {image.size} pixels wide and high, not {wanted}")
            paper = Image.new("RGBA", image.size, "white")
            return np.asarray(Image.alpha_composite(paper, image.convert("RGBA")).convert("L"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: not a readable image") from error


def rank(client: EmbeddingClient, query: np.ndarray, paths: Sequence[Path]) -> list[Match]:
    """Embeds snippets and sorts them by their similarity with a query.

    Images that cannot be read are reported and left out.

    Args:
        client: Connection to the server.
        query: The query's embedding, float32 [size], unit length.
        paths: The images.

    Returns:
        The matches, best first; equal ones in the order of `paths`.

    Raises:
        UserError: Not one image can be read, or the server fails.
    """
    readable: list[Path] = []

    def images() -> Iterator[np.ndarray]:
        for path in progress.track(paths, "snippets"):
            try:
                image = read_snippet(path)
            except UserError as error:
                logging.warning("skipped: %s", error)
                continue
            readable.append(path)
            yield image

    embeddings = list(client.embed_sheets(images()))
    if not embeddings:
        raise UserError(f"none of {len(paths)} images in {paths[0].parent} can be used")
    similarities = np.stack(embeddings) @ query
    order = np.argsort(-similarities, kind="stable")
    return [Match(readable[index], float(similarities[index])) for index in order]


def table(matches: Sequence[Match]) -> str:
    """Formats matches as lines: rank, similarity, piece, page, system, x."""
    places = [match.place for match in matches]
    width = max(len("piece"), *(len(place[0]) for place in places))
    lines = [f"rank  similarity  {'piece':{width}}  page  system     x"]
    for number, (match, (piece, page, system, x)) in enumerate(
        zip(matches, places, strict=True), 1
    ):
        lines.append(
            f"{number:4}  {match.similarity:10.3f}  {piece:{width}}  {page:>4}  {system:>6}  {x:>4}"
        )
    return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class QueryAnswer:
    """What a query found.

    Attributes:
        excerpt: The excerpt that was asked about.
        attention: Weights of its frames that sum to one, float32 [frames].
        spectrogram: Its spectrogram, which was attended to, float32 [92, frames].
        matches: All snippets, best first.
        version: Version of the model that answered.
    """

    excerpt: Excerpt
    attention: np.ndarray
    spectrogram: np.ndarray
    matches: list[Match]
    version: int

    def heading(self, audio: str) -> str:
        """Returns a printable line about what was asked and answered.

        Args:
            audio: The recording.
        """
        count = len(self.matches)
        return printable(
            f"{audio} around {self.excerpt.centre_seconds:.2f} s, {count} "
            f"snippet{'s' * (count != 1)}, model version {self.version}"
        )


def query(
    client: EmbeddingClient,
    audio: str | Path,
    sheets: str | Path,
    at_seconds: float | None = None,
) -> QueryAnswer:
    """Ranks the snippets of a directory for one excerpt of a recording.

    Args:
        client: Connection to the server.
        audio: An audio file.
        sheets: A directory of PNG snippets, 160 x 200 pixels.
        at_seconds: The middle of the excerpt in seconds; None: the middle of the recording.

    Raises:
        UserError: Input that cannot be used, or a server that does not answer.
    """
    paths = find_snippets(sheets)
    excerpt = read_excerpt(audio, client.model.frames, at_seconds)
    heard = {name: rows[0] for name, rows in client.embed_audio(excerpt.pcm[None]).items()}
    matches = rank(client, heard["embedding"], paths)
    version = client.model.version
    return QueryAnswer(excerpt, heard["attention"], heard["spectrogram"], matches, version)

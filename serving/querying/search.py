"""Finds the sheet snippets that one excerpt of a recording matches best."""

import dataclasses
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tempo_invariant import geometry
from tempo_invariant.errors import UserError, one_line
from tempo_invariant.retrieval.client import AudioEmbeddings, EmbeddingClient

SILENCE = 1e-4
"""An excerpt whose samples all lie within this (-80 dB of full scale) counts as silent."""

_PLACE = re.compile(r"(?P<piece>.+)_p(?P<page>\d+)_s(?P<system>\d+)_x(?P<x>\d+)")
"""Names that `tfrecords_tools.snippets` gives, without the suffix."""


@dataclasses.dataclass(frozen=True)
class Excerpt:
    """A window of a recording.

    Attributes:
        pcm: float32 [samples], mono at 22,050 Hz.
        centre_seconds: where its middle is in the recording.
    """

    pcm: np.ndarray
    centre_seconds: float


@dataclasses.dataclass(frozen=True)
class Match:
    """A snippet and how well it matches.

    Attributes:
        path: the image.
        similarity: cosine of the angle between the embeddings.
    """

    path: Path
    similarity: float

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Piece, page, system and x as the file name tells them; else the name and dashes."""
        found = _PLACE.fullmatch(self.path.stem)
        if not found:
            return self.path.stem, "-", "-", "-"
        page, system, x = (str(int(found[name])) for name in ("page", "system", "x"))
        return found["piece"], page, system, x


def read_excerpt(path: str | Path, frames: int, at_seconds: float | None = None) -> Excerpt:
    """Reads a window from a recording of any format and rate; what is missing is silence.

    Args:
        path: an audio file.
        frames: length of the window in spectrogram frames.
        at_seconds: the middle of the window; None is the middle of the recording.

    Raises:
        UserError: the file is no audio, there is nothing at that time, or nothing but silence.
    """
    import librosa

    path = Path(path)
    if not path.is_file():
        raise UserError(f"--audio={path}: no such file")
    duration = _read(path, lambda: librosa.get_duration(path=path))
    if not duration:
        raise UserError(f"--audio={path}: holds no samples")
    centre_seconds = duration / 2 if at_seconds is None else at_seconds
    if not 0 <= centre_seconds <= duration:
        raise UserError(f"--at={at_seconds:g} is outside of {path}, which lasts {duration:.1f} s")
    centre = int(geometry.onset_frame(centre_seconds))
    first = centre - frames // 2
    samples = _window_samples(frames)
    before = geometry.frame_start(max(-first, 0))
    offset = max(first, 0) / geometry.FRAMES_PER_SECOND
    wanted = (samples - before) / geometry.SAMPLE_RATE
    pcm, _ = _read(
        path,
        lambda: librosa.load(path, sr=geometry.SAMPLE_RATE, offset=offset, duration=wanted),
    )
    pcm = np.pad(pcm, (before, samples))[:samples]
    if not np.isfinite(pcm).all():
        raise UserError(f"--audio={path}: holds samples that are not finite numbers")
    if np.abs(pcm).max() < SILENCE:
        raise UserError(f"--audio={path}: nothing but silence around {centre_seconds:.2f} s")
    return Excerpt(pcm, centre_seconds)


def find_snippets(directory: str | Path) -> list[Path]:
    """Returns the PNG files of a directory, by name.

    Raises:
        UserError: there is no such directory, or it has none.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise UserError(f"--sheets={directory}: no such directory")
    paths = sorted(path for path in directory.iterdir() if path.suffix.lower() == ".png")
    if not paths:
        raise UserError(f"--sheets={directory}: no PNG files in it")
    return paths


def read_snippet(path: Path) -> np.ndarray:
    """Reads a snippet as uint8 [160, 200], grey.

    Raises:
        UserError: it cannot be read, or has another size.
    """
    from PIL import Image

    wanted = (geometry.SNIPPET_WIDTH, geometry.SNIPPET_HEIGHT)
    try:
        with Image.open(path) as image:
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
        client: the server.
        query: float32 [size], unit length.
        paths: the images.

    Returns:
        The matches, best first; equal ones in the order of `paths`.

    Raises:
        UserError: not one image can be read, or the server fails.
    """
    readable: list[Path] = []

    def images() -> Iterator[np.ndarray]:
        for path in tqdm(paths, desc="snippets", unit="", disable=None):
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
class Answer:
    """What a query found.

    Attributes:
        excerpt: what was asked.
        audio: what the model makes of it, a batch of one.
        matches: all snippets, best first.
        version: of the model that answered.
    """

    excerpt: Excerpt
    audio: AudioEmbeddings
    matches: list[Match]
    version: int


def query(
    client: EmbeddingClient,
    audio: str | Path,
    sheets: str | Path,
    at_seconds: float | None = None,
) -> Answer:
    """Ranks the snippets of a directory for one excerpt of a recording.

    Args:
        client: the server.
        audio: an audio file.
        sheets: directory of PNG snippets, 160 x 200.
        at_seconds: the middle of the excerpt; None is the middle of the recording.

    Raises:
        UserError: input that cannot be used, or a server that does not answer.
    """
    paths = find_snippets(sheets)
    excerpt = read_excerpt(audio, client.model.frames, at_seconds)
    embedded = client.embed_audio(excerpt.pcm[None])
    matches = rank(client, embedded.embedding[0], paths)
    return Answer(excerpt, embedded, matches, client.model.version)


def _window_samples(frames: int) -> int:
    """Samples of which the model's middle window is all: every frame whole, if that is possible.

    The last frame reaches past the start of the next one, which moves the middle of an odd window.
    """
    if frames % 2:
        return geometry.frame_start(frames)
    return geometry.frame_start(frames - 1) + geometry.FRAME_SIZE


def _read(path: Path, read):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # soundfile gave up and audioread is tried
            return read()
    except Exception as error:  # libsndfile, audioread and its backends each raise their own
        reason = one_line(error)
        raise UserError(f"--audio={path}: not readable as audio ({reason})") from error

"""The Python API: a model that embeds sound and score, and answers with them."""

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from tempo_invariant import samples, worker_processes
from tempo_invariant.audio.recordings import Recording, open_recording
from tempo_invariant.audio.windows import SILENCE, window_samples
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import (
    FRAMES_PER_SECOND,
    SAMPLE_RATE,
    SNIPPET_HEIGHT,
    SNIPPET_WIDTH,
)
from tempo_invariant.model import pretrained
from tempo_invariant.retrieval import (
    following,
    hearing,
    identification,
    indexing,
    library,
    one_score,
)
from tempo_invariant.retrieval.embedders import Embedder, open_embedder
from tempo_invariant.retrieval.following import FollowedScore, FollowingSettings
from tempo_invariant.retrieval.hearing import Heard
from tempo_invariant.retrieval.identification import (
    IdentificationSettings,
    IdentifiedRecording,
    IdentifiedScore,
)
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.scores import documents
from tempo_invariant.scores.documents import STEP_PIXELS, SheetDocument
from tempo_invariant.scores.places import Place

Audio = str | os.PathLike | np.ndarray
"""A recording: the path of a file of any format, or samples [samples] or [samples, channels]."""

_ADDRESS = re.compile(r"[\w.\-]+:\d+|\[[0-9a-fA-F:]+\]:\d+")


@dataclasses.dataclass(frozen=True)
class Seen:
    """Snippets of a score as the model sees them.

    Attributes:
        name: Name of the score.
        embedding: Embeddings of the snippets in reading order, float32 [snippets, size], of unit
            length.
        snippets: Snippets uint8 [snippets, 160, 200], with the place of each in its middle.
        places: Place of every snippet; none for snippets that were given as such.
        pages: Pages uint8 [rows, columns] that the places are on, by their numbers from 1.
    """

    name: str
    embedding: np.ndarray
    snippets: np.ndarray
    places: tuple[Place, ...]
    pages: dict[int, np.ndarray]

    def to_dict(self) -> dict[str, Any]:
        """Returns name, embeddings and places as JSON can hold them, without the pictures."""
        return {
            "name": self.name,
            "embedding": self.embedding.tolist(),
            "places": [dataclasses.asdict(place) for place in self.places],
        }


class MatchingModel:
    """A model that knows how a recording and its printed score belong together.

    `tempo_invariant.load` makes one. Embeddings have unit length, so that the inner product of two
    of them is the cosine similarity of what they stand for.

    Args:
        embedder: What computes the embeddings: a run, an export, or a server.

    Attributes:
        name: Name of the model.
        size: Number of dimensions of an embedding.
        window_seconds: Length of the audio window that an embedding is made of.
    """

    def __init__(self, embedder: Embedder):
        self._embedder = embedder
        self.name = embedder.name
        self.size = embedder.size
        self.window_seconds = embedder.frames / FRAMES_PER_SECOND

    def __repr__(self) -> str:
        return f"MatchingModel({self.name!r}, size={self.size})"

    def embed_audio(
        self, audio: Audio, rate: int | None = None, hop_seconds: float | None = 0.5
    ) -> Heard:
        """Embeds a recording, window by window.

        Args:
            audio: Path of an audio file, or samples [samples] or [samples, channels]: numbers of
                full scale +-1, or signed integers.
            rate: Sampling rate of the samples in Hz.
            hop_seconds: Distance of neighbouring windows; each goes to the strongest onset nearby,
                and silent ones are left out. None: one window only, around the middle.

        Raises:
            UserError: The recording cannot be read, or is silent.
        """
        recording = _recording(audio, rate)
        if hop_seconds is None:
            return self._embed_middle(recording)
        hop_frames = round(hop_seconds * FRAMES_PER_SECOND)
        if hop_frames < 1:
            least = 1 / FRAMES_PER_SECOND
            raise UserError(f"hop_seconds must be at least {least:g}, received {hop_seconds:g}")
        return hearing.hear(self._embedder, recording.blocks(), hop_frames, recording.name)

    def _embed_middle(self, recording: Recording) -> Heard:
        pcm = np.concatenate(list(recording.blocks()))
        length = window_samples(self._embedder.frames)
        missing = max(0, length - len(pcm))
        padded = np.pad(pcm, (missing // 2, missing - missing // 2))
        first = (len(padded) - length) // 2
        window = padded[None, first : first + length]
        audible = np.flatnonzero(np.abs(window[0]) >= SILENCE)
        if not len(audible):
            raise UserError(f"{recording.name}: is silent in the middle")
        outputs = self._embedder.embed_audio(window)
        sounds = first - missing // 2 + audible[[0, -1]] + [0, 1]
        middle, *times = (count / SAMPLE_RATE for count in (len(pcm) / 2, len(pcm), *sounds))
        return Heard(np.array([middle]), outputs.embedding, outputs.attention, *times)

    def embed_sheet(self, sheet: str | os.PathLike | np.ndarray, step: int = STEP_PIXELS) -> Seen:
        """Embeds a score, snippet by snippet.

        Args:
            sheet: Path of one score (a PDF file, a page image, the directory of a piece of MSMD, a
                LilyPond file), a grey page uint8 [rows, columns], or snippets uint8 [160, 200] or
                [snippets, 160, 200] of pages that are 835 pixels wide.
            step: Distance of neighbouring snippets in pixels of the page.

        Raises:
            UserError: The score cannot be read, or there is no system on its pages.
        """
        if not isinstance(sheet, str | os.PathLike | np.ndarray):
            kind = type(sheet).__name__
            raise UserError(f"a score is the path of a file or an array of pixels, not a {kind}")
        if not isinstance(sheet, np.ndarray):
            found = one_score.read_score(
                samples.find(sheet, samples.SCORES),
                step=step,
                staves=self._embedder.staves,
                named_by="a path of its own",
            )
        elif sheet.shape[-2:] == (SNIPPET_HEIGHT, SNIPPET_WIDTH) and sheet.ndim in (2, 3):
            snippets = _grey(sheet).reshape(-1, SNIPPET_HEIGHT, SNIPPET_WIDTH)
            return Seen("snippets", self._embedder.embed_sheet(snippets), snippets, (), {})
        else:
            if sheet.ndim != 2:
                raise UserError(f"a page must be grey, [rows, columns], not {list(sheet.shape)}")
            found = documents.cut_page("page", _grey(sheet), step, self._embedder.staves)
        places = tuple(map(Place.from_row, found.places))
        embedding = self._embedder.embed_sheet(found.snippets)
        return Seen(found.name, embedding, found.snippets, places, found.pages)

    def index(
        self,
        scores: str | os.PathLike,
        output: str | os.PathLike | None = None,
        prune: bool = False,
    ) -> SnippetIndex:
        """Makes an index of scores, to identify recordings among them, or brings one up to date.

        Scores that are new are added, those whose files have changed are replaced.

        Args:
            scores: Folder of scores, as `tempo-invariant index --scores` takes it, or "sample".
            output: Directory of the index, made if it is not there; None: NAME-index beside the
                scores NAME.
            prune: Whether scores of the index that are not in the folder are dropped.

        Raises:
            UserError: No score can be used, or the directory is no index of scores, or that of
                another model.
        """
        found = samples.find(scores, samples.SCORES)
        output = samples.beside(found, "index") if output is None else output
        jobs = worker_processes.processors()
        return indexing.index_scores(self._embedder, found, output, prune=prune, jobs=jobs).index

    def index_recordings(
        self,
        recordings: str | os.PathLike,
        output: str | os.PathLike | None = None,
        prune: bool = False,
    ) -> SnippetIndex:
        """Makes an index of recordings, to identify pages among them, or brings one up to date.

        Args:
            recordings: Audio file, folder of them, or "sample".
            output: Directory of the index, made if it is not there; None: NAME-index beside the
                recordings NAME.
            prune: Whether recordings of the index that are not in the folder are dropped.

        Raises:
            UserError: No recording can be used, or the directory is no index of recordings, or that
                of another model.
        """
        found = samples.find(recordings, samples.RECORDING)
        output = samples.beside(found, "index") if output is None else output
        return indexing.index_recordings(self._embedder, found, output, prune=prune).index

    def identify(
        self,
        audio: Audio,
        index: str | os.PathLike | SnippetIndex,
        rate: int | None = None,
        top: int = 5,
    ) -> IdentifiedScore:
        """Names the score that a recording plays, and where in it the recording is.

        Args:
            audio: Recording; see `embed_audio`.
            index: Index of scores that was made with this model, or its directory.
            rate: Sampling rate of samples in Hz.
            top: Number of scores that are named.

        Raises:
            UserError: The recording or the index cannot be read, or the recording is silent.
        """
        settings = _settings(top)
        chosen = self._open(index, "sheets")
        recording = _recording(audio, rate)
        return identification.identify_recording(chosen, self._embedder, recording, settings)

    def identify_sheet(
        self, sheet: str | os.PathLike, index: str | os.PathLike | SnippetIndex, top: int = 5
    ) -> IdentifiedRecording:
        """Names the recording that plays a page or a score, and when it plays each system.

        Args:
            sheet: Path of the score; see `embed_sheet`.
            index: Index of recordings that was made with this model, or its directory.
            top: Number of recordings that are named.

        Raises:
            UserError: The score or the index cannot be read.
        """
        settings = _settings(top)
        chosen = self._open(index, "recordings")
        document = one_score.read_score(
            samples.find(sheet, samples.SCORES),
            step=chosen.step_pixels,
            staves=self._embedder.staves,
            named_by="a path of its own",
        )
        return identification.identify_sheet(
            chosen, self._embedder, document.without_guessed_bars(sheet), settings, os.fspath(sheet)
        )

    def follow(
        self,
        score: str | os.PathLike | SheetDocument,
        audio: Audio,
        rate: int | None = None,
        document: str | None = None,
    ) -> FollowedScore:
        """Aligns a recording with its score: at every moment page, system and place.

        Args:
            score: Path of the score, as `tempo-invariant follow --score` takes it.
            audio: Recording; see `embed_audio`.
            rate: Sampling rate of samples in Hz.
            document: Name of the score, where the path holds several.

        Raises:
            UserError: The score or the recording cannot be read, or the recording is silent.
        """
        recording, settings = _recording(audio, rate), FollowingSettings()
        if not isinstance(score, SheetDocument):
            path = samples.find(score, samples.SCORES)
            score = one_score.read_score(
                path, document, settings.step_pixels, self._embedder.staves
            )
        return following.follow_recording(self._embedder, score, recording, settings)

    def _open(self, index: str | os.PathLike | SnippetIndex, kind: str) -> SnippetIndex:
        found = index if isinstance(index, SnippetIndex) else library.load(index, kind)
        if found.kind != kind:
            raise UserError(library.wrong_kind(found.path, found.kind, kind))
        found.check_model(self._embedder)
        return found


def load(model: str | os.PathLike) -> MatchingModel:
    """Opens a model; see `tempo_invariant.load`."""
    if not isinstance(model, str | os.PathLike):
        raise UserError(f"a model is a name or a path, not a {type(model).__name__}")
    name = os.fspath(model)
    if name in pretrained.names():
        return MatchingModel(open_embedder("pretrained", name))
    if (Path(name) / "experiment.json").is_file():
        return MatchingModel(open_embedder("run", name))
    if os.path.isdir(name):
        return MatchingModel(open_embedder("export", name))
    if _ADDRESS.fullmatch(name):
        return MatchingModel(open_embedder("server", name))
    raise UserError(
        f"no model {name!r}: neither one that ships ({', '.join(pretrained.names())}), nor the "
        "directory of a run or an export, nor HOST:PORT of a server"
    )


def _settings(top: int) -> IdentificationSettings:
    if top < 1:
        raise UserError(f"top must be at least 1, received {top}")
    return IdentificationSettings(top=top)


def _recording(audio: Audio, rate: int | None) -> Recording:
    if isinstance(audio, str | os.PathLike):
        return open_recording(samples.find(audio, samples.RECORDING))
    return open_recording(audio, rate)


def _grey(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8:
        raise UserError(f"images must be uint8, 0 black and 255 paper, received {image.dtype}")
    if min(image.shape) < 1:
        raise UserError(f"images must have pixels, received {list(image.shape)}")
    return image

"""Where in a score the music is now."""

import dataclasses
from collections import deque
from typing import NamedTuple

import numpy as np

from tempo_invariant.audio.windows import SILENCE
from tempo_invariant.geometry import FRAMES_PER_SECOND
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.following import ONSET_DELAY_FRAMES
from tempo_invariant.scores.places import Place
from tempo_invariant.tracking.ear import STEP_SECONDS, Ear, Observations, lags_of
from tempo_invariant.tracking.fit import Fit
from tempo_invariant.tracking.musical_strip import MusicalStrip
from tempo_invariant.tracking.particles import Cloud, Motion
from tempo_invariant.tracking.whereabouts import Whereabouts

NEAR_PIXELS = 40.0
"""Particles that are so near to their median are at one place."""

ELSEWHERE_PIXELS = 150.0
"""Farther away from the median of the particles is elsewhere."""

SURE_SHARE = 0.5
"""With fewer particles there, it is not known where the music is."""

KNOWN = 0.8
"""Probability of where the particles are from which on it is known where the music is. Until then
it may be elsewhere: many pieces play their opening again."""

LEVEL_SECONDS = 30.0
QUIET = 10 ** (-45 / 20)
"""Less than so much of the loudest is silence, here of the loudest within `LEVEL_SECONDS`: a
microphone is never silent."""

STANDING_SECONDS = 0.5
"""After more silence the music stands."""

SILENT_SECONDS = 1.0
"""After so much silence nobody plays."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Where the music is.

    Attributes:
        seconds: How much was heard: the time, since the start, that this is about.
        place: Place in the score.
        pixels_per_second: Speed with which it moves on.
        confidence: From 0 to 1: how well what was heard fits what is printed there.
        state: "following", "listening" (where it is is not known yet), "lost", or "silent".
    """

    seconds: float
    place: Place
    pixels_per_second: float
    confidence: float
    state: str


@dataclasses.dataclass(frozen=True)
class TrackerSettings:
    """Settings of a tracker.

    Attributes:
        particles: Number of particles.
        motion: How they move.
        coarse_sharpness: As `Lags.sharpness`, of the search in the whole score.
        leap: Probability of a leap in a step.
        elsewhere: With a smaller probability of where the particles are, the search in the whole
            score has found the music elsewhere.
        found_anew: Share of the particles that go there then, in every step.
        stray: Share of the particles that try other places and tempi nearby, in every step.
    """

    particles: int = 500
    motion: Motion = Motion()
    coarse_sharpness: float = 2.5
    leap: float = 1e-4
    elsewhere: float = 0.2
    found_anew: float = 0.1
    stray: float = 0.02


class _Moment(NamedTuple):
    """Similarities float32 [lags, snippets], and whether the music stands."""

    similarities: np.ndarray
    stands: bool


class ScoreTracker:
    """Follows music through a score while it is being played.

    The windows whose future is there tell best where the music was, a while ago. From there on,
    particles move to the present, past what the windows tell whose future is partly missing.

    Args:
        embedder: Model that embeds the windows.
        sheet: Embeddings of the snippets of a score, float32 [snippets, size].
        places: Their places in reading order, `places.SHEET` [snippets].
        settings: Settings.
        seed: Seed of what is random.
    """

    def __init__(
        self,
        embedder: Embedder,
        sheet: np.ndarray,
        places: np.ndarray,
        settings: TrackerSettings | None = None,
        seed: int = 0,
    ):
        if not len(sheet) or len(sheet) != len(places):
            raise ValueError(f"cannot track {len(sheet)} snippets at {len(places)} places")
        self._settings = settings or TrackerSettings()
        self._ear = Ear(embedder)
        self._lags = lags_of(embedder)
        self._sheet = np.asarray(sheet, np.float32)
        self._strip = MusicalStrip(places)
        self._draw = np.random.default_rng(seed)
        self._whereabouts = Whereabouts(self._strip.columns, self._settings.leap)
        self._cloud: Cloud | None = None
        self._recent: deque[_Moment] = deque(maxlen=self._lags.steps[-1] + 1)
        self._levels: deque[float] = deque(maxlen=round(LEVEL_SECONDS / STEP_SECONDS))
        self._fit = Fit(self._lags.least_fit)
        self._is_known = False
        self._quiet_steps = 0

    def push(self, block: np.ndarray) -> list[Estimate]:
        """Hears samples, float32 [count] at 22,050 Hz; returns where the music is, step by step."""
        return self.step(self._ear.push(block))

    def step(self, observations: Observations) -> list[Estimate]:
        """Takes what an `Ear` has heard; returns where the music is at each of its moments."""
        similarities = observations.embeddings @ self._sheet.T
        estimates = []
        for seconds, rows, level in zip(
            observations.seconds, similarities, observations.levels, strict=True
        ):
            self._recent.append(_Moment(rows, self._quiet_seconds(float(level)) > STANDING_SECONDS))
            if len(self._recent) == self._recent.maxlen and not self._recent[0].stands:
                self._advance(rows[-1])
            estimates.append(self._estimate(float(seconds), self._present()))
        return estimates

    def _quiet_seconds(self, level: float) -> float:
        """Takes the level of a step; returns for how many seconds nothing was to be heard."""
        self._levels.append(level)
        quiet = level < max(SILENCE, QUIET * max(self._levels))
        self._quiet_steps = self._quiet_steps + 1 if quiet else 0
        return self._quiet_steps * STEP_SECONDS

    def correct(self, place: Place) -> None:
        """Takes it that the music is at a place now."""
        column = self._strip.find(place)
        count = self._settings.particles
        near = column + NEAR_PIXELS / 4 * self._draw.standard_normal(count)
        cloud = Cloud.start(near, self._settings.motion, self._draw)
        if self._cloud is not None:
            cloud.tempi, cloud.spacings = self._cloud.tempi, self._cloud.spacings
        self._cloud = cloud
        self._is_known = True
        self._fit = Fit(self._lags.least_fit)
        self._recent.clear()
        self._whereabouts.set(np.abs(self._strip.columns - column) < NEAR_PIXELS)

    def _advance(self, similarities: np.ndarray) -> None:
        """Moves the particles of the past on by a step, and weighs them by the sharpest windows."""
        settings, draw = self._settings, self._draw
        self._whereabouts.step(settings.coarse_sharpness * similarities)
        cloud = self._cloud
        if cloud is None:
            cloud = Cloud.start(self._found(settings.particles), settings.motion, draw)
        cloud.move(STEP_SECONDS, settings.motion, draw)
        near = np.abs(self._strip.columns - cloud.median()) < ELSEWHERE_PIXELS
        known = self._whereabouts.probabilities[near].sum()
        self._is_known = self._is_known or bool(known >= KNOWN)
        if known < settings.elsewhere:
            anew = np.flatnonzero(draw.random(len(cloud)) < settings.found_anew)
            cloud.places[anew] = self._found(len(anew))
        cloud.stray(settings.stray, draw)
        self._weigh(cloud, similarities, -1)
        self._cloud = cloud.resampled(draw)
        self._fit.add(float(self._strip.at(similarities, np.array([cloud.median()]))[0]))

    def _found(self, count: int) -> np.ndarray:
        """Returns columns where the search in the whole score finds the music, [count]."""
        spacing = self._strip.length / len(self._strip.columns)
        found = self._strip.columns[self._whereabouts.draw(count, self._draw)]
        return found + spacing * (self._draw.random(count) - 0.5)

    def _weigh(self, cloud: Cloud, similarities: np.ndarray, lag: int) -> None:
        np.clip(cloud.places, 0, self._strip.length, out=cloud.places)
        cloud.weigh(self._lags.sharpness[lag] * self._strip.at(similarities, cloud.places))

    def _present(self) -> Cloud:
        """Returns particles that have moved from the past to the present."""
        motion, draw, lags = self._settings.motion, self._draw, self._lags.steps
        if self._cloud is None:
            return Cloud.start(np.zeros(1), motion, draw)
        cloud = self._cloud.copy()
        for age in range(min(lags[-1], len(self._recent)) - 1, -1, -1):
            if self._recent[-1 - age].stands:
                continue
            cloud.move(STEP_SECONDS, motion, draw)
            # The sharpest window around that moment whose end has been heard.
            number = int(np.searchsorted(lags, age, side="right")) - 1
            if number >= 0:
                heard = self._recent[lags[number] - age - 1]
                self._weigh(cloud, heard.similarities[number], number)
                cloud = cloud.resampled(draw, 0.1)
        np.clip(cloud.places, 0, self._strip.length, out=cloud.places)
        return cloud

    def _estimate(self, seconds: float, cloud: Cloud) -> Estimate:
        """Returns where the particles are."""
        median = cloud.median()
        shares = cloud.shares * (np.abs(cloud.places - median) < NEAR_PIXELS)
        mass = float(shares.sum())
        speed = float(shares @ cloud.speeds) / mass
        state = self._state(mass)
        if state == "silent" or self._cloud is None:
            speed = 0.0
        # A window around a frame is about the music a little earlier.
        lead_seconds = ONSET_DELAY_FRAMES / FRAMES_PER_SECOND + self._lags.lead_seconds
        column = median + speed * lead_seconds
        fit, _ = self._fit.means
        confidence = min(max(fit, 0.0), 1.0) * mass if self._cloud is not None else 0.0
        place = self._strip.place(min(column, self._strip.length))
        return Estimate(seconds, place, speed, confidence, state)

    def _state(self, mass: float) -> str:
        """Returns what is known, where so large a share of the particles is at one place."""
        if self._quiet_steps * STEP_SECONDS >= SILENT_SECONDS:
            return "silent"
        if self._fit.is_lost:
            return "lost" if self._fit.is_settled else "listening"
        return "following" if self._is_known and mass >= SURE_SHARE else "listening"

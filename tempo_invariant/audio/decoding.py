"""Audio files of any format, decoded by FFmpeg as the wheel of PyAV brings it.

What is there is decoded, at the time where it was; nothing is made up, and nothing is lost in
silence. The padding that an encoder puts at the start and the end is left out where the file tells
of it (a LAME header, an edit list, the granule positions of Ogg). What cannot be decoded in the
middle becomes as much silence, so that what follows stays in its place, and is reported.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tempo_invariant.audio import file_formats
from tempo_invariant.audio.timeline import Timeline
from tempo_invariant.errors import one_line

if TYPE_CHECKING:
    from av import AudioFrame, FFmpegError, Packet

LOWEST_RATE, HIGHEST_RATE, MOST_CHANNELS = 1_000, 768_000, 64

BLOCK_SECONDS = 10
BLOCK_VALUES = 2**22
"""The most values, all channels together, that are decoded at once, unless one frame has more."""

_UNREADABLE_PACKETS = 100
"""So many packets in a row that cannot be read are the end."""


class Recording:
    """An open audio file, of which the best audio stream is decoded, once.

    Attributes:
        rate: Sampling rate in Hz.
        channels: Number of channels.
        format: FFmpeg's name of the file format, "wav" for one.
        encoding: FFmpeg's name of the encoding, "pcm_s16le" for one.
        claimed: Number of samples in each channel by the header; None if it does not tell.
        goes_on: Whether sound follows where the header says that it ends, which only WAV has.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._open({})
        self.claimed, self.goes_on = None, False
        if self._first is None or not self._first.size:
            return
        opened = self._container, self._stream, self._first, file
        self.claimed = file_formats.claimed_samples(*opened)
        self.goes_on = file_formats.sound_after_claim(*opened)
        if self.goes_on:
            self.close()
            self._open({"ignore_length": "1"})

    def _open(self, options: dict[str, str]) -> None:
        import av

        self._file.seek(0)
        options = file_formats.OPTIONS | options
        container = av.open(self._file, "r", options=options, metadata_errors="replace")
        stream = container.streams.best("audio")
        if not isinstance(stream, av.AudioStream):
            raise ValueError("it holds no sound")
        self._container = container
        self._stream, self._context = stream, stream.codec_context
        self._context.thread_count = 1
        if self._context.name == "flac":
            self._context.options = {"err_detect": "crccheck+explode"}
        self.format, self.encoding = container.format.name, self._context.name
        self.rate, self.channels = self._context.sample_rate, self._context.layout.nb_channels
        check_bounds(self.rate, self.channels)
        self._packets, self._first = container.demux(stream), None
        try:
            self._first = next(self._packets, None)
        except av.FFmpegError:  # those after it may be readable
            self._packets = container.demux(stream)

    def close(self) -> None:
        """Closes the decoder, but not the file."""
        self._container.close()

    def blocks(
        self, report: Callable[[str], None], start_seconds: float = 0.0
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Decodes the recording and mixes it down to one channel.

        Args:
            report: Is called with a line on each place that cannot be decoded; may raise.
            start_seconds: Time of the first sample that is wanted, in seconds. What is before it is
                decoded too: by seeking, some formats and all damaged files end up elsewhere.

        Yields:
            The sampling rate in Hz, which some recordings change, and float32 [samples], full
            scale +-1.

        Raises:
            ValueError: The sampling rate or the number of channels is out of bounds, or there are
                samples but no finite numbers among them.
        """
        block = _Block(report)
        at = 0.0
        for rate, samples, frame in self._pieces(report):
            unwanted = min(samples, max(0, round((start_seconds - at) * rate)))
            if unwanted < samples:
                if frame is None or not block.takes(frame):
                    yield from block.empty()
                if frame is None:
                    yield from _silence(rate, samples - unwanted)
                else:
                    block.add(frame, at, unwanted)
            at += samples / rate
        yield from block.empty(self._padding(at))
        block.finish()

    def _padding(self, at: float) -> int:
        """Returns how many of the last samples are padding by the header of an MP4 file."""
        if self.claimed is None or self.format != file_formats.MP4:
            return 0
        return max(0, round(at * self.rate) - self.claimed)

    def _pieces(
        self, report: Callable[[str], None]
    ) -> Iterator[tuple[int, int, "AudioFrame | None"]]:
        """Yields the rate, the number of samples, and the frame; None stands for silence."""
        import av

        timeline = Timeline(self.format, self.encoding, self._file, report)
        if self.goes_on and self.claimed is not None:
            report(f"is read beyond the {self.claimed / self.rate:.2f} s that its header claims")
        for packet in self._read():
            if isinstance(packet, av.FFmpegError):
                timeline.fail(reason(packet), None)
                continue
            try:
                frames = [whole for frame in self._context.decode(packet) for whole in _safe(frame)]
            except (av.FFmpegError, ValueError) as error:
                if packet.size:
                    timeline.fail(reason(error), packet)
                continue
            silent = timeline.place(packet, frames) if frames else 0
            if silent:
                yield frames[0].sample_rate, silent, None
            for frame in frames:
                yield frame.sample_rate, frame.samples, frame
        self._finish(timeline)

    def _finish(self, timeline: Timeline) -> None:
        seconds = None if self.claimed is None else self.claimed / self.rate
        is_cut = False
        if self.format == "ogg" and len(self._container.streams) == 1:
            end = file_formats.ogg_end(self._file)
            seconds = None if end is None else end / self.rate - (timeline.zero or 0.0)
            is_cut = end is None
        timeline.finish(seconds, self.encoding.startswith("pcm_"), is_cut)

    def _read(self) -> "Iterator[Packet | FFmpegError]":
        """Yields packets, and errors in place of those that cannot be read."""
        import av

        if self._first is not None:
            yield self._first
        errors = 0
        while errors < _UNREADABLE_PACKETS:
            try:
                for packet in self._packets:
                    errors = 0
                    yield packet
                return
            except av.FFmpegError as error:
                errors += 1
                yield error
                self._packets = self._container.demux(self._stream)


class _Block:
    """Frames of one kind, until they are mixed down together."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._frames: list[AudioFrame] = []
        self._at, self._unwanted, self._samples = 0.0, 0, 0
        self._numbers = self._others = 0

    def takes(self, frame: "AudioFrame") -> bool:
        """Returns whether a frame is like those before it, and there is room."""
        if not self._frames:
            return True
        first = self._frames[0]
        if (first.sample_rate, first.format.name, first.layout.nb_channels) != (
            frame.sample_rate,
            frame.format.name,
            frame.layout.nb_channels,
        ):
            return False
        most = min(BLOCK_SECONDS * frame.sample_rate, BLOCK_VALUES // frame.layout.nb_channels)
        return self._samples + frame.samples <= most

    def add(self, frame: "AudioFrame", at: float, unwanted: int) -> None:
        """Adds a frame at a time in seconds, of which the first samples may be unwanted."""
        if not self._frames:
            self._at, self._unwanted, self._samples = at, unwanted, 0
        self._frames.append(frame)
        self._samples += frame.samples

    def empty(self, padding: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        """Yields the rate and the samples, without padding at the end unless that is all."""
        if not self._frames:
            return
        if padding >= self._frames[-1].samples:
            padding = 0
        rate = self._frames[0].sample_rate
        mono = _mixed(self._frames)
        self._frames = []
        numbers = np.isfinite(mono)
        self._numbers += np.count_nonzero(numbers)
        if not numbers.all():
            mono[~numbers] = 0.0
            self._others += 1
            first = self._at + np.argmin(numbers) / rate
            self._report(f"holds samples that are not finite numbers, from {first:.2f} s on")
        yield rate, mono[self._unwanted : len(mono) - padding]

    def finish(self) -> None:
        """Refuses a recording of which no sample is a finite number."""
        if self._others and not self._numbers:
            raise ValueError("its samples are not finite numbers")


def check_bounds(rate: int, channels: int) -> None:
    """Refuses sampling rates and numbers of channels that no recording has.

    Raises:
        ValueError: One of them is out of bounds.
    """
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        bounds = f"{LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz"
        raise ValueError(f"a sampling rate of {rate:,} Hz; supported are {bounds}")
    if not 1 <= channels <= MOST_CHANNELS:
        raise ValueError(f"{channels} channels; supported are 1 to {MOST_CHANNELS}")


def reason(error: Exception) -> str:
    """Returns the text of an error of FFmpeg, Python or the system as one line."""
    return one_line(getattr(error, "strerror", None) or error)


def _safe(frame: "AudioFrame") -> "list[AudioFrame]":
    """Returns a frame within bounds, with its channels in one plane if there are many.

    PyAV (15 to 18) counts the planes of 8 channels and more wrongly, and reads beyond them.
    """
    import av

    check_bounds(frame.sample_rate, frame.layout.nb_channels)
    if frame.layout.nb_channels < 8 or not frame.format.is_planar:
        return [frame]
    return av.AudioResampler("flt", frame.layout, frame.sample_rate).resample(frame)


def _mixed(frames: "list[AudioFrame]") -> np.ndarray:
    """Mixes frames of one kind down: float32 [samples], full scale +-1."""
    values = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    if not frames[0].format.is_planar:
        values = values.reshape(-1, frames[0].layout.nb_channels).T
    with np.errstate(all="ignore"):  # what is no number, or too large for one, is looked for later
        return _full_scale(values).mean(axis=0, dtype=np.float32)


def _full_scale(values: np.ndarray) -> np.ndarray:
    """Brings samples of any type to float32, full scale +-1."""
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128) / 128
    scale = 1.0 if values.dtype.kind == "f" else -float(np.iinfo(values.dtype).min)
    return values.astype(np.float32) / np.float32(scale)


def _silence(rate: int, samples: int) -> Iterator[tuple[int, np.ndarray]]:
    for first in range(0, samples, BLOCK_SECONDS * rate):
        yield rate, np.zeros(min(BLOCK_SECONDS * rate, samples - first), np.float32)

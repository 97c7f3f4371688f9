"""Where the sound of a recording belongs in time, also when some of it cannot be decoded."""

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from tempo_invariant.audio import file_formats

if TYPE_CHECKING:
    from av import AudioFrame, Packet

JITTER_SECONDS = 0.1
"""Time stamps may be off by this: some containers round them, some encoders slip."""

MOST_SILENCE_SECONDS = 1800
"""All gaps of a recording together; longer ones are errors of its time stamps."""

_RAW = ("aac", "mp3")
"""Formats of frames and nothing else, as long as they are not damaged."""


class Timeline:
    """Finds the gaps between decoded packets, and tells of them.

    FLAC numbers its frames, and many formats have time stamps. In MP3 and AAC the length of a gap
    is estimated from its bytes and the mean size of the packets before it, in other formats from
    the number of packets that failed.

    Attributes:
        at: Where the next packet begins, in seconds from the beginning.
        zero: The time stamp at the beginning, in seconds; None if there are none.
    """

    def __init__(
        self, file_format: str, encoding: str, file: BinaryIO, report: Callable[[str], None]
    ) -> None:
        self.at = 0.0
        self._is_flac = encoding == "flac"
        self.zero = 0.0 if self._is_flac else None
        self._format, self._file, self._report = file_format, file, report
        self._packets = self._bytes = self._end = self._flac_block = 0
        self._silence_seconds = 0.0
        self._failures, self._reason, self._is_tag = 0, "", False

    def fail(self, reason: str, packet: "Packet | None") -> None:
        """Takes note of a packet that cannot be decoded, or of one that cannot even be read."""
        if not self._failures:
            self._reason = reason
            self._is_tag = (
                packet is not None and self._format in _RAW and file_formats.is_tag(packet)
            )
        self._failures += 1
        if self.zero is None and packet is not None and self._format in file_formats.TIMED:
            self.zero = _seconds(packet)

    def place(self, packet: "Packet", frames: "list[AudioFrame]") -> int:
        """Puts the frames of a packet in their place; returns how many silent samples precede."""
        rate = frames[0].sample_rate
        gap = self._gap_seconds(packet, frames[0])
        silent = round(gap * rate)
        if silent and self._silence_seconds + gap > MOST_SILENCE_SECONDS:
            self._report(f"leaps by {gap:.0f} s at {self.at:.2f} s; the leap is left out")
            self.zero = None if self.zero is None else self.zero + gap
            silent = 0
        elif silent:
            reason = self._reason or "data is missing"
            places = f"from {self.at:.2f} s to {self.at + gap:.2f} s"
            self._report(f"cannot be decoded {places}, which becomes silence ({reason})")
            self._silence_seconds += gap
        self.at += silent / rate + sum(frame.samples / frame.sample_rate for frame in frames)
        self._packets += 1
        self._bytes += packet.size
        self._failures, self._reason, self._is_tag = 0, "", False
        return silent

    def finish(self, seconds: float | None, is_exact: bool, is_cut: bool) -> None:
        """Tells where the recording stops, if that is before its end.

        Args:
            seconds: The length that the file claims; None if it does not tell.
            is_exact: Whether that is right to the sample.
            is_cut: Whether the format tells that the file ends too early.
        """
        missing = 0.0 if seconds is None else seconds - self.at
        is_whole = seconds is not None and missing < 1e-6
        if self._failures and not self._is_tag and not is_whole:
            reason = self._reason
        elif missing > (1e-6 if is_exact else 2 * JITTER_SECONDS):
            reason = f"it should last {seconds:.2f} s"
        elif is_cut:
            reason = "the file ends before its last page"
        else:
            return
        self._report(f"cannot be decoded after {self.at:.2f} s ({reason})")

    def _gap_seconds(self, packet: "Packet", frame: "AudioFrame") -> float:
        position = self._position(packet, frame)
        if position is None:
            return self._lost_packets(packet) * frame.samples / frame.sample_rate
        if self.zero is None:
            self.zero = position
        gap = position - self.zero - self.at
        if gap < -JITTER_SECONDS:  # such as the second of two files that were joined
            self.zero += gap
        is_exact = self._failures or self._is_flac
        return gap if gap > (0 if is_exact else JITTER_SECONDS) else 0.0

    def _position(self, packet: "Packet", frame: "AudioFrame") -> float | None:
        """Returns where a frame is by its number or time stamp, in seconds; None: unknown."""
        if self._is_flac and packet.size:
            self._flac_block = self._flac_block or frame.samples
            number, counts_samples = file_formats.flac_number(packet)
            return number * (1 if counts_samples else self._flac_block) / frame.sample_rate
        return _seconds(frame) if self._format in file_formats.TIMED else None

    def _lost_packets(self, packet: "Packet") -> int:
        """Returns how many packets there were between the last decoded one and this one."""
        lost = self._failures
        if self._format in _RAW and packet.size:
            start = self._end or packet.pos or 0
            if lost and self._packets:
                found = file_formats.find_packet(packet, start, self._file)
                lost = max(lost, round((found - start) * self._packets / self._bytes))
                start = found
            self._end = start + packet.size
        return 0 if self._is_tag else lost


def _seconds(stamped: "Packet | AudioFrame") -> float | None:
    if stamped.pts is None or not stamped.time_base:
        return None
    return float(stamped.pts * stamped.time_base)

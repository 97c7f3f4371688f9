"""Where the sound of a recording belongs in time, also when some of it cannot be decoded."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tempo_invariant.audio import file_formats

if TYPE_CHECKING:
    from av import AudioFrame, Packet

JITTER_SECONDS = 0.1
"""Time stamps may be off by this: some containers round them, some encoders slip."""

MOST_SILENCE_SECONDS = 1800
"""All gaps of a recording together; longer ones are errors of its time stamps."""


class Timeline:
    """Finds the gaps between decoded frames, and tells of them.

    FLAC numbers its frames, and many formats have time stamps. In the others, MP3 for one, the
    length of a gap is estimated from its bytes and the mean size of the packets before it.

    Attributes:
        at: Where the next frame begins, in seconds from the beginning.
    """

    def __init__(self, file_format: str, report: Callable[[str], None]) -> None:
        self.at = 0.0
        self._format, self._report = file_format, report
        self._zero = 0.0 if file_format == "flac" else None
        self._packets = self._bytes = self._flac_block = 0
        self._silence_seconds = 0.0
        self._forget_failures()

    def _forget_failures(self) -> None:
        self._reason, self._is_tag = "", False
        self._failed_packets = self._failed_bytes = 0

    def fail(self, reason: str, packet: "Packet | None") -> None:
        """Takes note of a packet that cannot be decoded, or not even read."""
        if not self._failed_packets:
            tagged = self._format in ("mp3", "aac") and packet is not None
            self._reason, self._is_tag = reason, tagged and file_formats.is_tag(packet)
        self._failed_packets += 1
        if packet is None:
            return
        self._failed_bytes += packet.size
        if self._zero is None and self._format in file_formats.TIMED and packet.pts is not None:
            self._zero = float(packet.pts * packet.time_base)

    def place(self, packet: "Packet", frame: "AudioFrame") -> int:
        """Puts the next frame in its place; returns how many samples of silence precede it."""
        rate = frame.sample_rate
        gap = self._gap_seconds(packet, frame)
        silent = round(gap * rate)
        if silent and self._silence_seconds + gap > MOST_SILENCE_SECONDS:
            self._report(f"leaps by {gap:.0f} s at {self.at:.2f} s; the leap is left out")
            self._zero = None if self._zero is None else self._zero + gap
            silent = 0
        elif silent:
            reason = self._reason or "data is missing"
            places = f"from {self.at:.2f} s to {self.at + gap:.2f} s"
            self._report(f"cannot be decoded {places}, which becomes silence ({reason})")
            self._silence_seconds += gap
        self.at += (silent + frame.samples) / rate
        self._packets += 1
        self._bytes += packet.size
        self._forget_failures()
        return silent

    def finish(self, claimed_seconds: float | None, is_pcm: bool, is_cut: bool) -> None:
        """Tells where the recording stops, if that is before its end.

        Args:
            claimed_seconds: Its length by the header of the file; None if it does not tell.
            is_pcm: Whether that is right to the sample.
            is_cut: Whether the format tells that the file ends too early.
        """
        missing = 0.0 if claimed_seconds is None else claimed_seconds - self.at
        whole = claimed_seconds is not None and missing < 1e-6
        if self._failed_packets and not self._is_tag and not whole:
            reason = self._reason
        elif missing > (1e-6 if is_pcm else 2 * JITTER_SECONDS):
            reason = f"the file ends; its header says {claimed_seconds:.2f} s"
        elif is_cut:
            reason = "the file ends before its last page"
        else:
            return
        self._report(f"cannot be decoded after {self.at:.2f} s ({reason})")

    def _gap_seconds(self, packet: "Packet", frame: "AudioFrame") -> float:
        position = self._position(packet, frame)
        if position is None:
            if not self._failed_packets or self._is_tag:
                return 0.0
            packets = self._failed_packets
            if self._packets:
                packets = max(packets, round(self._failed_bytes * self._packets / self._bytes))
            return packets * frame.samples / frame.sample_rate
        if self._zero is None:
            self._zero = position
        gap = position - self._zero - self.at
        if gap < -JITTER_SECONDS:  # such as the second of two files that were joined
            self._zero += gap
        is_exact = self._failed_packets or self._format == "flac"
        return gap if gap > (0 if is_exact else JITTER_SECONDS) else 0.0

    def _position(self, packet: "Packet", frame: "AudioFrame") -> float | None:
        """Returns where a frame is by its number or time stamp, in seconds; None: unknown."""
        if self._format == "flac" and packet.size:
            self._flac_block = self._flac_block or frame.samples
            number, counts_samples = file_formats.flac_number(packet)
            return number * (1 if counts_samples else self._flac_block) / frame.sample_rate
        if self._format in file_formats.TIMED and frame.pts is not None:
            return float(frame.pts * frame.time_base)
        return None

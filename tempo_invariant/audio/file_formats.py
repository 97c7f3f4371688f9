"""What the formats of audio files tell of their contents, beyond what FFmpeg makes of it."""

import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from av import AudioStream, Packet
    from av.container import InputContainer

_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,loas,matroska,mov,mp3,mpeg,mpegts,"
    "nistsphere,ogg,oma,rm,sox,tak,tta,voc,w64,wav,wv"
)
"""Formats that hold the sound themselves; playlists, which make FFmpeg open other files or
addresses, are none of them."""

OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "none", "max_size": "65536"}
"""Options of FFmpeg's readers; the last is the size of the packets of WAV in bytes."""

MATROSKA = "matroska,webm"
MP4 = "mov,mp4,m4a,3gp,3g2,mj2"

TIMED = ("asf", "flv", MATROSKA, MP4, "mpeg", "mpegts", "ogg")
"""Formats with time stamps. In the others FFmpeg adds up the lengths of what it finds."""

_COUNTED = ("aiff", "au", "caf", "flac", "tta", "w64", "wav", "wv", MP4)
"""Formats whose header counts the samples."""

_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")
"""Beginnings of what else there is among the frames of MP3 and AAC."""

_LARGEST_PAGE = 65307
"""The most bytes of a page of Ogg."""


def claimed_samples(
    container: "InputContainer", stream: "AudioStream", first: "Packet", file: BinaryIO
) -> int | None:
    """Returns how many samples there are by the header of a file; None if it does not tell.

    Args:
        container: The open file.
        stream: Its audio stream.
        first: The first packet of the stream.
        file: The same file.
    """
    name, seconds = container.format.name, 0.0
    size = _claimed_bytes(name, first, file)
    if size is not None and stream.codec_context.name.startswith("pcm_"):
        return size // _bytes_per_sample(first)
    if name in _COUNTED or (name == "mp3" and _has_mp3_header(first, file)):
        seconds = float((stream.duration or 0) * (stream.time_base or 0))
    elif name in ("asf", MATROSKA) and len(container.streams) == 1:
        seconds = (container.duration or 0) / 1e6
    return round(seconds * stream.codec_context.sample_rate) if seconds > 0 else None


def sound_after_claim(
    container: "InputContainer", stream: "AudioStream", first: "Packet", file: BinaryIO
) -> bool:
    """Returns whether sound goes on where it should end by the header of a WAV file.

    So it does in the files of a recorder that lost its power. Other chunks, or zeros, may follow.
    """
    size = _claimed_bytes(container.format.name, first, file)
    if size is None or container.format.name != "wav" or first.pos is None:
        return False
    end = first.pos + size + size % 2
    rest = _size(file) - end
    chunk = _peek(file, end, 8)
    is_chunk = chunk[:4].isascii() and chunk[:4].decode("latin-1").isprintable()
    fits = int.from_bytes(chunk[4:], "little") <= rest
    least = stream.codec_context.sample_rate // 10 * _bytes_per_sample(first)
    return rest > least and bool(chunk.strip(b"\0")) and not (is_chunk and fits)


def is_tag(packet: "Packet") -> bool:
    """Returns whether what is no sound is a tag."""
    content = bytes(packet)
    return any(tag in content for tag in _TAGS)


def flac_number(packet: "Packet") -> tuple[int, bool]:
    """Returns the number of a frame of FLAC, and whether it counts samples rather than frames.

    It is stored as UTF-8 stores characters (RFC 9639, section 9.1.5).
    """
    content = bytes(packet)[:11]
    ones = 8 - (content[4] ^ 0xFF).bit_length()
    number = content[4] & (0x7F >> ones)
    for byte in content[5 : 4 + ones]:
        number = number << 6 | byte & 0x3F
    return number, bool(content[1] & 1)


def ogg_end(file: BinaryIO) -> int | None:
    """Returns the time stamp at the end of an Ogg file, in samples; None if its last page is cut.

    The page is looked up here, since FFmpeg knows of none that is damaged.
    """
    data = _peek(file, max(0, _size(file) - 2 * _LARGEST_PAGE), 2 * _LARGEST_PAGE)
    page = data[data.rfind(b"OggS") :]
    if len(page) < 27 or not page[5] & 4 or len(page) < 27 + page[26] + sum(page[27:][: page[26]]):
        return None
    return int.from_bytes(page[6:14], "little", signed=True)


def find_packet(packet: "Packet", start: int, file: BinaryIO) -> int:
    """Returns where a packet is in a file, from an offset on, since FFmpeg tells it wrongly."""
    found = _peek(file, start, 2**20).find(bytes(packet)[:64])
    return start + max(0, found)


def _claimed_bytes(name: str, first: "Packet", file: BinaryIO) -> int | None:
    """Returns how many bytes of samples there are by the header of WAV, Wave64 or CAF."""
    if first.pos is None or first.pos < 24:
        return None
    head = _peek(file, first.pos - 24, 24)
    if name == "wav" and head[16:20] == b"data":
        size = int.from_bytes(head[20:], "little")
        return size if 0 < size < 2**31 - 2**16 else None  # otherwise it was written to a pipe
    if name == "w64" and head[:4] == b"data":
        return int.from_bytes(head[16:], "little") - 24
    if name == "caf" and head[8:12] == b"data" and head[12] < 0x80:
        return int.from_bytes(head[12:20], "big") - 4
    return None


def _bytes_per_sample(first: "Packet") -> int:
    """Returns the bytes of a sample of all channels, of a packet of PCM."""
    return max(1, first.size // (first.duration or 1))


def _has_mp3_header(first: "Packet", file: BinaryIO) -> bool:
    """Returns whether a header with a length precedes the first frame of an MP3 file."""
    if not first.pos:
        return False
    head = _peek(file, max(0, first.pos - 2048), min(first.pos, 2048))
    return any(tag in head for tag in (b"Xing", b"Info", b"VBRI"))


def _size(file: BinaryIO) -> int:
    here = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(here)
    return size


def _peek(file: BinaryIO, start: int, size: int) -> bytes:
    """Reads from an offset and returns to where the file was."""
    here = file.tell()
    file.seek(start)
    content = file.read(size)
    file.seek(here)
    return content

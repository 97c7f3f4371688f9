"""Audio files of many formats, encoded by FFmpeg for the tests of reading, and their sound."""

import tempfile
from pathlib import Path

import numpy as np

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def sound(seconds: float, rate: int = 44100, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Plays decaying tones over faint noise: float32 [samples, channels], nowhere periodic."""
    generator = np.random.default_rng(seed)
    samples = round(seconds * rate)
    mono = 0.002 * generator.standard_normal(samples)
    for first in range(0, samples, rate // 8):
        time = np.arange(min(rate // 2, samples - first)) / rate
        pitch = 220 * 2 ** (generator.integers(0, 36) / 12)
        mono[first : first + len(time)] += (
            0.1 * np.exp(-8 * time) * np.sin(2 * np.pi * pitch * time)
        )
    levels = 1 - 0.1 * np.arange(channels)
    return (mono[:, None] * levels).astype(np.float32)


def encode(
    pcm: np.ndarray,
    rate: int,
    codec: str,
    file_format: str,
    options: dict[str, str] | None = None,
    video: bool = False,
) -> bytes:
    """Encodes float32 [samples, channels], full scale +-1, and puts it into a file.

    Args:
        pcm: The sound.
        rate: Its sampling rate in Hz.
        codec: FFmpeg's name of the encoder.
        file_format: FFmpeg's name of the file format.
        options: Options of the file format.
        video: Whether the file has a video too, which begins at the same time.
    """
    import av

    with (
        tempfile.NamedTemporaryFile() as file,
        av.open(file.name, "w", format=file_format, options=options or {}) as container,
    ):
        if video:
            picture = container.add_stream("mpeg4", rate=25, width=64, height=48)
            picture.pix_fmt = "yuv420p"
        track = container.add_stream(codec, rate=rate, layout=LAYOUTS[pcm.shape[1]])
        track.bit_rate = 128_000
        if video:
            black = av.VideoFrame(64, 48, "yuv420p")
            for number in range(round(25 * len(pcm) / rate)):
                black.pts = number
                container.mux(picture.encode(black))
            container.mux(picture.encode(None))
        for packet in _packets(track, pcm, rate):
            container.mux(packet)
        container.close()
        return Path(file.name).read_bytes()


def _packets(track, pcm: np.ndarray, rate: int):
    import av

    layout = LAYOUTS[pcm.shape[1]]
    resampler = av.AudioResampler(track.codec_context.format.name, layout, rate)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm).reshape(1, -1), "flt", layout)
    frame.rate, frame.pts = rate, 0
    for converted in resampler.resample(frame) + resampler.resample(None):
        yield from track.encode(converted)
    yield from track.encode(None)


def write(directory: Path, name: str, content: bytes) -> Path:
    """Writes a file and returns its path."""
    path = directory / name
    path.write_bytes(content)
    return path


def lag(found: np.ndarray, expected: np.ndarray) -> int:
    """Returns by how many samples a sound is late, by cross-correlation."""
    size = len(found) + len(expected)
    product = np.fft.rfft(found, size) * np.conj(np.fft.rfft(expected, size))
    late = int(np.argmax(np.fft.irfft(product, size)))
    return late if late < len(found) else late - size

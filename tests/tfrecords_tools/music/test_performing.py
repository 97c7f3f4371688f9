"""Tests of performances: MIDI, audio and its features."""

import io
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pretty_midi
import pytest
import soundfile

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE
from tfrecords_tools.msmd.layout import parse_performance_name, performance_name, plain_soundfont
from tfrecords_tools.music.instruments import draw_instrument
from tfrecords_tools.music.notes import Music, Note, TempoMark, merge, midi_bytes, notes_of_midi
from tfrecords_tools.music.performing import (
    TAIL_SECONDS,
    Sound,
    perform,
    played_music,
    render_audio,
)
from tfrecords_tools.music.rooms import draw_room, room_response
from tfrecords_tools.music.synthesis import default_soundfont, render_midi

SOUND = Sound(str(default_soundfont()))

# Quarters at 120, and from the fifth quarter on at 60: struck at 0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0 s.
MUSIC = Music(
    tuple(Note(384 * k, 60 + k, 300) for k in range(7)),
    (TempoMark(0, 500_000), TempoMark(4 * 384, 1_000_000)),
)
SECONDS = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0]


def test_times_agree_with_pretty_midi_at_every_tempo():
    assert MUSIC.seconds([note.tick for note in MUSIC.notes]).tolist() == SECONDS
    for tempo in (0.5, 1.0, 1.1):
        played = MUSIC.at_tempo(tempo)
        midi = pretty_midi.PrettyMIDI(io.BytesIO(midi_bytes(played, program=4)))
        [instrument] = midi.instruments
        assert instrument.program == 4
        assert {note.velocity for note in instrument.notes} == {64}
        starts = sorted(note.start for note in instrument.notes)
        np.testing.assert_allclose(starts, np.array(SECONDS) / tempo, atol=1e-5)
        np.testing.assert_allclose(
            played.seconds([note.tick for note in played.notes]), starts, atol=1e-6
        )


def test_music_survives_a_midi_file():
    assert notes_of_midi(midi_bytes(MUSIC)) == MUSIC
    with pytest.raises(UserError, match="not a MIDI file"):
        notes_of_midi(b"no music")


def test_dynamics_survive_a_midi_file_and_are_heard_with_expression_alone():
    notes = tuple(note._replace(velocity=20 + note.pitch) for note in MUSIC.notes)
    marked = replace(MUSIC, notes=notes)
    assert notes_of_midi(midi_bytes(marked)) == marked
    assert played_music(marked, 1.0) == MUSIC
    heard = [note.velocity for note in played_music(marked, 1.0, "a").notes]
    plain = [note.velocity for note in played_music(MUSIC, 1.0, "a").notes]
    assert [a - b for a, b in zip(heard, plain, strict=True)] == [16 + k for k in range(7)]


def test_merge_keeps_the_longest_and_ends_it_where_it_is_struck_again():
    notes = [Note(0, 60, 100), Note(0, 60, 500), Note(400, 60, 50), Note(0, 64, 500)]
    assert merge(notes) == (Note(0, 60, 400), Note(0, 64, 500), Note(400, 60, 50))


def test_audio_starts_where_the_notes_do():
    music = Music(tuple(Note(768 * k + 384, 60 + k, 200) for k in range(6)), MUSIC.tempo[:1])
    for tempo in (1.0, 0.8):
        pcm = render_audio(music, tempo=tempo)
        assert 0.003 < np.abs(pcm).max() < 0.25  # neither silent nor near full scale
        for note, second in zip(music.notes, 0.5 + np.arange(6), strict=True):
            start = round(second / tempo * SAMPLE_RATE)
            around = pcm[start - 2205 : start + 2205]
            # Quiet until the note, and a tenth of its height at most 15 ms after it.
            loud = np.abs(around) > 0.1 * np.abs(around).max()
            assert 0 <= np.argmax(loud) - 2205 <= 0.015 * SAMPLE_RATE, (tempo, note)


def test_features_have_the_published_shapes_and_the_pitch_that_sounds():
    features = perform(MUSIC, SOUND, 0.5)
    frames = features.spectrogram.shape[1]
    assert features.spectrogram.shape[0] == 92 and features.spectrogram.dtype == np.float32
    assert features.matrix.shape == (128, frames)
    assert features.notes.shape == (7, 5)
    np.testing.assert_allclose(features.notes[:, 0], np.array(SECONDS) * 2, atol=1e-6)
    assert features.onsets.tolist() == [0, 20, 40, 60, 80, 120, 160]
    assert features.notes[:, 1].tolist() == list(range(60, 67))
    assert features.matrix[60, :10].all() and not features.matrix[61, :20].any()
    assert frames > 160 + 20  # the last note fades within the recording


def test_sounds_have_names_fit_for_files():
    assert Sound("/somewhere/FluidR3_GM.sf2").name == "FluidR3_GM"
    assert Sound("My Piano (ü).sf2", 4).name == "My-Piano-----p4"
    expressive = Sound("FluidR3_GM.sf2", 4, 2).name
    assert expressive == "FluidR3_GM-p4-e2"
    everything = Sound("FluidR3_GM.sf2", expression=1, instrument=2, room=3).name
    assert everything == "FluidR3_GM-e1-i2-r3" and plain_soundfont(everything) == "FluidR3_GM"
    assert parse_performance_name(performance_name("A", 0.9, expressive)) == (0.9, expressive)


def test_a_bad_soundfont_is_named(tmp_path):
    bad = tmp_path / "bad.sf2"
    bad.write_bytes(b"not a soundfont at all")
    with pytest.raises(UserError, match="bad.sf2: not a soundfont"):
        render_midi(midi_bytes(MUSIC), bad)
    bad.write_bytes(b"RIFF\x10\x00\x00\x00sfbk" + bytes(16))
    with pytest.raises(UserError, match="bad.sf2: cannot be played"):
        render_midi(midi_bytes(MUSIC), bad)
    with pytest.raises(UserError, match="missing.sf2: no such soundfont"):
        render_midi(midi_bytes(MUSIC), tmp_path / "missing.sf2")


def test_command_writes_a_recording(tmp_path):
    (tmp_path / "a.midi").write_bytes(midi_bytes(MUSIC))
    command = [sys.executable, "-m", "tfrecords_tools.perform", f"--output={tmp_path}/a.wav"]
    done = subprocess.run(
        [*command, f"--midi={tmp_path}/a.midi", "--tempo=2"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.samplerate, info.channels) == (SAMPLE_RATE, 1)
    last = (4.0 + 300 / 384) / 2
    assert last + 1 < info.duration < last + 3
    plain = (tmp_path / "a.wav").read_bytes()
    human = [*command, f"--midi={tmp_path}/a.midi", "--tempo=2", "--expression=1"]
    assert subprocess.run(human, capture_output=True).returncode == 0
    assert (tmp_path / "a.wav").read_bytes() != plain
    assert abs(soundfile.info(tmp_path / "a.wav").duration - info.duration) < 0.2
    failed = subprocess.run([*command, "--midi=nowhere.midi"], capture_output=True, text=True)
    message = "error: --midi=nowhere.midi: no such file or directory\n"
    assert (failed.returncode, failed.stderr) == (1, message)


@pytest.mark.parametrize(("tempo", "seed"), [(0.5, "a"), (2.0, "d")])
def test_with_expression_every_note_sounds_when_it_is_said_to(tempo, seed):
    chords = ((48, 64, 71), (50, 64, 72)) * 4  # repeated while the pedal is down
    notes = [Note(768 * k, p, 700) for k, chord in enumerate(chords) for p in chord]
    music = Music(tuple(notes), (TempoMark(0, 400_000),))
    played = played_music(music, tempo, seed)
    assert played.pedal and len({note.tick for note in played.notes[:3]}) == 3
    pcm = render_audio(music, replace(SOUND, expression=1), tempo, seed)
    for index in (0, 1, 2, 4, 10, 13):
        others = played.notes[:index] + played.notes[index + 1 :]
        midi = midi_bytes(Music(others, played.tempo, played.pedal), 0, TAIL_SECONDS)
        without = render_midi(midi, default_soundfont())
        # What one note adds is nothing before it, and a tenth of its height at most 15 ms after.
        start = round(played.notes[index].tick / 1000 * SAMPLE_RATE)
        added = np.abs(pcm - without)[: start + 2205]
        assert 0 <= np.argmax(added > 0.1 * added.max()) - start <= 0.015 * SAMPLE_RATE


def test_features_with_expression_keep_the_order_of_the_notes():
    chords = [Note(768 * k, pitch, 700) for k in range(8) for pitch in (48, 55, 64, 72)]
    music = Music(tuple(chords), MUSIC.tempo[:1])
    features = perform(music, replace(SOUND, expression=1), 1.0, seed="d")
    played = played_music(music, 1.0, "d")
    assert features.notes[:, 1].tolist() == [note.pitch for note in music.notes]
    starts = [note.tick / 1000 for note in played.notes]
    np.testing.assert_allclose(features.notes[:, 0], starts, atol=1e-9)
    assert (np.diff(features.notes[:, 0].reshape(8, 4), axis=1) < 0).any()  # the melody leads
    assert features.onsets.tolist() == np.ceil(20 * np.array(starts) - 1e-6).astype(int).tolist()
    np.testing.assert_allclose(features.notes[:, 2], played.sounding_lengths() / 1000, atol=1e-9)
    for start, pitch, seconds, _, _ in features.notes:
        assert features.matrix[int(pitch), int(np.ceil(20 * start)) + 1] == 1, (start, seconds)


@pytest.mark.skipif(not shutil.which("fluidsynth"), reason="needs FluidSynth")
def test_fluidsynth_plays_at_the_level_of_midirenderer(tmp_path):
    other = tmp_path / "Other.sf2"
    shutil.copy(default_soundfont(), other)
    for seed in ("", "d"):
        midi = midi_bytes(played_music(MUSIC, 1.0, seed), 0, TAIL_SECONDS)
        ours, theirs = render_midi(midi, default_soundfont()), render_midi(midi, other)
        assert abs(len(ours) - len(theirs)) < SAMPLE_RATE / 100
        decibels = 20 * np.log10(np.sqrt(np.mean(theirs**2) / np.mean(ours**2)))
        assert abs(decibels) < 1.0


def test_another_soundfont_needs_fluidsynth(tmp_path, monkeypatch):
    other = tmp_path / "Other.sf2"
    shutil.copy(default_soundfont(), other)
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(UserError, match=r"Other.sf2: needs FluidSynth \(on Debian: apt-get"):
        render_midi(midi_bytes(MUSIC), other)
    assert len(render_midi(midi_bytes(MUSIC), default_soundfont())) > SAMPLE_RATE


def test_a_room_keeps_onsets_and_power():
    plain = render_audio(MUSIC, SOUND, seed="b")
    heard = render_audio(MUSIC, replace(SOUND, room=1), seed="b")
    assert heard.shape == plain.shape
    np.testing.assert_allclose(np.mean(heard**2), np.mean(plain**2), rtol=0.3)
    response = room_response(draw_room("b"))
    early = slice(0, round(0.45 * SAMPLE_RATE))  # before the second note
    wanted = np.convolve(plain[early], response[: early.stop])[early]
    likeness = np.corrcoef(wanted, heard[early])[0, 1]
    assert likeness > 0.98  # the rest is the synthesiser's own reverberation, which a room replaces


@pytest.mark.skipif(not shutil.which("fluidsynth"), reason="needs FluidSynth")
def test_an_instrument_is_tuned_as_drawn():
    a4 = Music((Note(0, 69, 4 * 384),), MUSIC.tempo[:1])
    seed = "x"
    cents = np.mean([tuning[69] for tuning in draw_instrument(seed).tunings])
    found = []
    for sound in (SOUND, replace(SOUND, instrument=1)):
        pcm = render_audio(a4, sound, seed=seed)[2000 : 2000 + SAMPLE_RATE]
        spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)), 2**21))
        hertz = np.fft.rfftfreq(2**21, 1 / SAMPLE_RATE)
        near = (hertz > 420) & (hertz < 460)
        found.append(hertz[near][np.argmax(spectrum[near])])
    assert abs(1200 * np.log2(found[1] / found[0]) - cents) < 1.0 < abs(cents)

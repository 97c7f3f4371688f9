"""The page's scripts, run by Node: words, the cursor between two states, and sizes of pages."""

import json
import shutil
import subprocess
from importlib import resources

import pytest

from tempo_invariant import web

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="needs node")

STATIC = resources.files(web).joinpath("static")


@pytest.fixture
def run(tmp_path):
    """What a piece of script returns that has the functions of two modules."""
    for name in ("words", "motion"):
        source = STATIC.joinpath(f"{name}.js").read_text(encoding="utf-8")
        (tmp_path / f"{name}.mjs").write_text(source, encoding="utf-8")

    def ran(code):
        script = tmp_path / "script.mjs"
        script.write_text(
            'import * as words from "./words.mjs";\nimport * as motion from "./motion.mjs";\n'
            f"console.log(JSON.stringify((() => {{ {code} }})()));",
            encoding="utf-8",
        )
        done = subprocess.run(["node", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ran


def test_names_are_read_as_titles_and_found_by_their_words(run):
    code = """
        const names = ["bach/inventions/invention_1", "Für_Elise", "a/b/", "_"];
        return [names.map(words.title), names.map(words.folder),
                ["fur elise", "ELISE", "", "elise fur", "invention 1", "bach", "liszt"].map(
                  typed => names.map(name => words.matches(name, typed)).indexOf(true))];
    """
    titles, folders, found = run(code)
    assert titles == ["Invention 1", "Für Elise", "B", "_"]
    assert folders == ["bach / inventions", "", "a", ""]
    assert found == [1, 1, 0, 1, 0, 0, -1]


def test_a_line_is_made_a_sentence(run):
    code = "return ['the model is damaged', 'Is it there?', ''].map(words.sentence)"
    assert run(code) == ["The model is damaged.", "Is it there?", ""]


def test_a_recording_is_told_from_a_score(run):
    code = """
        const files = [["take.FLAC", ""], ["take", "audio/ogg"], ["a.pdf", "application/pdf"],
                       ["flac", ""], ["film.mp4", "video/mp4"], ["page.png", "image/png"]];
        return files.map(([name, kind]) => words.isRecording(name, kind, [".flac"]));
    """
    assert run(code) == [True, True, False, False, True, False]


def test_states_are_in_words(run):
    code = """
        const certainties = [
          {text: "likely, 83 %", certainty: "likely"}, {certainty: "sure", confidence: 0.99},
          {certainty: "likely", verdict: "known", confidence: 0.834},
          {verdict: "unsure", confidence: null}, {verdict: "unknown", confidence: 0.1}, {}];
        const states = ["silent", "listening", "following", "lost", "unknown", "another"];
        return [certainties.map(words.certainty),
                states.map(state => words.headline({state}, 1234)),
                words.headline({state: "unknown"}, 1),
                [null, {page: 3, bar: 0}, {page: 3, bar: null}].map(words.placeText)];
    """
    assert run(code) == [
        ["likely, 83 %", "sure", "likely, 83 %", "unsure", "", ""],
        [
            "I hear nothing",
            "Listening…",
            "Following",
            "Lost – tap where you are",
            "Not among your 1,234 scores",
            "Listening…",
        ],
        "Not your score",
        ["", "page 3, bar 0", "page 3"],
    ]


def test_why_there_is_no_microphone_is_one_line_with_what_to_do(run):
    code = """
        const names = ["NotAllowedError", "NotFoundError", "NotReadableError", "AbortError"];
        return [words.microphoneFault(new TypeError("x"), false),
                ...names.map(name => words.microphoneFault({name, message: "broken"}, true))];
    """
    insecure, denied, none, busy, other = run(code)
    assert "https" in insecure and "machine" in insecure
    assert "allow it" in denied and "plug one in" in none and "another program" in busy
    assert "broken" in other
    assert not any("\n" in line for line in (insecure, denied, none, busy, other))


def test_the_work_in_progress_is_one_line(run):
    code = """
        const job = (state, more) => ({kind: "score", name: "a.pdf", state, done: 0, total: 0,
                                       text: "", ...more});
        const running = job("running", {kind: "recording", name: "b.ogg", done: 3, total: 24,
                                        text: "3 of 24 pages"});
        return [[job("done"), job("failed")], [job("waiting"), running, job("waiting")],
                [job("waiting")]].map(jobs => words.progress(jobs, 0))
          .concat([words.progress([], 2)]);
    """
    nothing, much, one, sending = run(code)
    assert nothing is None
    assert much == {
        "what": "Identifying b.ogg",
        "text": "3 of 24 pages · 2 more to come",
        "done": 3,
        "total": 24,
    }
    assert one == {"what": "Adding a.pdf", "text": "", "done": None, "total": None}
    assert sending["what"] == "Sending 2 files"


CURSOR = """
    const cursor = new motion.Cursor();
    const box = [100, 100, 200, 900];
    const at = (x, system = 1, page = 1) => ({page, system, x, box});
"""


def test_the_cursor_glides_through_states_that_come_late_and_shake(run):
    code = f"""{CURSOR}
        const seen = [];
        for (let frame = 0; frame < 600; frame++) {{
          const now = frame / 60;
          if (frame % 6 === 0) {{
            // The music was there 0.2 s ago, give or take 8 pixels.
            const then = now - 0.2, shake = 8 * Math.sin(37 * frame);
            cursor.tell(at(150 + 60 * then + shake), 60, then);
          }}
          seen.push([150 + 60 * now, cursor.at(now).x]);
        }}
        return seen;
    """
    seen = run(code)
    steps = [after[1] - before[1] for before, after in zip(seen, seen[1:], strict=False)]
    assert min(steps) >= 0 and max(steps) < 4  # pixels a frame: it never goes back, nor leaps
    assert max(abs(true - shown) for true, shown in seen[60:]) < 8


def test_the_cursor_waits_where_no_state_comes_and_at_the_end_of_a_system(run):
    code = f"""{CURSOR}
        cursor.tell(at(200), 100, 0);
        const first = [0, 1, 2, 30].map(now => cursor.at(now).x);
        cursor.tell(at(880), 100, 30);
        const last = [31, 32].map(now => cursor.at(now).x);
        cursor.forget();
        return [first, last, cursor.at(33)];
    """
    first, last, nothing = run(code)
    assert first[0] == 200 and first[1] == pytest.approx(300) and first[3] < 360
    assert last == [900, 900] and nothing is None


def test_the_cursor_jumps_at_once_forward_and_back_only_for_good(run):
    code = f"""{CURSOR}
        const where = now => {{ const p = cursor.at(now); return [p.page, p.system, p.x]; }};
        const seen = [];
        const tell = (now, ...place) => {{
          cursor.tell(at(...place), 0, now);
          seen.push(where(now));
        }};
        tell(0, 880); tell(0.1, 120, 2); tell(0.2, 890, 1); tell(0.3, 120, 2);   // shaking
        tell(1, 500, 1); tell(1.2, 500, 1); tell(1.5, 500, 1);                   // a repeat
        tell(2, 150, 1); tell(2.5, 150, 1);                                      // in a system
        cursor.tell(at(300, 2), 0, 3); where(3);
        cursor.tell(at(300, 1), 0, 3.1, true); seen.push(where(3.1));            // the user says so
        return seen;
    """
    assert [place[1:] for place in run(code)] == [
        [1, 880],
        [2, 120],
        [2, 120],
        [2, 120],
        [2, 120],
        [2, 120],
        [1, 500],
        [1, 500],
        [1, 150],
        [1, 300],
    ]


def test_a_page_is_turned_in_time_and_not_back_for_a_hesitation(run):
    code = """
        return [[null, false], [null, true], [5, false], [1.6, false], [1.5, false], [0, false],
                [3, true], [7, true]].map(each => motion.turnsAhead(...each));
    """
    assert run(code) == [False, False, False, False, True, True, True, False]


def test_pages_fit_the_window(run):
    aspect = 2**0.5
    code = f"""
        const sizes = [[1400, 800], [1024, 700], [768, 930], [400, 640], [320, 480], [800, 300]];
        return sizes.map(([width, height]) => {{
          const fitted = motion.fit(width, height, {aspect});
          return {{...fitted, window: [width, height],
                  shift: motion.shift(fitted, 3, width, height, [900, 0, 1000, 800], 1000)}};
        }});
    """
    found = run(code)
    assert [each["columns"] for each in found] == [2, 2, 1, 1, 1, 1]
    for each in found:
        width, height = each["window"]
        assert each["height"] == pytest.approx(each["width"] * aspect)
        taken = each["columns"] * each["width"] + 16 * (each["columns"] - 1)
        assert taken <= width - 32
        across, down = each["shift"]
        first = 3 - 3 % each["columns"]
        left = across + first * (each["width"] + 16)
        assert left == pytest.approx((width - taken) / 2)
        # The last system of the page is in the window.
        assert 0 <= down + 0.9 * each["height"] and down + each["height"] <= height
    assert all(each["height"] <= each["window"][1] for each in found[:2])
    assert found[-1]["width"] == 768  # a phone on its side: as wide as it is


def test_the_system_nearest_to_a_tap(run):
    code = """
        const systems = [[1, 1, 100, 200], [1, 2, 300, 400], [2, 1, 100, 200]].map(
          ([page, system, top, bottom]) => ({page, system, box: [top, 0, bottom, 800]}));
        return [[1, 0], [1, 240], [1, 260], [1, 350], [1, 999], [2, 999], [3, 1]].map(
          ([page, y]) => motion.systemAt(systems, page, y)).map(
          one => one && [one.page, one.system]);
    """
    assert run(code) == [[1, 1], [1, 1], [1, 2], [1, 2], [1, 2], [2, 1], None]


def test_the_level_is_of_decibels(run):
    code = """
        const tone = peak => Int16Array.from({length: 2400}, (_, i) => peak * Math.sin(i / 5));
        return [0, 1, 328, 32767].map(peak => motion.level(tone(peak)));
    """
    silent, faint, quiet, loud = run(code)
    assert silent == faint == 0
    assert loud == pytest.approx(1 - 3.01 / 60, abs=0.002)  # a full sine has -3 dB
    assert quiet == pytest.approx(1 - 43.01 / 60, abs=0.005)

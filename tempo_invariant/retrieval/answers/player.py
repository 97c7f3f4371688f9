"""An alignment as an HTML page that plays the recording and shows where it is in the score."""

import base64
import html
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval.answers import pictures

MEDIA_TYPES = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
}
"""What browsers play as it is, by suffix."""

EMBEDDED_BYTES = 16 * 2**20
"""Larger files, and those that browsers don't play, become mono FLAC at 22,050 Hz."""

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 0; color: #222; background: #eee; }
header { position: sticky; top: 0; z-index: 2; background: #fff; padding: .6em 1em;
         border-bottom: 1px solid #bbb; display: flex; flex-wrap: wrap; gap: .3em 1.5em;
         align-items: center; }
h1 { font-size: 1.05em; margin: 0; } audio { flex: 1 1 22em; height: 2.4em; }
#place { font-variant-numeric: tabular-nums; min-width: 15em; }
main { max-width: 62em; margin: 1em auto; padding: 0 1em; }
.page { position: relative; margin: 0 0 1.2em; background: #fff; box-shadow: 0 1px 4px #999;
        cursor: pointer; }
.page img { display: block; width: 100%; }
.system, .cursor { position: absolute; pointer-events: none; display: none; }
.system { background: #fea; mix-blend-mode: multiply; border-radius: 4px; }
.cursor { width: 3px; margin-left: -1.5px; background: #d40; border-radius: 2px; }
footer { color: #555; text-align: center; padding: 0 1em 2em; }
"""

_SCRIPT = """
"use strict";
// Index of the last moment that is not after a time; moments ascend.
function momentAt(course, time) {
  let low = 0, high = course.seconds.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (course.seconds[middle] <= time) low = middle; else high = middle - 1;
  }
  return low;
}
// Page, system and x at a time, between moments where these are in one system.
function placeAt(course, time) {
  const i = momentAt(course, time), j = Math.min(i + 1, course.seconds.length - 1);
  const place = {page: course.page[i], system: course.system[i], x: course.x[i]};
  const joined = course.page[i] === course.page[j] && course.system[i] === course.system[j] &&
    course.leap.indexOf(j) < 0;
  if (joined && j > i) {
    const span = course.seconds[j] - course.seconds[i];
    const share = Math.min(1, Math.max(0, (time - course.seconds[i]) / span));
    place.x += share * (course.x[j] - course.x[i]);
  }
  return place;
}
// Time of the moment nearest to a point of a page; of those about as near the one nearest to `now`.
// Null: the recording never comes to this page.
function timeOf(course, systems, page, x, y, now) {
  let nearest = null, best = Infinity;
  for (const system of systems) {
    if (system.page !== page || course.visited.indexOf(page + "." + system.system) < 0) continue;
    const distance = Math.max(system.box[0] - y, y - system.box[2], 0);
    if (distance < best) { best = distance; nearest = system.system; }
  }
  const off = course.seconds.map((_, i) =>
    course.page[i] === page && course.system[i] === nearest ? Math.abs(course.x[i] - x) : Infinity);
  const least = off.reduce((a, b) => Math.min(a, b), Infinity);
  if (least === Infinity) return null;
  let i = -1;
  for (let j = 0; j < off.length; j++) {
    const closer = i < 0 || Math.abs(course.seconds[j] - now) < Math.abs(course.seconds[i] - now);
    if (off[j] <= least + 15 && closer) i = j;
  }
  while (off[i + 1] < off[i]) i++;
  while (off[i - 1] < off[i]) i--;
  return course.seconds[i];
}
function clock(seconds) {
  const whole = Math.floor(seconds);
  return Math.floor(whole / 60) + ":" + String(whole % 60).padStart(2, "0");
}
function start(data) {
  const audio = document.querySelector("audio"), text = document.getElementById("place");
  const course = data.course;
  course.visited = Array.from(new Set(course.page.map((page, i) => page + "." + course.system[i])));
  let shown = "";
  function show() {
    const place = placeAt(course, audio.currentTime);
    const system = data.systems.find(s => s.page === place.page && s.system === place.system);
    const size = data.pages.find(p => p.page === place.page);
    const element = document.getElementById("page-" + place.page);
    for (const mark of document.querySelectorAll(".system, .cursor")) {
      mark.style.display = mark.parentElement === element ? "block" : "none";
    }
    const [top, left, bottom, right] = system.box, margin = 12;
    for (const mark of element.querySelectorAll(".system, .cursor")) {
      mark.style.top = 100 * (top - margin) / size.height + "%";
      mark.style.height = 100 * (bottom - top + 2 * margin) / size.height + "%";
    }
    const tint = element.querySelector(".system").style;
    tint.left = 100 * left / size.width + "%";
    tint.width = 100 * (right - left) / size.width + "%";
    element.querySelector(".cursor").style.left = 100 * place.x / size.width + "%";
    text.textContent = clock(audio.currentTime) + "  page " + place.page + ", system " +
      place.system;
    const now = place.page + "." + place.system;
    if (now !== shown && shown) {
      const box = element.querySelector(".cursor").getBoundingClientRect();
      const header = document.querySelector("header").offsetHeight;
      if (box.top < header || box.bottom > window.innerHeight) {
        element.querySelector(".cursor").scrollIntoView({block: "center", behavior: "smooth"});
      }
    }
    shown = now;
  }
  function frame() { show(); if (!audio.paused) requestAnimationFrame(frame); }
  audio.addEventListener("play", frame);
  audio.addEventListener("seeked", show);
  audio.addEventListener("timeupdate", show);
  for (const page of data.pages) {
    const element = document.getElementById("page-" + page.page);
    element.addEventListener("click", event => {
      const box = element.getBoundingClientRect(), scale = page.width / box.width;
      const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
      const time = timeOf(course, data.systems, page.page, x, y, audio.currentTime);
      if (time !== null) { audio.currentTime = time; show(); }
    });
  }
  show();
}
if (typeof document !== "undefined") start(JSON.parse(document.getElementById("data").textContent));
"""


def page(report: dict[str, Any], pages: dict[int, np.ndarray], sound: str) -> str:
    """Makes the player.

    Args:
        report: Alignment as `following.report` gives it.
        pages: Page images uint8 [rows, columns] by page number.
        sound: URL of the recording, which may hold the recording itself; see `sound_url`.
    """
    course = {key: report["course"][key] for key in ("seconds", "page", "system", "x")}
    moments = {second: index for index, second in enumerate(course["seconds"])}
    course["leap"] = [moments[second] for second in report["leaps"]]
    data = {"pages": report["pages"], "systems": report["systems"], "course": course}
    figures = [
        f'<div class="page" id="page-{number}"><img alt="Page {number}" src="{_image(image)}">'
        '<div class="system"></div><div class="cursor"></div></div>'
        for number, image in pages.items()
    ]
    title = html.escape(f"{Path(report['audio']).name} – {report['score']}")
    # "</script>" in a name would end the element.
    embedded = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><header><h1>{title}</h1>"
        f'<audio controls preload="auto" src="{html.escape(sound)}"></audio>'
        f'<span id="place"></span></header><main>{"".join(figures)}</main>'
        "<footer>A click on the page plays from there.</footer>"
        f'<script type="application/json" id="data">{embedded}</script>'
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def sound_url(path: str | Path, blocks: Iterable[np.ndarray], limit: int = EMBEDDED_BYTES) -> str:
    """Returns the recording itself as a URL.

    Args:
        path: Path of the file, taken as it is if browsers play it and it is not too large.
        blocks: Blocks to take otherwise, float32 [samples] each, mono at 22,050 Hz.
        limit: Largest number of bytes of a file that is taken as it is.

    Raises:
        UserError: It cannot be read.
    """
    path = Path(path)
    kind = MEDIA_TYPES.get(path.suffix.lower())
    try:
        if kind and path.stat().st_size <= limit:
            return _data_url(kind, path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    return _data_url("audio/flac", flac(blocks))


def flac(blocks: Iterable[np.ndarray]) -> bytes:
    """Returns samples as a FLAC file of 16 bits."""
    import soundfile

    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", SAMPLE_RATE, 1, "PCM_16", format="FLAC") as file:
        for block in blocks:
            file.write(np.clip(block, -1.0, 1.0))
    return stream.getvalue()


def _image(image: np.ndarray) -> str:
    return _data_url("image/png", pictures.image_png(Image.fromarray(image).convert("RGB")))


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"

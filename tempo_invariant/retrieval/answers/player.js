"use strict";

const SKIP_SECONDS = 5;

// Index of the last moment that is not after a time; moments ascend.
function momentAt(course, time) {
  let low = 0, high = course.seconds.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (course.seconds[middle] <= time) low = middle; else high = middle - 1;
  }
  return low;
}

// Page, system, bar and x at a time; between moments that are in one system x moves on evenly.
// Null: the recording is nowhere in the score.
function placeAt(course, time) {
  const i = momentAt(course, time), j = Math.min(i + 1, course.seconds.length - 1);
  if (!course.page[i]) return null;
  const place = {page: course.page[i], system: course.system[i], bar: course.bar[i], x: course.x[i]};
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
  const visited = new Set(course.page.map((number, i) => number + "." + course.system[i]));
  let nearest = null, best = Infinity;
  for (const system of systems) {
    if (system.page !== page || !visited.has(page + "." + system.system)) continue;
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

// What a key does: "toggle", a time to go to, or null. A focused button keeps its own space key.
function keyAction(event, now, duration) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return null;
  switch (event.key) {
    case " ": return event.target.closest("button, summary") ? null : "toggle";
    case "ArrowLeft": return Math.max(0, now - SKIP_SECONDS);
    case "ArrowRight": return Math.min(duration, now + SKIP_SECONDS);
    case "Home": return 0;
    case "End": return duration;
    default: return null;
  }
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  return Math.floor(whole / 60) + ":" + String(whole % 60).padStart(2, "0");
}

function start(data) {
  const get = id => document.getElementById(id);
  const audio = get("sound"), slider = get("slider"), play = get("play");
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  let shown = null;

  function mark(place) {
    for (const element of document.querySelectorAll(".now, .cursor")) element.hidden = true;
    const size = place && data.pages.find(page => page.page === place.page);
    if (!size) return;
    const box = data.systems.find(s => s.page === place.page && s.system === place.system).box;
    const page = get("page-" + place.page), now = page.querySelector(".now");
    const cursor = page.querySelector(".cursor");
    for (const element of [now, cursor]) {
      element.hidden = false;
      element.style.top = 100 * box[0] / size.height + "%";
      element.style.height = 100 * (box[2] - box[0]) / size.height + "%";
    }
    now.style.left = 100 * box[1] / size.width + "%";
    now.style.width = 100 * (box[3] - box[1]) / size.width + "%";
    cursor.style.left = 100 * place.x / size.width + "%";
    return cursor;
  }

  function show() {
    const time = audio.currentTime, place = placeAt(data.course, time), cursor = mark(place);
    const where = place ? "page " + place.page + ", system " + place.system : "not in the score";
    slider.value = time;
    slider.setAttribute("aria-valuetext", clock(time) + " of " + clock(data.duration));
    get("clock").textContent = clock(time) + " / " + clock(data.duration);
    get("bar").textContent = place && place.bar !== null ? ", bar " + place.bar : "";
    if (where === shown) return;
    get("place").textContent = where;  // read aloud, so only when it changes
    const before = shown;
    shown = where;
    if (before === null || !cursor) return;
    const box = cursor.getBoundingClientRect();
    if (box.top < get("player").offsetHeight || box.bottom > window.innerHeight) {
      cursor.scrollIntoView({block: "center", behavior: still ? "auto" : "smooth"});
    }
  }

  function frame() { show(); if (!audio.paused) requestAnimationFrame(frame); }
  function resume() { Promise.resolve(audio.play()).catch(() => {}); }
  function toggle() { if (audio.paused) resume(); else audio.pause(); }
  function seek(time) { audio.currentTime = time; show(); }

  audio.controls = false;
  get("controls").hidden = false;
  audio.addEventListener("play", () => { play.textContent = "Pause"; frame(); });
  audio.addEventListener("pause", () => { play.textContent = "Play"; });
  audio.addEventListener("seeked", show);
  audio.addEventListener("timeupdate", show);
  audio.addEventListener("error", () => { get("place").textContent = "cannot play this sound"; });
  play.addEventListener("click", toggle);
  get("back").addEventListener("click", () => seek(Math.max(0, audio.currentTime - SKIP_SECONDS)));
  get("forward").addEventListener("click", () =>
    seek(Math.min(data.duration, audio.currentTime + SKIP_SECONDS)));
  slider.addEventListener("input", () => seek(Number(slider.value)));
  document.addEventListener("keydown", event => {
    const action = keyAction(event, audio.currentTime, data.duration);
    if (action === null) return;
    event.preventDefault();
    if (action === "toggle") toggle(); else seek(action);
  });
  for (const button of document.querySelectorAll("button")) {
    // A click leaves the focus where it is, and with it the space key.
    button.addEventListener("mousedown", event => event.preventDefault());
  }
  for (const stop of document.querySelectorAll("button.time")) {
    stop.addEventListener("click", () => { seek(Number(stop.dataset.seconds)); resume(); });
  }
  for (const page of data.pages) {
    const paper = get("page-" + page.page);
    paper.addEventListener("click", event => {
      const box = paper.getBoundingClientRect(), scale = page.width / box.width;
      const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
      const time = timeOf(data.course, data.systems, page.page, x, y, audio.currentTime);
      if (time !== null) { seek(time); resume(); }
    });
  }
  if (data.start > 0) audio.currentTime = data.start;
  show();
}

if (typeof document !== "undefined") {
  const data = document.getElementById("data");
  if (data) start(JSON.parse(data.textContent));
}

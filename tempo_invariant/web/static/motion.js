// Where the cursor stands between two states, which page is shown, and how large. Pure functions.

// A state is carried on for so long; then the cursor waits for the next one.
const MOST_AHEAD_SECONDS = 1.5;
// The share of an error that is made up for in a second, without ever moving back.
const PULL_PER_SECOND = 3;
// What is off by more than this part of a system's width is a jump, not an error.
const JUMP = 0.12;
// The music must seem to be back for so long before the cursor goes back.
const BACK_SECONDS = 0.4;

// A page is turned so long before the music leaves it, and back if it then takes much longer.
const TURN_SECONDS = 1.5;
const TURN_BACK_SECONDS = 6;

const LEAST_HEIGHT_OF_TWO = 520;
const PEEK = 16;
const EDGE = 12;
export const GAP = 16;

const isBefore = (a, b) => a.page < b.page || (a.page === b.page && a.system < b.system);
const sameSystem = (a, b) => a.page === b.page && a.system === b.system;

// A cursor that glides: it is told now and then where the music was and how fast, and is asked at
// every frame where it is. Times in seconds of one clock; x and speed in pixels of the page.
export class Cursor {
  constructor() { this.forget(); }

  forget() { this.goal = this.shown = this.backSince = null; }

  // The music was at `place` at a time; `surely`: the user says so.
  tell(place, speed, time, surely = false) {
    const shown = this.shown;
    if (shown && !surely && this.isBack(place, shown)) {
      this.backSince ??= time;
      if (time - this.backSince < BACK_SECONDS) return;
    }
    this.backSince = null;
    this.goal = {...place, speed, time};
    if (!shown || surely || !sameSystem(shown, place)) this.shown = {...place, time};
  }

  isBack(place, shown) {
    if (!sameSystem(place, shown)) return isBefore(place, shown);
    return place.x < shown.x - JUMP * (place.box[3] - place.box[1]);
  }

  // The place to draw at a time, or null if the music is nowhere.
  at(now) {
    const {goal, shown} = this;
    if (!goal) return null;
    const [, left, , right] = goal.box;
    const ahead = Math.min(Math.max(now - goal.time, 0), MOST_AHEAD_SECONDS);
    const aim = Math.min(Math.max(goal.x + goal.speed * ahead, left), right);
    const step = Math.max(now - shown.time, 0);
    const off = aim - shown.x;
    if (Math.abs(off) > JUMP * (right - left)) {
      shown.x = aim;
    } else {
      const moved = shown.x + goal.speed * step + off * Math.min(1, PULL_PER_SECOND * step);
      shown.x = Math.min(Math.max(moved, shown.x), Math.max(right, shown.x));
    }
    shown.time = now;
    return shown;
  }
}

// Whether the page is to be turned before the music leaves it, or has been already.
export function turnsAhead(turnInSeconds, turned) {
  if (turnInSeconds === null || turnInSeconds === undefined) return false;
  return turnInSeconds <= (turned ? TURN_BACK_SECONDS : TURN_SECONDS);
}

// Size and number of the pages in a window of so many pixels: two whole ones side by side where
// they are large enough, else one; a page that is higher than the window moves up and down in it.
export function fit(width, windowHeight, aspect) {
  const height = windowHeight - EDGE, whole = height / aspect;
  const half = Math.min(whole, (width - GAP - 2 * PEEK) / 2);
  if (half * aspect >= LEAST_HEIGHT_OF_TWO) return {columns: 2, width: half, height: half * aspect};
  const broad = width - 2 * PEEK;
  const page = whole >= 0.8 * broad ? Math.min(whole, broad) : Math.min(broad, 1100);
  return {columns: 1, width: page, height: page * aspect};
}

// How far the row of pages is moved so that a page is seen, in pixels: [across, down].
export function shift(fitted, index, width, height, box, pageHeight) {
  const first = fitted.columns === 2 ? index - (index % 2) : index;
  const taken = fitted.columns * fitted.width + (fitted.columns - 1) * GAP;
  const across = (width - taken) / 2 - first * (fitted.width + GAP);
  if (fitted.height <= height) return [across, Math.min((height - fitted.height) / 2, 32)];
  const scale = fitted.height / pageHeight;
  const middle = box ? (scale * (box[0] + box[2])) / 2 : 0;
  const down = Math.min(0, Math.max(height - fitted.height - EDGE, 0.36 * height - middle));
  return [across, down];
}

// The system at a point of a page: the nearest one above, at or below it.
export function systemAt(systems, page, y) {
  let nearest = null, best = Infinity;
  for (const system of systems) {
    if (system.page !== page) continue;
    const distance = Math.max(system.box[0] - y, y - system.box[2], 0);
    if (distance < best) { best = distance; nearest = system; }
  }
  return nearest;
}

// The level of a block of 16-bit samples, from 0 (-60 dB and less) to 1 (full scale).
export function level(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / Math.max(1, samples.length) / 32768 ** 2 + 1e-12);
  return Math.min(1, Math.max(0, 1 + decibels / 60));
}

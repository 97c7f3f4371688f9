// The page that follows: pages in a row, the cursor, and what is heard.

import {calm, get, make, say, write} from "./dom.js";
import {library, pagePath, readScore} from "./library.js";
import * as motion from "./motion.js";
import * as words from "./words.js";

const LOADED_AROUND = 3;
const OWN_PAGE_SECONDS = 10;
const PERHAPS = 3;
const clock = () => performance.now() / 1000;

export class Stage {
  // `on.correct(score, place)`, `on.choose(id or null)`: what the player does here.
  constructor(on) {
    this.on = on;
    this.cursor = new motion.Cursor();
    this.running = false;
    this.resized = new ResizeObserver(() => this.arrange());
    this.resized.observe(get("window"));
    this.clear();
  }

  clear() {
    Object.assign(this, {
      score: null, asked: null, state: null, papers: [], turned: false, own: null, marked: null,
      index: 0, room: null,
    });
    this.cursor.forget();
    get("strip").replaceChildren();
    get("window").hidden = true;
    get("waiting").hidden = false;
    get("others").hidden = true;
    get("others").open = false;
    get("perhaps").replaceChildren();
    write(get("stage-name"), "Listening…");
    write(get("stage-state"), "");
    write(get("stage-place"), "");
    write(get("waiting-text"), "Listening…");
    write(get("waiting-hint"), words.hint({}));
    delete get("stage").dataset.state;
    get("stage").dataset.shows = "nothing";
    this.level(0);
  }

  level(value) {
    for (const id of ["meter", "waiting"]) get(id).style.setProperty("--level", value.toFixed(3));
  }

  // Takes over a state of the server.
  hear(state) {
    const before = this.state;
    this.state = state;
    if (state.document) this.open(state.document.id);
    const {score} = this;
    const here = score && state.document && score.id === state.document.id ? state.place : null;
    if (here && state.state === "following") {
      if (this.own && here.page === this.own.page) this.own = null;
      if (!before || !before.place || before.place.page !== here.page) this.turned = false;
      this.cursor.tell(here, state.pixels_per_second || 0, state.time);
      this.turned = motion.turnsAhead(state.turn_in_seconds, this.turned);
      this.turnTo = state.turn_to_page ?? here.page + 1;
      this.run();
    }
    this.describe(state, before);
  }

  // Nothing is heard from the server: the page stays as it is, but nobody listens.
  away() {
    this.state = null;
    get("stage").dataset.state = "away";
    const texts = ["stage-state", "waiting-text"];
    if (get("stage").dataset.shows === "nothing") texts.push("stage-name");
    for (const id of texts) write(get(id), "Not listening");
    for (const id of ["stage-place", "waiting-hint"]) write(get(id), "");
    this.level(0);
  }

  describe(state, before) {
    const headline = words.headline(state, library.scores.size);
    const shows = this.score !== null && state.state !== "unknown";
    get("window").hidden = !shows;
    get("waiting").hidden = shows;
    Object.assign(get("stage").dataset, {state: state.state, shows: shows ? "score" : "nothing"});
    const name = shows ? words.title(this.score.name) : headline;
    write(get("stage-name"), name);
    const sure = words.certainty(state);
    const following = state.state === "following";
    write(get("stage-state"), shows ? (following ? sure || headline : headline) : "");
    write(get("stage-place"), shows && following ? words.placeText(state.place) : "");
    write(get("waiting-text"), headline);
    write(get("waiting-hint"), words.hint(state));
    this.offer(state, shows);
    if (!before || before.state !== state.state) {
      say(following ? `${name}, ${sure}` : headline);
    } else if (following && before.place && state.place && before.place.page !== state.place.page) {
      say(`page ${state.place.page}`);
    }
  }

  // Offers the scores that it might be instead.
  offer(state, shows) {
    const own = this.score && shows ? this.score.id : null;
    const others = (state.candidates || [])
      .map(one => (one.id ? library.scores.get(one.id) : library.byName.get(one.name)))
      .filter(score => score && score.id !== own)
      .slice(0, PERHAPS);
    const wanted = others.map(score => score.id).join(" ") + own;
    get("others").hidden = !shows;
    if (wanted === this.offered) return;
    this.offered = wanted;
    const button = score => make("li", {}, make("button", {
      type: "button", textContent: words.title(score.name), onclick: () => this.choose(score.id),
    }));
    get("perhaps").replaceChildren(...(shows ? [] : others.map(button)));
    const any = make("li", {}, make("button", {
      type: "button", textContent: "Any score – listen anew", onclick: () => this.choose(null),
    }));
    if (!get("others").open) get("others-list").replaceChildren(...others.map(button), any);
  }

  choose(id) {
    const isAway = get("stage").dataset.state === "away";
    this.clear();
    if (isAway) this.away();
    this.offered = null;
    if (id) this.open(id);
    this.on.choose(id);
    get("stage-name").focus();
  }

  // Shows another score.
  async open(id) {
    if (this.asked === id) return;
    this.asked = id;
    const score = await readScore(id).catch(() => null);
    if (this.asked !== id || !score) return;
    this.cursor.forget();
    Object.assign(this, {score, turned: false, own: null, marked: null, index: 0});
    this.papers = score.pages.map(page => {
      const paper = make("div", {className: "paper"},
        make("img", {alt: `Page ${page.page}`, draggable: false}),
        make("div", {className: "now", hidden: true}),
        make("div", {className: "cursor", hidden: true}),
        make("span", {className: "number", textContent: page.page}));
      paper.style.aspectRatio = `${page.width} / ${page.height}`;
      paper.addEventListener("click", event => this.tap(event, paper, page));
      return paper;
    });
    get("strip").replaceChildren(...this.papers);
    this.describe(this.state || {state: "listening"}, this.state);
    this.arrange();
  }

  tap(event, paper, page) {
    const box = paper.getBoundingClientRect(), scale = page.width / box.width;
    const system = motion.systemAt(
      this.score.systems, page.page, (event.clientY - box.top) * scale);
    if (system) this.correct(system, (event.clientX - box.left) * scale);
  }

  // The music is in this system, at this column: so the player says.
  correct(system, x) {
    const [, left, , right] = system.box;
    const place = {...system, bar: null, x: Math.min(right, Math.max(left, x))};
    this.own = null;
    this.turned = false;
    this.cursor.tell(place, 0, clock(), true);
    this.on.correct(this.score.id, place);
    this.run();
    say(`page ${place.page}, system ${place.system}`);
  }

  // Corrects to the start of a system before or after the one of the cursor.
  correctBy(steps) {
    if (!this.score) return;
    const {systems} = this.score, shown = this.cursor.shown;
    const i = shown
      ? systems.findIndex(one => one.page === shown.page && one.system === shown.system) + steps
      : 0;
    if (systems[i]) this.correct(systems[i], systems[i].box[1]);
  }

  // Shows a page for a while without a word to the server, or until the music is on it.
  leaf(steps) {
    if (!this.room) return;
    const index = this.first() + steps * this.room.columns;
    if (index < 0 || index >= this.papers.length) return;
    this.own = {page: this.score.pages[index].page, until: clock() + OWN_PAGE_SECONDS};
    this.show();
    say(`page ${this.own.page}`);
    if (!this.cursor.goal) this.own.until = Infinity;
  }

  // Sizes the pages to the window; frames only look at what was measured here.
  arrange() {
    if (!this.score || get("window").hidden) return;
    const {clientWidth, clientHeight} = get("window"), {pages} = this.score;
    const aspect = Math.max(...pages.map(page => page.height / page.width));
    const fitted = motion.fit(clientWidth, clientHeight, aspect);
    if (pages.length === 1) fitted.columns = 1;
    this.room = {...fitted, window: [clientWidth, clientHeight]};
    get("strip").style.setProperty("--page", `${fitted.width}px`);
    get("strip").style.setProperty("--gap", `${motion.GAP}px`);
    this.marked = null;
    get("strip").classList.add("placed");  // there at once
    this.show();
    get("strip").getBoundingClientRect();
    get("strip").classList.remove("placed");
  }

  // The first of the pages that are seen together with the one that is shown.
  first() { return this.room.columns === 2 ? this.index - (this.index % 2) : this.index; }

  run() {
    if (this.running) return;
    this.running = true;
    const frame = () => {
      if (!this.score || get("stage").hidden) { this.running = false; return; }
      this.show();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  show() {
    if (!this.score || !this.room || get("window").hidden) return;
    const now = clock();
    if (this.own && this.own.until < now) this.own = null;
    const still = calm() && this.drawn && now - this.drawn < 0.5 ? this.cursor.shown : null;
    const place = still || this.cursor.at(now);
    if (!still) { this.draw(place); this.drawn = now; }
    const page = this.own ? this.own.page : this.turned ? this.turnTo : place ? place.page : null;
    const index = this.score.pages.findIndex(one => one.page === page);
    if (index >= 0) this.index = index;
    this.slide(this.own || this.turned ? null : place);
  }

  slide(place) {
    const {height} = this.score.pages[this.index];
    const [across, down] = motion.shift(
      this.room, this.index, ...this.room.window, place && place.box, height);
    const moved = `translate(${across.toFixed(1)}px, ${down.toFixed(1)}px)`;
    if (get("strip").style.transform === moved) return;
    get("strip").style.transform = moved;
    this.papers.forEach((paper, i) => {
      const image = paper.firstChild;
      if (Math.abs(i - this.index) > LOADED_AROUND || image.src) return;
      image.src = pagePath(this.score.id, this.score.pages[i].page);
    });
    get("previous").disabled = this.first() === 0;
    get("next").disabled = this.first() + this.room.columns >= this.papers.length;
  }

  draw(place) {
    if (!place) return;
    const index = this.score.pages.findIndex(page => page.page === place.page);
    if (index < 0) return;
    const page = this.score.pages[index], [, now, cursor] = this.papers[index].children;
    const mark = `${place.page}.${place.system}`;
    if (mark !== this.marked) {
      this.marked = mark;
      for (const element of get("strip").querySelectorAll(".now, .cursor")) element.hidden = true;
      const [top, left, bottom, right] = place.box;
      const room = 0.18 * (bottom - top);
      for (const element of [now, cursor]) {
        element.hidden = false;
        element.style.top = `${(100 * (top - room)) / page.height}%`;
        element.style.height = `${(100 * (bottom - top + 2 * room)) / page.height}%`;
      }
      now.style.left = `${(100 * left) / page.width}%`;
      now.style.width = `${(100 * (right - left)) / page.width}%`;
    }
    const across = (place.x / page.width) * this.room.width;
    cursor.style.transform = `translateX(${across.toFixed(2)}px)`;
  }
}

// The library as a grid of covers, and one score with its pages.

import {get, make, say, write} from "./dom.js";
import {ask, scorePath} from "./server.js";
import {counted, folder, matches, title} from "./words.js";

export const library = {
  scores: new Map(),
  byName: new Map(),
  accepts: {scores: [], recordings: []},
};
const cards = new Map();
const details = new Map();
const CARDS = 240;
let most = CARDS;
let again = null;
let reading = null;
let stale = false;
const order = new Intl.Collator("en", {numeric: true, sensitivity: "base"});

// Reads the library again; once more after that if this is asked for meanwhile. What fails is
// tried again: a server that starts does not answer at once.
export function readLibrary() {
  stale = true;
  reading ??= (async () => {
    let wait = 0;
    while (stale) {
      stale = false;
      wait = await readOnce().catch(() => 2000);
    }
    reading = null;
    clearTimeout(again);
    if (wait) again = setTimeout(readLibrary, wait);
  })();
  return reading;
}

// Changes what has changed in the grid; returns after how long to ask again, in milliseconds.
async function readOnce() {
  const read = await ask("/api/library", {signal: AbortSignal.timeout(20000)});
  if (read.loading === "the library") {
    write(get("standing"), "Opening the library…");
    return 1000;
  }
  const scores = read.scores.slice().sort((a, b) => order.compare(title(a.name), title(b.name)));
  library.scores = new Map(scores.map(score => [score.id, score]));
  library.byName = new Map(scores.map(score => [score.name, score]));
  library.accepts = read.accepts || library.accepts;
  get("files").accept = [...library.accepts.scores, ...library.accepts.recordings].join();
  for (const [id, card] of cards) {
    if (library.scores.has(id)) continue;
    card.remove();
    cards.delete(id);
    details.delete(id);
  }
  let before = null;
  for (const score of scores) {
    if (!cards.has(score.id)) cards.set(score.id, makeCard(score));
    const card = cards.get(score.id);
    const next = before ? before.nextSibling : get("grid").firstChild;
    if (card !== next) get("grid").insertBefore(card, next);
    before = card;
  }
  const loading = read.loading ? ` · opening ${read.loading}…` : "";
  write(get("standing"), read.error || counted(scores.length, "score") + loading);
  get("listen").disabled = !scores.length;
  get("welcome").hidden = scores.length > 0;
  search();
  return read.loading ? 1000 : 0;
}

function makeCard(score) {
  const cover = make("img", {
    alt: "", loading: "lazy", decoding: "async", width: 300, height: 400,
    src: `${scorePath(score.id)}/cover`,
  });
  const where = folder(score.name);
  const link = make("a", {href: `#score=${encodeURIComponent(score.id)}`, title: score.name},
    make("span", {className: "cover"}, cover),
    make("span", {className: "name", textContent: title(score.name)}),
    where ? make("span", {className: "folder quiet", textContent: where}) : null);
  return make("li", {}, link);
}

// Shows the scores whose names have what was typed; of very many the first, and more of them as
// one comes to their end.
export function search(anew = false) {
  if (anew) most = CARDS;
  const typed = get("search").value.trim();
  let found = 0;
  for (const [id, score] of library.scores) {
    const fits = matches(score.name, typed);
    found += fits;
    cards.get(id).hidden = !fits || found > most;
  }
  get("more").hidden = found <= most;
  const none = typed && !found && library.scores.size > 0;
  get("nothing").hidden = !none;
  write(get("nothing"), none ? `No score is called “${typed}”.` : "");
  if (typed && document.activeElement === get("search")) say(counted(found, "score"));
}

export const growing = new IntersectionObserver(entries => {
  if (!entries.at(-1).isIntersecting) return;
  most += CARDS;
  search();
}, {rootMargin: "1200px"});

// Pages and systems of a score, asked for once.
export function readScore(id) {
  if (!details.has(id)) {
    const asked = ask(scorePath(id));
    asked.catch(() => details.delete(id));
    details.set(id, asked);
  }
  return details.get(id);
}

export const pagePath = (id, page) => `${scorePath(id)}/pages/${page}`;

export async function showScore(id) {
  const known = library.scores.get(id);
  write(get("score-name"), known ? title(known.name) : "");
  write(get("score-facts"), "");
  get("score-pages").replaceChildren();
  const score = await readScore(id);
  write(get("score-name"), title(score.name));
  const notes = (score.notes || []).filter(Boolean);
  const facts = [folder(score.name), counted(score.pages.length, "page"), ...notes];
  write(get("score-facts"), facts.filter(Boolean).join(" · "));
  get("score-pages").replaceChildren(...score.pages.map(page => make("img", {
    alt: `Page ${page.page}`, loading: "lazy", width: page.width, height: page.height,
    className: "paper", src: pagePath(id, page.page),
  })));
}

// Asks whether a score is to go, and takes it out of the library. Whether it is gone.
export async function removeScore(id) {
  const dialog = get("confirm");
  const name = title(library.scores.get(id).name);
  write(get("confirm-text"), `Remove “${name}”?`);
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise(done => dialog.addEventListener("close", done, {once: true}));
  if (dialog.returnValue !== "remove") return false;
  await ask(scorePath(id), {method: "DELETE"});
  say(`${name} is removed.`);
  await readLibrary();
  return true;
}

// Files that are dropped or chosen, the work that the server has with them, and what went wrong.

import {get, make, say, write} from "./dom.js";
import {library} from "./library.js";
import {ask} from "./server.js";
import * as words from "./words.js";

const AT_ONCE = 2;
const MOST_OPEN = 500;
const FAULTS_SHOWN = 5;

export const jobs = new Map();
const waiting = [];
let sending = 0;
let faults = [];

// All files of what was dropped, those in folders, too: {file, name} with slashes in the names.
export async function filesOf(transfer) {
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry && item.webkitGetAsEntry());
  if (!entries.some(Boolean)) return [...transfer.files].map(file => ({file, name: file.name}));
  const found = [];
  for (const entry of entries.filter(Boolean)) await walk(entry, entry.name, found);
  return found;
}

async function walk(entry, name, found) {
  if (entry.name.startsWith(".")) return;
  if (entry.isFile) {
    found.push({file: await new Promise((done, fail) => entry.file(done, fail)), name});
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return;
    for (const child of some) await walk(child, `${name}/${child.name}`, found);
  }
}

// Sends files to the server, a few at once. Of a folder only what can be a score or a recording.
export function add(files) {
  const {scores, recordings} = library.accepts;
  const known = name => !scores.length || [...scores, ...recordings].includes(words.ending(name));
  const taken = files.filter(({name}) => !name.includes("/") || known(name));
  if (files.length && !taken.length) fault(null, "In this folder is nothing that can be read.");
  waiting.push(...taken.filter(one => !isRecording(one)), ...taken.filter(isRecording));
  if (taken.length) say(`${words.counted(taken.length, "file")} to add`);
  sendMore();
}

function isRecording({file, name}) {
  return words.isRecording(name, file.type, library.accepts.recordings);
}

// Sends what waits, as long as the server has not too much before it. A recording is looked up among
// the scores that came before it, so it goes after those that were dropped with it.
function sendMore() {
  const open = [...jobs.values()].filter(job => job.state === "waiting" || job.state === "running");
  while (waiting.length && sending < AT_ONCE && open.length + sending < MOST_OPEN) {
    if (sending && isRecording(waiting[0])) break;
    send(waiting.shift());
  }
  show();
}

async function send({file, name}) {
  sending++;
  const recording = isRecording({file, name});
  const path = `/api/${recording ? "recordings" : "scores"}?name=${encodeURIComponent(name)}`;
  try {
    const {job} = await ask(path, {method: "POST", body: file});
    if (job && !jobs.has(job)) {
      const kind = recording ? "recording" : "score";
      hear({id: job, kind, name, state: "waiting", done: 0, total: 0, text: "", error: null});
    }
  } catch (error) {
    fault(null, error.message.includes(name) ? error.message : `${name}: ${error.message}`);
  }
  sending--;
  sendMore();
}

// Takes over what the server says of a job.
export function hear(job) {
  const before = jobs.get(job.id);
  jobs.set(job.id, job);
  if (job.state === "failed" && !(before && before.state === "failed")) {
    const line = job.error || "it could not be read";
    fault(job.id, line.includes(job.name) ? line : `${job.name}: ${line}`);
  }
  if (job.state === "done" && before && before.state !== "done") {
    const result = job.result || {};
    if (job.kind === "score") say(`${job.name} ${result.already ? "was there already" : "is added"}`);
    else say(`${job.name}: ${answerText(job)}`);
  }
  if (waiting.length) sendMore(); else show();
}

export async function readJobs() {
  const read = await ask("/api/jobs");
  jobs.clear();
  faults = faults.filter(one => !one.job);
  for (const job of read.jobs) hear(job);
  show();
}

// What was found for a recording: the score and how sure that is.
export function answerText(job) {
  const result = job.result || {};
  const sure = words.certainty(result);
  if (result.verdict === "unknown" || !result.name) return sure || "nothing was found";
  return [words.title(result.name), sure].filter(Boolean).join(" – ");
}

// Shows a line on what went wrong, until it is dismissed.
export function complain(text) { fault(null, words.sentence(text)); }

function fault(job, text) {
  faults.push({job, text});
  show();
}

function dismiss(gone) {
  faults = faults.filter(one => !gone.includes(one));
  for (const {job} of gone) {
    if (!job) continue;
    jobs.delete(job);
    ask(`/api/jobs/${encodeURIComponent(job)}`, {method: "DELETE"}).catch(() => {});
  }
  get("choose-files").focus();
  show();
}

let toShow = null;
let allShown = false;

// Shows all of it, soon: many jobs may change at once.
function show() {
  toShow ??= setTimeout(showNow, 50);
}

function showNow() {
  toShow = null;
  const state = words.progress([...jobs.values()], waiting.length + sending);
  get("progress").hidden = !state;
  if (state) {
    write(get("progress-what"), state.what);
    write(get("progress-text"), state.text);
    if (state.total) {
      get("progress-bar").max = state.total;
      get("progress-bar").value = state.done;
    } else {
      get("progress-bar").removeAttribute("value");
    }
  }
  showFaults();
  get("adding").hidden = !state && !faults.length;
  showAnswers();
}

function showFaults() {
  const few = faults.slice(-FAULTS_SHOWN);
  const shown = (allShown ? faults : few).map(one => make("li", {role: "alert"},
    make("span", {textContent: one.text}),
    make("button", {
      type: "button", className: "close", textContent: "×", "aria-label": `Dismiss: ${one.text}`,
      onclick: () => dismiss([one]),
    })));
  if (faults.length > few.length) {
    const button = (textContent, onclick) => make("button", {type: "button", textContent, onclick});
    shown.unshift(make("li", {className: "many"},
      make("span", {textContent: `${words.counted(faults.length, "file")} could not be read`}),
      button(allShown ? "Show fewer" : "Show all", showMore),
      button("Dismiss all", () => dismiss(faults))));
  }
  const before = [...get("faults").children].map(line => line.textContent).join("\n");
  if (before !== shown.map(line => line.textContent).join("\n")) get("faults").replaceChildren(...shown);
}

function showMore() {
  allShown = !allShown;
  showFaults();
  get("faults").querySelector("button").focus();
}

function showAnswers() {
  const recordings = [...jobs.values()].filter(
    job => job.kind === "recording" && job.state !== "failed").reverse();
  get("recordings").hidden = !recordings.length;
  const lines = recordings.map(job => {
    const done = job.state === "done";
    const text = done ? answerText(job) : job.text || "waiting";
    const what = [
      make("span", {className: "name", textContent: job.name}),
      make("span", {className: done ? "found" : "quiet", textContent: text}),
    ];
    return make("li", {}, done
      ? make("a", {href: `#answer=${encodeURIComponent(job.id)}`}, ...what)
      : make("span", {}, ...what));
  });
  const looks = list => [...list].map(line => line.textContent + line.firstChild.tagName).join("\n");
  if (looks(get("answers").children) !== looks(lines)) get("answers").replaceChildren(...lines);
}

// Shows the page of a recording's answer, as `identify` writes it.
export async function showAnswer(id) {
  const page = `/answers/${encodeURIComponent(id)}/`;
  await ask(page, {headers: {Range: "bytes=0-0"}});  // it is there, or the server says why not
  if (!jobs.has(id)) await readJobs();
  if (get("answer").hidden) return;
  const job = jobs.get(id);
  const result = (job && job.result) || {};
  write(get("answer-name"), job ? job.name : "Answer");
  write(get("answer-verdict"), job ? answerText(job) : "");
  get("answer-score").hidden = !library.scores.has(result.id) || result.verdict === "unknown";
  get("answer-score").onclick = () => { location.hash = `score=${encodeURIComponent(result.id)}`; };
  if (get("answer-page").getAttribute("src") !== page) get("answer-page").src = page;
}

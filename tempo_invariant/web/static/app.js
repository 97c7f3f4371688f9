// The page as a whole: which view is shown, keys, files dropped anywhere, and listening.

import * as adding from "./adding.js";
import {get, write} from "./dom.js";
import {growing, library, readLibrary, removeScore, search, showScore} from "./library.js";
import {Listening} from "./listening.js";
import {openMicrophone} from "./microphone.js";
import {level} from "./motion.js";
import {watch} from "./server.js";
import {Stage} from "./stage.js";
import {microphoneFault, sentence} from "./words.js";

const VIEWS = ["home", "score", "answer", "stage"];
let listening = null;  // {session, microphone, screen} while the page listens
let opener = null;
let reading = null;

const stage = new Stage({
  correct: (score, place) => listening?.session?.correct(score, place),
  choose: id => listening?.session?.choose(id),
});

function fault(error) {
  adding.complain(error.message);
}

// Views: the address says which.

// The name of a view and what is shown in it.
function address() {
  try {
    return decodeURIComponent(location.hash.slice(1)).split("=");
  } catch {
    return [];
  }
}

async function route() {
  const [view, id] = address();
  if (view !== "listen") stopListening();
  if (view === "listen" && !listening) { location.replace("#"); return; }
  const shown = {score: "score", answer: "answer", listen: "stage"}[view] || "home";
  for (const name of VIEWS) get(name).hidden = name !== shown;
  document.body.dataset.view = shown;
  if (shown !== "answer") get("answer-page").removeAttribute("src");
  if (shown === "home") {
    document.title = "tempo-invariant";
    if (opener && opener.isConnected) opener.focus();
    opener = null;
    return;
  }
  scrollTo(0, 0);
  get(shown).querySelector("h1").focus();
  try {
    if (shown === "score") await showScore(id);
    if (shown === "answer") await adding.showAnswer(id);
    if (get(shown).hidden) return;
    document.title = `${get(shown).querySelector("h1").textContent} – tempo-invariant`;
  } catch (error) {
    fault(error);
    if (!get(shown).hidden) location.replace("#");
  }
}

const shownScore = () => address()[1];

// Listening.

async function listen(only) {
  if (listening) return;
  const started = listening = {session: null, microphone: null, screen: null};
  stage.clear();
  notice("");
  if (only) stage.open(only);
  location.hash = "listen";
  try {
    started.microphone = await openMicrophone(hear, () => endListening("The microphone is gone."));
  } catch (error) {
    if (listening === started) endListening(microphoneFault(error, window.isSecureContext));
    return;
  }
  if (listening !== started) { started.microphone.close(); return; }
  started.session = new Listening(only, started.microphone.rate, {
    state: heard, change, fault: endListening,
  });
  keepAwake();
}

function hear(block) {
  if (!listening || !listening.session) return;
  listening.session.push(block);
  stage.level(listening.session.isOpen ? level(block) : 0);
}

let opening = false;
function heard(state) {
  if (opening) notice("");
  opening = false;
  stage.hear(state);
}

function change(what, detail) {
  opening = what === "loading";
  if (what === "lost") stage.away();
  switch (what) {
    case "lost": return notice(
      detail || "The connection is lost; trying again. If tempo-invariant has ended, start it again.");
    case "anew": return notice("Connected again; listening anew from here.", 6);
    case "resumed": return notice("Connected again.", 4);
    case "loading": return notice(`Opening ${detail}…`);
    case "behind": return notice(`This machine cannot keep up: ${detail} s were not heard.`, 4);
    case "refused": return notice(detail, 6);
    default: return notice("");
  }
}

let noticeTimer = null;
function notice(text, seconds) {
  clearTimeout(noticeTimer);
  write(get("stage-notice"), text);
  get("stage-notice").hidden = !text;
  if (seconds) noticeTimer = setTimeout(() => notice(""), 1000 * seconds);
}

function stopListening() {
  if (!listening) return;
  const {session, microphone, screen} = listening;
  listening = null;
  if (session) session.stop();
  if (microphone) microphone.close();
  if (screen) screen.release();
}

// Stops, goes back to the library and says why.
function endListening(why) {
  stopListening();
  if (location.hash === "#listen") history.back();
  adding.complain(why);
}

async function keepAwake() {
  if (!listening || !navigator.wakeLock || document.visibilityState !== "visible") return;
  const screen = await navigator.wakeLock.request("screen").catch(() => null);
  if (listening) listening.screen = screen; else if (screen) screen.release();
}

// Keys.

function key(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const typing = event.target.closest("input, textarea, select, dialog");
  const view = document.body.dataset.view;
  if (event.key === "Escape" && view !== "home" && !typing) {
    if (get("others").open) get("others").open = false;
    else leave();
  } else if (event.key === "Escape" && event.target === get("search")) {
    get("search").value = "";
    search(true);
  } else if (event.key === "/" && view === "home" && !typing) {
    get("search").focus();
  } else if (view === "stage" && !typing && stageKey(event.key, event.target)) {
    // done
  } else {
    return;
  }
  event.preventDefault();
}

function stageKey(name, target) {
  if (name === " " && target.closest("button, summary")) return false;
  switch (name) {
    case "ArrowRight": case "PageDown": case " ": stage.leaf(1); return true;
    case "ArrowLeft": case "PageUp": stage.leaf(-1); return true;
    case "ArrowDown": stage.correctBy(1); return true;
    case "ArrowUp": stage.correctBy(-1); return true;
    default: return false;
  }
}

function leave() {
  if (history.length > 1 && opener) history.back(); else location.hash = "";
}

// Files dropped anywhere.

let over = 0;
const holdsFiles = event => event.dataTransfer && event.dataTransfer.types.includes("Files");

function drag(event) {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  if (event.type === "dragenter") over++;
  if (event.type === "dragleave") over--;
  if (event.type === "drop") {
    over = 0;
    adding.filesOf(event.dataTransfer).then(adding.add).catch(fault);
    if (document.body.dataset.view !== "stage") location.hash = "";
  }
  get("drop").hidden = over <= 0;
}

// The server.

function told(event) {
  if (event.job) adding.hear(event.job);
  if (event.library !== undefined && !reading) {
    // At most once a second, however many scores are being added.
    reading = setTimeout(() => { reading = null; readLibrary(); }, library.scores.size ? 1000 : 0);
  }
}

let absent = null;
function connected(there, why) {
  clearTimeout(absent);
  if (there || why) {
    get("connection").hidden = true;
    write(get("refused"), sentence(why || ""));
    get("refused").hidden = !why;
  } else if (get("refused").hidden) {
    absent = setTimeout(() => { get("connection").hidden = false; }, 1000);
  }
  if (why && listening) endListening(`It does not listen any more: ${why}`);
  if (!there) return;
  readLibrary();
  adding.readJobs().catch(() => {});
}

function start() {
  if (new URLSearchParams(location.search).has("token")) {
    history.replaceState(null, "", location.pathname + location.hash);
  }
  addEventListener("hashchange", route);
  addEventListener("keydown", key);
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) addEventListener(name, drag);
  document.addEventListener("visibilitychange", keepAwake);
  document.addEventListener("click", event => {
    const link = event.target.closest("a[href^='#'], #listen, #score-listen");
    if (link && document.body.dataset.view === "home") opener = link;
  });
  get("listen").addEventListener("click", () => listen(null));
  get("stop").addEventListener("click", leave);
  get("search").addEventListener("input", () => search(true));
  growing.observe(get("more"));
  get("score-listen").addEventListener("click", () => listen(shownScore()));
  get("score-remove").addEventListener("click", () =>
    removeScore(shownScore()).then(gone => { if (gone) location.hash = ""; }, fault));
  get("previous").addEventListener("click", () => stage.leaf(-1));
  get("next").addEventListener("click", () => stage.leaf(1));
  for (const [button, input] of [["choose-files", "files"], ["choose-folder", "folder"]]) {
    get(button).addEventListener("click", () => get(input).click());
    get(input).addEventListener("change", () => {
      adding.add([...get(input).files].map(
        file => ({file, name: file.webkitRelativePath || file.name})));
      get(input).value = "";
    });
  }
  watch(told, connected);
  route();
}

start();

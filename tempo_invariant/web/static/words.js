// What the page says: names, numbers and states in words. Nothing here touches the page.

// The name of a score as a reader would write it: its file's, without folders and underscores.
export function title(name) {
  const own = name.replace(/\/+$/, "").split("/").pop();
  const words = own.replace(/[_\s]+/g, " ").trim() || name;
  return words[0].toLocaleUpperCase("en") + words.slice(1);
}

// The folders before the name of a score, or nothing.
export function folder(name) {
  return name.replace(/\/+$/, "").split("/").slice(0, -1).join(" / ");
}

// A line of the server or of ours as a sentence.
export function sentence(text) {
  return text && text[0].toLocaleUpperCase("en") + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

export function counted(count, kind) {
  return `${count.toLocaleString("en")} ${kind}${count === 1 ? "" : "s"}`;
}

function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/[_\s]+/g, " ");
}

// Whether every word of what was typed is in a name; case, accents and underscores don't count.
export function matches(name, typed) {
  const where = plain(name);
  return plain(typed).split(" ").every(word => where.includes(word));
}

export function ending(name) {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot).toLowerCase();
}

// Whether a file is a recording, by its kind or else by the endings of recordings.
export function isRecording(name, kind, endings) {
  return /^(audio|video)\//.test(kind) || endings.includes(ending(name));
}

// How sure an answer or a state is, in the words of every other answer.
export function certainty({text, certainty, verdict, confidence}) {
  if (text) return text;
  const share = typeof confidence === "number" ? `${Math.round(100 * confidence)} %` : "";
  switch (certainty || verdict) {
    case "sure": return "sure";
    case "likely": return share ? `likely, ${share}` : "likely";
    case "unsure": return share && confidence < 0.5 ? `unsure, ${share}` : "unsure";
    case "known": return share;
    default: return "";
  }
}

// What a state of listening means to the player: a headline, and what to do about it.
export function headline(state, scores) {
  switch (state.state) {
    case "silent": return "I hear nothing";
    case "lost": return "Lost – tap where you are";
    case "unknown": return scores === 1 ? "Not your score" : `Not among your ${counted(scores, "score")}`;
    case "following": return "Following";
    default: return "Listening…";
  }
}

// What to do while no page is shown.
export function hint({state, candidates}) {
  if (state === "silent") return "Is it the right microphone, and near enough?";
  if (state !== "unknown") return "Play, and the piece is named within seconds.";
  return candidates && candidates.length ? "The nearest are:" : "";
}

export function placeText(place) {
  if (!place) return "";
  const bar = place.bar === null || place.bar === undefined ? "" : `, bar ${place.bar}`;
  return `page ${place.page}${bar}`;
}

// One line on why there is no microphone, with what to do.
export function microphoneFault(error, secure) {
  if (!secure) {
    return "A browser gives the microphone only to pages on https or on its own machine: open " +
      "this page on the machine that it comes from, or start the app with a certificate for https.";
  }
  switch (error && error.name) {
    case "NotAllowedError":
      return "The microphone is not allowed: allow it for this page beside the address, then press Listen.";
    case "NotFoundError":
      return "No microphone was found: plug one in, then press Listen.";
    case "NotReadableError":
      return "The microphone cannot be opened: another program may be using it.";
    default:
      return `The microphone cannot be opened: ${(error && error.message) || "no reason is given"}.`;
  }
}

// The work in progress as one line: what is being done, and how far it is. Null: there is none.
export function progress(jobs, uploading) {
  const open = jobs.filter(job => job.state === "waiting" || job.state === "running");
  if (!open.length && !uploading) return null;
  const current = open.find(job => job.state === "running") || open[0];
  const more = open.length - 1 + uploading;
  const what = current
    ? `${current.kind === "score" ? "Adding" : "Identifying"} ${current.name}`
    : `Sending ${counted(uploading, "file")}`;
  const rest = current && more > 0 ? `${more.toLocaleString("en")} more to come` : "";
  return {
    what,
    text: [current ? current.text : "", rest].filter(Boolean).join(" · "),
    done: current && current.total ? current.done : null,
    total: current && current.total ? current.total : null,
  };
}

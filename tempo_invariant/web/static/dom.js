// Elements of the page, in few words.

export const get = id => document.getElementById(id);

// An element with properties and children; text is never read as HTML.
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value; else element.setAttribute(name, value);
  }
  element.append(...children.filter(child => child !== null));
  return element;
}

// Sets a text if it is another one, so that it is read aloud only once.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function say(text) { write(get("said"), text); }

export const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

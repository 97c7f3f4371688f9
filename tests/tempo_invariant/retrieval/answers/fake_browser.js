// As much of a browser as the player asks for: elements with attributes, listeners and sizes.
"use strict";

class Element {
  constructor(tag, id, classes = [], dataset = {}) {
    Object.assign(this, {tag, id, classes, dataset, style: {}, hidden: false, textContent: ""});
    this.listeners = {};
    this.attributes = {};
    this.children = [];
    this.offsetHeight = 60;
    this.scrolled = 0;
    this.rectangle = {left: 0, top: 100, bottom: 200, width: 835};
  }
  addEventListener(name, listener) { (this.listeners[name] ||= []).push(listener); }
  fire(name, event = {}) {
    event.prevented = false;
    event.preventDefault = () => { event.prevented = true; };
    event.target ||= this;
    for (const listener of this.listeners[name] || []) listener(event);
    return event;
  }
  setAttribute(name, value) { this.attributes[name] = value; }
  getBoundingClientRect() { return this.rectangle; }
  scrollIntoView() { this.scrolled++; }
  querySelector(selector) { return this.children.find(child => child.matches(selector)); }
  matches(selector) {
    return selector.split(", ").some(part => {
      const [tag, name] = part.split(".");
      return (!tag || tag === this.tag) && (!name || this.classes.includes(name));
    });
  }
  closest(selector) { return this.matches(selector) ? this : null; }
}

class Audio extends Element {
  constructor() { super("audio", "sound"); this.paused = true; this.currentTime = 0; }
  play() { this.paused = false; this.fire("play"); return Promise.resolve(); }
  pause() { this.paused = true; this.fire("pause"); }
}

const sound = new Audio();
const elements = [sound, new Element("input", "slider")];
for (const id of ["back", "play", "forward"]) elements.push(new Element("button", id));
for (const id of ["controls", "clock", "place", "bar", "player"]) elements.push(new Element("span", id));
for (const id of ["page-1", "page-2"]) {
  const page = new Element("div", id, ["paper"]);
  page.children = [new Element("div", "", ["now"]), new Element("div", "", ["cursor"])];
  elements.push(page, ...page.children);
}
const time = new Element("button", "", ["time"], {seconds: "20"});
elements.push(time);

const body = new Element("body", "");
globalThis.document = Object.assign(new Element("document", ""), {
  getElementById: id => elements.find(element => element.id === id) || null,
  querySelectorAll: selector => elements.filter(element => element.matches(selector)),
});
globalThis.window = {innerHeight: 800, matchMedia: () => ({matches: true})};
globalThis.requestAnimationFrame = () => {};
const element = id => document.getElementById(id);
const press = (key, more = {}) => document.fire("keydown", {key, target: body, ...more}).prevented;

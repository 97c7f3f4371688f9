// What is heard goes to the server, and what it makes of it comes back; through lost connections.

const LEAST_WAIT_SECONDS = 0.5, MOST_WAIT_SECONDS = 5;
const SILENT_SERVER_SECONDS = 6;
const MOST_UNSENT_SECONDS = 2;

const clock = () => performance.now() / 1000;

export class Listening {
  // `document`: ID of the only score to follow, or null. `on`: what is called with each state;
  // with a change, "connected", "resumed", "anew", "lost", "loading", "behind" or "refused", and
  // what there is to say about it; and with a fault that ends it.
  constructor(document, rate, on) {
    Object.assign(this, {document, rate, on});
    this.session = this.unsaid = null;
    this.wait = LEAST_WAIT_SECONDS;
    this.base = this.sent = this.sentAt = 0;
    this.stopped = false;
    this.connect();
  }

  connect() {
    const address = new URL("/api/listen", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    if (this.document) address.searchParams.set("document", this.document);
    if (this.session) address.searchParams.set("session", this.session);
    const socket = this.socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      socket.send(JSON.stringify({rate: this.rate}));
      this.sent = 0;
      this.sentAt = clock();
      this.heardAt = Infinity;  // the server may have to read its model first
    };
    socket.onmessage = event => this.receive(JSON.parse(event.data));
    socket.onclose = event => this.closed(socket, event.code);
  }

  receive(message) {
    if (message.session) {
      const before = this.session;
      this.session = message.session;
      this.wait = LEAST_WAIT_SECONDS;
      this.base = message.seconds ?? 0;
      const resumed = before === message.session;
      if (resumed && this.unsaid) this.tell(this.unsaid);
      this.unsaid = null;
      this.on.change(!before ? "connected" : resumed ? "resumed" : "anew");
    } else if (message.error) {
      this.fault = message.error;
    } else if (message.loading || message.behind || message.refused) {
      const [what] = ["loading", "behind", "refused"].filter(name => message[name]);
      this.on.change(what, message[what]);
    } else if (message.state) {
      this.heardAt = clock();
      // When the music was there, by this page's clock: some moments ago.
      const age = this.base + this.sent - message.seconds + (clock() - this.sentAt);
      message.time = clock() - Math.min(1, Math.max(0, age));
      this.on.state(message);
    }
  }

  closed(socket, code) {
    if (this.stopped || socket !== this.socket) return;
    this.socket = null;
    if (this.fault && code === 1008) {
      this.stop();
      this.on.fault(this.fault);
      return;
    }
    this.on.change("lost", this.fault);
    this.fault = null;
    this.timer = setTimeout(() => this.connect(), 1000 * this.wait);
    this.wait = Math.min(MOST_WAIT_SECONDS, 1.6 * this.wait);
  }

  // Sends a block, Int16Array; what cannot be sent in time is left out.
  push(block) {
    const {socket} = this;
    if (!this.isOpen) return;
    if (clock() - this.heardAt > SILENT_SERVER_SECONDS) {
      socket.close();
      this.closed(socket, 1006);
      return;
    }
    if (socket.bufferedAmount > 2 * MOST_UNSENT_SECONDS * this.rate) return;
    socket.send(block);
    this.sent += block.length / this.rate;
    this.sentAt = clock();
  }

  // Whether what is pushed is heard.
  get isOpen() {
    return this.session && this.socket && this.socket.readyState === WebSocket.OPEN;
  }

  tell(message) {
    if (this.isOpen) this.socket.send(JSON.stringify(message));
  }

  choose(document) {
    this.document = document;
    if (!this.isOpen) this.unsaid = {choose: document};
    this.tell({choose: document});
  }

  correct(document, place) {
    const {page, system, x} = place;
    this.tell({correct: {document, page, system, x}});
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.tell({stop: true});
    if (this.socket) this.socket.close();
    this.socket = null;
  }
}

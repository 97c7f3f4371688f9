// Runs beside the page, on the sound's own thread: blocks of 50 ms, 16 bits, one channel.
const SIZE = Math.round(sampleRate / 20);

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.start();
  }

  start() {
    this.block = new Int16Array(SIZE);
    this.filled = 0;
  }

  process([channels]) {
    if (!channels.length) return true;
    for (let i = 0; i < channels[0].length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      const value = Math.max(-1, Math.min(1, sum / channels.length));
      this.block[this.filled++] = Math.round(32767 * value);
      if (this.filled < SIZE) continue;
      this.port.postMessage(this.block.buffer, [this.block.buffer]);
      this.start();
    }
    return true;
  }
}

registerProcessor("capture", Capture);

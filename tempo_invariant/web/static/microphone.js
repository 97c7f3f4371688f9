// The microphone as it is: nothing cancelled, suppressed or levelled.

const AS_IT_IS = {
  channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false,
};

// Opens the microphone and hands on every block of 50 ms, Int16Array; to be called by a click.
// Returns its rate and how to close it. `onEnd` is called if it is taken away.
export async function openMicrophone(onBlock, onEnd) {
  if (!navigator.mediaDevices) throw new Error("no microphones here");
  const context = new AudioContext({latencyHint: "interactive"});
  let stream = null;
  try {
    stream = await navigator.mediaDevices.getUserMedia({audio: AS_IT_IS});
    await context.audioWorklet.addModule("/static/capture.js");
    await context.resume();
  } catch (error) {
    for (const track of stream ? stream.getTracks() : []) track.stop();
    context.close();
    throw error;
  }
  const node = new AudioWorkletNode(context, "capture", {numberOfOutputs: 0});
  node.port.onmessage = ({data}) => onBlock(new Int16Array(data));
  context.createMediaStreamSource(stream).connect(node);
  context.onstatechange = () => { if (context.state === "suspended") context.resume(); };
  for (const track of stream.getTracks()) track.onended = onEnd;
  const close = () => {
    context.onstatechange = null;
    for (const track of stream.getTracks()) { track.onended = null; track.stop(); }
    node.port.onmessage = null;
    context.close();
  };
  return {rate: context.sampleRate, close};
}

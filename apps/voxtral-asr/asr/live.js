// The microphone: its sound goes to the app piece by piece, one after the other, and each answer is the text so far.
window.asrLive = (() => {
  const LEAST = 0.25; // seconds of sound that are worth a request
  const WORKLET = `registerProcessor("asr-ear", class extends AudioWorkletProcessor {
    process(inputs) { if (inputs[0][0]) this.port.postMessage(inputs[0][0].slice()); return true; }
  });`;
  let talk = null;

  const address = (path) => (window.gradio_config?.root || "").replace(/\/$/, "") + "/asr/live" + path;
  const show = (html) => {
    const place = document.querySelector("#transcript .prose") || document.querySelector("#transcript");
    place.innerHTML = html;
  };
  const button = (speaking) => {
    const speak = document.getElementById("speak");
    speak.textContent = speaking ? "Stop" : "Start speaking";
    speak.classList.toggle("asr-speaking", speaking);
    speak.setAttribute("aria-pressed", String(speaking));
  };
  const post = async (path, body, type) => {
    const answer = await fetch(address(path), { method: "POST", body, headers: { "Content-Type": type } });
    const said = await answer.json();
    show(said.html);
    if (!answer.ok) throw new Error(said.error);
    return said;
  };

  const samples = (blocks) => {
    const sound = new Int16Array(blocks.reduce((sum, block) => sum + block.length, 0));
    let at = 0;
    for (const block of blocks)
      for (const value of block) sound[at++] = Math.max(-32768, Math.min(32767, Math.round(value * 32767)));
    return sound;
  };

  const microphone = async () => {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false }, // made for ears, not for models
    });
    const context = new AudioContext();
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" })));
    const ear = new AudioWorkletNode(context, "asr-ear", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    const opened = { stream, context, rate: context.sampleRate, blocks: [] };
    ear.port.onmessage = (message) => opened.blocks.push(message.data);
    context.createMediaStreamSource(stream).connect(ear);
    return opened;
  };
  const close = (opened) => {
    opened.stream.getTracks().forEach((track) => track.stop());
    if (opened.context.state !== "closed") opened.context.close();
  };

  // What waits grows while a request is on its way, so that a slow line means longer pieces and no lost ones.
  const send = async (mine) => {
    while (true) {
      const last = mine.stopping;
      const waiting = mine.ear.blocks.reduce((sum, block) => sum + block.length, 0) / mine.ear.rate;
      if (waiting >= LEAST || (last && waiting > 0)) {
        const said = await post("/" + mine.name, samples(mine.ear.blocks.splice(0)), "application/octet-stream");
        if (said.over) return;
      } else if (last) return;
      else await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };

  const start = async (language) => {
    const mine = (talk = { stopping: false });
    try {
      mine.ear = await microphone();
    } catch (error) {
      talk = null;
      show(`<section class="asr-panel asr-failed" role="alert"><p>The microphone cannot be used</p></section>`);
      return;
    }
    button(true);
    try {
      const said = await post("", JSON.stringify({ language, rate: mine.ear.rate }), "application/json");
      mine.name = said.name;
      await send(mine);
      asrLive.name = mine.name;
      document.getElementById("stopped").click();
    } catch (error) {
      console.warn("live:", error.message); // it is shown on the page already
    } finally {
      close(mine.ear);
      talk = null;
      button(false);
    }
  };

  window.addEventListener("pagehide", () => {
    if (talk?.name) navigator.sendBeacon(address(`/${talk.name}/leave`));
  });
  return {
    name: "",
    toggle: (language) => {
      if (!talk) start(language);
      else if (talk.ear) {
        close(talk.ear); // first: what comes after would have to be sent, too
        talk.stopping = true;
      }
      return [];
    },
  };
})();

// The one script of the Hub's pages: live stage, live logs, copy buttons. Everything works without it but these.
"use strict";

const WORDS = {
  NO_APP_FILE: "No app file", CONFIG_ERROR: "Configuration error", BUILDING: "Building", BUILD_ERROR: "Build error",
  APP_STARTING: "Starting", RUNNING: "Running", RUNNING_BUILDING: "Running, building anew",
  RUNNING_APP_STARTING: "Running, starting anew", RUNTIME_ERROR: "Runtime error", SLEEPING: "Sleeping",
  PAUSED: "Paused", STOPPED: "Stopped", DELETING: "Being deleted",
};
const LOOKS = {
  on: ["RUNNING", "RUNNING_BUILDING", "RUNNING_APP_STARTING"],
  wait: ["BUILDING", "APP_STARTING", "DELETING"],
  bad: ["NO_APP_FILE", "CONFIG_ERROR", "BUILD_ERROR", "RUNTIME_ERROR"],
};
const NEXT = {
  BUILDING: "Usually followed by the start of the app", APP_STARTING: "Usually followed by the running app",
  PAUSED: "Only its owner starts it again: spacehand wake", NO_APP_FILE: "Push the file that the card names as app_file",
};
const MAX_LINES = 5000;

function look(stage) {
  return Object.keys(LOOKS).find((name) => LOOKS[name].includes(stage)) || "off";
}

function copyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(button, button.dataset.copy));
  }
}

async function copy(button, text) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

function liveStage(head) {
  let stage = head.dataset.stage;
  let shown = head.dataset.serving;
  let since = null;
  const badge = head.querySelector(".stage");
  const clock = head.querySelector(".since");
  const frame = document.querySelector("iframe.app");

  function tick() {
    const moving = look(stage) === "wait" || stage.startsWith("RUNNING_");
    clock.textContent = moving && since !== null ? ` ${Math.round((Date.now() - since) / 1000)} s` : "";
  }

  function show(runtime) {
    const serving = (runtime.spacehand && runtime.spacehand.serving) || runtime.sha || "";
    if (runtime.stage !== stage) {
      stage = runtime.stage;
      since = Date.now();
      badge.className = `stage ${look(stage)}`;
      badge.textContent = WORDS[stage] || stage;
      head.dataset.stage = stage;
    }
    const app = document.querySelector(".stand-words");
    if (app) {
      app.querySelector("[data-stage-words]").textContent = WORDS[stage] || stage;
      app.querySelector("[data-reason]").textContent = runtime.errorMessage || "";
      app.querySelector("[data-next]").textContent = NEXT[stage] || "";
    }
    const rehearsal = document.querySelector("[data-rehearsal]");
    const faults = (runtime.spacehand && runtime.spacehand.faults) || [];
    rehearsal.hidden = !faults.length;
    rehearsal.querySelector("ul").replaceChildren(...faults.map((fault) => {
      return Object.assign(document.createElement("li"), { textContent: fault });
    }));
    const code = document.querySelector("[data-serving-sha]");
    if (code) code.textContent = serving ? serving.slice(0, 7) : "none";
    if (frame) showApp(serving);
    tick();
  }

  function showApp(serving) {
    const up = look(stage) === "on" || stage === "SLEEPING";
    document.querySelector(".stand").hidden = up;
    frame.hidden = !up;
    if (up && !frame.getAttribute("src")) {
      frame.src = frame.dataset.frame;
      shown = serving;
    } else if (!up) {
      frame.removeAttribute("src");
    } else if (stage === "RUNNING" && serving && shown && serving !== shown) {
      document.querySelector(".news").hidden = false;  // the visitor may be in the middle of something
    }
    if (!shown) shown = serving;
  }

  const reload = document.querySelector("[data-reload]");
  if (reload) reload.addEventListener("click", () => window.location.reload());
  const events = new EventSource(`/api/spaces/${head.dataset.space}/events`);
  events.onmessage = (event) => { if (event.data) show(JSON.parse(event.data)); };
  events.onerror = () => { clock.textContent = events.readyState === EventSource.CLOSED ? "" : " connection lost, trying again"; };
  setInterval(tick, 1000);
}

function liveLog(log) {
  const state = document.querySelector("[data-log-state]");
  const follow = document.querySelector("[data-follow]");
  let waiting = [];

  function draw() {
    if (!waiting.length) return;
    const part = document.createDocumentFragment();
    for (const entry of waiting.slice(-MAX_LINES)) {
      const line = document.createElement("span");
      line.className = "line";
      line.dataset.time = new Date(entry.timestamp).toLocaleTimeString("en-GB");
      line.textContent = entry.data.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "");
      if (/^(ERROR|error:|Traceback)|^--> ERROR|\b[A-Z]\w*(Error|Exception):/.test(line.textContent)) line.classList.add("bad");
      if (/^(=====|-->)/.test(line.textContent)) line.classList.add("step");
      part.append(line);
    }
    waiting = [];
    log.append(part);
    while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
    state.textContent = `${log.childElementCount} line${log.childElementCount === 1 ? "" : "s"}`;
    if (follow.checked) log.scrollTop = log.scrollHeight;
  }

  const events = new EventSource(log.dataset.log);
  // Each connection replays the log from its start.
  events.onopen = () => { waiting = []; log.replaceChildren(); };
  events.onmessage = (event) => {
    if (!event.data) return;
    if (!waiting.length) requestAnimationFrame(draw);
    waiting.push(JSON.parse(event.data));
  };
  events.onerror = () => { state.textContent = "The connection was lost; trying again"; };
  log.addEventListener("wheel", (event) => { if (event.deltaY < 0) follow.checked = false; }, { passive: true });
  const button = document.querySelector("[data-copy-log]");
  button.addEventListener("click", () => copy(button, log.textContent));
}

copyButtons();
const head = document.querySelector("[data-space]");
if (head) liveStage(head);
const log = document.querySelector("[data-log]");
if (log) liveLog(log);

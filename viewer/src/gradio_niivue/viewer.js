// Gradio runs this as the body of a function of (element, trigger, props, server, upload, watch), once for each time
// the component is put on a page. All it knows is in props.value; other properties do not survive hiding and showing.

const SLICES = { axial: 0, coronal: 1, sagittal: 2, multiplanar: 3, render: 4 };
const STEPS = {
  ArrowLeft: [-1, 0, 0],
  ArrowRight: [1, 0, 0],
  ArrowDown: [0, -1, 0],
  ArrowUp: [0, 1, 0],
  PageDown: [0, 0, -1],
  PageUp: [0, 0, 1],
};
const LARGE = 4e6; // bytes; from here on the progress of a download is told
const PAUSE = 120; // milliseconds between two reports of a location

const root = element.querySelector(".niivue-viewer");
const canvas = root.querySelector("canvas");
const message = root.querySelector(".niivue-message");
const chooser = root.querySelector("select");
const place = root.querySelector(".niivue-location");
const modules = (globalThis.__gradioNiivueModules ??= new Map()); // one NiiVue a page, however many viewers

let niivue = null;
let loaded = []; // the files on show, in order; null when a load has failed or was given up
let blobs = new Map(); // address -> content, of what is on show
let applied = null; // the view last asked for by the app; people may have chosen another since
let pointed = null; // the files and the place that the app last put the crosshair to; people may have moved it since
let running = null; // the AbortController of the newest refresh
let queue = Promise.resolve(); // NiiVue loads one thing at a time
let reporting = null;
let left = false;

function say(text, state) {
  message.textContent = text;
  root.dataset.state = state;
}

function fail(reason, error) {
  const text = error instanceof Error ? error.message : String(error);
  say(text, "failed");
  trigger("failed", { reason, message: text });
}

function hasWebGL2() {
  const probe = document.createElement("canvas").getContext("webgl2");
  probe?.getExtension("WEBGL_lose_context")?.loseContext(); // a page has sixteen of them
  return Boolean(probe);
}

function importOnce(address) {
  if (!modules.has(address)) {
    const coming = import(address);
    coming.catch(() => modules.delete(address)); // the next viewer may have more luck
    modules.set(address, coming);
  }
  return modules.get(address);
}

async function start() {
  if (!hasWebGL2()) {
    const help = "Turn on hardware acceleration, or try another browser";
    fail("webgl2-missing", `This browser offers no WebGL2, which the viewer needs. ${help}`);
    return false;
  }
  try {
    const { Niivue } = await importOnce(props.value.module.url);
    niivue = new Niivue({
      backColor: [0, 0, 0, 1],
      show3Dcrosshair: true,
      crosshairColor: [0.3, 0.8, 1, 1], // not red: lesions are
      logLevel: "error",
      loadingText: "",
      ...props.value.options,
      dragAndDropEnabled: false, // a file dropped here would not be the app's value
    });
    niivue.onLocationChange = locate;
    await niivue.attachToCanvas(canvas);
  } catch (error) {
    fail("start", `The viewer could not be started: ${error?.message ?? error}`);
    return false;
  }
  return true;
}

/** Show the newest value; one that comes meanwhile ends the work on this one. */
function refresh() {
  running?.abort();
  const { signal } = (running = new AbortController());
  queue = queue.then(() => (signal.aborted ? undefined : show(props.value ?? {}, signal)));
}

async function show(value, signal) {
  const began = performance.now();
  const volumes = value.volumes ?? [];
  const meshes = value.meshes ?? [];
  try {
    await loadFiles(volumes, meshes, signal);
    if (signal.aborted) return;
    volumes.forEach(dress);
    meshes.forEach(paint);
    layOut(value);
    niivue.updateGLVolume();
    point(value.crosshair);
    describe(volumes, meshes);
    say(volumes.length + meshes.length ? "" : "Nothing to show yet", "ready");
    root.dataset.shown = String(niivue.volumes.length + niivue.meshes.length);
    const milliseconds = Math.round(performance.now() - began);
    trigger("ready", { volumes: niivue.volumes.length, meshes: niivue.meshes.length, milliseconds });
  } catch (error) {
    if (signal.aborted) return;
    await clear(); // what was there before is not what was asked for
    fail("load", error);
  }
}

async function clear() {
  loaded = null;
  await niivue.loadVolumes([]);
  await niivue.loadMeshes([]);
  canvas.setAttribute("aria-label", "Empty viewer");
  place.textContent = "";
}

/** Put these files on show, unless they are; only those that are not here yet are fetched. */
async function loadFiles(volumes, meshes, signal) {
  const files = [...volumes, ...meshes].map((item) => item.file.url);
  if (files.length === loaded?.length && files.every((file, index) => file === loaded[index])) return;
  say(`Loading ${files.length} ${files.length === 1 ? "file" : "files"} …`, "loading");
  const contents = await Promise.all([...volumes, ...meshes].map((item) => content(item, signal)));
  if (signal.aborted) return;
  loaded = null;
  blobs = new Map(files.map((file, index) => [file, contents[index]]));
  const addresses = contents.map((blob) => URL.createObjectURL(blob));
  // Formats are told by the name of the file; the name that people read is in the description.
  const entry = (item, index) => ({ url: addresses[index], name: item.file.orig_name ?? item.name });
  try {
    await named(volumes, () => niivue.loadVolumes(volumes.map((item, index) => entry(item, index))));
    await named(meshes, () => niivue.loadMeshes(meshes.map((item, index) => entry(item, volumes.length + index))));
  } finally {
    addresses.forEach((address) => URL.revokeObjectURL(address));
  }
  loaded = files;
}

async function named(items, load) {
  const names = items.map((item) => item.name).join(", ");
  try {
    await load();
  } catch (error) {
    throw new Error(`Could not read ${names}: ${error?.message ?? error}`);
  }
}

/** The bytes of one file. Its address holds a digest of its content, so a copy in the browser's cache is right. */
async function content(item, signal) {
  const known = blobs.get(item.file.url);
  if (known) return known;
  const answer = await fetch(item.file.url, { cache: "force-cache", signal }).catch((error) => {
    throw signal.aborted ? error : new Error(`Could not load ${item.name}: the server cannot be reached`);
  });
  if (!answer.ok) throw new Error(`Could not load ${item.name}: the server answered ${answer.status}`);
  const total = Number(answer.headers.get("content-length"));
  if (total < LARGE) return answer.blob();
  const parts = [];
  let got = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts);
    parts.push(value);
    got += value.length;
    say(`Loading ${item.name}: ${Math.min(100, Math.round((100 * got) / total))} %`, "loading");
  }
}

/** Give a loaded volume its looks; moves no bytes. */
function dress(want, index) {
  const volume = niivue.volumes[index];
  if (!niivue.colormaps().some((name) => name.toLowerCase() === want.colormap.toLowerCase())) {
    throw new Error(`NiiVue knows no colormap named ${want.colormap}`);
  }
  volume.colormap = want.colormap;
  volume.opacity = want.opacity;
  volume.cal_min = want.cal_min ?? volume.robust_min;
  volume.cal_max = want.cal_max ?? volume.robust_max;
  if (want.labels.length) volume.setColormapLabel(labelTable(want.labels));
  else volume.colormapLabel = null;
}

function labelTable(labels) {
  // Value 0 is seen through unless it is named.
  const rows = labels.some((label) => label.value === 0) ? [] : [{ value: 0, name: "", color: "#000000", alpha: 0 }];
  rows.push(...labels.map((label) => ({ ...label, alpha: 255 })));
  const channel = (from) => rows.map((row) => parseInt(row.color.slice(from, from + 2), 16));
  return {
    R: channel(1),
    G: channel(3),
    B: channel(5),
    A: rows.map((row) => row.alpha),
    I: rows.map((row) => row.value),
    labels: rows.map((row) => row.name),
  };
}

function paint(want, index) {
  const mesh = niivue.meshes[index];
  const parts = [1, 3, 5].map((from) => parseInt(want.color.slice(from, from + 2), 16));
  mesh.rgba255 = new Uint8Array([...parts, 255]);
  mesh.opacity = want.opacity;
  mesh.updateMesh(niivue.gl);
}

function layOut(value) {
  Object.assign(niivue.opts, value.options ?? {}, { dragAndDropEnabled: false });
  if (value.view !== applied) {
    applied = value.view;
    chooser.value = value.view;
  }
  niivue.setSliceType(SLICES[chooser.value]);
}

/** Put the crosshair where the app wants it, once for each place and background. */
function point(place) {
  if (!place || !niivue.volumes.length) return;
  const asked = [loaded[0], ...place].join(" ");
  if (asked === pointed) return;
  pointed = asked;
  niivue.scene.crosshairPos = niivue.mm2frac(place, 0, true); // of a turned image, too
  niivue.drawScene();
  niivue.createOnLocationChange();
}

/** Say in words what is shown, for those who do not see it. */
function describe(volumes, meshes) {
  const looks = (item) => (item.labels.length ? item.labels.map((label) => label.name).join(", ") : item.colormap);
  const parts = volumes.map((item) => `${item.name} (${looks(item)}, opacity ${Math.round(100 * item.opacity)} %)`);
  parts.push(...meshes.map((item) => `surface ${item.name}`));
  const view = chooser.selectedOptions[0].textContent;
  const keys = "Arrow keys, page up and page down move the crosshair.";
  canvas.setAttribute("aria-label", parts.length ? `${view} view of ${parts.join(", over it ")}. ${keys}` : "Empty viewer");
}

function locate(where) {
  clearTimeout(reporting);
  reporting = setTimeout(() => report(where), PAUSE);
}

function report(where) {
  if (left || !niivue.volumes.length || !loaded) return;
  const volumes = props.value?.volumes ?? [];
  const mm = Array.from(where.mm).slice(0, 3);
  const values = where.values.map(({ value }, index) => {
    const label = volumes[index]?.labels.find((known) => known.value === Math.round(value))?.name;
    return { name: volumes[index]?.name ?? "", value, ...(label === undefined ? {} : { label }) };
  });
  const written = values.map(({ name, value, label }) => `${name} ${label ?? Number(value.toPrecision(5))}`);
  place.textContent = [`${mm.map((part) => (Math.round(10 * part) / 10 || 0).toFixed(1)).join(", ")} mm`, ...written].join(" · ");
  if (props.value?.report_location) trigger("location", { mm, voxel: voxel(mm), values });
}

/** The background's voxel at *mm*, in the order of the file: NiiVue's own counts along right, anterior, superior. */
function voxel(mm) {
  const rows = niivue.volumes[0].hdr.affine;
  const [a, b, c] = rows.map((row) => row.slice(0, 3));
  const rest = mm.map((part, index) => part - rows[index][3]);
  const cross = (u, v) => [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
  const [bc, ca, ab] = [cross(b, c), cross(c, a), cross(a, b)];
  const volume = a[0] * bc[0] + a[1] * bc[1] + a[2] * bc[2];
  return [0, 1, 2].map((axis) => Math.round((rest[0] * bc[axis] + rest[1] * ca[axis] + rest[2] * ab[axis]) / volume));
}

function onKey(event) {
  const step = STEPS[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey || !niivue?.volumes.length) return;
  event.preventDefault();
  event.stopImmediatePropagation(); // NiiVue has meanings of its own for some of these
  niivue.moveCrosshairInVox(...step);
}

function onChoice() {
  if (!niivue) return;
  niivue.setSliceType(SLICES[chooser.value]);
  describe(props.value?.volumes ?? [], props.value?.meshes ?? []);
}

/** Gradio tells nobody that a component goes; a page's graphics contexts are few, so this one is given back. */
function leave() {
  if (left || root.isConnected) return;
  left = true;
  going.disconnect();
  running?.abort();
  clearTimeout(reporting);
  blobs.clear();
  if (!niivue) return;
  niivue.cleanup();
  niivue.gl.getExtension("WEBGL_lose_context")?.loseContext();
}

const going = new MutationObserver(leave);
going.observe(document.body, { childList: true, subtree: true });
canvas.addEventListener("keydown", onKey, true);
canvas.addEventListener("webglcontextlost", () => {
  if (!left) fail("context-lost", "The browser took the graphics context back. Reload the page");
});
chooser.addEventListener("change", onChoice);
root.setAttribute("aria-label", props.label || "Image viewer"); // a named section is a region
say("Starting …", "starting");
start().then((started) => {
  if (!started || left) return;
  watch("value", refresh);
  refresh();
});

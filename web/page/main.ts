// The page: buttons, settings and pictures. All computing happens in the worker.

import "./style.css";
import { Client } from "./client.ts";
import { Chart, type Style } from "./curves.ts";
import { element, grey, make, pause, percent } from "./dom.ts";
import { showPoint, startExperiments } from "./experiments.ts";
import { takeFiles } from "./files.ts";
import { clearLayers, showLayers } from "./layers.ts";
import { startProofs } from "./proving.ts";
import type { DataRequest, Event, Look, Opened, Tick } from "./protocol.ts";
import { Reader } from "./reader.ts";
import { showSeeds, trainSeeds } from "./seeds.ts";
import { Settings } from "./settings.ts";
import { showConfusion, showWeights } from "./views.ts";

const STYLES: Style[] = [
  { name: "training", colour: "--accent" },
  { name: "test", colour: "--test", dots: true },
];
const [TRAINING, TEST] = [0, 1];
const loss = new Chart(element("loss"), { name: "Loss", across: "update", format: (value) => value.toPrecision(3) }, STYLES);
const accuracy = new Chart(element("accuracy"), { name: "Accuracy", across: "update", format: (value) => percent(value, 1) }, STYLES);
/** Milliseconds in which the user may ask for a step before the first evaluation. */
const FIRST_LOOK = 300;
const client = new Client(onEvent);
const settings = new Settings(element("settings"), (fresh) => void changed(fresh));

let opened: Opened | null = null;
const recent = { samples: 0, seconds: 0 };
let playing = false;
/** Files of a data set that the user gave, instead of generated digits. */
let files: DataRequest | null = null;

/** Does work for a button; an error becomes a sentence on the page. */
async function tried(work: () => Promise<unknown>) {
  try {
    await work();
    element("problem").hidden = true;
  } catch (error) {
    problem(error instanceof Error ? error.message : String(error));
  }
}

function problem(message: string) {
  const place = element("problem");
  place.textContent = message;
  place.hidden = false;
}

function enable(on: boolean) {
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[id]")) {
    if (button.id === "clear" || button.classList.contains("stop")) continue;
    // Without a run there is nothing to do but to open one.
    button.disabled = !on || (!opened && button.id !== "reset");
  }
}

function setPlaying(on: boolean) {
  playing = on;
  element("play").textContent = on ? "Pause" : "Play";
}

/** Opens a run; on an adapter that fails, the CPU engine takes its place, and the page says so. */
async function open(keep: boolean) {
  setPlaying(false);
  opened = null;
  enable(false);
  const data = files ?? settings.data;
  element("device").textContent = "Preparing data, device and net…";
  let because = "";
  try {
    try {
      opened = await client.call("open", settings.engine, data, settings.config, keep);
    } catch (error) {
      if (settings.engine !== "gpu") throw error;
      because = ` WebGPU cannot be used here (${error instanceof Error ? error.message : error}), so the CPU engine computes.`;
      opened = await client.call("open", "cpu", data, settings.config, keep);
    }
  } catch (error) {
    element("device").textContent = "No run is open. Change the setting that the message names, or press Reset.";
    throw error;
  } finally {
    enable(true);
  }
  await show(opened, because);
}

/** Shows a run that has been opened. */
async function show({ device, run, data }: Opened, because: string) {
  element("problem").hidden = true;
  const widths = run.widths.join("-");
  element("device").textContent =
    `${device.sentence}.${because} Data: ${data.name}, ${data.train} training and ${data.test} test ` +
    `samples. Net: ${widths}, ${run.parameters.toLocaleString("en")} parameters.`;
  element("link").setAttribute("href", settings.link());
  settings.hint("lr", `${run.config.lr}`);
  loss.clear();
  accuracy.clear();
  clearLayers();
  [recent.samples, recent.seconds] = [0, 0];
  element("status").textContent = "";
  delete element("status").dataset.finished;
  await showLook(await client.call("look", FIRST_LOOK));
}

/** A setting has changed. Training goes on with the weights it has, unless the net or the data are new. */
async function changed(fresh: boolean) {
  const resume = playing;
  await tried(async () => {
    await open(!fresh);
    element("note").textContent = fresh
      ? "The run begins anew."
      : "The weights stay; the schedule, the order of the samples and the optimizer's state begin anew.";
    if (resume) await play();
  });
}

async function play() {
  await client.call("play");
  setPlaying(true);
}

function onEvent(event: Event) {
  if (event.event === "ready") void tried(start);
  else if (event.event === "tick") showTick(event.tick);
  else if (event.event === "look") void showLook(event.look);
  else if (event.event === "finished") {
    setPlaying(false);
    element("status").dataset.finished = "yes";
  } else if (event.event === "progress") showProgress(event.done, event.of, event.what);
  else if (event.event === "seeds") showSeeds(event);
  else if (event.event === "point") showPoint(event);
  else {
    setPlaying(false);
    problem(`${event.message.replace(/\.$/, "")}. Press Reset to begin anew, or choose the engine cpu.`);
  }
}

function showProgress(done: number, of: number, what: string) {
  if (what.startsWith("Fetching")) element("file").textContent = what;
  const bar = element<HTMLProgressElement>("progress");
  [bar.hidden, bar.max, bar.value] = [done >= of, of, done];
}

function showTick(tick: Tick) {
  if (tick.loss === null || tick.accuracy === null) return;
  loss.add(TRAINING, tick.step, tick.loss);
  accuracy.add(TRAINING, tick.step, tick.accuracy);
  // Over about the last second: a clock of a browser is coarse.
  recent.samples = recent.samples * 0.8 + tick.samples;
  recent.seconds = recent.seconds * 0.8 + tick.seconds;
  const rate = recent.seconds > 0 ? recent.samples / recent.seconds : 0;
  const flops = 2 * (opened?.run.multiply_adds ?? 0) * rate;
  element("status").textContent =
    `Update ${tick.step} of ${tick.last}, epoch ${tick.epoch.toFixed(2)}. Loss ${tick.loss.toFixed(4)}, accuracy ` +
    `${percent(tick.accuracy)}. ${Math.round(rate).toLocaleString("en")} images/s, ${(flops / 1e9).toFixed(2)} GFLOP/s. ` +
    `Learning rate ${tick.lr.toPrecision(3)}.`;
}

/** Shows a look in several tasks: in one it would hold up the page. */
async function showLook(look: Look) {
  if (look.test) {
    loss.add(TEST, look.step, look.test.loss);
    accuracy.add(TEST, look.step, look.test.accuracy);
    element("status").dataset.test = `${look.test.accuracy}`;
    const title = `Confusion matrix: ${percent(look.test.accuracy)} of ${look.test.samples} test samples right`;
    element("confusion-title").textContent = title;
  }
  if (look.tiles) showWeights(element("weights"), look.tiles);
  await pause();
  showLayers(look.layers.layers, look.layers.samples);
  await pause();
  showConfusion(element("confusion"), look.confusion, (row, column) => void tried(() => mistakes(row, column)));
  await pause();
  reader.readAgain();
}

async function mistakes(row: number, column: number) {
  const samples = await client.call("examples", row, column, 12);
  const pictures = samples.map((pixels) => {
    const canvas = make("canvas", { role: "img", "aria-label": `a ${row} taken for ${column}` });
    grey(canvas, pixels, opened?.data.item[1] ?? 28);
    return canvas;
  });
  element("examples").replaceChildren(`${row} taken for ${column}:`, ...pictures);
}

async function start() {
  const about = await client.call("about");
  const rows = about.shaders.map(({ file, sha256 }) =>
    make("tr", {}, make("td", {}, `${file}.wgsl`), make("td", {}, make("code", {}, sha256))),
  );
  element("shaders").replaceChildren(make("table", {}, ...rows));
  startExperiments(client, about.experiments, long);
  element("footer").textContent = `gpu-mlp ${about.version}. No tracking: only the button Fetch MNIST uses the network, and this page works offline.`;
  await open(false);
}

const click = (id: string, work: () => Promise<unknown>) => element(id).addEventListener("click", () => void tried(work));

click("play", async () => {
  if (!playing) return play();
  await client.call("pause");
  setPlaying(false);
  return undefined;
});
click("step", async () => {
  await client.call("pause");
  setPlaying(false);
  showTick(await client.call("step"));
  await showLook(await client.call("look", 0));
});
click("reset", async () => {
  element("note").textContent = "";
  await open(false);
});
const reader = new Reader(client, click, () => opened !== null, problem);
const long = startProofs(client, click, () => opened, (on) => enable(on));
long("seeds", "seeds-stop", () => trainSeeds(client));
takeFiles(client, click, tried, {
  data: async (request) => {
    // A data set that cannot be read must not end the run that is open.
    element<HTMLButtonElement>("fetch-mnist").disabled = true;
    try {
      await client.call("prepare", request);
    } finally {
      element<HTMLButtonElement>("fetch-mnist").disabled = false;
    }
    files = request.kind === "idx" ? { ...request, files: [] } : request;
    await open(false);
  },
  model: async (bytes) => {
    const { widths, activation } = await client.call("model", bytes);
    await client.call("pause");
    setPlaying(false);
    settings.set("hidden", widths.slice(1, -1).join("-"));
    if (activation) settings.set("activation", activation);
    opened = await client.call("load", bytes, settings.config);
    await show(opened, "");
  },
});
if (import.meta.env.PROD && "serviceWorker" in navigator) {
  void navigator.serviceWorker.register("./sw.js").catch(() => undefined);
}

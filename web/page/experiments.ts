// The experiments of the lecture, as trainings whose curves lie over each other.

import type { Client } from "./client.ts";
import { Chart, type Style } from "./curves.ts";
import { element, make, percent } from "./dom.ts";
import type { Long } from "./proving.ts";
import type { Config, Curve, Event, Words } from "./protocol.ts";

interface Preset {
  /** Training digits. */
  digits: number;
  /** What all curves have in common. */
  base: Config;
  /** What a curve has of its own. */
  curves: Curve[];
  /** What to look for. */
  look: string;
}

const deep = (layers: number) => new Array<number>(layers).fill(32);

/** The experiments that are quick enough for a page. */
const PRESETS: Record<string, Preset> = {
  "batch-size": {
    digits: 1000,
    base: { hidden: [16], activation: "tanh", schedule: "constant", epochs: 4 },
    curves: [
      { name: "full batch", config: { batch_size: "full", lr: 0.5 } },
      { name: "batch of 32", config: { batch_size: 32, lr: 0.2 } },
      { name: "one sample", config: { batch_size: 1, lr: 0.02 } },
    ],
    look: "In four passes over the samples the full batch makes four steps. Single samples make a thousand times as many; compare the seconds.",
  },
  vanishing: {
    digits: 3000,
    base: { batch_size: 32, lr: 0.1, epochs: 4 },
    curves: [
      { name: "2 × sigmoid", config: { hidden: deep(2), activation: "sigmoid" } },
      { name: "6 × sigmoid", config: { hidden: deep(6), activation: "sigmoid" } },
      { name: "6 × ReLU", config: { hidden: deep(6), activation: "relu" } },
    ],
    look: "Six layers of sigmoids hardly leave the level of guessing: their first layers get no gradient. Six layers of ReLU learn.",
  },
  activations: {
    digits: 3000,
    base: { hidden: deep(3), batch_size: 32, lr: 0.1, epochs: 4 },
    curves: [
      { name: "sigmoid", config: { activation: "sigmoid" } },
      { name: "tanh", config: { activation: "tanh" } },
      { name: "ReLU", config: { activation: "relu" } },
    ],
    look: "The larger the slope near zero, the sooner the net learns.",
  },
  dropout: {
    digits: 500,
    base: { hidden: [128, 128], optimizer: "adam", batch_size: 32, schedule: "constant", epochs: 20 },
    curves: [
      { name: "keep 1", config: { keep_prob: 1 } },
      { name: "keep 0.8", config: { keep_prob: 0.8 } },
      { name: "keep 0.5", config: { keep_prob: 0.5 } },
    ],
    look: "The training loss (pale dots) falls furthest without dropout. Compare the test loss.",
  },
};

/** Experiments that this page shows in another way. */
const ELSEWHERE: Record<string, [place: string, text: string]> = {
  softmax: ["#draw-title", "Draw a digit: the bars are the probabilities"],
  backprop: ["#layers-title", "See the gradient of each layer"],
  mnist: ["#draw-title", "Draw a digit and follow it to the answer"],
};

const COLOURS = ["--accent", "--test", "--third"];
const DASHES = [[], [7, 4], [2, 3]];

const styles = (curves: Curve[]): Style[] =>
  curves.map(({ name }, at) => ({ name, colour: COLOURS[at] ?? "--text", dash: DASHES[at] ?? [], named: true }));
/** A training loss has the colour of its curve, but dots only. */
const faint = (curves: Curve[]): Style[] =>
  curves.map(({ name }, at) => ({ name: `${name} in training`, colour: COLOURS[at] ?? "--text", dash: [0, 9], dots: true }));

const loss = new Chart(element("lab-loss"), { name: "Loss", across: "epoch", format: (value) => value.toPrecision(3) }, []);
const accuracy = new Chart(element("lab-accuracy"), { name: "Test accuracy", across: "epoch", format: (value) => percent(value, 1) }, []);
let count = 0;

/** Draws a point of a curve. */
export function showPoint({ curve, epoch, loss: training, test }: Event & { event: "point" }) {
  if (training !== null) loss.add(count + curve, epoch, training);
  if (!test) return;
  loss.add(curve, epoch, test.loss);
  accuracy.add(curve, epoch, test.accuracy);
}

async function run(client: Client, { title }: Words, preset: Preset) {
  const { base, curves, look, digits } = preset;
  count = curves.length;
  loss.clear([...styles(curves), ...faint(curves)]);
  accuracy.clear(styles(curves));
  element("lab-charts").hidden = false;
  element("lab-result").replaceChildren(`${title}: training ${count} nets…`);
  const whole = curves.map(({ name, config }) => ({ name, config: { ...base, ...config } }));
  const trained = await client.call("curves", { kind: "digits", train: digits, test: 1000, seed: 1 }, whole);
  const cells = (t: (typeof trained)[number]) => [
    t.name,
    `${t.updates}`,
    `${t.seconds.toFixed(2)} s`,
    t.test?.loss.toFixed(3) ?? "",
    t.test ? percent(t.test.accuracy, 1) : "",
  ];
  const row = (texts: string[]) =>
    make("tr", {}, ...texts.map((text, at) => (at === 0 ? make("th", { scope: "row" }, text) : make("td", {}, text))));
  const head = ["Net", "Updates", "Training", "Test loss", "Test accuracy"].map((text) => make("th", { scope: "col" }, text));
  element("lab-result").replaceChildren(
    make("p", {}, look),
    make("table", { id: "lab-table" }, make("caption", {}, title), make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...trained.map((t) => row(cells(t))))),
  );
}

/** Fills the list of experiments: what the lecture says, and a button for each that runs here. */
export function startExperiments(client: Client, words: Words[], long: Long) {
  const items = words.map((about) => {
    const preset = PRESETS[about.name];
    const [place, text] = ELSEWHERE[about.name] ?? [];
    const command = make("code", {}, `gpu-mlp lab ${about.name}`);
    let way: (Node | string)[] = [];
    if (preset) way = [make("button", { id: `lab-${about.name}`, "aria-label": `Run: ${about.title}` }, "Run"), " or in full: ", command];
    else if (place && text) way = [make("a", { href: place }, text), ", or ", command];
    else way = ["Only in the command line: ", command];
    return make(
      "li",
      {},
      make("details", {}, make("summary", {}, about.title), make("p", {}, about.lecture), make("p", { class: "formula" }, about.formula), make("p", {}, ...way)),
    );
  });
  element("experiments").replaceChildren(...items);
  for (const about of words) {
    const preset = PRESETS[about.name];
    if (preset) long(`lab-${about.name}`, "lab-stop", () => run(client, about, preset));
  }
}

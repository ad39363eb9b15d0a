// What happens in each layer: histograms of activations, gradients and updates.

import { colour, element, make, percent, sheet } from "./dom.ts";
import type { Histogram, LayerView } from "./protocol.ts";

/** Ratio of update and weights that is usual, as a power of ten. */
const USUAL = -3;

interface Picture {
  canvas: HTMLCanvasElement;
  text: HTMLElement;
  /** Width and height of the canvas. */
  size: [number, number];
}

/** The pictures of a layer: activations, gradients, updates. */
let rows: { title: HTMLElement; pictures: Picture[] }[] = [];

const TITLES = ["Activations", "Gradient of the weights", "Update ÷ weight"];

/** Removes the pictures of another net. */
export function clearLayers() {
  rows = [];
  element("layers").replaceChildren();
}

function build(layers: LayerView[]) {
  rows = layers.map(() => ({
    title: make("h3"),
    pictures: TITLES.map((title) => ({
      canvas: make("canvas", { role: "img", "aria-label": `${title}: no values yet` }),
      text: make("figcaption"),
      size: [0, 0],
    })),
  }));
  const figure = ({ canvas, text }: Picture, at: number) =>
    make("figure", {}, make("span", { class: "over" }, TITLES[at] ?? ""), canvas, text);
  const items = rows.map(({ title, pictures }) => make("li", {}, title, make("div", { class: "pictures" }, ...pictures.map(figure))));
  element("layers").replaceChildren(...items);
}

export function showLayers(layers: LayerView[], samples: number) {
  if (layers.length !== rows.length) build(layers);
  element("layers").dataset.samples = `${samples}`;
  // All sizes are read before anything is written: a size that is read after a change of the page costs a layout of the page.
  for (const picture of rows.flatMap((row) => row.pictures)) picture.size = [picture.canvas.clientWidth, picture.canvas.clientHeight];
  for (const [at, layer] of layers.entries()) {
    const row = rows[at];
    if (!row) continue;
    const last = at + 1 === layers.length;
    row.title.textContent = `Layer ${layer.layer}: ${layer.units} ${last ? "logits" : "units"}`;
    const [activations, gradients, updates] = row.pictures;
    if (activations) show(activations, layer.activations, linear, activity(layer, samples));
    if (gradients) show(gradients, layer.gradients, power, `norm ${layer.gradient_norm.toExponential(1)}`);
    // After the last update there is no next one: what was measured last stays.
    if (updates && layer.updates && layer.update_ratio !== null) {
      show(updates, layer.updates, power, `all together ${layer.update_ratio.toExponential(1)}; usual is about 10⁻³`, USUAL);
    }
  }
}

function activity(layer: LayerView, samples: number): string {
  const share = layer.activations.zeros / (layer.units * samples);
  if (share === 0) return "none is zero";
  const dead = layer.dead === 1 ? "1 unit is dead" : `${layer.dead} units are dead`;
  return `${percent(share, 0)} are zero, ${dead}`;
}

const linear = (value: number) => value.toPrecision(2);
const DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const power = (value: number) =>
  `10${value < 0 ? "⁻" : ""}${[...`${Math.abs(Math.round(value))}`].map((digit) => DIGITS[Number(digit)]).join("")}`;

function show({ canvas, text, size: [width, height] }: Picture, histogram: Histogram, format: (value: number) => string, says: string, guide?: number) {
  const { low, high, counts } = histogram;
  text.textContent = says;
  const fullest = counts.indexOf(Math.max(...counts));
  const middle = low + ((fullest + 0.5) * (high - low)) / counts.length;
  const range = `${format(low)} to ${format(high)}, most often about ${format(middle)}`;
  canvas.setAttribute("aria-label", `Histogram from ${range}; ${says}`);
  if (width === 0) return;
  const c = sheet(canvas, width, height);
  c.font = "11px system-ui, sans-serif";
  const base = height - 14;
  const most = Math.max(1, ...counts);
  const bar = width / counts.length;
  if (guide !== undefined) {
    c.fillStyle = colour("--line");
    c.fillRect(((guide - low) / (high - low)) * width - 1, 0, 2, base);
  }
  c.fillStyle = colour("--accent");
  for (const [at, count] of counts.entries()) {
    // A bar of a single value must still be seen.
    const tall = count === 0 ? 0 : Math.max(1, (count / most) * (base - 2));
    c.fillRect(at * bar + 0.5, base - tall, Math.max(1, bar - 1), tall);
  }
  c.fillStyle = colour("--line");
  c.fillRect(0, base, width, 1);
  c.fillStyle = colour("--soft");
  c.fillText(format(low), 0, height - 2);
  c.textAlign = "right";
  c.fillText(format(high), width, height - 2);
}

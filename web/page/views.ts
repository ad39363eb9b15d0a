// Pictures of what the net has learned.

import { context, element, grey, make, percent } from "./dom.ts";
import type { Guess, ParityLine, Steps } from "./protocol.ts";

/** From white to a colour, as the bytes of a pixel. Orange and blue are as dark as each other at their ends. */
function mixed(share: number, r: number, g: number, b: number): number {
  const part = (value: number) => Math.round(247 + (value - 247) * share);
  return ((255 << 24) | (part(b) << 16) | (part(g) << 8) | part(r)) >>> 0;
}

/** Draws the weights of each unit as a tile: orange positive, blue negative, on one symmetric scale. */
export function drawWeights(canvas: HTMLCanvasElement, weights: Float32Array, inputs: number) {
  const side = Math.sqrt(inputs);
  const units = weights.length / inputs;
  if (!Number.isInteger(side) || units === 0) return;
  const columns = Math.ceil(Math.sqrt(units));
  const tile = side + 1;
  const image = new ImageData(columns * tile - 1, Math.ceil(units / columns) * tile - 1);
  // Of a tenth of the weights: sorting all of them would hold up the page.
  const few = Float32Array.from({ length: Math.ceil(weights.length / 10) }, (_, at) => Math.abs(weights[10 * at] ?? 0)).sort();
  const most = few[Math.floor(few.length * 0.995)] || 1;
  // Whole pixels are written at once, as numbers: with 100,000 weights an array per pixel would take too long.
  const pixels = new Uint32Array(image.data.buffer);
  for (let unit = 0; unit < units; unit++) {
    const [left, top] = [(unit % columns) * tile, Math.floor(unit / columns) * tile];
    for (let at = 0; at < inputs; at++) {
      const value = Math.max(-1, Math.min(1, (weights[unit * inputs + at] ?? 0) / most));
      const x = left + (at % side);
      const y = top + Math.floor(at / side);
      pixels[y * image.width + x] = value > 0 ? mixed(value, 179, 88, 6) : mixed(-value, 33, 102, 172);
    }
  }
  [canvas.width, canvas.height] = [image.width, image.height];
  context(canvas).putImageData(image, 0, 0);
  canvas.setAttribute("aria-label", `Weights of the first layer: ${units} tiles, one per unit`);
}

/** Shows the confusion matrix as a table. A mistake is a button: `onCell` gets its row and column. */
export function showConfusion(place: HTMLElement, counts: Uint32Array, onCell: (row: number, column: number) => void) {
  const classes = Math.sqrt(counts.length);
  const digits = [...Array(classes).keys()];
  const most = Math.max(1, ...digits.flatMap((r) => digits.map((c) => (r === c ? 0 : (counts[r * classes + c] ?? 0)))));
  const cell = (row: number, column: number) => {
    const count = counts[row * classes + column] ?? 0;
    const button = make("button", { "aria-label": `${count} of class ${row} taken for ${column}` }, count ? `${count}` : "");
    button.disabled = count === 0 || row === column;
    button.addEventListener("click", () => onCell(row, column));
    const cell = make("td", {}, button);
    const share = row === column ? 0 : count / most;
    cell.style.background = `color-mix(in srgb, var(--test) ${Math.round(45 * share)}%, transparent)`;
    return cell;
  };
  const body = digits.map((row) => make("tr", {}, make("th", { scope: "row" }, `${row}`), ...digits.map((c) => cell(row, c))));
  // A table that is replaced while the keyboard is in it would lose the focus.
  if (place.contains(document.activeElement)) return;
  place.replaceChildren(
    make(
      "table",
      {},
      make("caption", {}, "Row: the digit. Column: the answer. Press a mistake to see it."),
      make("thead", {}, make("tr", {}, make("td"), ...digits.map((c) => make("th", { scope: "col" }, `${c}`)))),
      make("tbody", {}, ...body),
    ),
  );
}

export function showProbabilities(list: HTMLElement, probabilities: ArrayLike<number>) {
  const rows = Array.from(probabilities, (p, digit) => {
    const bar = make("i");
    bar.style.width = `${100 * p}%`;
    return make("li", {}, make("span", {}, `${digit}`), make("span", {}, bar), make("span", {}, percent(p, 1)));
  });
  list.replaceChildren(...rows);
}

/** Shows the four steps from a drawing to a sample. */
export function showSteps(list: HTMLElement, steps: Steps) {
  const cut = (pixels: Uint8Array, width: number, [left, right, top, bottom]: number[]) => {
    const rows: number[] = [];
    for (let y = top ?? 0; y <= (bottom ?? 0); y++) rows.push(...pixels.subarray(y * width + (left ?? 0), y * width + (right ?? 0) + 1));
    return { pixels: Uint8Array.from(rows), width: (right ?? 0) - (left ?? 0) + 1 };
  };
  const crop = cut(steps.ink, steps.inkWidth, steps.crop);
  const scaled = cut(steps.sample, 28, steps.scaled);
  const pictures: [string, Uint8Array, number][] = [
    ["1. The ink", steps.ink, steps.inkWidth],
    ["2. Cropped", crop.pixels, crop.width],
    ["3. Scaled to 20 pixels", scaled.pixels, scaled.width],
    ["4. Centred by mass", steps.sample, 28],
  ];
  const items = pictures.map(([name, pixels, width]) => {
    const canvas = make("canvas", { role: "img", "aria-label": name });
    grey(canvas, pixels, width);
    return make("li", {}, canvas, name);
  });
  list.replaceChildren(...items);
}

export function showGuess({ steps, probabilities }: Guess) {
  if (steps) showSteps(element("steps"), steps);
  showProbabilities(element("guess"), probabilities);
  const best = probabilities.indexOf(Math.max(...probabilities));
  element("answer").textContent = `The net reads ${best} (${percent(probabilities[best] ?? 0, 1)}).`;
}

export function parityTable(lines: ParityLine[]): HTMLElement {
  const head = ["Kernel", "Cases", "Values", "Share of the bound"];
  const row = (line: ParityLine) => [
    line.kernel,
    `${line.cases}`,
    line.compared.toLocaleString("en"),
    line.faults.length ? `${line.faults.length} FAILED: ${line.faults[0]}` : line.share > 0 ? percent(line.share, 1) : "equal",
  ];
  return make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...lines.map((line) => make("tr", {}, ...row(line).map((text) => make("td", {}, text))))),
  );
}

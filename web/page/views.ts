// Pictures of what the net has learned.

import { context, element, grey, make, percent } from "./dom.ts";
import type { Guess, ParityLine, Steps, Tiles } from "./protocol.ts";

/** Shows the tiles of the first layer's weights. */
export function showWeights(canvas: HTMLCanvasElement, { picture, units }: Tiles) {
  [canvas.width, canvas.height] = [picture.width, picture.height];
  context(canvas).putImageData(picture, 0, 0);
  canvas.setAttribute("aria-label", `Weights of the first layer: ${units} tiles, one per unit`);
}

/** The cells of the confusion matrix, row by row. */
let cells: { cell: HTMLElement; button: HTMLButtonElement }[] = [];

/** Makes the table of the confusion matrix. A mistake is a button: `onCell` gets its row and column. */
function buildConfusion(place: HTMLElement, classes: number, onCell: (row: number, column: number) => void) {
  const digits = [...Array(classes).keys()];
  cells = digits.flatMap((row) =>
    digits.map((column) => {
      const button = make("button");
      button.addEventListener("click", () => onCell(row, column));
      return { button, cell: make("td", {}, button) };
    }),
  );
  const body = digits.map((row) => {
    const ofRow = cells.slice(row * classes, (row + 1) * classes).map(({ cell }) => cell);
    return make("tr", {}, make("th", { scope: "row" }, `${row}`), ...ofRow);
  });
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

/** Shows the confusion matrix as a table. The table stays, so that the keyboard keeps its place, and only changes cost time. */
export function showConfusion(place: HTMLElement, counts: Uint32Array, onCell: (row: number, column: number) => void) {
  const classes = Math.sqrt(counts.length);
  if (cells.length !== counts.length) buildConfusion(place, classes, onCell);
  const isMistake = (at: number) => at % classes !== Math.floor(at / classes);
  const most = counts.reduce((most, count, at) => (isMistake(at) ? Math.max(most, count) : most), 1);
  for (const [at, { cell, button }] of cells.entries()) {
    const count = counts[at] ?? 0;
    const label = `${count} of class ${Math.floor(at / classes)} taken for ${at % classes}`;
    const share = isMistake(at) ? Math.round((45 * count) / most) : 0;
    if (cell.dataset.share !== `${share}`) {
      cell.dataset.share = `${share}`;
      cell.style.background = `color-mix(in srgb, var(--test) ${share}%, transparent)`;
    }
    if (button.ariaLabel === label) continue;
    button.ariaLabel = label;
    button.textContent = count ? `${count}` : "";
    // A button that is disabled would lose the focus.
    button.disabled = (count === 0 || !isMistake(at)) && button !== document.activeElement;
  }
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

// The gradient of the answer by the pixels, drawn over the digit.

import { context } from "./dom.ts";
import type { Guess } from "./protocol.ts";

const SIDE = 28;
/** Below this share of the largest gradient nothing is drawn. */
const LEAST = 0.08;
/** Of orange and blue, as in the pictures of the weights. */
const [SURER, LESS_SURE] = ["179 88 6", "33 102 172"];

/** Where a sample lies on the drawing area: its first pixel and the width of a pixel, in pixels of the canvas. */
function place({ steps }: Guess, width: number): { left: number; top: number; across: number; down: number } {
  if (!steps) return { left: 0, top: 0, across: width / SIDE, down: width / SIDE };
  const [cropLeft = 0, cropRight = 0, cropTop = 0, cropBottom = 0] = steps.crop;
  const [left = 0, right = 0, top = 0, bottom = 0] = steps.scaled;
  const scale = width / steps.inkWidth;
  const across = (scale * (cropRight - cropLeft + 1)) / (right - left + 1);
  const down = (scale * (cropBottom - cropTop + 1)) / (bottom - top + 1);
  return { left: scale * cropLeft - left * across, top: scale * cropTop - top * down, across, down };
}

export function clearOverlay(canvas: HTMLCanvasElement) {
  context(canvas).clearRect(0, 0, canvas.width, canvas.height);
  canvas.setAttribute("aria-label", "No overlay");
}

/** Draws where more ink makes the net surer of the class (orange) and where less sure (blue). */
export function drawOverlay(canvas: HTMLCanvasElement, guess: Guess) {
  clearOverlay(canvas);
  const c = context(canvas);
  const { left, top, across, down } = place(guess, canvas.width);
  const most = guess.gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let [surer, all] = [0, 0];
  for (const [at, value] of guess.gradient.entries()) {
    const share = most > 0 ? Math.abs(value) / most : 0;
    if (share < LEAST) continue;
    all++;
    // The gradient is that of the loss: where it is negative, more ink lowers the loss.
    if (value < 0) surer++;
    c.fillStyle = `rgb(${value < 0 ? SURER : LESS_SURE} / ${0.15 + 0.65 * share})`;
    c.fillRect(left + (at % SIDE) * across, top + Math.floor(at / SIDE) * down, across, down);
  }
  const text = `Overlay for ${guess.of}: more ink makes the net surer at ${surer} and less sure at ${all - surer} pixels`;
  canvas.setAttribute("aria-label", text);
}

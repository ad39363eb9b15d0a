// Weights as a picture. Computed in the worker: with 100,000 weights it would hold up the page.

import type { Tiles } from "./protocol.ts";

/** From white to a colour, as the bytes of a pixel. Orange and blue are as dark as each other at their ends. */
function mixed(share: number, r: number, g: number, b: number): number {
  const part = (value: number) => Math.round(247 + (value - 247) * share);
  return ((255 << 24) | (part(b) << 16) | (part(g) << 8) | part(r)) >>> 0;
}

/**
 * The weights of each unit as a tile: orange positive, blue negative, on one symmetric scale. `null` if the inputs are no
 * square.
 */
export function tiles(weights: Float32Array, inputs: number): Tiles | null {
  const side = Math.sqrt(inputs);
  const units = weights.length / inputs;
  if (!Number.isInteger(side) || units === 0) return null;
  const columns = Math.ceil(Math.sqrt(units));
  const tile = side + 1;
  const picture = new ImageData(columns * tile - 1, Math.ceil(units / columns) * tile - 1);
  // Of a tenth of the weights: sorting all of them would take too long.
  const few = Float32Array.from({ length: Math.ceil(weights.length / 10) }, (_, at) => Math.abs(weights[10 * at] ?? 0)).sort();
  const most = few[Math.floor(few.length * 0.995)] || 1;
  // Whole pixels are written at once, as numbers: with 100,000 weights an array per pixel would take too long.
  const pixels = new Uint32Array(picture.data.buffer);
  for (let unit = 0; unit < units; unit++) {
    const [left, top] = [(unit % columns) * tile, Math.floor(unit / columns) * tile];
    for (let at = 0; at < inputs; at++) {
      const value = Math.max(-1, Math.min(1, (weights[unit * inputs + at] ?? 0) / most));
      const x = left + (at % side);
      const y = top + Math.floor(at / side);
      pixels[y * picture.width + x] = value > 0 ? mixed(value, 179, 88, 6) : mixed(-value, 33, 102, 172);
    }
  }
  return { picture, units };
}

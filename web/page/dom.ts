// Small helpers for elements.

export function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element ${id}.`);
  return found as T;
}

/** Makes an element with attributes and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const found = canvas.getContext("2d");
  if (!found) throw new Error("This browser cannot draw on a canvas.");
  return found;
}

/** An empty canvas of the size that the style sheet gives it, in CSS pixels; the caller reads that size. */
export function sheet(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const c = context(canvas);
  const [across, down] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
  // A new size means new memory, so it is set only if it differs.
  if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
  c.reset();
  c.scale(devicePixelRatio, devicePixelRatio);
  return c;
}

const colours = new Map<string, string>();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => colours.clear());

/** The colour that a CSS variable has now. Kept, because the browser computes the styles of the whole page to answer. */
export function colour(name: string): string {
  const known = colours.get(name) ?? getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  colours.set(name, known);
  return known;
}

/** Ends the task, so that the browser can do something else first. */
export const pause = () => new Promise<void>((resolve) => setTimeout(resolve));

export function percent(share: number, digits = 2): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** Draws grey pixels, 0 black, to a canvas of their size. */
export function grey(canvas: HTMLCanvasElement, pixels: Uint8Array, width: number) {
  const height = pixels.length / width;
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (const [at, value] of pixels.entries()) image.data.set([value, value, value, 255], 4 * at);
  context(canvas).putImageData(image, 0, 0);
}

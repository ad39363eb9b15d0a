// The drawing area: black strokes on white, with mouse, pen or finger.

import { context } from "./dom.ts";

/** Width of the pen in pixels of the canvas, about that of MNIST's strokes. */
const PEN = 22;

export class Pad {
  empty = true;

  /** Calls `onDrawn` after strokes, at most once per frame. */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    onDrawn: () => void,
  ) {
    // The browser then keeps the pixels where they can be read without waiting for the GPU.
    canvas.getContext("2d", { willReadFrequently: true });
    this.clear();
    let planned = false;
    const drawn = () => {
      if (planned) return;
      planned = true;
      requestAnimationFrame(() => {
        planned = false;
        onDrawn();
      });
    };
    let last: [number, number] | null = null;
    const place = (event: PointerEvent): [number, number] => {
      const box = canvas.getBoundingClientRect();
      const scale = canvas.width / box.width;
      return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    };
    const to = (next: [number, number]) => {
      const c = context(canvas);
      c.lineWidth = PEN;
      c.lineCap = c.lineJoin = "round";
      c.strokeStyle = "#000";
      c.beginPath();
      c.moveTo(...(last ?? next));
      c.lineTo(...next);
      c.stroke();
      last = next;
      this.empty = false;
      drawn();
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      last = null;
      to(place(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (last) for (const part of event.getCoalescedEvents?.() ?? [event]) to(place(part));
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (last = null));
  }

  clear() {
    const c = context(this.canvas);
    c.fillStyle = "#fff";
    c.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.empty = true;
  }

  /** Shows a sample, as dark ink on white. The area still counts as empty: a sample is no drawing. */
  show(pixels: Uint8Array, width: number) {
    this.clear();
    const c = context(this.canvas);
    const size = this.canvas.width / width;
    for (const [at, value] of pixels.entries()) {
      if (value === 0) continue;
      c.fillStyle = `rgb(0 0 0 / ${value / 255})`;
      c.fillRect((at % width) * size, Math.floor(at / width) * size, size, size);
    }
  }

  /** The drawing as pixels. */
  picture(): ImageData {
    return context(this.canvas).getImageData(0, 0, this.canvas.width, this.canvas.height);
  }
}

// A chart of two curves over the number of updates.

import { colour, context } from "./dom.ts";

type Point = [x: number, y: number];

/** Most points of a curve; above it, neighbours are averaged. */
const MOST = 1000;

class Curve {
  points: Point[] = [];
  /** How many values a point stands for. */
  private every = 1;
  private waiting: Point[] = [];

  add(x: number, y: number) {
    this.waiting.push([x, y]);
    if (this.waiting.length < this.every) return;
    this.points.push(mean(this.waiting));
    this.waiting = [];
    if (this.points.length < MOST) return;
    const halves: Point[] = [];
    for (let at = 0; at + 1 < this.points.length; at += 2) halves.push(mean(this.points.slice(at, at + 2)));
    this.points = halves;
    this.every *= 2;
  }
}

function mean(points: Point[]): Point {
  const sum = points.reduce(([a, b], [x, y]): Point => [a + x, b + y], [0, 0]);
  return [sum[0] / points.length, sum[1] / points.length];
}

export class Chart {
  private training = new Curve();
  private test = new Curve();
  private planned = false;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly name: string,
    private readonly format: (value: number) => string,
  ) {
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  clear() {
    [this.training, this.test] = [new Curve(), new Curve()];
    this.redraw();
  }

  addTraining(x: number, y: number) {
    this.training.add(x, y);
    this.redraw();
  }

  addTest(x: number, y: number) {
    this.test.add(x, y);
    this.redraw();
  }

  private redraw() {
    if (this.planned) return;
    this.planned = true;
    requestAnimationFrame(() => {
      this.planned = false;
      this.draw();
    });
  }

  private draw() {
    const { canvas } = this;
    const scale = devicePixelRatio;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (width === 0) return;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const c = context(canvas);
    c.scale(scale, scale);
    c.font = "12px system-ui, sans-serif";
    const curves = [this.training.points, this.test.points];
    const all = curves.flat();
    const [left, right, top, bottom] = [46, 8, 8, 20];
    const most = Math.max(1, ...all.map(([x]) => x));
    let low = Math.min(...all.map(([, y]) => y));
    let high = Math.max(...all.map(([, y]) => y));
    if (all.length === 0) [low, high] = [0, 1];
    if (high - low < 1e-6) [low, high] = [low - 0.01, high + 0.01];
    const x = (value: number) => left + (value / most) * (width - left - right);
    const y = (value: number) => top + ((high - value) / (high - low)) * (height - top - bottom);
    c.strokeStyle = colour("--line");
    c.fillStyle = colour("--soft");
    c.textAlign = "right";
    for (let tick = 0; tick <= 4; tick++) {
      const value = low + ((high - low) * tick) / 4;
      c.beginPath();
      c.moveTo(left, y(value));
      c.lineTo(width - right, y(value));
      c.stroke();
      c.fillText(this.format(value), left - 4, y(value) + 4);
    }
    c.fillText(`${Math.round(most)}`, width - right, height - 5);
    c.textAlign = "left";
    c.fillText("0", left, height - 5);
    // The curves also differ without colours: the test curve has dots.
    for (const [curve, name] of [[curves[0] ?? [], "--accent"], [curves[1] ?? [], "--test"]] as const) {
      c.strokeStyle = colour(name);
      c.fillStyle = colour(name);
      c.lineWidth = 1.5;
      c.beginPath();
      for (const [px, py] of curve) c.lineTo(x(px), y(py));
      c.stroke();
      if (name !== "--test") continue;
      for (const [px, py] of curve) {
        c.beginPath();
        c.arc(x(px), y(py), 2, 0, 7);
        c.fill();
      }
    }
    const last = (points: Point[]) => points.at(-1);
    const [a, b] = [last(this.training.points), last(this.test.points)];
    const said = [a && `training ${this.format(a[1])}`, b && `test ${this.format(b[1])}`].filter(Boolean).join(", ");
    canvas.setAttribute("aria-label", `${this.name} by update: ${said || "no values yet"}`);
  }
}

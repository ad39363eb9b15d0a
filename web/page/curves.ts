// A chart of curves, each with a band if it has one.

import { colour, sheet } from "./dom.ts";

/** A point with the ends of its bands: the standard error of the mean, and the smallest and largest value. */
interface Point {
  x: number;
  y: number;
  near?: [number, number];
  far?: [number, number];
}

/** Most points of a curve; above it, neighbours are averaged. */
const MOST = 1000;

/** How a curve looks. Curves also differ without colours: by dots, by dashes, and by names at their ends. */
export interface Style {
  name: string;
  /** A variable of the style sheet. */
  colour: string;
  dots?: boolean;
  dash?: number[];
  /** Whether the name stands at the end of the curve. */
  named?: boolean;
}

class Curve {
  points: Point[] = [];
  /** How many values a point stands for. */
  private every = 1;
  private waiting: Point[] = [];

  constructor(readonly style: Style) {}

  add(point: Point) {
    this.waiting.push(point);
    if (this.waiting.length < this.every) return;
    this.points.push(mean(this.waiting));
    this.waiting = [];
    if (this.points.length < MOST) return;
    const halves: Point[] = [];
    for (let at = 0; at + 1 < this.points.length; at += 2) halves.push(mean(this.points.slice(at, at + 2)));
    this.points = halves;
    this.every *= 2;
  }

  get last(): Point | undefined {
    return this.points.at(-1);
  }
}

function mean(points: Point[]): Point {
  const of = (pick: (point: Point) => number) => points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const band = (name: "near" | "far"): [number, number] | undefined =>
    points.every((point) => point[name]) ? [of((p) => p[name]?.[0] ?? 0), of((p) => p[name]?.[1] ?? 0)] : undefined;
  const point: Point = { x: of((p) => p.x), y: of((p) => p.y) };
  const [near, far] = [band("near"), band("far")];
  if (near) point.near = near;
  if (far) point.far = far;
  return point;
}

/** What a chart says, with the unit of its horizontal axis. */
interface Words {
  name: string;
  across: string;
  format: (value: number) => string;
}

export class Chart {
  private curves: Curve[] = [];
  private planned = false;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly words: Words,
    private styles: Style[],
  ) {
    this.clear();
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** Removes all points, and the curves too if there are others now. */
  clear(styles: Style[] = this.styles) {
    this.styles = styles;
    this.curves = styles.map((style) => new Curve(style));
    this.redraw();
  }

  add(curve: number, x: number, y: number, near?: [number, number], far?: [number, number]) {
    const point: Point = { x, y };
    if (near) point.near = near;
    if (far) point.far = far;
    this.curves[curve]?.add(point);
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
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (width === 0) return;
    const c = sheet(canvas, width, height);
    c.font = "12px system-ui, sans-serif";
    const named = this.curves.filter((curve) => curve.style.named);
    const ends = Math.max(0, ...named.map((curve) => c.measureText(curve.style.name).width));
    const [right, top, bottom] = [8 + (ends && ends + 6), 8, 20];
    const all = this.curves.flatMap((curve) => curve.points);
    const heights = all.flatMap((point) => [point.y, ...(point.near ?? []), ...(point.far ?? [])]);
    const most = all.reduce((most, { x }) => Math.max(most, x), 1);
    let low = heights.reduce((a, b) => Math.min(a, b), Infinity);
    let high = heights.reduce((a, b) => Math.max(a, b), -Infinity);
    if (heights.length === 0) [low, high] = [0, 1];
    if (high - low < 1e-6) [low, high] = [low - 0.01, high + 0.01];
    const ticks = [0, 1, 2, 3, 4].map((tick) => low + ((high - low) * tick) / 4);
    const left = 6 + Math.max(40, ...ticks.map((value) => c.measureText(this.words.format(value)).width));
    const x = (value: number) => left + (value / most) * (width - left - right);
    const y = (value: number) => top + ((high - value) / (high - low)) * (height - top - bottom);
    c.strokeStyle = colour("--line");
    c.fillStyle = colour("--soft");
    c.textAlign = "right";
    for (const value of ticks) {
      c.beginPath();
      c.moveTo(left, y(value));
      c.lineTo(width - right, y(value));
      c.stroke();
      c.fillText(this.words.format(value), left - 4, y(value) + 4);
    }
    c.fillText(`${Math.round(most)}`, width - right, height - 5);
    c.textAlign = "left";
    c.fillText("0", left, height - 5);
    for (const { points, style } of this.curves) {
      for (const [name, alpha] of [["far", 0.16], ["near", 0.3]] as const) band(c, points, name, alpha, colour(style.colour), x, y);
    }
    for (const { points, style } of this.curves) line(c, points, style, x, y);
    this.name(c, named, width - right + 5, y);
    const said = this.curves.filter((curve) => curve.last).map((curve) => `${curve.style.name} ${this.words.format(curve.last?.y ?? NaN)}`);
    const text = said.join(", ") || "no values yet";
    canvas.setAttribute("aria-label", `${this.words.name} by ${this.words.across}: ${text}`);
  }

  /** Writes the names at the ends of their curves, so that they do not overlap. */
  private name(c: CanvasRenderingContext2D, named: Curve[], left: number, y: (value: number) => number) {
    const places = named.flatMap((curve) => (curve.last ? [{ curve, at: y(curve.last.y) + 4 }] : []));
    places.sort((a, b) => a.at - b.at);
    let above = -Infinity;
    for (const { curve, at } of places) {
      above = Math.max(at, above + 14);
      c.fillStyle = colour(curve.style.colour);
      c.fillText(curve.style.name, left, above);
    }
  }
}

type Scale = (value: number) => number;

function band(c: CanvasRenderingContext2D, points: Point[], name: "near" | "far", alpha: number, fill: string, x: Scale, y: Scale) {
  const banded = points.filter((point) => point[name]);
  if (banded.length < 2) return;
  c.fillStyle = fill;
  c.globalAlpha = alpha;
  c.beginPath();
  for (const point of banded) c.lineTo(x(point.x), y(point[name]?.[1] ?? point.y));
  for (const point of banded.toReversed()) c.lineTo(x(point.x), y(point[name]?.[0] ?? point.y));
  c.fill();
  c.globalAlpha = 1;
}

function line(c: CanvasRenderingContext2D, points: Point[], style: Style, x: Scale, y: Scale) {
  c.strokeStyle = c.fillStyle = colour(style.colour);
  c.lineWidth = 1.5;
  c.setLineDash(style.dash ?? []);
  c.beginPath();
  for (const point of points) c.lineTo(x(point.x), y(point.y));
  c.stroke();
  c.setLineDash([]);
  if (!style.dots) return;
  for (const point of points) {
    c.beginPath();
    c.arc(x(point.x), y(point.y), 2, 0, 7);
    c.fill();
  }
}

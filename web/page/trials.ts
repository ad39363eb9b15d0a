// Several trainings for one picture: seeds at once, and the curves of an experiment. In the worker.

import * as wasm from "../wasm/gpu_mlp_web.js";
import type { Band, Config, Curve, Event, Position, Scored, SeedsDone, Trained } from "./protocol.ts";

/** About as many points as a curve has. */
const POINTS = 40;

type Tell = (event: Event) => void;

export class Trials {
  /** Set to end the trainings after the updates that are under way. */
  stopped = false;

  constructor(
    private readonly device: wasm.Device,
    private readonly tell: Tell,
    private readonly messages: () => Promise<void>,
  ) {}

  /** The same settings with `count` seeds. */
  async seeds(data: wasm.Data, config: Config, count: number): Promise<SeedsDone> {
    const begin = performance.now();
    const seeds = await wasm.Seeds.open(this.device, data, JSON.stringify(config), count);
    try {
      const together = seeds.together(this.device);
      let [step, last, updates] = [0, Infinity, 1];
      let accuracy: number[] = [];
      while (step < last && !this.stopped) {
        const { positions, tests } = JSON.parse(await seeds.advance(updates)) as { positions: Position[]; tests: (Scored | null)[] };
        const [first] = positions;
        if (!first) break;
        [step, last, updates] = [first.step, first.last, Math.ceil(first.last / POINTS)];
        accuracy = tests.flatMap((test) => (test ? [test.accuracy] : []));
        const loss = positions.flatMap((position) => (position.loss === null ? [] : [position.loss]));
        this.tell({ event: "seeds", step, last, loss: band(loss), accuracy: band(accuracy) });
        await this.messages();
      }
      return { together, seconds: (performance.now() - begin) / 1000, step, last, accuracy, band: band(accuracy) };
    } finally {
      seeds.free();
    }
  }

  /** Trains nets one after another; each is a curve. */
  async curves(data: wasm.Data, curves: Curve[]): Promise<Trained[]> {
    const done: Trained[] = [];
    for (const [at, { name, config }] of curves.entries()) {
      if (this.stopped) break;
      const run = await wasm.Run.open(this.device, data, JSON.stringify(config));
      try {
        let seconds = 0;
        let position: Position = JSON.parse(await run.advance(0));
        let test: Scored | null = null;
        // The first update on its own: there the loss changes most.
        let updates = 1;
        while (position.step < position.last && !this.stopped) {
          const begin = performance.now();
          position = JSON.parse(await run.advance(updates));
          seconds += (performance.now() - begin) / 1000;
          updates = Math.ceil(position.last / POINTS);
          test = JSON.parse(await run.test());
          this.tell({ event: "point", curve: at, epoch: position.epoch, loss: position.loss, test });
          await this.messages();
        }
        done.push({ name, seconds, updates: position.step, loss: position.loss, test });
      } finally {
        run.free();
      }
    }
    return done;
  }
}

/** Mean, standard error of the mean, smallest and largest. */
export function band(values: number[]): Band | null {
  if (values.length === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const error = values.length > 1 ? Math.sqrt(squares / (values.length - 1) / values.length) : 0;
  return { mean, error, low: Math.min(...values), high: Math.max(...values) };
}

// The buttons that prove something: exact, parity, race, again.

import * as wasm from "../wasm/gpu_mlp_web.js";
import type { Config, Exact, ParityLine, Position, Race } from "./protocol.ts";

type Progress = (done: number, of: number, what: string) => void;

interface Verdict {
  kernel: string;
  case: string;
  compared: number;
  share: number;
  fault: string | null;
}

export class Proofs {
  /** Set to end a comparison after the case that is under way. */
  stopped = false;

  constructor(
    private readonly device: wasm.Device,
    private readonly data: wasm.Data,
    private readonly config: Config,
    private readonly progress: Progress,
    private readonly messages: () => Promise<void>,
  ) {}

  /** The golden run on the open device, or on another engine. */
  async exact(engine: string): Promise<Exact> {
    const device = engine ? await wasm.Device.open(engine) : this.device;
    const result = JSON.parse(await wasm.exact(device));
    if (engine) device.free();
    return result;
  }

  /** Every case of every kernel against the CPU; a line per kernel. */
  async parity(): Promise<{ lines: ParityLine[]; done: number; of: number }> {
    const cases = new wasm.Parity(this.device);
    const lines: ParityLine[] = [];
    const count = cases.count();
    let at = 0;
    while (at < count && !this.stopped) {
      const verdict: Verdict = JSON.parse(await cases.compare(this.device, at));
      let line = lines.find((line) => line.kernel === verdict.kernel);
      if (!line) lines.push((line = { kernel: verdict.kernel, cases: 0, compared: 0, share: 0, faults: [] }));
      line.cases++;
      line.compared += verdict.compared;
      line.share = Math.max(line.share, verdict.share);
      if (verdict.fault) line.faults.push(`${verdict.case}: ${verdict.fault}`);
      this.progress(++at, count, verdict.kernel);
      await this.messages();
    }
    cases.free();
    return { lines, done: at, of: count };
  }

  /** The same updates on WebGPU and on the CPU, one after the other. */
  async race(updates: number): Promise<Race[]> {
    const results: Race[] = [];
    for (const engine of ["gpu", "cpu"]) {
      let device: wasm.Device;
      try {
        device = await wasm.Device.open(engine);
      } catch {
        continue;
      }
      const run = await wasm.Run.open(device, this.data, JSON.stringify(this.config));
      // The first updates compile the shaders and find the pace.
      await run.advance(Math.ceil(updates / 4));
      const begin = performance.now();
      const position: Position = JSON.parse(await run.advance(updates));
      const seconds = (performance.now() - begin) / 1000;
      const about = JSON.parse(device.about());
      const { samples, loss } = position;
      results.push({ engine, device: about.device, samples, seconds, sha256: await run.sha256(), loss: loss ?? NaN });
      run.free();
      device.free();
      this.progress(results.length, 2, engine);
    }
    return results;
  }

  /** Trains once more from the start to where the run is, and compares the bits of weights and optimizer state. */
  async again(run: wasm.Run, model: Uint8Array | null): Promise<{ first: string; second: string; updates: number }> {
    const first = await run.sha256();
    const updates = (JSON.parse(await run.advance(0)) as Position).step;
    const twin = await wasm.Run.open(this.device, this.data, JSON.stringify(this.config));
    if (model) twin.load(model);
    let step = 0;
    while (step < updates) {
      step = (JSON.parse(await twin.advance(Math.min(200, updates - step))) as Position).step;
      this.progress(step, updates, "updates");
      await this.messages();
    }
    const second = await twin.sha256();
    twin.free();
    return { first, second, updates };
  }
}

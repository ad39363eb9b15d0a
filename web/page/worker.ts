// Trains in a worker, so that drawing never waits for training and training never waits for drawing.

import init, * as wasm from "../wasm/gpu_mlp_web.js";
import { mnist } from "./mirror.ts";
import { Proofs } from "./proofs.ts";
import type { Calls, Config, DataRequest, Event, Guess, Layers, Look, Name, Opened, Position, Reply, Request, Steps, Tick } from "./protocol.ts";
import { tiles } from "./tiles.ts";
import { Trials } from "./trials.ts";

/** Target time between two reports of progress, in seconds. */
const TICK = 0.1;
/** Time between two looks at weights and scores, in seconds. A look also lasts at most this share of the time. */
const LOOK = 1;
const LOOK_SHARE = 0.1;

/** Digits for the first update of all. */
const FEW = 64;

type Handlers = { [N in Name]: (...args: Calls[N]["args"]) => Promise<Calls[N]["answer"]> };

function tell(event: Event) {
  postMessage(event);
}

const progress = (done: number, of: number, what: string) => tell({ event: "progress", done, of, what });

/** Lets messages in. `setTimeout` would wait for 4 ms. */
const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();
function messages(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}

class Work {
  private device: wasm.Device | null = null;
  private engine = "";
  private data: wasm.Data | null = null;
  /** Data sets by their requests: a data set is never freed. */
  private readonly sets = new Map<string, wasm.Data>();
  private run: wasm.Run | null = null;
  private config: Config = {};
  /** The model that the run began with, if its weights were not drawn. */
  private first: Uint8Array | null = null;
  private playing = false;
  /** What `pause` ends: a comparison, or several trainings. */
  private proof: { stopped: boolean } | null = null;
  /** The layers in the last update that was measured, and its number. */
  private layers: (Layers & { step: number }) | null = null;
  /** Updates per call. */
  private pace = 1;
  /** Updates until the end, as far as it is known. */
  private left = Infinity;
  private looked = 0;
  private lookTook = 0;
  /** Calls run one after another: two at a time would use one run. */
  private queue: Promise<unknown> = Promise.resolve();

  private readonly handlers: Handlers = {
    about: async () => ({
      version: wasm.version(),
      experiments: JSON.parse(wasm.experiments()),
      shaders: JSON.parse(wasm.shaders()),
    }),
    open: async (engine, data, config, keep) =>
      this.open(engine, data, config, keep && this.run ? await this.run.safetensors() : null),
    prepare: async (data) => {
      await this.load(data);
      return null;
    },
    step: () => this.measured(),
    play: async () => {
      if (!this.playing) {
        this.playing = true;
        void this.loop();
      }
      return null;
    },
    pause: async () => {
      this.playing = false;
      if (this.proof) this.proof.stopped = true;
      return null;
    },
    look: (wait) => this.look((part) => this.inTurn(part), wait),
    guess: async ({ data, width }, of) => {
      const drawing = new wasm.Drawing(new Uint8Array(data.buffer), width);
      const steps = {
        ink: drawing.ink(),
        inkWidth: drawing.inkWidth(),
        crop: [...drawing.cropBox()],
        scaled: [...drawing.scaledBox()],
        sample: drawing.sample(),
      };
      drawing.free();
      return this.guess(steps.sample, steps, of);
    },
    sample: async (at) => {
      if (!this.data) throw new Error("No data set is loaded.");
      const about = JSON.parse(this.data.about());
      return { pixels: this.data.testSample(at % about.test), width: about.item[1] };
    },
    guessPixels: (pixels, of) => this.guess(pixels, null, of),
    examples: (row, column, most) => this.examples(row, column, most),
    save: (format) => (format === "onnx" ? this.training().onnx() : this.training().safetensors()),
    load: (bytes, config) => this.open(this.engine, null, config, new Uint8Array(bytes)),
    model: async (bytes) => JSON.parse(wasm.modelAbout(new Uint8Array(bytes))),
    sha256: () => this.training().sha256(),
    exact: (engine) => this.proofs().exact(engine),
    parity: () => this.proofs().parity(),
    race: (updates) => this.proofs().race(updates),
    seeds: (count) => this.trials().seeds(this.dataSet(), this.config, count),
    curves: async (data, curves) => this.trials().curves(await this.load(data), curves),
    again: () => this.proofs().again(this.training(), this.first),
  };

  /** Answers a call after the calls before it. */
  answer(name: Name, args: unknown[]): Promise<unknown> {
    const handler = this.handlers[name] as (...args: unknown[]) => Promise<unknown>;
    // A pause must not wait for the update that it ends, and training need not wait for a download. A look takes its turns itself.
    if (name === "pause" || name === "prepare" || name === "look") return handler(...args);
    return this.inTurn(() => handler(...args));
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.queue.then(work);
    this.queue = result.catch(() => undefined);
    return result;
  }

  private training(): wasm.Run {
    if (!this.run) throw new Error("No run is open. Press Reset.");
    return this.run;
  }

  private dataSet(): wasm.Data {
    if (!this.data) throw new Error("No data set is loaded.");
    return this.data;
  }

  private opened(): wasm.Device {
    if (!this.device) throw new Error("No run is open. Press Reset.");
    return this.device;
  }

  private proofs(): Proofs {
    const proofs = new Proofs(this.opened(), this.dataSet(), this.config, progress, messages);
    this.proof = proofs;
    return proofs;
  }

  private trials(): Trials {
    const trials = new Trials(this.opened(), tell, messages);
    this.proof = trials;
    return trials;
  }

  private async guess(sample: Uint8Array, steps: Steps | null, of: number | null): Promise<Guess> {
    const run = this.training();
    const probabilities = await run.predict(sample);
    const about = of ?? probabilities.indexOf(Math.max(...probabilities));
    return { steps, probabilities, gradient: await run.inputGradient(sample, about), of: about };
  }

  /** Opens a run, which begins with the weights of `model` if there is one. */
  private async open(engine: string, data: DataRequest | null, config: Config, model: Uint8Array | null): Promise<Opened> {
    this.playing = false;
    const kept = this.device && this.engine === engine ? this.device : null;
    const device = kept ?? (await wasm.Device.open(engine));
    [this.device, this.engine] = [device, engine];
    if (!kept && data?.kind === "digits") await this.warm(device, config);
    if (data) this.data = await this.load(data);
    const set = this.dataSet();
    let run: wasm.Run;
    try {
      run = await wasm.Run.open(device, set, JSON.stringify(config));
    } catch (error) {
      // The device may have been lost. The next attempt opens another.
      this.device = null;
      throw error;
    }
    try {
      if (model) run.load(model);
    } catch (error) {
      run.free();
      throw error;
    }
    this.run?.free();
    [this.run, this.config, this.first, this.pace, this.left, this.looked, this.layers] = [run, config, model, 1, Infinity, 0, null];
    return { device: JSON.parse(device.about()), data: JSON.parse(set.about()), run: JSON.parse(run.about()) };
  }

  /**
   * Trains on a few digits, so that another process compiles the shaders while this one generates the digits. Returns before
   * the update has been made.
   */
  private async warm(device: wasm.Device, config: Config) {
    if (JSON.parse(device.about()).engine !== "gpu") return;
    try {
      // Health would be measured in the only update of an epoch, which needs more shaders than most updates do.
      const settings = JSON.stringify({ ...config, health: "off" });
      const run = await wasm.Run.open(device, wasm.Data.digits(FEW, FEW, 1), settings);
      const end = () => run.free();
      void run.advance(1).then(end, end);
    } catch {
      // The settings do not suit so few digits, or the device fails: then the run itself has the error.
    }
  }

  private async load(data: DataRequest): Promise<wasm.Data> {
    const key = data.kind === "idx" ? `files ${data.number}` : JSON.stringify(data);
    const known = this.sets.get(key);
    if (known) return known;
    let set: wasm.Data;
    if (data.kind === "digits") {
      set = wasm.Data.digits(data.train, data.test, data.seed);
    } else if (data.kind === "mnist") {
      set = await mnist(data.own, progress);
    } else {
      const [a, b, c, d] = data.files.map((file) => new Uint8Array(file));
      if (!a || !b || !c || !d) throw new Error("A data set has four files.");
      set = wasm.Data.fromIdx(a, b, c, d);
    }
    this.sets.set(key, set);
    return set;
  }

  private async step(updates: number): Promise<Tick> {
    const begin = performance.now();
    const position: Position = JSON.parse(await this.training().advance(updates));
    return { ...position, seconds: (performance.now() - begin) / 1000 };
  }

  /** Makes one update, unless the run has ended, and looks at the layers in it. */
  private async measured(): Promise<Tick> {
    const begin = performance.now();
    const { position, ...layers }: Layers & { position: Position } = JSON.parse(await this.training().layers(1));
    this.layers = { ...layers, step: position.step };
    return { ...position, seconds: (performance.now() - begin) / 1000 };
  }

  /**
   * Looks at the run. Each part has a turn of its own, and messages come in between, for at least `wait` milliseconds: on a
   * slow device the first evaluation takes seconds, and a step that was asked for meanwhile comes first. The parts may then
   * be of different updates, but the next look follows at once.
   */
  private async look(turn: <T>(part: () => Promise<T>) => Promise<T>, wait = 0): Promise<Look> {
    let took = 0;
    const timed = <T>(part: () => Promise<T>) =>
      turn(async () => {
        const begin = performance.now();
        const result = await part();
        took += performance.now() - begin;
        return result;
      });
    const pictures = await timed(async () => {
      const run = this.training();
      const { step }: Position = JSON.parse(await run.advance(0));
      // Without an update there is no change of the weights.
      if (this.layers?.step !== step) this.layers = { ...JSON.parse(await run.layers(0)), step };
      const { layers, samples } = this.layers ?? { layers: [], samples: 0 };
      return { tiles: tiles(await run.weights(0), JSON.parse(run.about()).widths[0]), layers: { layers, samples } };
    });
    await (wait > 0 ? new Promise((resolve) => setTimeout(resolve, wait)) : messages());
    const score = await timed(async () => {
      const { step }: Position = JSON.parse(await this.training().advance(0));
      return { step, test: JSON.parse(await this.training().test()) };
    });
    await messages();
    const confusion = await timed(() => this.training().confusion());
    this.looked = performance.now();
    this.lookTook = took;
    return { ...score, ...pictures, confusion };
  }

  /** The first test samples of class `row` that the net takes for class `column`. */
  private async examples(row: number, column: number, most: number): Promise<Uint8Array[]> {
    const data = this.data;
    if (!data) return [];
    const found: Uint8Array[] = [];
    for (const [at, label] of data.testLabels().entries()) {
      if (label !== row) continue;
      const pixels = data.testSample(at);
      const p = await this.training().predict(pixels);
      if (p.indexOf(Math.max(...p)) === column) found.push(pixels);
      if (found.length >= most) break;
    }
    return found;
  }

  private async loop() {
    while (this.playing) {
      try {
        await this.inTurn(async () => {
          if (!this.playing) return;
          // The last update is measured too, so that even a short run shows its updates.
          const tick = await (this.left === 1 ? this.measured() : this.step(Math.min(this.pace, Math.max(1, this.left - 1))));
          this.left = tick.last - tick.step;
          if (tick.seconds < TICK / 2) this.pace = Math.min(2 * this.pace, 4096);
          else if (tick.seconds > 2 * TICK) this.pace = Math.max(1, this.pace >> 1);
          tell({ event: "tick", tick });
          const ended = tick.step >= tick.last;
          const pause = Math.max(LOOK * 1000, this.lookTook / LOOK_SHARE);
          if (ended || performance.now() - this.looked > pause) {
            // The rate of the page is that of plain updates.
            if (!ended) {
              const measured = await this.measured();
              this.left = measured.last - measured.step;
              tell({ event: "tick", tick: { ...measured, samples: 0, seconds: 0 } });
            }
            tell({ event: "look", look: await this.look((part) => part()) });
          }
          if (ended) {
            this.playing = false;
            tell({ event: "finished" });
          }
        });
        await messages();
      } catch (error) {
        this.playing = false;
        tell({ event: "failed", message: text(error) });
      }
    }
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

await init();
const work = new Work();
onmessage = async ({ data: { id, name, args } }: MessageEvent<Request>) => {
  let reply: Reply;
  try {
    reply = { id, answer: await work.answer(name, args) };
  } catch (error) {
    reply = { id, error: text(error) };
  }
  postMessage(reply);
};
tell({ event: "ready" });

// What the page and its worker say to each other.

/** Settings of a run: names and values of the command line's `config.toml`. */
export type Config = Record<string, unknown>;

export interface DataAbout {
  name: string;
  item: number[];
  classes: number;
  train: number;
  test: number;
  sha256: string;
  origin: string;
}

export interface DeviceAbout {
  engine: "gpu" | "cpu";
  device: string;
  sentence: string;
}

export interface RunAbout {
  widths: number[];
  parameters: number;
  updates: number;
  updates_per_epoch: number;
  multiply_adds: number;
  config: Config;
}

export interface Position {
  step: number;
  last: number;
  epoch: number;
  samples: number;
  loss: number | null;
  accuracy: number | null;
  lr: number;
}

/** A position with the time that its updates took, in seconds. */
export interface Tick extends Position {
  seconds: number;
}

export interface Scored {
  loss: number;
  accuracy: number;
  samples: number;
}

/** Counts between two ends; values that are exactly zero are in no bar. */
export interface Histogram {
  low: number;
  high: number;
  counts: number[];
  zeros: number;
}

/** A layer in one update. The ends of `gradients` and `updates` are powers of ten. */
export interface LayerView {
  layer: number;
  units: number;
  dead: number;
  activations: Histogram;
  gradients: Histogram;
  gradient_norm: number;
  weight_norm: number;
  updates: Histogram | null;
  update_ratio: number | null;
}

/** The layers, and the number of training samples that they were measured on. */
export interface Layers {
  layers: LayerView[];
  samples: number;
}

/** A picture of weights: a tile per unit. */
export interface Tiles {
  picture: ImageData;
  units: number;
}

/** What is measured about once a second. */
export interface Look {
  step: number;
  test: Scored | null;
  /** Of the first layer; `null` if its inputs are no picture. */
  tiles: Tiles | null;
  confusion: Uint32Array;
  layers: Layers;
}

export interface Exact {
  sha256: string;
  reference: string;
  right: boolean;
  accuracy: number;
  updates: number;
}

export interface ParityLine {
  kernel: string;
  cases: number;
  compared: number;
  share: number;
  faults: string[];
}

export interface Steps {
  ink: Uint8Array;
  inkWidth: number;
  crop: number[];
  scaled: number[];
  sample: Uint8Array;
}

/** The answer for a sample. */
export interface Guess {
  /** How a drawing became the sample; `null` if it was one. */
  steps: Steps | null;
  probabilities: Float32Array;
  /** Gradient of −ln p by the pixels, p being the probability of class `of`. */
  gradient: Float32Array;
  of: number;
}

export interface Race {
  engine: string;
  device: string;
  samples: number;
  seconds: number;
  sha256: string;
  loss: number;
}

export type DataRequest =
  | { kind: "digits"; train: number; test: number; seed: number }
  /** Files of the user. The number stands for them once they have been prepared. */
  | { kind: "idx"; number: number; files: ArrayBuffer[] }
  /** From a mirror; `own` is tried first. */
  | { kind: "mnist"; own: string | null };

/** Mean, standard error of the mean, smallest and largest value. */
export interface Band {
  mean: number;
  error: number;
  low: number;
  high: number;
}

export interface SeedsDone {
  /** How many share each dispatch; 1 if they were computed one after another. */
  together: number;
  seconds: number;
  step: number;
  last: number;
  /** On the test split, of each seed. */
  accuracy: number[];
  band: Band | null;
}

/** A net of an experiment. */
export interface Curve {
  name: string;
  config: Config;
}

export interface Trained {
  name: string;
  seconds: number;
  updates: number;
  loss: number | null;
  test: Scored | null;
}

/** What the lecture says about an experiment. */
export interface Words {
  name: string;
  title: string;
  lecture: string;
  formula: string;
}

export interface Opened {
  device: DeviceAbout;
  data: DataAbout;
  run: RunAbout;
}

/** The calls that the worker answers, each with its arguments and its answer. */
export interface Calls {
  about: { args: []; answer: { version: string; experiments: Words[]; shaders: { file: string; sha256: string }[] } };
  open: { args: [engine: string, data: DataRequest | null, config: Config, keep: boolean]; answer: Opened };
  /** Loads a data set, for the next run. */
  prepare: { args: [data: DataRequest]; answer: null };
  step: { args: []; answer: Tick };
  play: { args: []; answer: null };
  /** Ends training or a comparison after what is under way. */
  pause: { args: []; answer: null };
  /** Evaluates after at least `wait` milliseconds. */
  look: { args: [wait: number]; answer: Look };
  /** `of`: the class of the gradient; `null` for the answer. */
  guess: { args: [drawing: ImageData, of: number | null]; answer: Guess };
  sample: { args: [at: number]; answer: { pixels: Uint8Array; width: number } };
  guessPixels: { args: [pixels: Uint8Array, of: number | null]; answer: Guess };
  examples: { args: [row: number, column: number, most: number]; answer: Uint8Array[] };
  save: { args: [format: "safetensors" | "onnx"]; answer: Uint8Array };
  /** Opens the run anew with the weights of a model. */
  load: { args: [bytes: ArrayBuffer, config: Config]; answer: Opened };
  model: { args: [bytes: ArrayBuffer]; answer: { widths: number[]; activation: string | null } };
  sha256: { args: []; answer: string };
  exact: { args: [engine: string]; answer: Exact };
  parity: { args: []; answer: { lines: ParityLine[]; done: number; of: number } };
  race: { args: [updates: number]; answer: Race[] };
  seeds: { args: [count: number]; answer: SeedsDone };
  curves: { args: [data: DataRequest, curves: Curve[]]; answer: Trained[] };
  again: { args: []; answer: { first: string; second: string; updates: number } };
}

export type Name = keyof Calls;

/** What the worker tells without being asked. */
export type Event =
  | { event: "ready" }
  | { event: "tick"; tick: Tick }
  | { event: "look"; look: Look }
  | { event: "finished" }
  | { event: "seeds"; step: number; last: number; loss: Band | null; accuracy: Band | null }
  | { event: "point"; curve: number; epoch: number; loss: number | null; test: Scored | null }
  | { event: "progress"; done: number; of: number; what: string }
  | { event: "failed"; message: string };

export interface Request {
  id: number;
  name: Name;
  args: unknown[];
}

export type Reply = { id: number; answer: unknown } | { id: number; error: string };

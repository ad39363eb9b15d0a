// The settings: a form, the address of the page, and the configuration of the library.

import { make } from "./dom.ts";
import type { Config, DataRequest } from "./protocol.ts";

interface Field {
  name: string;
  label: string;
  value: string;
  /** The choices, or a pattern of what may be typed. */
  choices?: string[];
  pattern?: string;
  /** Whether a change of it needs new weights. */
  fresh?: boolean;
}

const WHOLE = "[0-9]+";
const REAL = "[0-9]*\\.?[0-9]+(e-?[0-9]+)?";

/** Default values of the page. Whatever is not here has the library's default. */
const FIELDS: Field[] = [
  { name: "engine", label: "Engine", value: "auto", choices: ["auto", "gpu", "cpu"] },
  { name: "hidden", label: "Hidden layers", value: "128", pattern: "([0-9]+(-[0-9]+)*)?", fresh: true },
  { name: "activation", label: "Activation", value: "relu", choices: ["relu", "leaky-relu", "sigmoid", "tanh", "gelu", "silu"] },
  { name: "optimizer", label: "Optimizer", value: "sgd", choices: ["sgd", "nesterov", "adam", "adamw", "rmsprop"] },
  { name: "lr", label: "Learning rate", value: "", pattern: `(${REAL})?` },
  { name: "momentum", label: "Momentum", value: "0.9", pattern: REAL },
  { name: "batch_size", label: "Batch size", value: "64", pattern: `full|${WHOLE}` },
  { name: "epochs", label: "Epochs", value: "5", pattern: WHOLE },
  { name: "schedule", label: "Schedule", value: "linear", choices: ["constant", "linear", "cosine", "one-cycle"] },
  { name: "keep_prob", label: "Keep (dropout)", value: "1", pattern: REAL },
  { name: "l2", label: "L2 penalty", value: "0", pattern: REAL },
  { name: "precision", label: "Precision", value: "f32", choices: ["f32", "int8"] },
  { name: "seed", label: "Seed", value: "1", pattern: WHOLE, fresh: true },
  { name: "digits", label: "Training digits", value: "10000", pattern: WHOLE, fresh: true },
];

/** Settings that are no numbers in the library. */
const WORDS = new Set(["activation", "optimizer", "schedule", "precision"]);
const TEST_DIGITS = 1000;
const MOST_DIGITS = 60000;

export class Settings {
  private readonly inputs = new Map<string, HTMLInputElement | HTMLSelectElement>();

  /** Calls `onChange` when a valid setting was changed; `fresh` says whether the weights must be new. */
  constructor(form: HTMLFormElement, onChange: (fresh: boolean) => void) {
    const asked = new URLSearchParams(location.search);
    for (const field of FIELDS) {
      const input = field.choices
        ? make("select", { name: field.name }, ...field.choices.map((choice) => make("option", { value: choice }, choice)))
        : make("input", { name: field.name, pattern: field.pattern ?? "", inputmode: "text", autocomplete: "off" });
      const value = asked.get(field.name) ?? field.value;
      input.value = field.choices && !field.choices.includes(value) ? field.value : value;
      if (input instanceof HTMLInputElement && !input.checkValidity()) input.value = field.value;
      input.addEventListener("change", () => {
        if (!input.reportValidity()) return;
        history.replaceState(null, "", this.link());
        onChange(field.fresh ?? false);
      });
      this.inputs.set(field.name, input);
      form.append(make("label", {}, field.label, input));
    }
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  private value(name: string): string {
    return this.inputs.get(name)?.value.trim() ?? "";
  }

  set(name: string, value: string) {
    const input = this.inputs.get(name);
    if (input) input.value = value;
    history.replaceState(null, "", this.link());
  }

  /** Shows what an empty setting stands for. */
  hint(name: string, text: string) {
    this.inputs.get(name)?.setAttribute("placeholder", text);
  }

  get engine(): string {
    return this.value("engine");
  }

  get data(): DataRequest {
    const train = Math.min(MOST_DIGITS, Math.max(1, Number(this.value("digits"))));
    return { kind: "digits", train, test: TEST_DIGITS, seed: 1 };
  }

  /** The settings that differ from the page's, as an address. */
  link(): string {
    const asked = new URLSearchParams();
    for (const { name, value } of FIELDS) if (this.value(name) !== value) asked.set(name, this.value(name));
    const query = asked.toString();
    return location.pathname + (query ? `?${query}` : "");
  }

  get config(): Config {
    const config: Config = {};
    for (const { name } of FIELDS) {
      const value = this.value(name);
      if (name === "engine" || name === "digits" || value === "") continue;
      if (name === "momentum" && this.value("optimizer").startsWith("adam")) continue;
      config[name] = WORDS.has(name) || value === "full" ? value : Number(value);
    }
    config.hidden = this.value("hidden").split("-").filter(Boolean).map(Number);
    return config;
  }
}

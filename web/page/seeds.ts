// Several seeds at once, drawn as a band.

import type { Client } from "./client.ts";
import { Chart } from "./curves.ts";
import { element, percent } from "./dom.ts";
import type { Band, Event } from "./protocol.ts";

const MOST = 16;

const loss = new Chart(
  element("seeds-loss"),
  { name: "Training loss", across: "update", format: (value) => value.toPrecision(3) },
  [{ name: "mean", colour: "--accent" }],
);
const accuracy = new Chart(
  element("seeds-accuracy"),
  { name: "Test accuracy", across: "update", format: (value) => percent(value, 1) },
  [{ name: "mean", colour: "--test" }],
);

function add(chart: Chart, step: number, band: Band | null) {
  if (band) chart.add(0, step, band.mean, [band.mean - band.error, band.mean + band.error], [band.low, band.high]);
}

/** Draws a point of the bands. */
export function showSeeds(event: Event & { event: "seeds" }) {
  add(loss, event.step, event.loss);
  add(accuracy, event.step, event.accuracy);
  element("seeds-status").textContent = `Update ${event.step} of ${event.last}.`;
}

/** Trains as many seeds as the number field says. */
export async function trainSeeds(client: Client) {
  const input = element<HTMLInputElement>("seeds-count");
  const status = element("seeds-status");
  const count = Number(input.value);
  if (!Number.isInteger(count) || count < 2 || count > MOST) throw new Error(`The number of seeds must be from 2 to ${MOST}`);
  loss.clear();
  accuracy.clear();
  status.textContent = "Preparing the nets…";
  try {
    const done = await client.call("seeds", count);
    const { mean, error, low, high } = done.band ?? { mean: NaN, error: NaN, low: NaN, high: NaN };
    const how = done.together > 1 ? `${done.together} at a time in shared dispatches on WebGPU` : "one after another on this device";
    const end = done.step < done.last ? ` Stopped at update ${done.step} of ${done.last}.` : "";
    status.textContent =
      `${count} seeds, trained ${how}, in ${done.seconds.toFixed(1)} s. Test accuracy ${percent(mean)} ± ${percent(error)} ` +
      `(mean and its standard error), from ${percent(low)} to ${percent(high)}.${end}`;
    status.dataset.accuracy = done.accuracy.join(" ");
  } catch (error) {
    status.textContent = "";
    throw error;
  }
}

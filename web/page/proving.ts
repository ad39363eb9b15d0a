// The buttons exact, parity, again and race.

import type { Client } from "./client.ts";
import { element, make, percent } from "./dom.ts";
import type { Opened } from "./protocol.ts";
import { parityTable } from "./views.ts";

type Click = (id: string, work: () => Promise<unknown>) => void;

/** Updates of a race. */
const RACE = 200;

/** Something that takes the worker for a while; meanwhile only the button `stop`, if there is one, can be pressed. */
export type Long = (id: string, stop: string, work: () => Promise<void>) => void;

export function startProofs(client: Client, click: Click, opened: () => Opened | null, enable: (on: boolean) => void): Long {
  const place = element("proof");
  const say = (...parts: (Node | string)[]) => place.replaceChildren(...parts);
  const long: Long = (id, stop, work) =>
    click(id, async () => {
      enable(false);
      if (stop) element(stop).hidden = false;
      try {
        await work();
      } finally {
        enable(true);
        element("progress").hidden = true;
        if (stop) element(stop).hidden = true;
      }
    });
  // Not through `click`: the buttons are disabled while a comparison runs, but these are for then.
  for (const stop of document.querySelectorAll<HTMLButtonElement>("button.stop")) {
    stop.addEventListener("click", () => void client.call("pause"));
  }
  const proof = (id: string, begin: string, work: () => Promise<void>) =>
    long(id, id === "parity" ? "stop" : "", async () => {
      say(begin);
      try {
        await work();
      } catch (error) {
        say();
        throw error;
      }
    });

  proof("exact", "Training in integers…", async () => {
    const begin = performance.now();
    const { sha256, reference, right, accuracy, updates } = await client.call("exact", "");
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    const device = opened()?.device;
    say(
      make("p", { class: right ? "" : "bad" }, right ? "Bit-identical to the command line." : "NOT the reference: this device computes wrongly."),
      make("p", {}, make("code", { id: "hash" }, sha256)),
      make("p", {}, right ? "" : `Reference: ${reference}`),
      make("p", { class: "note" }, `${device?.engine}, ${device?.device}: ${updates} updates, ${percent(accuracy, 1)} right, ${seconds} s.`),
    );
  });

  proof("parity", "Comparing every kernel with the CPU…", async () => {
    const { lines, done, of } = await client.call("parity");
    const failed = lines.filter((line) => line.faults.length > 0).length;
    const cases = done === of ? `${of} cases` : `the first ${done} of ${of} cases`;
    const sentence = failed
      ? `${failed} of ${lines.length} kernels FAILED.`
      : `Every value of ${lines.length} kernels in ${cases} is within its bound.`;
    say(make("p", { class: failed ? "bad" : "", id: "verdict" }, sentence), parityTable(lines));
  });

  proof("again", "Repeating the run…", async () => {
    const { first, second, updates } = await client.call("again");
    const same = first === second;
    say(
      make("p", { class: same ? "" : "bad", id: "same" }, same ? `Identical after ${updates} updates.` : `DIFFERENT after ${updates} updates.`),
      make("p", {}, make("code", {}, first)),
      same ? "" : make("p", {}, make("code", {}, second)),
    );
  });

  proof("race", `${RACE} updates each…`, async () => {
    const results = await client.call("race", RACE);
    const rows = results.map((r) => {
      const cells = [r.engine, r.device, Math.round(r.samples / r.seconds).toLocaleString("en"), r.loss.toFixed(6)];
      return make("tr", {}, ...cells.map((text) => make("td", {}, text)));
    });
    const head = ["Engine", "Device", "Images/s", "Loss"].map((text) => make("th", { scope: "col" }, text));
    const alone = results.some((r) => r.engine === "gpu") ? "" : "This browser offers no WebGPU adapter, so the CPU ran alone.";
    say(make("table", { id: "racers" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)), alone);
  });
  return long;
}

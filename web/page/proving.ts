// The buttons exact, parity, again and race.

import type { Client } from "./client.ts";
import { element, make, percent } from "./dom.ts";
import type { Opened } from "./protocol.ts";
import { parityTable } from "./views.ts";

type Click = (id: string, work: () => Promise<unknown>) => void;

/** Updates of a race. */
const RACE = 200;

export function startProofs(client: Client, click: Click, opened: () => Opened | null, enable: (on: boolean) => void) {
  const place = element("proof");
  const say = (...parts: (Node | string)[]) => place.replaceChildren(...parts);
  const proof = (id: string, begin: string, work: () => Promise<void>) =>
    click(id, async () => {
      say(begin);
      enable(false);
      try {
        await work();
      } catch (error) {
        say();
        throw error;
      } finally {
        enable(true);
        element("progress").hidden = true;
        element("stop").hidden = true;
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

  // Not through `click`: the buttons are disabled while a comparison runs, but this one is for then.
  element("stop").addEventListener("click", () => void client.call("pause"));

  proof("parity", "Comparing every kernel with the CPU…", async () => {
    element("stop").hidden = false;
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
}

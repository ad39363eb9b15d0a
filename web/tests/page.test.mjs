// The page in a real browser: every button, on WebGPU and without it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { PATIENCE, launch, open as openAt, serve, shown } from "./browser.mjs";

const golden = readFileSync(new URL("../../src/train/golden.rs", import.meta.url), "utf8");
const [, GOLDEN] = golden.match(/SHA256: &str = "([0-9a-f]{64})"/);

let site;
let browser;
before(async () => {
  site = await serve();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  site?.server.close();
});

const open = (query = "?engine=gpu&digits=1000&hidden=32", { browser: other, ...options } = {}) =>
  openAt(other ?? browser, site.address + query, options);

test("the golden run on WebGPU has the hash of the command line", { timeout: PATIENCE }, async () => {
  const page = await open();
  assert.match(await shown(page, "#device"), /engine: gpu/);
  await page.click("#exact");
  await page.locator("#hash").waitFor();
  assert.equal(await shown(page, "#hash"), GOLDEN);
  await page.close();
});

test("trains to 97 % on digits; the same seed gives the same bits", { timeout: PATIENCE }, async () => {
  const page = await open("?engine=cpu&hidden=64");
  assert.match(await shown(page, "#device"), /engine: cpu/);
  await page.click("#play");
  await page.locator("#status[data-finished]").waitFor();
  const accuracy = Number(await page.locator("#status").getAttribute("data-test"));
  assert.ok(accuracy >= 0.97, `accuracy ${accuracy}`);
  await page.click("#again");
  await page.locator("#same").waitFor();
  assert.match(await shown(page, "#same"), /Identical after \d+ updates/);
  await page.close();
});

test("step, pause, reset, settings and the address", { timeout: PATIENCE }, async () => {
  const page = await open();
  await page.click("#step");
  await page.locator("#status", { hasText: "Update 1 of" }).waitFor();
  await page.click("#play");
  await page.locator("#status", { hasText: /Update \d{2,} of/ }).waitFor();
  await page.selectOption("[name=optimizer]", "adam");
  await page.locator("#note", { hasText: "The weights stay" }).waitFor();
  assert.match(page.url(), /optimizer=adam/);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.click("#reset");
  await page.locator("#play:enabled").waitFor();
  assert.equal(await shown(page, "#status"), "");
  await page.fill("[name=lr]", "1e9");
  await page.press("[name=lr]", "Enter");
  await page.locator("#play:enabled").waitFor();
  await page.close();
});

test("a run that cannot be opened leaves a sentence and a way on", { timeout: PATIENCE }, async () => {
  const page = await browser.newPage();
  await page.goto(`${site.address}?engine=cpu&digits=300&hidden=0`);
  await page.locator("#problem", { hasText: "hidden" }).waitFor();
  assert.equal(await page.locator("#play").isDisabled(), true);
  await page.fill("[name=hidden]", "16");
  await page.press("[name=hidden]", "Enter");
  await page.locator("#play:enabled").waitFor();
  assert.equal(await page.locator("#problem").isVisible(), false);
  await page.fill("[name=lr]", "1e30");
  await page.press("[name=lr]", "Enter");
  await page.locator("#note", { hasText: "The weights stay" }).waitFor();
  await page.click("#play");
  await page.locator("#problem", { hasText: "the loss became" }).waitFor();
  await page.close();
});

test("a drawing is read, with its four steps", { timeout: PATIENCE }, async () => {
  const page = await open();
  await page.locator("#pad").scrollIntoViewIfNeeded();
  const box = await page.locator("#pad").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 4];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x - 4, y + box.height / 2, { steps: 8 });
  await page.mouse.up();
  await page.locator("#answer", { hasText: "The net reads" }).waitFor();
  assert.equal(await page.locator("#steps canvas").count(), 4);
  await page.click("#clear");
  assert.equal(await shown(page, "#answer"), "");
  await page.click("#sample");
  await page.locator("#answer", { hasText: "The net reads" }).waitFor();
  await page.close();
});

test("race, and mistakes of the confusion matrix", { timeout: PATIENCE }, async () => {
  const page = await open();
  await page.click("#race");
  await page.locator("#racers").waitFor();
  assert.equal(await page.locator("#racers tbody tr").count(), 2);
  await page.locator("#confusion button:enabled").first().click();
  await page.locator("#examples canvas").first().waitFor();
  await page.close();
});

test("a model is saved and loaded again", { timeout: PATIENCE }, async () => {
  const page = await open();
  const save = async (id) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click(id)]);
    return download.path();
  };
  const model = await save("#save");
  assert.ok(readFileSync(await save("#onnx")).length > 1000);
  await page.setInputFiles("#load", { name: "model.safetensors", mimeType: "application/octet-stream", buffer: readFileSync(model) });
  await page.locator("#file", { hasText: "Loaded model.safetensors" }).waitFor();
  await page.setInputFiles("#load", { name: "bad.safetensors", mimeType: "application/octet-stream", buffer: Buffer.from("nothing") });
  await page.locator("#problem", { hasText: "bad" }).or(page.locator("#problem:visible")).first().waitFor();
  await page.close();
});

test("without WebGPU the CPU engine computes, and the page says so", { timeout: PATIENCE }, async () => {
  const plain = await launch({ webgpu: false });
  const page = await open(undefined, { browser: plain });
  assert.match(await shown(page, "#device"), /engine: cpu.*WebGPU cannot be used here/);
  await page.click("#exact");
  await page.locator("#hash").waitFor();
  assert.equal(await shown(page, "#hash"), GOLDEN);
  await plain.close();
});

test("works offline after the first visit", { timeout: PATIENCE }, async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${site.address}?engine=cpu&digits=100`);
  await page.locator("#play:enabled").waitFor();
  await page.evaluate(() => navigator.serviceWorker.ready);
  await context.setOffline(true);
  await page.reload();
  await page.locator("#play:enabled").waitFor();
  await context.close();
});

test("axe finds nothing serious; screenshots for a human", { timeout: PATIENCE }, async () => {
  const axe = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [390, 1280]) {
      const page = await open("?engine=cpu&digits=1000&hidden=32&epochs=2", { colorScheme, viewport: { width, height: 900 } });
      await page.click("#play");
      await page.locator("#status[data-finished]").waitFor();
      await page.click("#sample");
      await page.locator("#answer", { hasText: "The net reads" }).waitFor();
      await page.click("#seeds");
      await page.locator("#seeds-status", { hasText: "5 seeds, trained" }).waitFor();
      await page.locator("summary", { hasText: "Activations" }).click();
      await page.click("#lab-activations");
      await page.locator("#lab-table").waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${width}: too wide`);
      await page.addScriptTag({ content: axe });
      const { violations } = await page.evaluate(() => window.axe.run());
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], `${colorScheme} ${width}`);
      if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${colorScheme}-${width}.png`, fullPage: true });
      await page.close();
    }
  }
});

test("the page and all its code weigh less than 1.5 MB, compressed", async () => {
  const { gzipSync } = await import("node:zlib");
  const { readdirSync } = await import("node:fs");
  const dist = new URL("../dist/", import.meta.url);
  const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const sizes = files.map((file) => gzipSync(readFileSync(`${file.parentPath}/${file.name}`)).length);
  const sum = sizes.reduce((a, b) => a + b, 0);
  assert.ok(sum < 1.5e6, `${sum} bytes`);
});

// $PARITY_CASES: how many cases are compared before the test presses Stop; `all` takes about a quarter of an hour.
test("kernels agree with the CPU", { timeout: 10 * PATIENCE }, async () => {
  const page = await open();
  page.setDefaultTimeout(10 * PATIENCE);
  const cases = process.env.PARITY_CASES ?? "40";
  await page.click("#parity");
  if (cases !== "all") {
    await page.waitForFunction((least) => document.querySelector("#progress").value >= least, Number(cases));
    await page.click("#stop");
  }
  await page.locator("#verdict").waitFor();
  assert.match(await shown(page, "#verdict"), /^Every value of \d+ kernels in .*\d+ cases is within its bound/, await shown(page, "#proof"));
  await page.close();
});

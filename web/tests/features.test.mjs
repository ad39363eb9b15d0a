// What the page shows beside training: layers, gradients of pixels, seeds, experiments, MNIST from a mirror.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { PATIENCE, launch, open as openAt, serve, shown } from "./browser.mjs";

const NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

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

const open = (query, options = {}) => openAt(options.from ?? browser, site.address + query);
/** Whether anything is drawn on a canvas. */
const drawn = (page, selector) =>
  page.locator(selector).evaluate((canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value, at) => at % 4 === 3 && value > 0));

test("each layer shows its activations, gradients and updates", { timeout: PATIENCE }, async () => {
  const page = await open("?engine=gpu&digits=1000&hidden=32-16");
  const captions = () => page.locator("#layers li").nth(0).locator("figcaption").allTextContents();
  await page.locator("#layers li").nth(2).waitFor();
  assert.equal(await page.locator("#layers canvas").count(), 9);
  // Before the first update there is none to show.
  assert.equal((await captions())[2], "");
  await page.click("#step");
  await page.locator("#layers figcaption", { hasText: "all together" }).first().waitFor();
  const first = await captions();
  assert.match(first[0], /are zero/);
  assert.match(first[1], /^norm \d/);
  for (const at of [0, 8]) assert.equal(await drawn(page, `#layers canvas >> nth=${at}`), true);
  const label = await page.locator("#layers canvas").nth(1).getAttribute("aria-label");
  assert.match(label, /^Histogram from 10⁻¹⁰ to 10¹, most often about 10⁻?[⁰-⁹¹²³]+; norm/);
  await page.click("#step");
  await page.waitForFunction((before) => document.querySelectorAll("#layers figcaption")[1].textContent !== before, first[1]);
  await page.close();
});

test("the gradient of the pixels lies over the digit", { timeout: PATIENCE }, async () => {
  const page = await open("?engine=gpu&digits=1000&hidden=32");
  const label = () => page.locator("#overlay").getAttribute("aria-label");
  const labelled = (text) => page.locator(`#overlay[aria-label^="${text}"]`).waitFor();
  assert.equal(await drawn(page, "#overlay"), false);
  await page.locator("#pad").scrollIntoViewIfNeeded();
  const box = await page.locator("#pad").boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 4);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + (3 * box.height) / 4, { steps: 8 });
  await page.mouse.up();
  await labelled("Overlay for");
  assert.equal(await drawn(page, "#overlay"), true);
  const answer = /reads (\d)/.exec(await shown(page, "#answer"))[1];
  assert.match(await label(), new RegExp(`^Overlay for ${answer}: more ink makes the net surer at [1-9]`));
  await page.selectOption("#overlay-class", "7");
  await labelled("Overlay for 7");
  await page.uncheck("#overlay-on");
  await labelled("No overlay");
  assert.equal(await drawn(page, "#overlay"), false);
  await page.check("#overlay-on");
  await page.click("#sample");
  await labelled("Overlay for 7");
  await page.click("#clear");
  await labelled("No overlay");
  await page.close();
});

for (const [engine, how] of [["gpu", "3 at a time in shared dispatches on WebGPU"], ["cpu", "one after another on this device"]]) {
  test(`several seeds on ${engine}: a band, and each as if it were alone`, { timeout: PATIENCE }, async () => {
    const settings = `engine=${engine}&digits=500&hidden=16&epochs=2`;
    const page = await open(`?${settings}`);
    await page.fill("#seeds-count", "1");
    await page.click("#seeds");
    await page.locator("#problem", { hasText: "from 2 to 16" }).waitFor();
    await page.fill("#seeds-count", "3");
    // By the keyboard.
    await page.locator("#seeds").press("Enter");
    await page.locator("#seeds-status", { hasText: `3 seeds, trained ${how}` }).waitFor();
    const accuracies = (await page.locator("#seeds-status").getAttribute("data-accuracy")).split(" ").map(Number);
    assert.equal(accuracies.length, 3);
    assert.match(await page.locator("#seeds-accuracy").getAttribute("aria-label"), /mean \d/);
    await page.close();
    const alone = await open(`?${settings}&seed=2`);
    await alone.click("#play");
    await alone.locator("#status[data-finished]").waitFor();
    assert.equal(Number(await alone.locator("#status").getAttribute("data-test")), accuracies[1]);
    await alone.close();
  });
}

test("several seeds can be stopped", { timeout: PATIENCE }, async () => {
  const page = await open("?engine=cpu&digits=5000&hidden=128&epochs=1000");
  await page.click("#seeds");
  await page.locator("#seeds-status", { hasText: "Update 1 of" }).waitFor();
  await page.click("#seeds-stop");
  await page.locator("#seeds-status", { hasText: "Stopped at update" }).waitFor();
  assert.equal(await page.locator("#play").isEnabled(), true);
  await page.close();
});

test("an experiment says what the lecture says, and trains", { timeout: PATIENCE }, async () => {
  const page = await open("?engine=cpu&digits=300&hidden=16");
  assert.equal(await page.locator("#experiments li").count(), 8);
  await page.locator("summary", { hasText: "Vanishing gradients" }).click();
  assert.match(await shown(page, "#experiments details[open] .formula"), /f′\(z¹\)/);
  await page.click("#lab-vanishing");
  await page.locator("#lab-table tbody tr").nth(2).waitFor();
  const rows = await page.locator("#lab-table tbody tr").evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.deepEqual(rows.map(([name]) => name), ["2 × sigmoid", "6 × sigmoid", "6 × ReLU"]);
  // The experiment shows what its text says: deep sigmoids only guess.
  const accuracy = rows.map((row) => parseFloat(row[4]));
  assert.ok(accuracy[1] < 30 && accuracy[2] > 80, `${accuracy}`);
  assert.match(await page.locator("#lab-accuracy").getAttribute("aria-label"), /6 × ReLU \d/);
  await page.close();
});

/** A mirror: what it answers for a file, and whether it allows requests from other pages. */
async function mirror(answer, allows = true) {
  const asked = [];
  const server = createServer((request, response) => {
    const name = request.url.slice(1).replace(/\.gz$/, "");
    asked.push(name);
    const body = NAMES.includes(name) ? answer(name) : undefined;
    response.writeHead(body ? 200 : 404, allows ? { "access-control-allow-origin": "*" } : {}).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, asked, address: `http://127.0.0.1:${server.address().port}/` };
}

/** A context whose pages cannot reach the public mirrors: the test must not depend on them. */
async function alone() {
  const context = await browser.newContext({ serviceWorkers: "block" });
  await context.route(/^https:/, (route) => route.abort());
  return context;
}

test("a mirror that refuses, is damaged or is missing gets a sentence each", { timeout: PATIENCE }, async () => {
  const labels = gzipSync(Uint8Array.from([0, 0, 8, 1, 0, 0, 0, 2, 3, 4]));
  for (const [made, sentence] of [
    [await mirror(() => labels, false), /could not be reached, or does not allow requests from other pages/],
    [await mirror(() => labels), /sent other bytes: SHA-256 of the raw file is [0-9a-f]{64}, expected ba8910/],
    [await mirror(() => undefined), /answered with status 404/],
  ]) {
    const context = await alone();
    const page = await open(`?engine=cpu&digits=300&hidden=16&mirror=${encodeURIComponent(made.address)}`, { from: context });
    await page.click("#fetch-mnist");
    await page.locator("#problem", { hasText: "MNIST could not be fetched" }).waitFor();
    const problem = await shown(page, "#problem");
    assert.match(problem, sentence);
    assert.match(problem, /storage\.googleapis\.com could not be reached.*Choose or drop its four files instead/);
    assert.equal(made.asked[0], NAMES[0]);
    // The run that was open can go on.
    await page.click("#step");
    await page.locator("#status", { hasText: "Update 1 of" }).waitFor();
    assert.match(await shown(page, "#device"), /Data: digits/);
    await context.close();
    made.server.close();
  }
});

const folder = process.env.GPU_MLP_DATA_DIR ?? new URL("../../../shared/mnist", import.meta.url).pathname;
const path = (name) => [join(folder, name), join(folder, `${name}.gz`)].find(existsSync);

test("MNIST comes by one click, and stays for the next visit", { timeout: PATIENCE, skip: !NAMES.every(path) }, async () => {
  const made = await mirror((name) => readFileSync(path(name)));
  const context = await alone();
  const query = `?engine=cpu&digits=300&hidden=16&mirror=${encodeURIComponent(made.address)}`;
  const page = await open(query, { from: context });
  await page.click("#fetch-mnist");
  await page.locator("#file", { hasText: "The run uses MNIST" }).waitFor();
  assert.match(await shown(page, "#device"), /Data: mnist, 60000 training and 10000 test samples/);
  await page.close();
  made.server.close();
  const again = await open(query, { from: context });
  await again.click("#fetch-mnist");
  await again.locator("#file", { hasText: "The run uses MNIST" }).waitFor();
  assert.equal(made.asked.length, 4);
  await context.close();
});

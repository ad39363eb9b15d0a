// Measures the page: speed beside other libraries in the same browser, loading, tasks of the main thread, memory, weight.
//
//   node bench.mjs speed     784-128-10, batch 64: the page, tfjs and jax-js, on WebGPU and in WebAssembly
//   node bench.mjs page      first paint, first step, longest task of the main thread while training, weight
//   node bench.mjs memory    resident memory of the browser's processes; $MINUTES of training, 10 if not given
//
// Needs `npm ci` here and in the folder above, and the built page. $CHROMIUM as for the tests. $TRIES: repetitions.
// $UPDATES: timed updates of each other library. $PATIENCE: most seconds for one measurement.

import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { launch, serve } from "../tests/browser.mjs";

const [UPDATES, TRIES] = [Number(process.env.UPDATES ?? 200), Number(process.env.TRIES ?? 5)];
const WARM = UPDATES / 4;
/** Milliseconds for one measurement. */
const PATIENCE = 1000 * Number(process.env.PATIENCE ?? 300);
const TYPES = { ".js": "text/javascript", ".html": "text/html", ".wasm": "application/wasm" };
const here = fileURLToPath(new URL(".", import.meta.url));

/** Serves the peers. With `threads`, the page is isolated, so that the libraries may use threads. */
async function servePeers(threads) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const isolated = threads ? { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" } : {};
    const send = (type, body) => response.writeHead(200, { "content-type": type, ...isolated }).end(body);
    if (pathname === "/") return send("text/html", '<!doctype html><title>peer</title><script src="/peer.js" type="module"></script>');
    const file = pathname === "/peer.js" ? `${here}peer.js` : pathname.replace("/peers/", `${here}node_modules/`);
    try {
      return send(TYPES[extname(file)] ?? "application/octet-stream", readFileSync(file));
    } catch {
      return response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, address: `http://localhost:${server.address().port}/` };
}

/** Images per second of the page on both engines: its own button. */
async function race(browser, site) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(`${site.address}?engine=gpu&momentum=0&schedule=constant&lr=0.1&digits=6400`);
  await page.locator("#play:enabled").waitFor();
  await page.click("#race");
  await page.locator("#racers tbody tr").nth(1).waitFor();
  const rows = await page.locator("#racers tbody tr").evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
  await page.close();
  return rows.map(([engine, , rate, loss]) => ({ name: `gpu-mlp, ${engine === "gpu" ? "WebGPU" : "WebAssembly, 1 thread"}`, rate: Number(rate.replaceAll(",", "")), last: Number(loss) }));
}

/** Gives up after [`PATIENCE`]: a library may be very slow on an emulated GPU. */
function limited(measurement) {
  const late = new Promise((_, reject) => setTimeout(reject, PATIENCE, new Error(`no result after ${PATIENCE / 1000} s`)).unref());
  return Promise.race([measurement, late]);
}

const PEERS = [
  ["tfjs", "webgpu", false, "tfjs 4.22.0, WebGPU"],
  ["tfjs", "wasm", false, "tfjs 4.22.0, WebAssembly, 1 thread"],
  ["tfjs", "wasm", true, "tfjs 4.22.0, WebAssembly, threads"],
  ["jax", "webgpu", false, "jax-js 0.1.25, WebGPU"],
  ["jax", "wasm", false, "jax-js 0.1.25, WebAssembly, 1 thread"],
  ["jax", "wasm", true, "jax-js 0.1.25, WebAssembly, threads"],
];

async function speed() {
  const sites = { page: await serve(), plain: await servePeers(false), threads: await servePeers(true) };
  const found = new Map();
  const add = ({ name, rate, first, last }) => {
    // At once: a measurement that is stopped shows what it has.
    console.error(`${name}: ${Math.round(rate)} images/s`);
    const entry = found.get(name) ?? { rates: [], last };
    entry.rates.push(rate);
    if (first !== undefined && !(last < first)) throw new Error(`${name} does not learn: loss ${first}, then ${last}`);
    found.set(name, entry);
  };
  // A browser for each try: what one leaves behind must not slow the next.
  for (let at = 0; at < TRIES; at++) {
    const browser = await launch();
    for (const row of await race(browser, sites.page)) add(row);
    for (const [library, backend, threads, name] of PEERS) {
      const page = await browser.newPage();
      page.setDefaultTimeout(PATIENCE);
      try {
        await page.goto(threads ? sites.threads.address : sites.plain.address);
        await page.waitForFunction(() => window.measure);
        add({ name, ...(await limited(page.evaluate(([l, b, w, u]) => window.measure(l, b, w, u), [library, backend, WARM, UPDATES]))) });
      } catch (error) {
        console.log(`${name}: ${error.message.split("\n")[0]}`);
      }
      await page.close();
    }
    await browser.close();
  }
  for (const site of Object.values(sites)) site.server.close();
  console.log(`| trainer | images/s: median of ${TRIES} | range | loss at the end |\n|---|---|---|---|`);
  const thousands = (rate) => Math.round(rate).toLocaleString("en");
  for (const [name, { rates, last }] of found) {
    const sorted = rates.toSorted((a, b) => a - b);
    const median = sorted[sorted.length >> 1];
    console.log(`| ${name} | ${thousands(median)} | ${thousands(sorted[0])} to ${thousands(sorted.at(-1))} | ${last.toFixed(4)} |`);
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Loading, and the main thread while training. */
async function page() {
  const site = await serve();
  const measured = { paint: [], ready: [], step: [], longest: [], tasks: [] };
  for (const engine of ["gpu", "cpu"]) {
    for (const list of Object.values(measured)) list.length = 0;
    for (let at = 0; at < TRIES; at++) {
      const browser = await launch();
      const page = await browser.newPage();
      page.setDefaultTimeout(PATIENCE);
      await page.addInitScript(() => {
        window.tasks = [];
        new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((task) => task.duration))).observe({ type: "longtask", buffered: true });
      });
      await page.goto(`${site.address}?engine=${engine}&epochs=1000`);
      await page.locator("#play:enabled").waitFor();
      measured.ready.push(await page.evaluate(() => performance.now()));
      await page.click("#step");
      await page.locator("#status", { hasText: "Update 1 of" }).waitFor();
      measured.step.push(await page.evaluate(() => performance.now()));
      measured.paint.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));
      // Only tasks while training.
      await page.evaluate(() => void (window.tasks.length = 0));
      await page.click("#play");
      await page.waitForTimeout(15_000);
      const tasks = await page.evaluate(() => window.tasks);
      measured.tasks.push(tasks.length);
      measured.longest.push(Math.max(0, ...tasks));
      await browser.close();
    }
    const ms = (values) => `${Math.round(median(values))} ms (${Math.round(Math.min(...values))} to ${Math.round(Math.max(...values))})`;
    console.log(`engine ${engine}, median of ${TRIES} (range)`);
    console.log(`  first paint ${ms(measured.paint)}, run open ${ms(measured.ready)}, first step shown ${ms(measured.step)}`);
    console.log(`  15 s of training: tasks over 50 ms on the main thread ${measured.tasks.join(", ")}; longest ${ms(measured.longest)}`);
  }
  site.server.close();
  const dist = new URL("../dist/", import.meta.url);
  const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.map((file) => [file.name, readFileSync(`${file.parentPath}/${file.name}`)]);
  const sum = (of) => bytes.reduce((sum, [, body]) => sum + of(body), 0).toLocaleString("en");
  for (const [name, body] of bytes) console.log(`  ${name}: ${body.length.toLocaleString("en")} bytes, gzip ${gzipSync(body).length.toLocaleString("en")}`);
  console.log(`  all files: ${sum((body) => body.length)} bytes, gzip ${sum((body) => gzipSync(body).length)}`);
}

/** Resident memory of each process of the browser, while the page trains. */
async function memory() {
  const site = await serve();
  const minutes = Number(process.env.MINUTES ?? 10);
  for (const engine of (process.env.ENGINES ?? "gpu,cpu").split(",")) {
    const browser = await launch();
    const session = await browser.newBrowserCDPSession();
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE);
    await page.goto(`${site.address}?engine=${engine}&epochs=100000`);
    await page.locator("#play:enabled").waitFor();
    await page.click("#play");
    console.log(`engine ${engine}: minute, MiB of the renderer with the page, MiB of the GPU process, update`);
    for (let half = 0; half <= 2 * minutes; half++) {
      const { processInfo } = await session.send("SystemInfo.getProcessInfo");
      const resident = ({ id }) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1] ?? 0) / 1024;
      const of = (type) => Math.round(Math.max(0, ...processInfo.filter((info) => info.type === type).map(resident)));
      const status = await page.locator("#status").textContent();
      console.log(`${(half / 2).toFixed(1)}\t${of("renderer")}\t${of("GPU")}\t${/Update (\d+)/.exec(status)?.[1] ?? 0}`);
      if (half < 2 * minutes) await page.waitForTimeout(30_000);
    }
    await browser.close();
  }
  site.server.close();
}

const parts = { speed, page, memory };
const part = parts[process.argv[2]];
if (!part) {
  console.error(`Say what to measure: ${Object.keys(parts).join(", ")}.`);
  process.exit(2);
}
await part();

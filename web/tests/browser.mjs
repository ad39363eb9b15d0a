// Serves the built page and opens it in a headless Chromium whose WebGPU is SwiftShader.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };
const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];

/** Serves `dist` on a free port. */
export async function serve() {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const file = join(DIST, normalize(pathname.endsWith("/") ? `${pathname}index.html` : pathname));
    try {
      const body = await readFile(file);
      response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, address: `http://localhost:${server.address().port}/` };
}

/** $CHROMIUM names another browser than Debian's. */
export function launch({ webgpu = true } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", ...(webgpu ? WEBGPU : ["--disable-features=WebGPU", "--disable-gpu"])],
  });
}

/** SwiftShader is slow. */
export const PATIENCE = 240_000;

/** A page with these settings, once its run is open. Errors of the page fail the test. `from`: a browser or a context. */
export async function open(from, address, options = {}) {
  const page = await from.newPage(options);
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => assert.fail(`the page threw ${error}`));
  page.on("console", (message) => message.type() === "error" && console.log(`console: ${message.text()}`));
  await page.goto(address);
  await page.locator("#play:enabled").waitFor();
  return page;
}

export const shown = (page, selector) => page.locator(selector).textContent();

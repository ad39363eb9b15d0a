// MNIST from a mirror, in the worker. The bytes are checked in WebAssembly, and kept for later visits.

import * as wasm from "../wasm/gpu_mlp_web.js";

/** Not the cache of the service worker: a new version of the page keeps the files. */
const STORE = "mnist-of-gpu-mlp";

type Progress = (done: number, of: number, what: string) => void;

/** The browser's store; none on a page that does not come by HTTPS or from this machine. */
async function open(): Promise<Cache | null> {
  return "caches" in self ? caches.open(STORE).catch(() => null) : null;
}

/** The bytes of an address, and whether they come from the store. */
async function bytes(store: Cache | null, address: string): Promise<{ bytes: Uint8Array; stored: boolean }> {
  const stored = await store?.match(address);
  if (stored) return { bytes: new Uint8Array(await stored.arrayBuffer()), stored: true };
  let response: Response;
  try {
    response = await fetch(address, { mode: "cors", credentials: "omit", referrerPolicy: "no-referrer" });
  } catch {
    // The browser does not tell a page which of these it was.
    throw new Error("could not be reached, or does not allow requests from other pages");
  }
  if (!response.ok) throw new Error(`answered with status ${response.status}`);
  return { bytes: new Uint8Array(await response.arrayBuffer()), stored: false };
}

/** Takes one file, and keeps it if it is right. A stored copy that is damaged is fetched again. */
async function take(download: wasm.Download, store: Cache | null, at: number, address: string) {
  const found = await bytes(store, address);
  try {
    download.take(at, found.bytes);
  } catch (error) {
    if (!found.stored) throw error;
    await store?.delete(address);
    return take(download, store, at, address);
  }
  if (!found.stored) {
    // Without room in the store the file is fetched again at the next visit.
    await store?.put(address, new Response(found.bytes.slice().buffer)).catch(() => undefined);
  }
}

/** MNIST from the first mirror that gives all four files. `own`: a mirror to try first. */
export async function mnist(own: string | null, progress: Progress): Promise<wasm.Data> {
  const { mirrors, files } = JSON.parse(wasm.mirrors()) as { mirrors: string[]; files: string[] };
  const store = await open();
  const problems: string[] = [];
  for (const mirror of own ? [own, ...mirrors] : mirrors) {
    const host = new URL(mirror).host;
    const download = new wasm.Download();
    try {
      for (const [at, file] of files.entries()) {
        progress(at, files.length, `Fetching ${file} from ${host}…`);
        await take(download, store, at, mirror + file);
      }
      progress(files.length, files.length, "");
    } catch (error) {
      download.free();
      problems.push(`${host} ${error instanceof Error ? error.message : error}`);
      continue;
    }
    return download.data(host);
  }
  throw new Error(`MNIST could not be fetched: ${problems.join("; ")}. Choose or drop its four files instead`);
}

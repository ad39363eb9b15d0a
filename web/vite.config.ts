import { defineConfig, type Plugin } from "vite";

/** Writes the service worker: it stores all files of the page, so that the page works offline. */
function offline(): Plugin {
  return {
    name: "offline",
    apply: "build",
    generateBundle(_, bundle) {
      const files = Object.keys(bundle).filter((file) => file !== "sw.js");
      // The names hold hashes of the contents, so a new version of the page has another list.
      const source = `// Stores the files of the page, so that it works offline.
const files = ${JSON.stringify(["./", ...files.filter((file) => file !== "index.html")])};
let hash = 5381;
for (const letter of files.join()) hash = (hash * 33 + letter.charCodeAt(0)) >>> 0;
const name = "gpu-mlp-" + hash;
addEventListener("install", (event) => {
  event.waitUntil(caches.open(name).then((cache) => cache.addAll(files)).then(() => skipWaiting()));
});
addEventListener("activate", (event) => {
  const old = (keys) => keys.filter((key) => key.startsWith("gpu-mlp-") && key !== name);
  event.waitUntil(caches.keys().then((keys) => Promise.all(old(keys).map((key) => caches.delete(key)))).then(() => clients.claim()));
});
addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  const cached = caches.open(name).then((cache) => cache.match(event.request, { ignoreSearch: true }));
  event.respondWith(cached.then((found) => found ?? fetch(event.request)));
});
`;
      this.emitFile({ type: "asset", fileName: "sw.js", source });
    },
  };
}

export default defineConfig({
  // Relative addresses: the page works in any folder of a server.
  base: "./",
  build: { target: "es2024", assetsInlineLimit: 0 },
  worker: { format: "es" },
  plugins: [offline()],
});

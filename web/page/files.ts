// Files of the user: models and MNIST.

import type { Client } from "./client.ts";
import { element } from "./dom.ts";
import type { DataRequest } from "./protocol.ts";

type Click = (id: string, work: () => Promise<unknown>) => void;

/** The parts of the names of MNIST's files, in the order of the worker's call. */
const ROLES = [/train.*image/i, /train.*label/i, /(t10k|test).*image/i, /(t10k|test).*label/i];

function download(bytes: Uint8Array, name: string) {
  const url = URL.createObjectURL(new Blob([bytes.slice().buffer]));
  const link = document.createElement("a");
  [link.href, link.download] = [url, name];
  link.click();
  // The browser needs the address until it has begun to save.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** What happens with files of the user. */
interface Takers {
  data: (data: DataRequest) => Promise<void>;
  model: (bytes: ArrayBuffer) => Promise<void>;
}

/** How many data sets the user has given. */
let given = 0;

export function takeFiles(
  client: Client,
  click: Click,
  tried: (work: () => Promise<unknown>) => Promise<void>,
  takers: Takers,
) {
  const say = (text: string) => (element("file").textContent = text);
  click("save", async () => download(await client.call("save", "safetensors"), "model.safetensors"));
  // Only the address of a server may be tried first; the hashes decide whether its files are MNIST's.
  const asked = new URLSearchParams(location.search).get("mirror") ?? "";
  const own = /^https?:\/\/.+\/$/.test(asked) && URL.canParse(asked) ? asked : null;
  click("fetch-mnist", async () => {
    say("Fetching MNIST…");
    try {
      await takers.data({ kind: "mnist", own });
      say("The run uses MNIST.");
    } catch (error) {
      say("");
      throw error;
    }
  });
  click("onnx", async () => download(await client.call("save", "onnx"), "model.onnx"));

  const take = async (files: File[]) => {
    const [model] = files;
    if (model && files.length === 1 && model.name.endsWith(".safetensors")) {
      await takers.model(await model.arrayBuffer());
      say(`Loaded ${model.name}. Press Play to train it further.`);
      return;
    }
    const four = ROLES.map((role) => files.find((file) => role.test(file.name)));
    const missing = four.findIndex((file) => !file);
    if (missing >= 0) throw new Error(`MNIST has four files; choose all of them. One is missing: its name matches ${ROLES[missing]}.`);
    say("Reading the files…");
    await takers.data({ kind: "idx", number: ++given, files: await Promise.all(four.map((file) => (file as File).arrayBuffer())) });
    say("The run uses these files.");
  };
  for (const id of ["load", "mnist"]) {
    const input = element<HTMLInputElement>(id);
    input.addEventListener("change", () => {
      const files = [...(input.files ?? [])];
      input.value = "";
      if (files.length > 0) void tried(() => take(files));
    });
  }
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) void tried(() => take(files));
  });
}

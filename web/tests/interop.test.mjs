// Models of the page and of the command line are the same files. $GPU_MLP names the program; without it nothing is tested.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as wasm from "../wasm/gpu_mlp_web.js";

const program = process.env.GPU_MLP;
const [train, samples] = [2000, 500];
const digits = ["--data", "digits", "--digits-train", `${train}`, "--digits-test", `${samples}`, "--engine", "cpu"];

test("a model of the page scores alike in the command line, and the other way round", { skip: !program }, async () => {
  wasm.initSync({ module: readFileSync(new URL("../wasm/gpu_mlp_web_bg.wasm", import.meta.url)) });
  const folder = mkdtempSync(join(tmpdir(), "gpu-mlp-web-"));
  const gpuMlp = (...args) => execFileSync(program, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const accuracy = (model) => JSON.parse(gpuMlp("eval", model, ...digits, "--json")).accuracy;
  try {
    const cpu = await wasm.Device.open("cpu");
    const data = wasm.Data.digits(train, samples, 1);
    const run = await wasm.Run.open(cpu, data, '{"epochs": 2, "hidden": [40]}');
    await run.advance(1000);
    writeFileSync(join(folder, "page.safetensors"), await run.safetensors());
    assert.equal(JSON.parse(await run.test()).accuracy, accuracy("page.safetensors"));

    gpuMlp("train", ...digits, "--epochs", "2", "--hidden", "40", "--seed", "2", "--out", "run");
    const model = readFileSync(join(folder, "run", "model.safetensors"));
    assert.deepEqual(JSON.parse(wasm.modelAbout(model)), { widths: [784, 40, 10], activation: "relu" });
    run.load(model);
    assert.equal(JSON.parse(await run.test()).accuracy, accuracy("run/model.safetensors"));

    // In integers the files are equal, byte for byte.
    gpuMlp("train", ...digits, "--epochs", "2", "--hidden", "40", "--precision", "int8", "--out", "integers");
    const integers = await wasm.Run.open(cpu, data, '{"epochs": 2, "hidden": [40], "precision": "int8"}');
    await integers.advance(1000);
    assert.equal(wasm.sha256(await integers.safetensors()), wasm.sha256(readFileSync(join(folder, "integers", "model.safetensors"))));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

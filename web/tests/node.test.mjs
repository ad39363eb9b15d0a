// The library in WebAssembly, under node: the CPU engine, without a browser.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as wasm from "../wasm/gpu_mlp_web.js";

wasm.initSync({ module: readFileSync(new URL("../wasm/gpu_mlp_web_bg.wasm", import.meta.url)) });
const cpu = await wasm.Device.open("cpu");

test("the golden run has the hash of the command line", async () => {
  const exact = JSON.parse(await wasm.exact(cpu));
  const source = readFileSync(new URL("../../src/train/golden.rs", import.meta.url), "utf8");
  const [, reference] = source.match(/SHA256: &str = "([0-9a-f]{64})"/);
  assert.equal(exact.sha256, reference);
  assert.equal(exact.right, true);
  assert.ok(exact.accuracy > 0.9, `accuracy ${exact.accuracy}`);
});

test("a run trains, repeats bit-identically, and its model can be saved and loaded", async () => {
  const data = wasm.Data.digits(4000, 500, 1);
  const config = JSON.stringify({ momentum: 0.9, epochs: 6 });
  const trained = async () => {
    const run = await wasm.Run.open(cpu, data, config);
    const position = JSON.parse(await run.advance(1000));
    assert.equal(position.step, position.last);
    return run;
  };
  const [one, two] = [await trained(), await trained()];
  assert.equal(await one.sha256(), await two.sha256());
  const { accuracy } = JSON.parse(await one.test());
  assert.ok(accuracy > 0.95, `accuracy ${accuracy}`);

  const model = await one.safetensors();
  const other = await wasm.Run.open(cpu, data, config);
  other.load(model);
  assert.deepEqual(Buffer.from(await other.safetensors()), Buffer.from(model));
  assert.equal(JSON.parse(await other.test()).accuracy, accuracy);
  assert.ok((await one.onnx()).length > model.length / 2);
  const p = await one.predict(data.testSample(0));
  assert.equal(p.indexOf(Math.max(...p)), data.testLabels()[0]);
});

test("bad input is an error that names its cause", async () => {
  const data = wasm.Data.digits(100, 10, 1);
  await assert.rejects(wasm.Run.open(cpu, data, '{"hiden": [5]}'), /hiden/);
  await assert.rejects(wasm.Run.open(cpu, data, '{"lr": -1}'), /lr/);
  await assert.rejects(wasm.Device.open("tpu"), /tpu/);
  assert.throws(() => wasm.Data.fromIdx(new Uint8Array(9), new Uint8Array(9), new Uint8Array(9), new Uint8Array(9)), /train-images/);
  const run = await wasm.Run.open(cpu, data, "{}");
  assert.throws(() => run.load(new Uint8Array(100)), /safetensors/);
});

test("the shaders are the files of the command line", () => {
  const shaders = JSON.parse(wasm.shaders());
  assert.ok(shaders.length > 20);
  for (const { file, sha256 } of shaders) {
    const source = readFileSync(new URL(`../../shaders/${file}.wgsl`, import.meta.url));
    assert.equal(sha256, wasm.sha256(source), file);
  }
});

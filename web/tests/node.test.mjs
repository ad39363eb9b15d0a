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

test("looking at the layers does not change the bits, and counts every value", async () => {
  const data = wasm.Data.digits(1000, 100, 1);
  const config = JSON.stringify({ hidden: [40, 20], epochs: 2, momentum: 0.9 });
  const [plain, looked] = [await wasm.Run.open(cpu, data, config), await wasm.Run.open(cpu, data, config)];
  await plain.advance(7);
  await looked.advance(5);
  const { position, layers, samples } = JSON.parse(await looked.layers(1));
  assert.equal(position.step, 6);
  await looked.layers(1);
  assert.equal(await looked.sha256(), await plain.sha256());

  assert.equal(layers.length, 3);
  const sum = ({ counts, zeros }) => counts.reduce((a, b) => a + b, zeros);
  const widths = [784, 40, 20, 10];
  for (const [at, layer] of layers.entries()) {
    assert.equal(sum(layer.activations), samples * widths[at + 1]);
    assert.equal(sum(layer.gradients), widths[at] * widths[at + 1]);
    assert.equal(sum(layer.updates), widths[at] * widths[at + 1]);
    assert.ok(layer.activations.zeros >= layer.dead * samples);
    assert.ok(layer.update_ratio > 1e-6 && layer.update_ratio < 1, `${layer.update_ratio}`);
    assert.ok(layer.gradient_norm > 0);
  }
  // Without an update there is none to show.
  assert.equal(JSON.parse(await looked.layers(0)).layers[0].updates, null);
  assert.equal(await looked.sha256(), await plain.sha256());
});

test("units that are zero for every sample are counted as dead", async () => {
  const data = wasm.Data.digits(300, 50, 1);
  const run = await wasm.Run.open(cpu, data, '{"hidden": [30], "epochs": 1}');
  const file = Buffer.from(await run.safetensors());
  // The biases of the first layer, in the file: far below zero, so that ReLU passes nothing.
  const length = Number(file.readBigUInt64LE(0));
  const [name, { data_offsets: [begin, end] }] = Object.entries(JSON.parse(file.subarray(8, 8 + length))).find(([, about]) => about.shape?.[0] === 30 && about.shape.length === 1);
  assert.match(name, /bias/);
  const { dead } = JSON.parse(await run.layers(0)).layers[0];
  assert.ok(dead < 30);
  for (let at = begin; at < end; at += 4) file.writeFloatLE(-1e6, 8 + length + at);
  run.load(file);
  assert.equal(JSON.parse(await run.layers(0)).layers[0].dead, 30);
});

test("the gradient of the pixels is the slope of the loss", async () => {
  const data = wasm.Data.digits(1000, 100, 1);
  const run = await wasm.Run.open(cpu, data, '{"hidden": [20], "epochs": 2, "activation": "tanh"}');
  await run.advance(20);
  const pixels = data.testSample(3);
  const of = 4;
  const gradient = await run.inputGradient(pixels, of);
  assert.equal(gradient.length, 784);
  const loss = async (at, by) => -Math.log((await run.predict(pixels.map((value, place) => (place === at ? value + by : value))))[of]);
  // The pixels with the largest gradients, of those that can change by 8 both ways.
  const places = [...gradient.keys()].filter((at) => pixels[at] >= 8 && pixels[at] <= 247);
  places.sort((a, b) => Math.abs(gradient[b]) - Math.abs(gradient[a]));
  assert.ok(places.length >= 3);
  // All inputs have the same scale, so the slopes have one factor in common.
  const factors = [];
  for (const at of places.slice(0, 3)) factors.push((await loss(at, 8) - await loss(at, -8)) / gradient[at]);
  for (const factor of factors) assert.ok(factor > 0 && Math.abs(factor / factors[0] - 1) < 0.05, `${factors}`);
  await assert.rejects(run.inputGradient(pixels, 10), /10 classes/);
  await assert.rejects(run.inputGradient(new Uint8Array(5), 1), /5 pixels/);
});

test("a drawing becomes a sample, and bytes that are none are refused", () => {
  const side = 280;
  const pixels = new Uint8Array(4 * side * side).fill(255);
  assert.throws(() => new wasm.Drawing(pixels, side), /the drawing/);
  const [left, right, top, bottom] = [120, 150, 40, 239];
  for (let y = top; y <= bottom; y++) for (let x = left; x <= right; x++) pixels.fill(0, 4 * (y * side + x), 4 * (y * side + x) + 3);
  const drawing = new wasm.Drawing(pixels, side);
  assert.equal(drawing.inkWidth(), side);
  assert.deepEqual([...drawing.cropBox()], [left, right, top, bottom]);
  const sample = drawing.sample();
  const rows = [...Array(28).keys()].filter((row) => sample.subarray(28 * row, 28 * (row + 1)).some((value) => value > 0));
  // MNIST's digits are 20 pixels high, with their centre of mass in the middle.
  assert.equal(rows.length, 20);
  assert.ok(rows[0] === 4 || rows[0] === 5, `first row ${rows[0]}`);
  for (const width of [0, 279, side * side + 1]) assert.throws(() => new wasm.Drawing(pixels, width), /not rows of/);
});

test("each of several seeds is the run with that seed alone", async () => {
  const data = wasm.Data.digits(500, 200, 1);
  const config = { hidden: [16], epochs: 2, seed: 5 };
  const seeds = await wasm.Seeds.open(cpu, data, JSON.stringify(config), 3);
  assert.equal(seeds.together(cpu), 1);
  await seeds.advance(3);
  const { positions, tests } = JSON.parse(await seeds.advance(1000));
  for (const at of [0, 1, 2]) {
    const run = await wasm.Run.open(cpu, data, JSON.stringify({ ...config, seed: 5 + at }));
    await run.advance(3);
    assert.deepEqual(positions[at], JSON.parse(await run.advance(1000)));
    assert.deepEqual(tests[at], JSON.parse(await run.test()));
  }
  assert.notEqual(tests[0].loss, tests[1].loss);
});

test("the page says what the lecture says", () => {
  const words = JSON.parse(wasm.experiments());
  assert.equal(words.length, 8);
  const source = readFileSync(new URL("../../src/lab/texts.rs", import.meta.url), "utf8");
  for (const { name, title, lecture, formula } of words) {
    assert.ok(source.includes(title) && source.includes(formula), name);
    assert.ok(lecture.length > 100, name);
  }
});

test("a file of a mirror is taken only if it is MNIST's", () => {
  const { mirrors, files } = JSON.parse(wasm.mirrors());
  assert.ok(mirrors.every((mirror) => /^https:.*\/$/.test(mirror)));
  assert.equal(files.length, 4);
  const download = new wasm.Download();
  const idx = Uint8Array.from([0, 0, 8, 1, 0, 0, 0, 2, 3, 4]);
  assert.throws(() => download.take(1, idx), /sent other bytes: SHA-256/);
  assert.throws(() => download.take(1, new Uint8Array(50)), /train-labels/);
  assert.throws(() => download.take(4, idx), /four files/);
  assert.throws(() => download.data("a host"), /one is missing/);
});

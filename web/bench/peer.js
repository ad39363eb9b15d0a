// Trains the same net with another library, in the page: 784-128-10, ReLU, cross-entropy, SGD, batches of 64 that lie on the
// device, one after another. The losses of the timed updates are not read back, only the last one.

const [SAMPLES, INPUTS, HIDDEN, CLASSES, BATCH, RATE] = [6400, 784, 128, 10, 64, 0.1];
const script = (source) =>
  new Promise((resolve, reject) => {
    const tag = document.createElement("script");
    [tag.src, tag.onload, tag.onerror] = [source, resolve, () => reject(new Error(`${source} cannot be loaded`))];
    document.head.append(tag);
  });

/** Pixels and classes: the class lights up some pixels, so that there is something to learn. */
function data() {
  const x = new Float32Array(SAMPLES * INPUTS);
  const classes = new Int32Array(SAMPLES);
  let state = 1;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let sample = 0; sample < SAMPLES; sample++) {
    classes[sample] = Math.floor(random() * CLASSES);
    for (let at = 0; at < INPUTS; at++) x[sample * INPUTS + at] = random() - 0.5 + (at % CLASSES === classes[sample] ? 0.5 : 0);
  }
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const weights = (outputs, inputs) => Float32Array.from({ length: outputs * inputs }, () => normal() * Math.sqrt(2 / inputs));
  return { x, classes, w1: weights(HIDDEN, INPUTS), w2: weights(CLASSES, HIDDEN) };
}

async function tfjs(backend) {
  await script("/peers/@tensorflow/tfjs/dist/tf.min.js");
  await script(`/peers/@tensorflow/tfjs-backend-${backend}/dist/tf-backend-${backend}.min.js`);
  if (backend === "wasm") window.tf.wasm.setWasmPaths("/peers/@tensorflow/tfjs-backend-wasm/dist/");
  const { tf } = window;
  if (!(await tf.setBackend(backend))) throw new Error(`tfjs has no backend ${backend} here`);
  await tf.ready();
  const { x, classes, w1, w2 } = data();
  const all = tf.tensor2d(x, [SAMPLES, INPUTS]);
  const hot = tf.oneHot(tf.tensor1d(classes, "int32"), CLASSES).toFloat();
  const transposed = (w, outputs, inputs) => tf.variable(tf.tensor2d(w, [outputs, inputs]).transpose());
  const net = [transposed(w1, HIDDEN, INPUTS), tf.variable(tf.zeros([HIDDEN])), transposed(w2, CLASSES, HIDDEN), tf.variable(tf.zeros([CLASSES]))];
  const optimizer = tf.train.sgd(RATE);
  const loss = (at) => {
    const first = (at * BATCH) % SAMPLES;
    const h = tf.relu(tf.add(tf.matMul(tf.slice(all, [first, 0], [BATCH, INPUTS]), net[0]), net[1]));
    const logits = tf.add(tf.matMul(h, net[2]), net[3]);
    return tf.losses.softmaxCrossEntropy(tf.slice(hot, [first, 0], [BATCH, CLASSES]), logits);
  };
  return async (from, updates) => {
    for (let at = from; at < from + updates - 1; at++) optimizer.minimize(() => loss(at), false, net);
    const last = optimizer.minimize(() => loss(from + updates - 1), true, net);
    const [value] = await last.data();
    last.dispose();
    return value;
  };
}

async function jax(device) {
  const { init, defaultDevice, jit, valueAndGrad, numpy: np, nn, blockUntilReady } = await import("/peers/@jax-js/jax/dist/index.js");
  const found = await init(device);
  if (!found.includes(device)) throw new Error(`jax-js has no device ${device} here`);
  defaultDevice(device);
  const { x, classes, w1, w2 } = data();
  // A batch is an array of its own: cutting it out of a larger one would be a dispatch more.
  const batches = Array.from({ length: SAMPLES / BATCH }, (_, at) => ({
    x: np.array(x.slice(at * BATCH * INPUTS, (at + 1) * BATCH * INPUTS)).reshape([BATCH, INPUTS]),
    y: nn.oneHot(np.array(classes.slice(at * BATCH, (at + 1) * BATCH), { dtype: np.int32 }), CLASSES),
  }));
  const transposed = (w, outputs, inputs) => np.transpose(np.array(w).reshape([outputs, inputs]));
  let net = { w1: transposed(w1, HIDDEN, INPUTS), b1: np.zeros([HIDDEN]), w2: transposed(w2, CLASSES, HIDDEN), b2: np.zeros([CLASSES]) };
  const loss = (p, x, y) => {
    const h = nn.relu(np.dot(x, p.w1).add(p.b1));
    const logits = np.dot(h, p.w2).add(p.b2);
    return nn.logSoftmax(logits).mul(y).sum().mul(-1 / BATCH);
  };
  const step = jit((p, x, y) => {
    const [value, g] = valueAndGrad(loss)({ w1: p.w1.ref, b1: p.b1.ref, w2: p.w2.ref, b2: p.b2.ref }, x, y);
    const down = (name) => p[name].sub(g[name].mul(RATE));
    return [value, { w1: down("w1"), b1: down("b1"), w2: down("w2"), b2: down("b2") }];
  });
  return async (from, updates) => {
    let value;
    for (let at = from; at < from + updates; at++) {
      const batch = batches[at % batches.length];
      value?.dispose();
      [value, net] = step(net, batch.x.ref, batch.y.ref);
    }
    const [number] = await value.data();
    await blockUntilReady({ w1: net.w1.ref });
    return number;
  };
}

const MAKERS = { tfjs, jax };

/** Images per second, and the losses that show that the net learns. */
window.measure = async (library, backend, warm, updates) => {
  const train = await MAKERS[library](backend);
  const first = await train(0, 1);
  await train(1, warm);
  const begin = performance.now();
  const last = await train(1 + warm, updates);
  const seconds = (performance.now() - begin) / 1000;
  return { rate: (updates * BATCH) / seconds, first, last };
};

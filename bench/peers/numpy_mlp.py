#!/usr/bin/env python3
"""Trains a multilayer perceptron in NumPy: forward and backward pass by hand, products by NumPy's BLAS."""
from types import SimpleNamespace
from common import arguments, first_weights, measure, mnist, one_by_one, np

_, config = arguments(__doc__)
batch, keep, momentum = config["batch"], np.float32(1 - config["drop"]), np.float32(config["momentum"])
pixels, labels, test_pixels, test_labels = mnist("int64")
random = np.random.default_rng([config["seed"], 2])
rows = np.arange(batch)


def aligned(*shape):
    """An array aligned to a cache line. Without it the alignment is random, which can cost up to a third of the time."""
    size = 4 * int(np.prod(shape))
    room = np.zeros(size + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start:start + size].view(np.float32).reshape(shape)


# All memory of a step is allocated here. Prefixes: `d` gradient, `v` accumulated momentum.
x = aligned(batch, config["widths"][0])
layers = [
    SimpleNamespace(
        w=aligned(i, o), dw=aligned(i, o), vw=aligned(i, o), b=aligned(o), db=aligned(o), vb=aligned(o),
        out=aligned(batch, o), dout=aligned(batch, o), dropped=aligned(batch, o),
    )
    for i, o in zip(config["widths"], config["widths"][1:])
]


def restart():
    for layer, (w, b) in zip(layers, first_weights(config)):
        layer.w[:], layer.b[:], layer.vw[:], layer.vb[:] = w, b, 0, 0


def step(chosen):
    """Trains on one batch and returns its mean loss."""
    np.take(pixels, chosen, axis=0, out=x, mode="clip")
    inputs = [x, *(layer.out for layer in layers)]
    for layer, below in zip(layers, inputs):
        np.matmul(below, layer.w, out=layer.out)
        layer.out += layer.b
        if layer is not layers[-1]:
            np.maximum(layer.out, 0, out=layer.out)
            if keep < 1:
                random.random(out=layer.dropped, dtype=np.float32)
                np.less(layer.dropped, keep, out=layer.dropped)
                layer.dropped /= keep
                layer.out *= layer.dropped

    z, d, t = layers[-1].out, layers[-1].dout, labels[chosen]
    z -= z.max(1, keepdims=True)
    np.exp(z, out=d)
    sums = d.sum(1, keepdims=True)
    loss = (np.log(sums[:, 0]) - z[rows, t]).mean()
    d /= sums
    d[rows, t] -= 1
    # All other gradients are linear in this one, so multiplying it by the rate turns each gradient into its update.
    d *= np.float32(config["lr"] / batch)

    for number in reversed(range(len(layers))):
        layer, below = layers[number], inputs[number]
        np.matmul(below.T, layer.dout, out=layer.dw)
        np.sum(layer.dout, axis=0, out=layer.db)
        if number:
            d = layers[number - 1].dout
            np.matmul(layer.dout, layer.w.T, out=d)
            d *= below > 0
            if keep < 1:
                d *= layers[number - 1].dropped
        if momentum:
            for v, update in [(layer.vw, layer.dw), (layer.vb, layer.db)]:
                v *= momentum
                v += update
            layer.w -= layer.vw
            layer.b -= layer.vb
        else:
            layer.w -= layer.dw
            layer.b -= layer.db
    return loss


def epoch():
    order = random.permutation(len(pixels))[: len(pixels) // batch * batch].reshape(-1, batch)
    return np.mean([step(chosen) for chosen in order])


def accuracy():
    x = test_pixels
    for layer in layers:
        x = x @ layer.w + layer.b
        if layer is not layers[-1]:
            x = np.maximum(x, 0)
    return (x.argmax(1) == test_labels).mean()


restart()
measure("numpy", "cpu", f"numpy {np.__version__}", config, restart, one_by_one(epoch), accuracy)

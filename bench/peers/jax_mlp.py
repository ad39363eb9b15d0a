#!/usr/bin/env python3
"""Trains a multilayer perceptron in JAX, on JAX's default device: `scan` compiles an epoch, `step` one step.

With `--models N`, `scan` trains N models at once (vmap); the accuracy is that of the first.

Products are in single precision, as gpu-mlp's; on GPUs, JAX's default is TF32, which is the mode `scan-tf32`.
"""
from functools import partial
from common import arguments, first_weights, measure, mnist, one_by_one
import jax, jax.numpy as jnp

mode, config = arguments(__doc__, ["scan", "step", "scan-tf32"], several=["scan", "scan-tf32"])
jax.config.update("jax_default_matmul_precision", "tensorfloat32" if mode == "scan-tf32" else "highest")
batch, keep, rate = config["batch"], 1 - config["drop"], config["lr"]
pixels, labels, test_pixels, test_labels = map(jnp.asarray, mnist())
steps = len(pixels) // batch


def logits(layers, x, key=None):
    for number, (w, b) in enumerate(layers[:-1]):
        x = jax.nn.relu(x @ w + b)
        if key is not None and keep < 1:
            x = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, number), keep, x.shape), x / keep, 0)
    w, b = layers[-1]
    return x @ w + b


def loss(layers, x, t, key):
    z = logits(layers, x, key)
    return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, t[:, None], 1)[:, 0])


def step(state, chosen, pixels, labels):
    layers, speeds, key = state
    key, mine = jax.random.split(key)
    value, gradients = jax.value_and_grad(loss)(layers, pixels[chosen], labels[chosen], mine)
    if config["momentum"]:
        speeds = gradients = jax.tree.map(lambda v, g: config["momentum"] * v + g, speeds, gradients)
    return (jax.tree.map(lambda p, g: p - rate * g, layers, gradients), speeds, key), value


def order(key):
    return jax.random.permutation(key, len(pixels))[: steps * batch].reshape(steps, batch)


def scan(state, pixels, labels):
    layers, speeds, key = state
    key, mine = jax.random.split(key)
    body = lambda state, chosen: step(state, chosen, pixels, labels)
    return jax.lax.scan(body, (layers, speeds, key), order(mine))


# The data are arguments, because a compiled function would embed captured variables as constants. Several models have a leading
# dimension, and orders and dropout of their own.
several = config["models"] > 1
whole_epoch = jax.jit(jax.vmap(scan, in_axes=(0, None, None)) if several else scan, donate_argnums=0)


@partial(jax.jit, donate_argnums=(0, 1))
def one_step(state, total, orders, number, pixels, labels):
    state, value = step(state, orders[number], pixels, labels)
    return state, total + value


one_order = jax.jit(order)


def epoch():
    global state
    if mode != "step":
        state, losses = whole_epoch(state, pixels, labels)
        return losses.mean()
    layers, speeds, key = state
    key, mine = jax.random.split(key)
    state, total, orders = (layers, speeds, key), jnp.zeros(()), one_order(mine)
    for number in range(steps):
        state, total = one_step(state, total, orders, number, pixels, labels)
    return total / steps


def restart():
    global state
    layers = jax.tree.map(jnp.asarray, first_weights(config))
    speeds = jax.tree.map(jnp.zeros_like, layers) if config["momentum"] else []
    key = jax.random.key(config["seed"])
    if several:
        layers, speeds = jax.tree.map(lambda array: jnp.repeat(array[None], config["models"], 0), (layers, speeds))
        key = jax.random.split(key, config["models"])
    state = jax.block_until_ready((layers, speeds, key))


def accuracy():
    layers = jax.tree.map(lambda array: array[0], state[0]) if several else state[0]
    return (logits(layers, test_pixels).argmax(1) == test_labels).mean()


restart()
device = jax.devices()[0]
measure(f"jax-{mode}", device.device_kind, f"jax {jax.__version__}", config, restart, one_by_one(epoch), accuracy)

#!/usr/bin/env python3
"""Trains a multilayer perceptron with Keras' `fit` on TensorFlow and the CPU; `jit` compiles with XLA."""
import os, time
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["KERAS_BACKEND"] = "tensorflow"
from common import THREADS, arguments, measure, mnist
import tensorflow as tf
import keras

mode, config = arguments(__doc__, ["nojit", "jit"])
batch, widths = config["batch"], config["widths"]
tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)
keras.utils.set_random_seed(config["seed"])
pixels, labels, test_pixels, test_labels = mnist()
steps = len(pixels) // batch
held_pixels, held_labels = tf.constant(pixels), tf.constant(labels)

layers = [keras.Input((widths[0],))]
for width in widths[1:-1]:
    layers.append(keras.layers.Dense(width, activation="relu"))
    if config["drop"]:
        layers.append(keras.layers.Dropout(config["drop"]))
model = keras.Sequential([*layers, keras.layers.Dense(widths[-1])])
model.compile(
    optimizer=keras.optimizers.SGD(config["lr"], momentum=config["momentum"]),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    jit_compile=mode == "jit",
    # Many steps per call of the compiled function, because the code between calls is slow Python.
    steps_per_execution=min(steps, 64),
)
weights = model.get_weights()


def order(_):
    return tf.reshape(tf.random.shuffle(tf.range(len(pixels)))[: steps * batch], (steps, batch))


# A new shuffled order per epoch. Batches are gathered while earlier steps are computed.
batches = tf.data.Dataset.range(1).repeat().map(order).unbatch()
batches = batches.map(lambda chosen: (tf.gather(held_pixels, chosen), tf.gather(held_labels, chosen))).prefetch(4)


class Clock(keras.callbacks.Callback):
    """Seconds and loss of each epoch."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        loss = float(logs["loss"])
        self.epochs.append((time.perf_counter() - self.start, loss))


def train(epochs):
    clock = Clock()
    model.fit(batches, epochs=epochs, steps_per_epoch=steps, verbose=0, callbacks=[clock])
    return clock.epochs


def restart():
    model.set_weights(weights)
    for variable in model.optimizer.variables:
        if "momentum" in variable.path:
            variable.assign(tf.zeros_like(variable))


def accuracy():
    return (model.predict(test_pixels, batch_size=1000, verbose=0).argmax(1) == test_labels).mean()


version = f"tensorflow {tf.__version__} keras {keras.__version__}"
measure(f"keras-{mode}", "cpu", version, config, restart, train, accuracy)

"""Shared code of the peers: configurations, command line, MNIST, initial weights, measurement.

A peer builds a net and passes three functions to `measure`, which prints a line of JSON for bench/peers.py. Needs numpy.
"""
import argparse, gzip, json, os, sys, time
from pathlib import Path

THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
for library in ["OMP", "OPENBLAS", "MKL"]:
    os.environ.setdefault(f"{library}_NUM_THREADS", str(THREADS))  # Read when numpy is first imported.
import numpy as np

# As in `gpu-mlp bench --config`. `floor` is the required test accuracy; a net that learns exceeds it after one epoch.
CONFIGS = {
    "S": dict(widths=[784, 128, 10], lr=0.1, momentum=0.0, drop=0.0, batch=64, epochs=5, floor=0.90),
    "K": dict(widths=[784, 512, 512, 10], lr=0.05, momentum=0.9, drop=0.2, batch=128, epochs=3, floor=0.93),
    "W": dict(widths=[784, 2048, 2048, 10], lr=0.1, momentum=0.0, drop=0.0, batch=1024, epochs=2, floor=0.70),
}


def arguments(doc, modes=("default",), several=()):
    """Parses the command line: returns the mode and the configuration, with the fields `name`, `seed`, `warm_up`, `until` and
    `models` added. `several`: the modes that can train several models."""
    parse = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("config", choices=CONFIGS)
    parse.add_argument("--mode", default=modes[0], choices=modes)
    parse.add_argument("--epochs", type=int, help="number of timed epochs, after a warm-up epoch")
    parse.add_argument("--until", type=float, help="end at this test accuracy, measured after each epoch, instead of timing them all")
    parse.add_argument("--models", type=int, default=1, help="models that are trained at once (JAX only)")
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--no-warm-up", action="store_true", help="for timing the whole process")
    args = parse.parse_args()
    if args.models != 1 and args.mode not in several:
        parse.error(f"--models: the mode {args.mode} trains one model; modes that train several: {', '.join(several) or 'none'}")
    config = dict(CONFIGS[args.config], name=args.config, seed=args.seed, warm_up=not args.no_warm_up, until=args.until, models=args.models)
    config["epochs"] = args.epochs or config["epochs"]
    return args.mode, config


def idx(path):
    """Returns the array of an IDX file of bytes, gzipped or not."""
    path = path if path.exists() else path.with_name(path.name + ".gz")
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    shape = np.frombuffer(raw, ">u4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def mnist(labels=np.int32):
    """Returns training pixels (60000, 784) in 0 … 1, training labels, test pixels, test labels."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpu-mlp/datasets/mnist"
    folder = Path(os.environ.get("GPU_MLP_DATA_DIR") or cache)
    splits = []
    for name in ["train", "t10k"]:
        pixels = idx(folder / f"{name}-images-idx3-ubyte").reshape(-1, 784)
        splits.append(np.multiply(pixels, np.float32(1 / 255), dtype=np.float32))
        splits.append(idx(folder / f"{name}-labels-idx1-ubyte").astype(labels))
    return splits


def first_weights(config):
    """Returns initial weights (inputs, outputs) and biases of each layer, uniform in ±1/√inputs as in PyTorch's Linear."""
    random = np.random.default_rng([config["seed"], 1])
    layers = []
    for inputs, outputs in zip(config["widths"], config["widths"][1:]):
        limit = inputs ** -0.5
        shapes = [(inputs, outputs), (outputs,)]
        layers.append([random.uniform(-limit, limit, shape).astype(np.float32) for shape in shapes])
    return layers


def one_by_one(epoch):
    """Returns the argument `train` of `measure`. `epoch` trains one epoch, waits for the device and returns the mean loss."""
    def train(epochs):
        for _ in range(epochs):
            start = time.perf_counter()
            loss = float(epoch())
            yield time.perf_counter() - start, loss
    return train


def reach(config, train, accuracy):
    """Trains until the test accuracy is `until`, or all epochs. `train` must yield after each epoch, which Keras' does not."""
    seconds, found = [], []
    for took, _ in train(config["epochs"]):
        seconds.append(round(took, 4))
        found.append(round(float(accuracy()), 4))
        if found[-1] >= config["until"]:
            break
    return {"until": config["until"], "reached": found[-1] >= config["until"], "accuracy": found,
            "epoch_seconds": seconds, "train_s": round(sum(seconds), 4)}


def measure(peer, device, version, config, restart, train, accuracy):
    """Trains a warm-up epoch, then the timed epochs from the initial weights; checks that the net learned; prints the JSON.

    restart()      restores the initial weights; the compiled code is kept
    train(epochs)  yields (seconds, mean loss) per epoch; a partial last batch is omitted
    accuracy()     share of the test samples that are classified correctly
    """
    start = time.perf_counter()
    if config["warm_up"]:
        list(train(1))
        restart()
    first = time.perf_counter() - start
    if config["until"]:
        return print(json.dumps({"peer": peer, "device": device, "version": version, "config": config["name"],
                                 "seed": config["seed"], **reach(config, train, accuracy)}))
    seconds, losses = zip(*train(config["epochs"]))
    right = float(accuracy())
    if not right >= config["floor"] or not all(later < earlier for earlier, later in zip(losses, losses[1:])):
        sys.exit(f"{peer} did not learn: losses {losses}, test accuracy {right:.4f}; required: {config['floor']}")
    samples = config["models"] * len(seconds) * (60000 // config["batch"]) * config["batch"]
    print(json.dumps({
        "peer": peer, "device": device, "version": version, "threads": THREADS,
        "config": config["name"], "batch": config["batch"], "seed": config["seed"],
        "warm_up_s": round(first, 3), "epoch_seconds": [round(s, 4) for s in seconds],
        "models": config["models"], "samples": samples, "samples_per_s": round(samples / sum(seconds), 1),
        "train_loss": [round(loss, 5) for loss in losses], "final_test_acc": round(right, 4),
    }))

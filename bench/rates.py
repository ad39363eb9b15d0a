#!/usr/bin/env python3
"""Measures the default learning rates and the suggestions of `lr-find`.

    bench/rates.py table    the default rate of each optimizer at each batch size: test accuracy, on MNIST and on digits
    bench/rates.py lr-find  the suggested rate against the best of nine rates, on twelve tasks

Set GPU_MLP to the program (default: target/release/gpu-mlp), GPU_MLP_DATA_DIR to the folder of MNIST. Training uses one
thread. Prints Markdown.
"""

import json
import os
import subprocess
import sys
import tempfile

PROGRAM = os.path.abspath(os.environ.get("GPU_MLP", "target/release/gpu-mlp"))
OPTIMIZERS = {
    "sgd": "--optimizer sgd",
    "momentum 0.9": "--optimizer sgd --momentum 0.9",
    "nesterov": "--optimizer nesterov",
    "adam": "--optimizer adam",
    "adamw": "--optimizer adamw",
    "rmsprop": "--optimizer rmsprop",
}
BATCHES = ["1", "4", "16", "64", "256", "1024", "full"]
DATA = ["mnist", "digits"]

# Each task: its name and its options. The rates of a grid are factors of 2 around the default rate.
TASKS = {
    "128, sgd, batch 64": "--data mnist --limit-train 20000 --epochs 3",
    "128, sgd, batch 1": "--data mnist --limit-train 10000 --epochs 2 --batch-size 1",
    "128, momentum, batch 16": "--data digits --limit-train 10000 --epochs 3 --batch-size 16 --momentum 0.9",
    "128, sgd, batch 512": "--data mnist --limit-train 20000 --epochs 5 --batch-size 512",
    "128, sgd, full": "--data mnist --limit-train 10000 --epochs 50 --batch-size full",
    "128, adam, full": "--data digits --limit-train 5000 --epochs 50 --batch-size full --optimizer adam",
    "128, adam, batch 64": "--data mnist --limit-train 20000 --epochs 3 --optimizer adam",
    "128, adam, batch 1": "--data digits --limit-train 5000 --epochs 2 --batch-size 1 --optimizer adam",
    "512-512, keep 0.8, momentum, batch 64":
        "--data mnist --limit-train 10000 --epochs 3 --hidden 512,512 --keep-prob 0.8 --momentum 0.9",
    "64-64-64 sigmoid, sgd, batch 16":
        "--data mnist --limit-train 20000 --epochs 5 --hidden 64,64,64 --activation sigmoid --batch-size 16",
    "64-64-64 sigmoid, adam, batch 64":
        "--data digits --limit-train 10000 --epochs 5 --hidden 64,64,64 --activation sigmoid --optimizer adam",
    "128, sgd, batch 64, 1000 samples": "--data mnist --limit-train 1000 --epochs 10",
}
GRID = [2.0**power for power in range(-4, 5)]


def call(*words):
    command = [PROGRAM, *words, "--engine", "cpu", "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "RAYON_NUM_THREADS": "1"})


def accuracy(options, split="test"):
    """Accuracy in percent after the last epoch, and the learning rate; None if the run diverged."""
    with tempfile.TemporaryDirectory() as folder:
        done = call("train", *options.split(), "--health", "off", "--json", "--out", folder + "/run")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode not in (0, 6) or not records:
        sys.exit(f"{options}: {done.stderr}")
    lr = records[0]["config"].get("lr")
    epochs = [record for record in records if record["type"] == "epoch"]
    if done.returncode == 6:
        return 0.0, lr
    return 100 * epochs[-1][f"{split}_accuracy"], lr


def table():
    print("| data | optimizer |", " | ".join(BATCHES), "|")
    print("|---|---|" + "---|" * len(BATCHES))
    for data in DATA:
        for name, optimizer in OPTIMIZERS.items():
            cells = []
            for batch in BATCHES:
                epochs = 50 if batch == "full" else 5
                percent, lr = accuracy(f"--data {data} {optimizer} --batch-size {batch} --epochs {epochs}")
                cells.append(f"{percent:.2f} ({lr:g})")
            print(f"| {data} | {name} |", " | ".join(cells), "|", flush=True)


def lr_find(seeds=(1, 2, 3)):
    print("| task | default | suggested | best of 9 | accuracy: default | suggested | best | behind |")
    print("|---|---|---|---|---|---|---|---|")
    for name, options in TASKS.items():
        mean = lambda lr: sum(accuracy(f"{options} --seed {seed} --lr {lr:g}")[0] for seed in seeds) / len(seeds)
        found = [json.loads(call("lr-find", *options.split(), "--seed", str(seed), "--json").stdout) for seed in seeds]
        rates = [one["suggestion"] for one in found]
        default = accuracy(f"{options} --max-steps 1")[1]
        grid = {default * factor: mean(default * factor) for factor in GRID}
        best = max(grid, key=grid.get)
        suggested = sum(accuracy(f"{options} --seed {seed} --lr {lr:g}")[0] for seed, lr in zip(seeds, rates)) / len(seeds)
        cells = [name, f"{default:g}", ", ".join(f"{lr:g}" for lr in rates), f"{best:.3g}"]
        cells += [f"{value:.2f}" for value in (grid[default], suggested, grid[best], grid[best] - suggested)]
        print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    {"table": table, "lr-find": lr_find}[sys.argv[1]]()

"""Does a training step on a table change the weights as torch's autograd does, with each loss? Packages: numpy safetensors torch.

torch draws the weights and saves them. `gpu-mlp train --from` and torch in double precision make one step of SGD on the same full batch
of floats: with and without weights of the samples, for cross-entropy also with weights of the classes. `norm` is the largest
|difference| / |step| of a tensor, both in the 2-norm. It must be at most 1e-5, plus what rounding the weights themselves can add. The
value in parentheses is torch's in single precision.
"""

import csv, itertools, tempfile
from pathlib import Path
import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from common import Verdict, gpu_mlp

LIMIT, RATE, ROWS = 1e-5, 0.5, 96
ACTIVATIONS = {"tanh": nn.Tanh(), "gelu": nn.GELU(), "relu": nn.ReLU()}
DELTA = 0.7
CLASS_WEIGHTS = {"a": 3.0, "b": 0.5, "c": 1.0}
# Arguments, and the loss of each sample: the mean over its targets.
LOSSES = {
    "mse": ("--target v0,v1 --task values --loss mse", lambda z, y: F.mse_loss(z, y, reduction="none").mean(1)),
    "mae": ("--target v0,v1 --task values --loss mae", lambda z, y: F.l1_loss(z, y, reduction="none").mean(1)),
    "huber": (
        f"--target v0,v1 --task values --loss huber --huber-delta {DELTA}",
        lambda z, y: F.huber_loss(z, y, reduction="none", delta=DELTA).mean(1),
    ),
    "poisson": (
        "--target count --task values --loss poisson",
        lambda z, y: F.poisson_nll_loss(z, y, log_input=True, reduction="none").mean(1),
    ),
    "bce": (
        "--target l0,l1,l2 --task labels --loss bce",
        lambda z, y: F.binary_cross_entropy_with_logits(z, y, reduction="none").mean(1),
    ),
    "cross-entropy": ("--target kind", lambda z, y: F.cross_entropy(z, y.argmax(1), reduction="none")),
    "cross-entropy, smoothed": (
        "--target kind --label-smoothing 0.1",
        lambda z, y: F.cross_entropy(z, y.argmax(1), reduction="none", label_smoothing=0.1),
    ),
}


def table(path):
    """Writes a table; returns its inputs, targets by name, and weights, in double precision."""
    random = np.random.default_rng(1)
    x = random.normal(size=(ROWS, 7)).astype(np.float32)
    values = (random.normal(size=(ROWS, 2)) * [3, 20] + [1, -5]).astype(np.float32)
    counts = random.integers(0, 6, (ROWS, 1))
    labels = random.integers(0, 2, (ROWS, 3))
    kinds = random.integers(0, 3, ROWS)
    weights = random.integers(0, 4, ROWS) / 2
    columns = [f"x{i}" for i in range(7)] + ["v0", "v1", "count", "l0", "l1", "l2", "kind", "weight"]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(x, values, counts, labels, kinds, weights):
            numbers = [float(v) for part in row[:4] for v in part]
            writer.writerow([*numbers, "abc"[row[4]], row[5]])
    values = values.astype(float)
    targets = {
        # The program standardises real values.
        "v": (values - values.mean(0)) / values.std(0),
        "count": counts,
        "l": labels,
        "kind": np.eye(3)[kinds],
    }
    double = lambda array: torch.from_numpy(np.asarray(array, dtype=float))
    return double(x), {name: double(value) for name, value in targets.items()}, double(weights), columns


def net(activation, outputs, dtype):
    return nn.Sequential(nn.Linear(7, 16), activation, nn.Linear(16, 12), activation, nn.Linear(12, outputs)).to(dtype)


def torch_step(activation, first, loss, x, y, weights):
    model = net(activation, y.shape[1], x.dtype)
    model.load_state_dict(first)
    losses = loss(model(x), y)
    ((weights * losses).sum() / weights.sum()).backward()
    with torch.no_grad():
        return {name: (p - RATE * p.grad).double().numpy() for name, p in model.named_parameters()}


def main():
    verdict = Verdict()
    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        x, targets, sample_weights, columns = table(folder / "table.csv")
        for (name, (words, loss)), (kind, activation) in itertools.product(LOSSES.items(), ACTIVATIONS.items()):
            own = words.split()[1].split(",")
            y = targets[own[0].rstrip("012")]
            first = net(activation, y.shape[1], torch.float32).state_dict()
            save_file(first, folder / "first.safetensors")
            for plan, weighted, by_class in itertools.product(["fused", "plain"], [False, True], [False, True]):
                if by_class and own != ["kind"]:
                    continue
                weights = sample_weights if weighted else torch.ones(ROWS).double()
                ignored = [c for c in columns[7:] if c not in own and not (weighted and c == "weight")]
                given = [*words.split(), "--ignore", ",".join(ignored), "--activation", kind, "--plan", plan]
                if weighted:
                    given += ["--weight-column", "weight"]
                if by_class:
                    given += ["--class-weight", ",".join(f"{k}={v}" for k, v in CLASS_WEIGHTS.items())]
                    weights = weights * (y @ torch.tensor(list(CLASS_WEIGHTS.values())).double())
                places = ["--data", folder / "table.csv", "--from", folder / "first.safetensors", "--out", folder / "run"]
                rate = ["--optimizer", "sgd", "--lr", RATE, "--schedule", "constant", "--batch-size", "full", "--epochs", 1]
                gpu_mlp("train", *places, *given, *rate, "--normalize", "none", "--force")
                layers = load_file(folder / "run/model.safetensors")
                # layers.N.weight is (2N).weight in a Sequential, which has activations in between.
                ours = {f"{2 * int(key.split('.')[1])}.{key.split('.')[2]}": value for key, value in layers.items()}
                exact = torch_step(activation, first, loss, x, y, weights)
                single = torch_step(activation, first, loss, x.float(), y.float(), weights.float())
                before = {key: value.double().numpy() for key, value in first.items()}
                step = {key: np.linalg.norm(exact[key] - before[key]) for key in exact}
                apart = lambda result: {key: np.linalg.norm(result[key] - exact[key]) for key in exact}
                rounded = {key: 2.0**-24 * np.linalg.norm(np.abs(exact[key]) + np.abs(before[key])) for key in exact}
                good = all(apart(ours)[key] <= LIMIT * step[key] + rounded[key] for key in exact)
                norms = [max(apart(result)[key] / step[key] for key in exact) for result in (ours, single)]
                what = f"{name:23} {kind:4} {plan:5}{' sample weights' * weighted}{' class weights' * by_class}"
                moved = min(step[key] / np.linalg.norm(before[key]) for key in exact)
                verdict.check(what, good and moved > 1e-3, "norm {:.1e} ({:.1e}) moved {:.0e}".format(*norms, moved))
    verdict.end()


if __name__ == "__main__":
    main()

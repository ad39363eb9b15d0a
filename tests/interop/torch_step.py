"""Does a training step here change the weights as torch's autograd and optimizer do? Packages: numpy safetensors torch.

torch draws the weights and writes them; `gpu-mlp train --from` and torch each make the same steps on the same full
batch; each tensor is compared with that of torch in double precision. `norm` is |difference| / |weights|, both in the
2-norm, and must not pass 1e-5. `most` is the largest difference over the largest weight; it must not pass 1e-5 either,
or four times what torch in single precision has: Adam divides a gradient by its own size, so where a gradient is as
small as epsilon its rounding becomes a difference in the weights, there as here.
"""

import sys, tempfile
from pathlib import Path
import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import nn
from common import Verdict, gpu_mlp, write_set

LIMIT = 1e-5
ALPHA, MEAN, DEVIATION = 0.2, 0.1307, 0.3081
ACTIVATIONS = {
    "relu": nn.ReLU(),
    "leaky-relu": nn.LeakyReLU(ALPHA),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "identity": nn.Identity(),
}
# Name: words for the program, optimizer of torch. Decay is given apart: biases have none here.
OPTIMIZERS = {
    "sgd": (["--optimizer", "sgd", "--lr", "0.1"], lambda groups: torch.optim.SGD(groups, lr=0.1)),
    "momentum": (
        ["--optimizer", "sgd", "--lr", "0.05", "--momentum", "0.9"],
        lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9),
    ),
    "nesterov": (
        ["--optimizer", "nesterov", "--lr", "0.05", "--momentum", "0.9"],
        lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True),
    ),
    "adam": (["--optimizer", "adam", "--lr", "0.001"], lambda groups: torch.optim.Adam(groups, lr=0.001)),
    "adamw": (["--optimizer", "adamw", "--lr", "0.001"], lambda groups: torch.optim.AdamW(groups, lr=0.001)),
}


def net(activation, dtype):
    return nn.Sequential(
        nn.Linear(784, 32), ACTIVATIONS[activation], nn.Linear(32, 16), ACTIVATIONS[activation], nn.Linear(16, 10)
    ).to(dtype)


def torch_steps(activation, optimizer, decay, steps, first, pixels, labels, dtype):
    model = net(activation, dtype)
    model.load_state_dict(first)
    weights = [p for p in model.parameters() if p.ndim == 2]
    biases = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]
    rule = OPTIMIZERS[optimizer][1](groups)
    x = ((torch.from_numpy(pixels.reshape(len(pixels), -1)).double() / 255 - MEAN) / DEVIATION).to(dtype)
    t = torch.from_numpy(labels).long()
    for _ in range(steps):
        rule.zero_grad()
        nn.functional.cross_entropy(model(x), t).backward()
        rule.step()
    return {name: value.detach().double().numpy() for name, value in model.state_dict().items()}


def norm(result, exact):
    return max(np.linalg.norm(result[name] - value) / np.linalg.norm(value) for name, value in exact.items())


def most(result, exact):
    return max(np.abs(result[name] - value).max() / np.abs(value).max() for name, value in exact.items())


def main():
    verdict = Verdict()
    random = np.random.default_rng(1)
    # As sparse as digits: pixels that are always 0 have gradients that are exactly 0.
    pixels = random.integers(0, 256, (64, 28, 28)) * (random.random((64, 28, 28)) < 0.2)
    labels = random.integers(0, 10, 64)
    labels[:10] = range(10)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_set(folder / "set", pixels, labels)
        torch.manual_seed(1)
        for activation in ACTIVATIONS:
            first = net(activation, torch.float32).state_dict()
            save_file(first, folder / "first.safetensors")
            for optimizer in OPTIMIZERS:
                for steps, decay, plan in [
                    (1, 0.0, "fused"),
                    (1, 0.0, "plain"),
                    (1, 0.01, "fused"),
                    (5, 0.01, "plain"),
                ]:
                    gpu_mlp(
                        "train",
                        "--from",
                        folder / "first.safetensors",
                        "--data",
                        folder / "set",
                        "--out",
                        folder / "run",
                        "--force",
                        "--activation",
                        activation,
                        "--alpha",
                        ALPHA,
                        "--normalize",
                        f"{MEAN},{DEVIATION}",
                        "--epochs",
                        steps,
                        "--batch-size",
                        "full",
                        "--schedule",
                        "constant",
                        "--plan",
                        plan,
                        "--l2",
                        decay,
                        *OPTIMIZERS[optimizer][0],
                    )
                    ours = load_file(folder / "run/model.safetensors")
                    ours = {
                        f"{2 * int(name.split('.')[1])}.{name.split('.')[2]}": value for name, value in ours.items()
                    }
                    words = (activation, optimizer, decay, steps, first, pixels, labels)
                    exact, single = torch_steps(*words, torch.float64), torch_steps(*words, torch.float32)
                    moved = norm({name: value.double().numpy() for name, value in first.items()}, exact)
                    what = f"{activation:10} {optimizer:8} {plan:5} l2 {decay:<4} {steps} step{'s' * (steps > 1)}"
                    figures = (
                        f"norm {norm(ours, exact):.1e} most {most(ours, exact):.1e} (torch {norm(single, exact):.1e} "
                        f"{most(single, exact):.1e}) moved {moved:.1e}"
                    )
                    good = norm(ours, exact) <= LIMIT < moved and most(ours, exact) <= max(
                        LIMIT, 4 * most(single, exact)
                    )
                    verdict.check(what, good, figures)
    verdict.end()


if __name__ == "__main__":
    main()

"""Does a training step change the weights as torch's autograd and optimizer do? Packages: numpy safetensors torch.

torch draws the weights and saves them. `gpu-mlp train --from` and torch make the same steps on the same full batch, and
each tensor is compared with torch's in double precision. `norm` is |difference| / |weights|, both in the 2-norm, and
must be at most 1e-5. Each single weight must also agree to 1e-5 of the largest of its tensor, unless its step is
ill-conditioned: where Adam or RMSprop divides a gradient near epsilon by its own size, rounding alone can cause a
larger difference; rounding.py computes its limit. In one step this may affect no weight with SGD and at most 1 in 100
with the others, which is checked too. After several steps, a gradient also has the error of the weights, and a sum next
to the kink of a ReLU may have changed sides. `wide` counts the weights with a limit above 1e-5, `most` is the largest
difference over the largest weight, and `used` is the largest difference over its limit. The values in parentheses are
torch's in single precision: if torch exceeds the limits, the limits are wrong.
"""

import itertools, tempfile
from pathlib import Path
import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import nn
from common import Verdict, gpu_mlp, write_set
from rounding import UNIT, limits

LIMIT = 1e-5
ALPHA, MEAN, DEVIATION = 0.2, 0.1307, 0.3081
ACTIVATIONS = {
    "relu": nn.ReLU(),
    "leaky-relu": nn.LeakyReLU(ALPHA),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "identity": nn.Identity(),
}
# Name -> arguments for the program, torch optimizer. Decay is passed separately, because biases have none here.
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
    "rmsprop": (["--optimizer", "rmsprop", "--lr", "0.001"], lambda groups: torch.optim.RMSprop(groups, lr=0.001)),
    "rmsprop+m": (
        ["--optimizer", "rmsprop", "--lr", "0.001", "--momentum", "0.9"],
        lambda groups: torch.optim.RMSprop(groups, lr=0.001, momentum=0.9),
    ),
    "adam": (["--optimizer", "adam", "--lr", "0.001"], lambda groups: torch.optim.Adam(groups, lr=0.001)),
    "adamw": (["--optimizer", "adamw", "--lr", "0.001"], lambda groups: torch.optim.AdamW(groups, lr=0.001)),
}
# Steps, decay, plan.
CASES = [(1, 0.0, "fused"), (1, 0.0, "plain"), (1, 0.01, "fused"), (5, 0.01, "plain")]


def net(activation, dtype):
    return nn.Sequential(
        nn.Linear(784, 32), ACTIVATIONS[activation], nn.Linear(32, 16), ACTIVATIONS[activation], nn.Linear(16, 10)
    ).to(dtype)


def rule(optimizer, decay):
    """Returns a function that makes the optimizer; parameters with two dimensions are weights, the others biases."""

    def make(parameters):
        parameters = list(parameters)
        weights, biases = ([p for p in parameters if p.ndim == dimensions] for dimensions in (2, 1))
        groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]
        return OPTIMIZERS[optimizer][1](groups)

    return make


def torch_steps(activation, make, steps, first, x, labels):
    model = net(activation, x.dtype)
    model.load_state_dict(first)
    optimizer = make(model.parameters())
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()
    return {name: value.detach().double().numpy() for name, value in model.state_dict().items()}


def most_wide(optimizer, steps):
    """Largest allowed share of ill-conditioned weights."""
    if steps > 1:
        return 1
    return 0 if optimizer in ("sgd", "momentum", "nesterov") else 0.01


def our_steps(folder, activation, optimizer, steps, decay, plan):
    words = f"--activation {activation} --alpha {ALPHA} --normalize {MEAN},{DEVIATION} --epochs {steps} --l2 {decay} "
    words += f"--batch-size full --schedule constant --plan {plan} --force"
    places = ["--from", folder / "first.safetensors", "--data", folder / "set", "--out", folder / "run"]
    gpu_mlp("train", *places, *words.split(), *OPTIMIZERS[optimizer][0])
    layers = load_file(folder / "run/model.safetensors")
    # layers.N.weight is (2N).weight in a Sequential, which has activations in between.
    return {f"{2 * int(name.split('.')[1])}.{name.split('.')[2]}": value for name, value in layers.items()}


def norm(result, exact):
    return max(np.linalg.norm(result[name] - value) / np.linalg.norm(value) for name, value in exact.items())


def most(result, exact):
    return max(np.abs(result[name] - value).max() / np.abs(value).max() for name, value in exact.items())


def used(result, exact, limit):
    return max((np.abs(result[name] - value) / limit[name]).max() for name, value in exact.items())


def main():
    verdict = Verdict()
    random = np.random.default_rng(1)
    # As sparse as digits: pixels that are always 0 have a gradient of exactly 0.
    pixels = random.integers(0, 256, (64, 28, 28)) * (random.random((64, 28, 28)) < 0.2)
    labels = random.integers(0, 10, 64)
    labels[:10] = range(10)
    shares, t = torch.from_numpy(pixels.reshape(64, -1)).double() / 255, torch.from_numpy(labels).long()
    x, vx = (shares - MEAN) / DEVIATION, (2 * UNIT / DEVIATION) ** 2 * (shares**2 + MEAN**2)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_set(folder / "set", [pixels, labels] * 2)
        torch.manual_seed(1)
        for activation, module in ACTIVATIONS.items():
            first = net(activation, torch.float32).state_dict()
            save_file(first, folder / "first.safetensors")
            before = {name: value.double() for name, value in first.items()}
            for optimizer, (steps, decay, plan) in itertools.product(OPTIMIZERS, CASES):
                make = rule(optimizer, decay)
                ours = our_steps(folder, activation, optimizer, steps, decay, plan)
                exact = torch_steps(activation, make, steps, first, x, t)
                single = torch_steps(activation, make, steps, first, x.float(), t)
                bounds = limits(module, make, decay, steps, list(before.values()), x, vx, t)
                plain = {name: LIMIT * np.abs(value).max() for name, value in exact.items()}
                limit = {name: np.maximum(plain[name], bound.numpy()) for name, bound in zip(exact, bounds)}
                wide = sum((limit[name] > plain[name]).sum() for name in exact)
                few = wide <= most_wide(optimizer, steps) * sum(map(np.size, exact.values()))
                moved = norm({name: value.numpy() for name, value in before.items()}, exact)
                norms, mosts = ([size(result, exact) for result in (ours, single)] for size in (norm, most))
                shares_used = [used(result, exact, limit) for result in (ours, single)]
                verdict.check(
                    f"{activation:10} {optimizer:9} {plan:5} l2 {decay:<4} {steps} step{'s' * (steps > 1)}",
                    norms[0] <= LIMIT < moved and max(shares_used) <= 1 and few,
                    "norm {:.1e} ({:.1e}) most {:.1e} ({:.1e}) used {:.2f} ({:.2f}) ".format(
                        *norms, *mosts, *shares_used
                    )
                    + f"wide {wide} moved {moved:.1e}",
                )
    verdict.end()


if __name__ == "__main__":
    main()

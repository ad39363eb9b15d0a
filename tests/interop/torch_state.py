"""Are weights unchanged by export to torch.nn.Sequential and by import from torch? Packages: numpy, safetensors, torch.

Export: the program trains, exports, and prints the Sequential that loads the file; torch must reach the same accuracy
on the 10,000 test images of MNIST as `eval`. Import: torch trains modules with several naming schemes and number
formats; `eval`, `predict` and `train --from` must read them, and `eval` must report the same accuracy as torch.
"""

import re, tempfile
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from common import Verdict, gpu_mlp, mnist

MEAN, DEVIATION = 0.1307, 0.3081
NAMESPACE = {"nn": nn, "DROPOUT": 0.2, "INPUT_DROPOUT": 0.1}


def hits(text):
    return int(re.search(r"\((\d+) of \d+\)", text)[1])


def torch_hits(model, x, labels):
    with torch.no_grad():
        return int((model.eval()(x).argmax(1) == labels).sum())


class Named(nn.Module):
    """A module whose layers are attributes with their own names, as is common."""

    def __init__(self, names, widths, activation):
        super().__init__()
        self.names, self.activation = names, activation
        for name, inputs, outputs in zip(names, widths, widths[1:]):
            setattr(self, name, nn.Linear(inputs, outputs))

    def forward(self, x):
        for name in self.names[:-1]:
            x = self.activation(getattr(self, name)(x))
        return getattr(self, self.names[-1])(x)


def train(model, x, labels):
    rule = torch.optim.Adam(model.parameters(), lr=1e-3)
    for batch in torch.randperm(len(x))[:19968].view(-1, 128):
        rule.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), labels[batch]).backward()
        rule.step()


def main():
    verdict = Verdict()
    torch.manual_seed(1)
    pixels, labels, test_pixels, test_labels = (torch.from_numpy(array.copy()) for array in mnist())
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)

        for words in [
            "--hidden 128",
            "--hidden none",
            "--hidden 64,32 --activation tanh",
            "--hidden 64 --activation leaky-relu --alpha 0.2",
            "--hidden 64 --activation sigmoid --optimizer adam",
            "--hidden 64 --activation identity --normalize unit",
            "--hidden 64 --activation gelu",
            "--hidden 64 --activation gelu-tanh",
            "--hidden 64 --activation silu",
            "--hidden 64 --activation mish",
            "--hidden 64 --activation selu --lr 0.05",
            "--hidden 64 --activation elu",
            "--hidden 64 --activation softplus",
        ]:
            gpu_mlp("train", "--data", "mnist", "--epochs", 1, "--out", folder / "run", "--force", *words.split())
            ours = hits(gpu_mlp("eval", folder / "run/model.safetensors", "--data", "mnist")[0])
            for flags in [[], ["--dropout"], ["--dropout", "--input-dropout"]]:
                _, said = gpu_mlp(
                    "export",
                    folder / "run/model.safetensors",
                    "--format",
                    "safetensors",
                    "--out",
                    folder / "t.safetensors",
                    "--force",
                    *flags,
                )
                line, scale, shift = re.search(
                    r"for (nn\.Sequential.*), whose inputs are p·(\S+) \+ (\S+) of", said
                ).groups()
                model = eval(line, NAMESPACE)
                model.load_state_dict(load_file(folder / "t.safetensors"))
                theirs = torch_hits(
                    model, test_pixels.reshape(-1, 784).float() * float(scale) + float(shift), test_labels
                )
                verdict.check(f"to torch   {words} {' '.join(flags)}", ours == theirs, f"{ours} here, {theirs} there")

        x, test_x = (((p.reshape(-1, 784).float() / 255) - MEAN) / DEVIATION for p in (pixels, test_pixels))
        relu, labels, test_labels = nn.ReLU(), labels.long(), test_labels.long()
        models = {
            "Sequential": ("relu", nn.Sequential(nn.Linear(784, 64), relu, nn.Linear(64, 10))),
            "Sequential with Dropout": (
                "relu",
                nn.Sequential(nn.Linear(784, 64), relu, nn.Dropout(0.2), nn.Linear(64, 10)),
            ),
            "deep, more than ten modules": (
                "tanh",
                nn.Sequential(
                    nn.Linear(784, 32),
                    *[m for _ in range(6) for m in (nn.Tanh(), nn.Linear(32, 32))],
                    nn.Tanh(),
                    nn.Linear(32, 10),
                ),
            ),
            "fc1, fc2, fc3": ("sigmoid", Named(["fc1", "fc2", "fc3"], [784, 64, 32, 10], nn.Sigmoid())),
            "hidden, entry, out by shape": (
                "leaky-relu",
                Named(["hidden", "entry", "out"], [784, 64, 32, 10], nn.LeakyReLU(0.01)),
            ),
            "without biases": (
                "relu",
                nn.Sequential(nn.Linear(784, 64, bias=False), relu, nn.Linear(64, 10, bias=False)),
            ),
            "one layer": ("identity", nn.Linear(784, 10)),
        }
        for name, activation in {
            "gelu": nn.GELU(),
            "gelu-tanh": nn.GELU(approximate="tanh"),
            "silu": nn.SiLU(),
            "mish": nn.Mish(),
            "selu": nn.SELU(),
            "elu": nn.ELU(),
            "softplus": nn.Softplus(),
        }.items():
            models[name] = (name, nn.Sequential(nn.Linear(784, 64), activation, nn.Linear(64, 10)))
        flags = ["--normalize", f"{MEAN},{DEVIATION}"]
        for name, (activation, model) in models.items():
            train(model, x, labels)
            for dtype in [torch.float32, torch.float64, torch.float16, torch.bfloat16]:
                state = {key: value.to(dtype) for key, value in model.state_dict().items()}
                save_file(state, folder / "t.safetensors")
                rounded = {key: value.float() for key, value in state.items()}
                model.load_state_dict(rounded)
                theirs = torch_hits(model, test_x, test_labels)
                ours = hits(
                    gpu_mlp("eval", folder / "t.safetensors", "--data", "mnist", "--activation", activation, *flags)[0]
                )
                verdict.check(f"from torch {name}, {dtype}", ours == theirs, f"{ours} here, {theirs} there")
        words = ["--data", "mnist", "--activation", activation, *flags]
        predicted, said = gpu_mlp("predict", folder / "t.safetensors", "--index", "0,1", *words)
        verdict.check("predict reports how it read the file", "label 7" in predicted and "784→64" in said)
        gpu_mlp("train", "--from", folder / "t.safetensors", "--epochs", 1, "--out", folder / "run", "--force", *words)
        after = hits(gpu_mlp("eval", folder / "run/model.safetensors", "--data", "mnist")[0])
        verdict.check("train --from starts from the weights", after > 9000, f"{after} of 10000")
    verdict.end()


if __name__ == "__main__":
    main()

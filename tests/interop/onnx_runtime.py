"""Does ONNX Runtime compute from raw bytes what the program computes? Packages: numpy, onnx, onnxruntime.

On all 10,000 test images of MNIST, logits agree within 1e-4, and so do the classes, except where the two best logits
differ by less than that. Also checked: batches of several sizes, and onnx.checker's full check.
"""

import tempfile
from pathlib import Path
import numpy as np
import onnx, onnxruntime
from common import Verdict, gpu_mlp, logits, mnist

LIMIT = 1e-4


def main():
    verdict = Verdict()
    _, _, pixels, labels = mnist()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for words in [
            "--hidden 128",
            "--hidden none",
            "--hidden 256,128 --keep-prob 0.8 --optimizer adam",
            "--hidden 64 --activation tanh",
            "--hidden 64 --activation leaky-relu --alpha 0.2",
            "--hidden 64 --activation sigmoid --optimizer adam",
            "--hidden 64 --activation identity --normalize unit",
            "--hidden 64 --activation gelu",
            "--hidden 64,32 --activation gelu-tanh --optimizer adam",
            "--hidden 64 --activation silu",
            "--hidden 64 --activation mish",
            "--hidden 64 --activation selu --lr 0.05",
            "--hidden 64 --activation elu",
            "--hidden 64 --activation softplus",
        ]:
            model, graph = folder / "run/model.safetensors", folder / "run/model.onnx"
            gpu_mlp("train", "--data", "mnist", "--epochs", 1, "--out", folder / "run", "--force", *words.split())
            gpu_mlp("export", model, "--format", "onnx", "--force")
            ours = logits(model)

            onnx.checker.check_model(str(graph), full_check=True)
            session = onnxruntime.InferenceSession(str(graph))
            theirs, probabilities, classes = session.run(["logits", "probabilities", "label"], {"pixels": pixels})
            difference = np.abs(ours - theirs).max()
            best = np.sort(ours, axis=1)
            other = np.flatnonzero(ours.argmax(1) != classes)
            near = (best[:, -1] - best[:, -2])[other] < LIMIT
            accuracy = (classes == labels).mean()
            good = len(ours) == len(pixels) and difference <= LIMIT and near.all() and accuracy > 0.85
            verdict.check(
                words,
                good,
                f"logits differ by {difference:.1e} at most, {len(other)} classes differ ({near.sum()} of them near ties); "
                f"{100 * accuracy:.2f} % right",
            )
            verdict.check(
                f"{words}: probabilities, any batch",
                np.allclose(probabilities.sum(1), 1, atol=1e-5)
                and all(
                    np.abs(session.run(["logits"], {"pixels": pixels[:n]})[0] - theirs[:n]).max() <= LIMIT
                    for n in (1, 7, 64)
                ),
            )
    verdict.end()


if __name__ == "__main__":
    main()

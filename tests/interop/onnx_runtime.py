"""Do ONNX runtimes compute from raw bytes what the program computes? Packages: numpy, onnx, onnxruntime,
opencv-python-headless, openvino.

On all 10,000 test images of MNIST, the logits of ONNX Runtime agree within 1e-4, and so do the classes, except where the two
best logits differ by less than that. The same for onnx.reference, OpenVINO, OpenCV 5 and, if $OPENCV_4 names a folder with
its package, OpenCV 4, on the first 200. Also checked: batches of several sizes, onnx.checker's full check, a data set whose
images are transposed on loading, and ensembles of several runs in one graph.
"""

import json, os, subprocess, sys, tempfile
from pathlib import Path
import numpy as np
import onnx, onnxruntime, openvino
from onnx.reference import ReferenceEvaluator
from common import Verdict, gpu_mlp, logits, mnist, write_set

LIMIT = 1e-4
FEW = 200
OUTPUTS = ["logits", "probabilities", "label"]


def by_opencv(path, folder, graph, pixels):
    """The outputs by name, and the version."""
    np.save(folder / "samples.npy", pixels)
    script = Path(__file__).with_name("onnx_opencv.py")
    words = [sys.executable, script, graph, folder / "samples.npy", folder / "out.npz"]
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return dict(np.load(folder / "out.npz")), f"OpenCV {done.stdout.strip()}"


def others(folder, graph, pixels):
    """The outputs of each other runtime, as (name, outputs)."""
    yield "onnx.reference", dict(zip(OUTPUTS, ReferenceEvaluator(str(graph)).run(OUTPUTS, {"pixels": pixels})))
    compiled = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    result = compiled({"pixels": pixels})
    yield "OpenVINO", {name: result[name] for name in OUTPUTS}
    for path in ["", *os.environ.get("OPENCV_4", "").split()]:
        result, name = by_opencv(path, folder, graph, pixels)
        yield name, result


def agreement(ours, theirs):
    """Whether outputs agree with our logits, and the figures."""
    classes = theirs["label"].reshape(-1).astype(int)
    difference = np.abs(ours - theirs["logits"]).max()
    best = np.sort(ours, axis=1)
    other = np.flatnonzero(ours.argmax(1) != classes)
    near = (best[:, -1] - best[:, -2])[other] < LIMIT
    sums = np.abs(theirs["probabilities"].sum(1) - 1).max()
    good = len(classes) == len(ours) and difference <= LIMIT and near.all() and sums < 1e-5
    return good, f"logits differ by {difference:.1e} at most, {len(other)} classes differ ({near.sum()} of them near ties)"


def transposed(verdict, folder, arrays):
    """A set under EMNIST's names, whose files store columns as rows; not square, so that a mix-up shows."""
    pixels, labels, test_pixels, test_labels = arrays
    stored = [array[:, :, 3:25].transpose(0, 2, 1) for array in (pixels[:10000], test_pixels)]
    write_set(folder / "set", [stored[0], labels[:10000], stored[1], test_labels], "emnist-digits-")
    gpu_mlp("train", "--data", folder / "set", "--epochs", 2, "--out", folder / "turned")
    hits = json.loads(gpu_mlp("eval", folder / "turned", "--json")[0])["hits"]
    graph = folder / "turned.onnx"
    gpu_mlp("export", folder / "turned", "--format", "onnx", "--out", graph)
    session = onnxruntime.InferenceSession(str(graph))
    ours, label = session.run(["logits", "label"], {"pixels": np.ascontiguousarray(stored[1])})
    theirs = int((label == test_labels).sum())
    verdict.check("transposed on loading: ONNX Runtime", abs(hits - theirs) <= 1, f"{hits} right, {theirs} there")
    for name, outputs in others(folder, graph, np.ascontiguousarray(stored[1][:FEW])):
        verdict.check(f"transposed on loading: {name}", *agreement(ours[:FEW], outputs))


def ensemble(verdict, folder, pixels):
    """An ensemble of runs that differ in widths, activation and scaling is one graph."""
    runs = []
    for number, words in enumerate(["--hidden 32", "--hidden 24,16 --activation tanh --normalize standard", "--hidden none", "--hidden 20 --activation gelu"]):
        runs.append(folder / f"members/{number}")
        gpu_mlp("train", "--data", "mnist", "--epochs", 1, "--seed", number, "--out", runs[-1], *words.split())
    for name, members in [("of a folder", [folder / "members"]), ("with one scaling", [runs[0], runs[2]])]:
        graph, table = folder / "ensemble.onnx", folder / "answers.csv"
        gpu_mlp("export", *members, "--format", "onnx", "--out", graph, "--force")
        onnx.checker.check_model(str(graph), full_check=True)
        gpu_mlp("predict", *members, "--index", "all", "--out", table, "--force")
        rows = np.loadtxt(table, delimiter=",", skiprows=1, usecols=range(1, 14), dtype=np.float32)
        ours, classes = rows[:, 3:], rows[:, 0].astype(int)
        outputs = ["probabilities", "label"]

        def check(runtime, p, label):
            apart = np.abs(ours[: len(p)] - p).max()
            best = np.sort(p, axis=1)
            other = np.flatnonzero(classes[: len(p)] != np.reshape(label, -1))
            near = (best[:, -1] - best[:, -2])[other] < LIMIT
            verdict.check(f"ensemble {name}: {runtime}", apart <= LIMIT and near.all(), f"probabilities differ by {apart:.1e} at most")

        check("ONNX Runtime", *onnxruntime.InferenceSession(str(graph)).run(outputs, {"pixels": pixels}))
        check("onnx.reference", *ReferenceEvaluator(str(graph)).run(outputs, {"pixels": pixels[:FEW]}))
        result = openvino.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})({"pixels": pixels[:FEW]})
        check("OpenVINO", *(result[output] for output in outputs))
        for path in ["", *os.environ.get("OPENCV_4", "").split()]:
            result, version = by_opencv(path, folder, graph, pixels[:FEW])
            check(version, *(result[output] for output in outputs))


def main():
    verdict = Verdict()
    arrays = mnist()
    _, _, pixels, labels = arrays
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
            theirs = dict(zip(OUTPUTS, session.run(OUTPUTS, {"pixels": pixels})))
            good, figures = agreement(ours, theirs)
            accuracy = (theirs["label"] == labels).mean()
            verdict.check(words, good and accuracy > 0.85, f"{figures}; {100 * accuracy:.2f} % right")
            verdict.check(
                f"{words}: any batch",
                all(
                    np.abs(session.run(["logits"], {"pixels": pixels[:n]})[0] - theirs["logits"][:n]).max() <= LIMIT
                    for n in (1, 7, 64)
                ),
            )
            for name, outputs in others(folder, graph, pixels[:FEW]):
                verdict.check(f"{words}: {name}", *agreement(ours[:FEW], outputs))
        transposed(verdict, folder, arrays)
        ensemble(verdict, folder, pixels)
    verdict.end()


if __name__ == "__main__":
    main()

"""Shared by the checks: the program, MNIST, IDX files, and the verdict. Packages: numpy."""

import gzip, os, subprocess, sys, tempfile
from pathlib import Path
import numpy as np

PROGRAM = os.environ.get("GPU_MLP", "target/release/gpu-mlp")
ENGINE = os.environ.get("ENGINE", "cpu")
NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def run(words):
    """Runs a program and returns (stdout, stderr); exits if it fails."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout, done.stderr


def gpu_mlp(command, *words):
    """Runs a command of the program on $ENGINE."""
    return run([PROGRAM, command, *words, *([] if command == "export" else ["--engine", ENGINE])])


def logits(model):
    """The logits (10000, 10) that the program's engine computes for the test images of MNIST."""
    program = Path(PROGRAM).parent / "examples/logits"
    return np.loadtxt(run([program, model, ENGINE])[0].splitlines(), delimiter=",", dtype=np.float32)


def idx(path):
    """The array of an IDX file of bytes, gzipped or not."""
    path = path if path.exists() else path.with_name(path.name + ".gz")
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    shape = np.frombuffer(raw, ">u4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def mnist():
    """Training pixels and labels, test pixels and labels."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gpu-mlp/datasets/mnist"
    given = os.environ.get("GPU_MLP_DATA_DIR")
    if not given and not cache.exists():
        with tempfile.TemporaryDirectory() as folder:  # A training run downloads MNIST.
            gpu_mlp("train", "--data", "mnist", "--epochs", 1, "--out", folder)
    return [idx(Path(given or cache) / name) for name in NAMES]


def write_set(folder, arrays, prefix=""):
    """Writes training pixels and labels, test pixels and labels as an IDX data set."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, arrays):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        (folder / f"{prefix}{name}").write_bytes(header + array.astype(np.uint8).tobytes())


class Verdict:
    """Prints one line per check and exits with the result."""

    def __init__(self):
        self.failures = 0

    def check(self, what, good, figures=""):
        print(f"{'ok  ' if good else 'FAIL'}  {what}  {figures}".rstrip(), flush=True)
        self.failures += not good

    def end(self):
        sys.exit(1 if self.failures else 0)

"""The measurements of bench/on-a-gpu.sh, which says what they are and how they are recorded."""
import argparse, json, os, shutil, signal, subprocess, sys, tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import environments, models, tables
from runner import Ended, Record, run

# Seconds of each part, of 470: what is left over goes to the next parts.
SHARES = {"devices": 15, "exact": 25, "parity": 70, "speed": 90, "models": 80, "target": 50, "peers": 100, "share": 40}
CONFIGS = ["S", "K", "W"]
PRECISIONS = ["f32", "f16-mixed", "int8"]
# label: script, mode, package; the most telling first.
PEERS = {
    "torch-cuda-graph": ("torch_cuda_mlp.py", "graph", "torch"),
    "jax-scan": ("jax_mlp.py", "scan", "jax"),
    "torch-cuda-compile": ("torch_cuda_mlp.py", "compile", "torch"),
    "torch-cuda-eager": ("torch_cuda_mlp.py", "eager", "torch"),
    "torch-cuda-graph-tf32": ("torch_cuda_mlp.py", "graph-tf32", "torch"),
    "jax-scan-tf32": ("jax_mlp.py", "scan-tf32", "jax"),
    "torch-cuda-graph-bf16": ("torch_cuda_mlp.py", "graph-bf16", "torch"),
}
TARGET = 0.98
# The net and the settings of K.
K = ["--hidden", "512,512", "--keep-prob", "0.8", "--batch-size", "128", "--momentum", "0.9", "--lr", "0.05",
     "--schedule", "constant", "--normalize", "unit"]


def objects(lines):
    """The JSON objects among the lines of an output."""
    return [json.loads(line) for line in lines if line.startswith("{")]


def text(lines, _):
    if not lines:
        raise ValueError("no output")
    return {"text": "\n".join(lines)}


def speed(lines, _):
    record = objects(lines)[-1]
    of = record["run"]
    rate = {key: of["images_per_second"][key] for key in ["median", "min", "q1", "q3", "max"]}
    return {"config": record["preset"], "precision": record["config"]["precision"], "device": record["device"],
            "images_per_second": rate, "gflop_per_second": of["gflop_per_second"]["median"],
            "step_s": 1 / of["steps_per_second"]["median"], "whole_epochs": of["whole_epochs"],
            "test_accuracy": of["test_accuracy"], "parameters": of["parameters"]}


class Gpu:
    """One run of the script."""

    def __init__(self, args, program, record, env, python, packages, mnist):
        self.args, self.program, self.record, self.env = args, program, record, env
        self.python, self.packages, self.mnist = python, packages, mnist
        self.adapter = [word for name in ["adapter", "backend"] if getattr(args, name)
                        for word in [f"--{name}", getattr(args, name)]]
        self.data = ["--data", "mnist" if mnist else "digits", "--offline"]

    def ours(self, *words):
        """A command of gpu-mlp on the adapter."""
        return [self.program, *words, *self.adapter]

    def devices(self):
        _, _, lines, _, _ = run(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"], 8, self.env)
        smi = "\n".join(lines) or None
        self.record.measure("devices", "devices", [self.program, "devices"], self.env, 30,
                            lambda lines, _: {"adapters": "\n".join(lines), "nvidia_smi": smi})

    def exact(self):
        self.record.measure("exact", "exact", self.ours("parity", "--exact"), self.env, 60, text)

    def parity(self):
        self.record.measure("parity", "parity", self.ours("parity"), self.env, 150, text)

    def speed(self):
        todo = [(config, precision) for precision in PRECISIONS for config in CONFIGS]
        for number, (config, precision) in enumerate(todo):
            fair = self.record.left() / (len(todo) - number)
            command = self.ours("bench", "--engine", "gpu", "--config", config, "--precision", precision, *self.data, "--run-only",
                                "--json", "--epochs", "20", "--max-time", f"{max(1, min(4, fair / 3)):.1f}")
            self.record.measure("speed", f"{config} {precision}", command, self.env, max(30, 2 * fair), speed)

    def models(self):
        models.measure(self)

    def target(self):
        for seed in [1, 2, 3]:
            # A machine that is too slow for one seed is too slow for the next.
            if self.time_to_target(seed)["status"] == "stopped":
                break
        for label in ["torch-cuda-graph", "jax-scan"]:
            if why := self.lacks(label):
                self.record.skip("target", label, why)
                continue
            self.peer("target", label, "K", ["--until", TARGET, "--epochs", 20, "--no-warm-up"], self.reached)

    def reached(self, lines, seconds):
        record = objects(lines)[-1]
        return {"trainer": record["peer"], "seed": record["seed"], "target": TARGET, "reached": record["reached"],
                "accuracy": record["accuracy"], "train_s": record["train_s"], "wall_s": seconds}

    def time_to_target(self, seed):
        def score(line):
            record = json.loads(line) if line.startswith("{") else {}
            return record if record.get("type") == "epoch" else None

        def values(lines, seconds):
            epochs = list(filter(None, map(score, lines)))
            accuracy = [epoch["test_accuracy"] for epoch in epochs]
            if not epochs:
                raise ValueError("no epoch was trained")
            return {"trainer": "gpu-mlp", "seed": seed, "target": TARGET, "reached": accuracy[-1] >= TARGET,
                    "accuracy": accuracy, "train_s": sum(epoch["seconds"] for epoch in epochs), "wall_s": seconds}

        with tempfile.TemporaryDirectory() as folder:
            command = self.ours("train", "--engine", "gpu", *K, *self.data, "--seed", seed, "--epochs", 20, "--out",
                                f"{folder}/run", "--json")
            until = lambda line: (score(line) or {}).get("test_accuracy", 0) >= TARGET
            # Half of the time is for the other trainers.
            return self.record.measure("target", f"gpu-mlp seed {seed}", command, self.env, self.record.left() / 2, values, until)

    def peers(self):
        ours = {one["values"]["config"]: one["values"]["images_per_second"]["median"]
                for one in self.record.results("speed") if one["values"] and one["values"]["precision"] == "f32"}

        def values(lines, _):
            record = objects(lines)[-1]
            models, steps = record["models"], 60000 // record["batch"]
            images = record["samples"] / len(record["epoch_seconds"])
            rates = sorted(images / seconds for seconds in record["epoch_seconds"])
            own = ours.get(record["config"])
            rate = {"median": rates[len(rates) // 2], "min": rates[0], "max": rates[-1]}
            return {"trainer": record["peer"], "config": record["config"], "device": record["device"],
                    "version": record["version"], "images_per_second": rate, "test_accuracy": record["final_test_acc"],
                    "models": models, "per_model_s": images / rate["median"] / steps / models,
                    "ratio": own and models == 1 and own / rate["median"] or None}

        for label in PEERS:
            if why := self.lacks(label):
                self.record.skip("peers", label, why)
                continue
            for config in CONFIGS:
                self.peer("peers", label, config, ["--epochs", 10], values)
            if label == "jax-scan":
                for count in [16, 64, 512]:
                    self.peer("peers", label, "S", ["--epochs", 2, "--models", count], values, f", {count} models")

    def peer(self, part, label, config, words, values, suffix=""):
        script, mode, _ = PEERS[label]
        command = [self.python, environments.SCRIPTS / script, config, "--mode", mode, *words]
        return self.record.measure(part, f"{label} {config}{suffix}", command, self.env, 75, values)

    def lacks(self, label):
        """Why a peer cannot run here, if so."""
        missing = [name for name in ["numpy", PEERS[label][2]] if not self.packages.get(name)]
        if missing:
            return f"{' and '.join(missing)} not installed for this Python (--python chooses another)"
        return None if self.mnist else "its script needs MNIST: set GPU_MLP_DATA_DIR"

    def share(self):
        file = self.args.out.with_name(self.args.out.name + ".share.json")
        _, _, lines, _, _ = run([self.program, "bench", "--help"], 20, self.env)
        if not any("--share" in line for line in lines):
            return self.record.skip("share", "share", "this gpu-mlp has no bench --share")
        file.unlink(missing_ok=True)
        command = self.ours("bench", "--engine", "gpu", "--share", file, *self.data, "--max-time", 2)
        # Known failures are in the file. It is written after each part: it is complete only if the status is not "stopped".
        return self.record.measure("share", "share", command, self.env, 200, lambda *_: {"file": file.name} if file.exists() else None)


def has_mnist():
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpu-mlp/datasets/mnist"
    folder = Path(os.environ.get("GPU_MLP_DATA_DIR") or cache)
    return any((folder / f"train-images-idx3-ubyte{end}").is_file() for end in ["", ".gz"])


def versions(python):
    """Versions of the packages of a Python; None for those that are not installed."""
    names = ["numpy", "torch", "jax"]
    code = ("import json, sys, importlib.metadata as m\nfound = {'python': sys.version.split()[0]}\n"
            f"for name in {names}:\n try: found[name] = m.version(name)\n except m.PackageNotFoundError: found[name] = None\n"
            "print(json.dumps(found))")
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else dict.fromkeys(["python", *names])


def arguments():
    parse = argparse.ArgumentParser(description="See the head of bench/on-a-gpu.sh.")
    parse.add_argument("--gpu-mlp", type=Path, help="a gpu-mlp that is already built")
    parse.add_argument("--adapter", help="part of the adapter's name")
    parse.add_argument("--backend", help="backends, separated by commas")
    parse.add_argument("--out", type=Path, default=Path("on-a-gpu.json"))
    parse.add_argument("--python", default=sys.executable, help="the Python that has PyTorch and JAX")
    parse.add_argument("--minutes", type=float, default=8.0)
    parse.add_argument("--only", nargs="+", choices=SHARES, default=list(SHARES), metavar="PART", help=", ".join(SHARES))
    args = parse.parse_args()
    if not 0.5 <= args.minutes <= 600:
        parse.error("--minutes must be 0.5 to 600")
    for path in [args.gpu_mlp, args.out.absolute().parent]:
        if path and not path.exists():
            parse.error(f"{path} does not exist")
    if not shutil.which(args.python):
        parse.error(f"--python {args.python} does not exist")
    return args


def main():
    args = arguments()
    program = (args.gpu_mlp or environments.build()).absolute()
    # Settings of the caller must not change the measurement.
    env = {key: value for key, value in os.environ.items()
           if not key.startswith("GPU_MLP_") or key in ["GPU_MLP_DATA_DIR", "GPU_MLP_THREADS"]}
    code, _, lines, error, _ = run([program, "--version"], 20, env)
    if code:
        print(f"error: {program} does not run: {error.strip()}", file=sys.stderr)
        return 1
    packages, mnist = versions(args.python), has_mnist()
    head = {"program": lines[0], "python": packages, "data": "mnist" if mnist else "digits"}
    # The rest is for ending processes and writing.
    budget = 60 * args.minutes - 10
    record = Record(args.out, head, budget)
    gpu = Gpu(args, program, record, env, args.python, packages, mnist)

    def end(number, _):
        raise Ended(signal.Signals(number).name)

    for number in [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]:
        signal.signal(number, end)
    total = sum(SHARES[part] for part in args.only)
    record.until = 0
    try:
        for part in [part for part in SHARES if part in args.only]:
            record.until += budget * SHARES[part] / total
            getattr(gpu, part)()
        record.fields["ended"] = "whole"
    except Ended as ended:
        record.fields["ended"] = f"early: {ended}"
    record.write()
    print(tables.markdown(record.fields))
    bad = [one for one in record.fields["results"] if one["status"] in ["failed", "stopped"]]
    return 3 if bad or record.fields["ended"] != "whole" else 0


if __name__ == "__main__":
    sys.exit(main())

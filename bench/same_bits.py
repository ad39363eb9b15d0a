#!/usr/bin/env python3
"""Runs the same training commands with two builds of gpu-mlp and compares every bit of the results.

    bench/same_bits.py [OLD] [NEW] [--only REGEX] [--list] [--jobs N] [--target DIR]
    bench/same_bits.py --binaries OLD NEW
    bench/same_bits.py ... --speed [--rounds 5] [--config S K W] [--engine cpu lavapipe]

OLD and NEW are git revisions. OLD defaults to `main`, NEW to the working tree. A revision is built in the release profile
in a cache folder outside the checkout, and the program is kept there. --target names another Cargo target folder, where
dependencies may already be built. --binaries takes two programs that are already built.

Compared are the names, types, shapes and bytes of all tensors in model.safetensors, without the header's metadata, and the
records `epoch` and `end` in metrics.jsonl, without times. Tuning is off, because its choices depend on time. Needs MNIST
($GPU_MLP_DATA_DIR, else both programs download it) and, for the engine "lavapipe", Mesa's software Vulkan driver.
Exit code 1 if anything differs, if a command fails or if an engine is missing.

To see the comparison fail, pass --change '--seed 2': it adds words to the commands of the new program only.

--speed compares images per second instead. The programs alternate; printed are medians and their ratio (new over old).
Needs nothing beyond Python 3.8, git and cargo.
"""
import argparse, hashlib, json, os, re, shutil, statistics, subprocess, sys, tarfile, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from environments import ROOT, build

ENGINES = {"cpu": "--engine cpu", "lavapipe": "--engine gpu --backend vulkan --adapter llvmpipe"}
NETS = {"S": "--hidden 128 --batch-size 64", "K": "--hidden 512,512 --batch-size 128"}
# Not a whole number of batches, so that the last one is partial.
SIZE = {"S": "--limit-train 4000 --epochs 2", "K": "--limit-train 1500 --epochs 1"}
# A streamed split is cut into windows only if it is longer than 8192 samples.
LONG = "--limit-train 9000 --epochs 1"
OPTIMIZERS = [
    "--optimizer sgd",
    "--optimizer sgd --momentum 0.9 --lr 0.05",
    "--optimizer nesterov",
    "--optimizer adam",
    "--optimizer adamw --l2 0.01",
    "--optimizer rmsprop",
    "--optimizer rmsprop --momentum 0.9",
]
PLANS = ["--plan fused", "--plan plain"]
DROPOUT = "--keep-prob 0.8 --input-keep-prob 0.9"
MIXED = "--precision f16-mixed"
ACTIVATIONS = ["relu", "leaky-relu --alpha 0.1", "sigmoid", "tanh", "identity"]
OTHERS = [
    "--accumulate 3",
    "--physical-batch 24",
    "--batch-size full --physical-batch 512",
    "--clip-norm 0.5",
    "--clip-value 0.01",
    "--ema 0.99",
    "--label-smoothing 0.1",
    "--l2 0.001",
    "--normalize unit",
    "--hidden none",
    "--hidden 33,17,9 --keep-prob 0.7",
    "--validation 1000 --restore-best --early-stopping 1",
    "--schedule cosine --warmup 0.5",
    "--schedule one-cycle --optimizer adam",
    "--health show",
]
# The products of a training step have one row per sample of the batch; those of an evaluation have 1024 rows.
FORMS = ["plain", "tiled", "registers", "wide", "split"]
WIDTHS = {"S": [784, 128, 10], "K": [784, 512, 512, 10], "96,64": [784, 96, 64, 10]}
ROWS = {"S": 64, "K": 128, "96,64": 64}
PRODUCTS = ["linear", "linear_dx", "linear_dw", "update_sgd", "update_momentum", "update_adam", "update_rmsprop"]


def cases():
    """Yields (engine, net, words of the command, form of the matrix products or None)."""
    for engine in ENGINES:
        for net in NETS:
            for plan in PLANS:
                for optimizer in OPTIMIZERS:
                    yield engine, net, f"{SIZE[net]} {optimizer} {plan}", None
                yield engine, net, f"{SIZE[net]} {DROPOUT} {plan}", None
            yield engine, net, f"{SIZE[net]} {DROPOUT} --optimizer adam", None
            for upload in ["--upload resident", "--upload stream"]:
                yield engine, net, f"{LONG} {upload}", None
            for optimizer in OPTIMIZERS if net == "S" else ["--optimizer adam"]:
                yield engine, net, f"{SIZE[net]} {optimizer} {MIXED}", None
            yield engine, net, f"{SIZE[net]} {DROPOUT} {MIXED}", None
        yield engine, "S", f"{LONG} --upload stream --plan plain {DROPOUT}", None
        yield engine, "S", f"{LONG} --upload stream {MIXED}", None
        for activation in ACTIVATIONS[1:]:
            for plan in [*PLANS, MIXED]:
                yield engine, "S", f"{SIZE['S']} --activation {activation} {plan}", None
            yield engine, "S", f"{SIZE['S']} --hidden 96,64 --activation {activation} {DROPOUT} --lr 0.05", None
        for other in OTHERS:
            yield engine, "S", f"{SIZE['S']} {other}", None
    for form in FORMS:
        yield "lavapipe", "K", f"{SIZE['K']} {DROPOUT}", form
        yield "lavapipe", "S", f"{SIZE['S']} --hidden 96,64 {DROPOUT} --plan plain", form
        for optimizer in OPTIMIZERS:
            yield "lavapipe", "S", f"{SIZE['S']} {optimizer}", form


def forms(form):
    """Returns a configuration file that gives every matrix product of every net here the same form."""
    shapes = set()
    for net, widths in WIDTHS.items():
        for rows in [ROWS[net], 1024]:
            shapes.update(f"{rows}x{inputs}x{outputs}" for inputs, outputs in zip(widths, widths[1:]))
    # Updates have no plain and no split form. Older programs accepted these names and ran the tiled form.
    update = "tiled" if form in ("plain", "split") else form
    of = {product: update if product.startswith("update") else form for product in PRODUCTS}
    lines = [f'"{product} {shape}" = "{of[product]}"' for product in PRODUCTS for shape in sorted(shapes)]
    return "\n".join(["[forms]", *lines])


class Program:
    """A build of gpu-mlp, run in a folder of its own without the caller's settings and caches."""

    def __init__(self, path, folder, shaders, change=""):
        self.path, self.folder, self.change = Path(path).absolute(), folder, change.split()
        folder.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GPU_MLP_", "WGPU_"))}
        # The programs share no gpu-mlp cache. They share Mesa's cache, which is keyed by shader content; without it most of
        # the time would go into compiling shaders.
        own = {"XDG_CACHE_HOME": folder / "cache", "XDG_RUNTIME_DIR": folder, "MESA_SHADER_CACHE_DIR": shaders}
        self.env = {**kept, **{name: str(path) for name, path in own.items()}}
        if "GPU_MLP_DATA_DIR" in os.environ:
            self.env["GPU_MLP_DATA_DIR"] = os.path.abspath(os.environ["GPU_MLP_DATA_DIR"])

    def run(self, words):
        command = last_of_each([str(self.path), *words, *self.change])
        return subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True)

    def train(self, number, case, data):
        """Returns the hashes of a run's weights and metrics, and the reason if there are none."""
        engine, net, words, form = case
        out = self.folder / f"run{number}"
        command = f"train --data {data} --tune off --quiet {ENGINES[engine]} {NETS[net]} {words}".split()
        if form:
            config = self.folder / f"{number}.toml"
            config.write_text(forms(form))
            command += ["--config", str(config)]
        done = self.run([*command, "--out", str(out)])
        if done.returncode:
            return None, f"exit code {done.returncode}: {message(done)}"
        result = (hash_of(tensors(out / "model.safetensors")), hash_of(numbers(out / "metrics.jsonl")))
        shutil.rmtree(out)
        return result, None


    def try_engine(self, engine, data):
        """Exits if the engine or the data set is missing."""
        words = f"train --data {data} --dry-run --quiet --limit-train 64 {ENGINES[engine]}"
        done = self.run(words.split())
        if done.returncode:
            sys.exit(f"{self.path} {words}: {message(done)}")


def message(done):
    """Returns the error message of a failed program."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return (lines or done.stderr.strip().splitlines()[-1:] or ["no message"])[0]


def last_of_each(command):
    """Returns a command with each option only once, with its last value: a case may override the net."""
    program, name, *words = command
    options = {}
    for word in words:
        if word.startswith("--"):
            option = options[word] = []
        else:
            option.append(word)
    return [program, name, *(word for option, value in options.items() for word in [option, *value])]


def hash_of(parts):
    """Returns the SHA-256 of byte strings, each preceded by its length."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(len(part).to_bytes(8, "little") + part)
    return sha.hexdigest()


def tensors(path):
    """Yields name, type and shape, then the bytes, of every tensor of a safetensors file, in the order of names."""
    whole = path.read_bytes()
    begin = 8 + int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:begin])
    header.pop("__metadata__", None)
    if not header:
        raise ValueError(f"{path} holds no tensors")
    for name, tensor in sorted(header.items()):
        first, end = tensor["data_offsets"]
        yield f"{name} {tensor['dtype']} {tensor['shape']}".encode()
        yield whole[begin + first:begin + end]


# Keys that differ between runs with equal results, and the model's hash, which repeats the comparison of tensors.
TIMES = {"seconds", "images_per_second", "unix_time", "model_sha256"}


def numbers(path):
    """Yields the records of epochs and of the end of a run, without times."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [line for line in lines if line["type"] in ("epoch", "end")]
    if len(lines) < 2 or "test_accuracy" not in lines[-1]:
        raise ValueError(f"{path} lacks an epoch or the end of the run")
    for line in lines:
        if line["type"] == "end":  # Later versions record more.
            line = {key: line[key] for key in ("reason", "restored_epoch", "test_loss", "test_accuracy") if key in line}
        # Later versions measure health in more epochs.
        yield json.dumps({key: line[key] for key in sorted(line.keys() - TIMES - {"health"})}).encode()


def compare(old, new, wanted, data, jobs):
    """Prints a row for each case; returns whether all are equal."""
    def both(number):
        start = time.monotonic()
        results = [program.train(number, wanted[number], data) for program in (old, new)]
        return results, time.monotonic() - start

    print("| engine | net | settings | result | weights | s |\n|---|---|---|---|---|---:|")
    equal, weights, start = 0, set(), time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        for (engine, net, words, form), (results, seconds) in zip(wanted, pool.map(both, range(len(wanted)))):
            (was, old_problem), (now, new_problem) = results
            settings = words + (f", every product {form}" if form else "")
            if was and was == now:
                equal += 1
                weights.add(was[0])
                result, shown = "equal", was[0][:12]
            elif was and now:
                names = [name for name, a, b in zip(["weights", "metrics"], was, now) if a != b]
                result = f"DIFFERENT {' and '.join(names)}"
                shown = " ".join(f"{a} / {b}" for a, b in zip(was, now) if a != b)
            else:
                result, shown = "FAILED", "; ".join(f"{which}: {problem}" for which, problem in
                                                    [("old", old_problem), ("new", new_problem)] if problem)
            print(f"| {engine} | {net} | {settings} | {result} | {shown} | {seconds:.1f} |", flush=True)
    print(f"\n{equal} of {len(wanted)} configurations equal, with {len(weights)} different sets of weights, "
          f"{time.monotonic() - start:.0f} s")
    return equal == len(wanted) > 0


def speed(old, new, engines, configs, data, rounds, max_time):
    """Prints medians and ratios of images per second."""
    print("| config | engine | old images/s | range | new images/s | range | new / old |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for config in configs:
        for engine in engines:
            words = f"bench --config {config} --data {data} {ENGINES[engine]} --run-only --json --tune off"
            words += f" --max-time {max_time}"
            rates = {old: [], new: []}
            for number in range(rounds):
                # The programs take turns at running first, because the machine warms up.
                for program in [old, new] if number % 2 == 0 else [new, old]:
                    done = program.run(words.split())
                    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
                    if done.returncode or not lines:
                        sys.exit(f"{program.path} {words}: exit code {done.returncode}: {message(done)}")
                    run = json.loads(lines[-1])["run"]
                    seconds = run["seconds"]["samples"]
                    rates[program].append(run["images"] * len(seconds) / sum(seconds))
            middle = {program: statistics.median(found) for program, found in rates.items()}
            cells = [f"{middle[p]:,.0f} | {min(rates[p]):,.0f} .. {max(rates[p]):,.0f}" for p in (old, new)]
            print(f"| {config} | {engine} | {cells[0]} | {cells[1]} | {middle[new] / middle[old]:.3f} |", flush=True)


def built(revision, cache, target):
    """Returns the program of a revision; builds it on first use."""
    def git(*words):
        done = subprocess.run(["git", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip() if done.returncode == 0 else sys.exit(f"git {' '.join(words)} failed")

    commit = git("rev-parse", "--verify", revision + "^{commit}")
    program, source = cache / commit / "gpu-mlp", cache / commit / "source"
    if not program.exists():
        print(f"building {revision} ({commit[:9]})", file=sys.stderr)
        source.mkdir(parents=True, exist_ok=True)
        packed = cache / commit / "source.tar"
        git("archive", "--output", str(packed), commit)
        with tarfile.open(packed) as archive:
            archive.extractall(source)
        # Archived files are as old as their commit, so Cargo would take a newer build of another commit for up to date.
        for path in source.rglob("*"):
            path.touch()
        env = {**os.environ, "CARGO_TARGET_DIR": str(target or cache / "target")}
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=source, env=env, check=True)
        shutil.copy2(Path(env["CARGO_TARGET_DIR"]) / "release/gpu-mlp", program)
        shutil.rmtree(source)
        packed.unlink()
    return program


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("old", nargs="?", default="main", metavar="OLD", help="git revision [default: main]")
    parse.add_argument("new", nargs="?", metavar="NEW", help="git revision [default: the working tree]")
    parse.add_argument("--binaries", nargs=2, type=Path, metavar=("OLD", "NEW"), help="programs that are already built")
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpu-mlp-same-bits"
    parse.add_argument("--cache", type=Path, default=default, help="where revisions are built [default: %(default)s]")
    parse.add_argument("--target", type=Path, help="Cargo's target folder for revisions [default: in --cache]")
    parse.add_argument("--data", default="mnist", help="data set [default: mnist]")
    parse.add_argument("--only", default="", metavar="REGEX", help="only configurations whose line in --list matches")
    parse.add_argument("--list", action="store_true", help="list the configurations and do nothing else")
    parse.add_argument("--jobs", type=int, default=2, help="configurations to run at the same time [default: 2]")
    parse.add_argument("--change", default="", metavar="WORDS", help="words to add to the commands of the new program")
    parse.add_argument("--speed", action="store_true", help="compare images per second instead")
    parse.add_argument("--rounds", type=int, default=5, help="rounds of --speed [default: 5]")
    parse.add_argument("--config", nargs="+", default=["S", "K", "W"], help="configurations of --speed")
    parse.add_argument("--engine", nargs="+", default=list(ENGINES), choices=ENGINES, help="engines of --speed")
    parse.add_argument("--max-time", type=float, default=8, help="seconds of each run of --speed [default: 8]")
    args = parse.parse_args()
    wanted = [case for case in cases() if re.search(args.only, " ".join(map(str, case)))]
    if args.list:
        print("\n".join(" ".join(map(str, case)) for case in wanted))
        return 0
    cache, target = args.cache.absolute(), args.target and args.target.absolute()
    paths = args.binaries or (built(args.old, cache, target), built(args.new, cache, target) if args.new else build())
    if Path(paths[0]).read_bytes() == Path(paths[1]).read_bytes():
        print("note: both programs are the same file", file=sys.stderr)
    (cache / "shaders").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        old = Program(paths[0], Path(scratch) / "old", cache / "shaders")
        new = Program(paths[1], Path(scratch) / "new", cache / "shaders", args.change)
        engines = args.engine if args.speed else sorted({case[0] for case in wanted})
        for program, engine in [(program, engine) for program in (old, new) for engine in engines]:
            program.try_engine(engine, args.data)
        if args.speed:
            speed(old, new, args.engine, args.config, args.data, args.rounds, args.max_time)
            return 0
        return 0 if compare(old, new, wanted, args.data, args.jobs) else 1


if __name__ == "__main__":
    sys.exit(main())

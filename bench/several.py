#!/usr/bin/env python3
"""Times several runs at once (`train --seeds`) against the same runs one after another, in turn, and against JAX's vmap.

    bench/several.py [--models 16] [--rounds 3] [--engine cpu|gpu] [--no-jax] [-- TRAIN ARGS]

Prints a Markdown table: seconds per epoch and model, for whole commands and for training alone, as medians with their range.
The default net is S: 784-128-10, batch 64. JAX (a scan over the epoch, vmapped over the models) is timed with S on the CPU only,
without its compilation. MNIST is read from $GPU_MLP_DATA_DIR; if that is unset, gpu-mlp downloads it.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile, time
from pathlib import Path
from environments import SCRIPTS, build, python

parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parse.add_argument("--models", type=int, default=16)
parse.add_argument("--rounds", type=int, default=3)
parse.add_argument("--epochs", type=int, default=2)
parse.add_argument("--engine", choices=["cpu", "gpu"], default="cpu")
parse.add_argument("--no-jax", action="store_true")
parse.add_argument("rest", nargs="*", help="more arguments of `gpu-mlp train`, after --")
args = parse.parse_args()

program = os.environ.get("GPU_MLP") or build()
net = ["--hidden", "128", "--batch-size", "64", "--lr", "0.1", "--schedule", "constant", "--normalize", "unit", "--health", "off"]
# What is given replaces the settings of S.
net = [word for at in range(0, len(net), 2) if net[at] not in args.rest for word in net[at:at + 2]]
settings = ["train", "--engine", args.engine, "--epochs", str(args.epochs), *net, *args.rest, "--quiet"]


def call(*more):
    start = time.perf_counter()
    subprocess.run([program, *settings, *map(str, more)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def seconds(folder):
    """Seconds of training of a run, without start-up, evaluation and files."""
    records = map(json.loads, (Path(folder) / "metrics.jsonl").read_text().splitlines())
    return sum(record["seconds"] for record in records if record["type"] == "epoch")


def at_once(folder):
    whole = call("--seeds", args.models, "--out", f"{folder}/all")
    each = [seconds(one) for one in Path(folder, "all").glob("seed-*")]
    # On the CPU every thread trains one run after another; on a GPU all runs take as long as the group.
    threads = min(args.models, len(os.sched_getaffinity(0)))
    return whole, sum(each) / threads if args.engine == "cpu" else max(each)


def in_turn(folder):
    whole = sum(call("--seed", seed, "--out", f"{folder}/{seed}") for seed in range(1, args.models + 1))
    return whole, sum(seconds(f"{folder}/{seed}") for seed in range(1, args.models + 1))


def jax(_):
    command = [python("jax"), SCRIPTS / "jax_mlp.py", "S", "--mode", "scan", "--models", str(args.models), "--epochs", str(args.epochs)]
    line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    return None, sum(json.loads(line)["epoch_seconds"])


kinds = {"at once": at_once, "one after another": in_turn}
if args.engine == "cpu" and not args.no_jax and not args.rest:
    kinds["JAX, vmap"] = jax
found = {kind: [] for kind in kinds}
for number in range(args.rounds):
    for kind, measure in kinds.items():
        with tempfile.TemporaryDirectory() as folder:
            times = measure(folder)
        found[kind].append([time and time / args.models / args.epochs for time in times])
        print(f"round {number + 1}, {kind}: {found[kind][-1]}", file=sys.stderr)

middle = lambda kind, at: statistics.median(times[at] for times in found[kind])


def cell(kind, at):
    times = [times[at] for times in found[kind]]
    if None in times:
        return "|"
    ratio = middle("at once", at) / middle(kind, at)
    return f"{middle(kind, at):.3f} ({min(times):.3f}–{max(times):.3f}) | {1 / ratio:.2f}"


print(f"{args.models} models, {args.engine}, {' '.join(args.rest) or 'S'}: seconds per epoch and model\n")
print("| | whole commands | over at once | training alone | over at once |\n|---|---|---|---|---|")
for kind in kinds:
    print(f"| {kind} | {cell(kind, 0)} | {cell(kind, 1)} |")

#!/usr/bin/env python3
"""Times gpu-mlp and other trainers in alternation on the same work. Prints a Markdown table of medians and ratios.

    bench/peers.py [--config S K W] [--rounds 3] [--only REGEX] [--also LABEL=COMMAND] [--limit 300]
                   [--out FILE.jsonl] [-- BENCH ARGS]

The peers are the scripts in bench/peers/. Each framework is installed on first use in a virtual environment in
target/peers/ (PyTorch takes 5 GB, the others less than 3 GB together). A framework that cannot be installed is
reported and skipped, as are the CUDA peers on a machine without an NVIDIA GPU. Arguments after `--` are
passed to `gpu-mlp bench`, for example `-- --engine gpu --adapter llvmpipe`. MNIST is read from $GPU_MLP_DATA_DIR; if
that is unset, gpu-mlp downloads it. Needs only Python 3.8 and cargo.
"""
import argparse, json, os, re, shlex, statistics, subprocess, sys
from pathlib import Path
from environments import SCRIPTS, TARGET, build, has_cuda, python

# label: environment, script, mode.
PEERS = {
    "numpy": ("numpy", "numpy_mlp.py", "default"),
    "jax-scan": ("jax", "jax_mlp.py", "scan"),
    "jax-step": ("jax", "jax_mlp.py", "step"),
    "keras-nojit": ("keras", "keras_mlp.py", "nojit"),
    "keras-jit": ("keras", "keras_mlp.py", "jit"),
    "torch-eager": ("torch", "torch_mlp.py", "eager"),
    "torch-compile": ("torch", "torch_mlp.py", "compile"),
    "torch-cuda-eager": ("torch", "torch_cuda_mlp.py", "eager"),
    "torch-cuda-compile": ("torch", "torch_cuda_mlp.py", "compile"),
    "torch-cuda-graph": ("torch", "torch_cuda_mlp.py", "graph"),
    "torch-cuda-graph-tf32": ("torch", "torch_cuda_mlp.py", "graph-tf32"),
    "torch-cuda-graph-bf16": ("torch", "torch_cuda_mlp.py", "graph-bf16"),
    "jax-cuda-scan": ("jax-cuda", "jax_mlp.py", "scan"),
}
ALSO = """add another program, for example 'burn-wgpu=/somewhere/burn wgpu {c}'; {c} is replaced by the configuration. The
program must train as described in bench/peers/common.py, on MNIST from $GPU_MLP_DATA_DIR, with $RAYON_NUM_THREADS
threads. Its last line of output must be JSON: {"samples_per_s": 1234.5, "final_test_acc": 0.9612, "version":
"burn 0.22.1"}. Can be given more than once"""


def last_json(command, env, limit):
    """Returns the last JSON object in a command's output, and the reason if there is none."""
    try:
        done = subprocess.run(command, env=env, timeout=limit, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        return None, f"stopped after {limit:.0f} s"
    except OSError as error:
        return None, str(error)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        tail = done.stderr.strip().splitlines()[-1:] or ["no JSON object in the output"]
        return None, f"exit code {done.returncode}: {tail[0][:200]}"
    return json.loads(lines[-1]), None


def commands_of(only, also, folder):
    """Returns {label: words of the command} for the peers that match and can run here. {c} stands for the configuration."""
    commands = {}
    cuda = has_cuda()
    broken = {}
    for label, (environment, script, mode) in PEERS.items():
        if not re.search(only, label):
            continue
        reason = broken.get(environment)
        if "-cuda-" in label and not cuda:
            reason = "no NVIDIA GPU here"
        if not reason:
            try:
                commands[label] = [str(python(environment, folder)), str(SCRIPTS / script), "{c}", "--mode", mode]
            except OSError as error:
                reason = broken[environment] = str(error)
        if reason:
            print(f"skipped: {label}, {reason}", file=sys.stderr)
    for text in also:
        label, _, command = text.partition("=")
        if re.search(only, label):
            commands[label] = shlex.split(command)
    return commands


def main():
    words, bench_args = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, bench_args = words[:at], words[at + 1:]
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--config", nargs="+", default=["S", "K", "W"], choices=["S", "K", "W"])
    parse.add_argument("--rounds", type=int, default=3)
    which = "only peers whose label matches this regular expression (also those of --also); labels: " + ", ".join(PEERS)
    parse.add_argument("--only", default=".", help=which)
    parse.add_argument("--also", action="append", default=[], metavar="LABEL=COMMAND", help=ALSO)
    parse.add_argument("--limit", type=float, default=300, help="seconds after which a run is stopped")
    parse.add_argument("--out", type=Path, help="append all records to this file")
    parse.add_argument("--environments", type=Path, default=TARGET / "peers", help="folder of the virtual environments")
    parse.add_argument("--gpu-mlp", type=Path, help="a gpu-mlp that is already built")
    args = parse.parse_args(words)
    for text in args.also:
        if not re.match(r"[^=]+=.", text):
            parse.error(f"--also takes LABEL=COMMAND, not '{text}'")

    program = (args.gpu_mlp or build()).absolute()
    peers = commands_of(args.only, args.also, args.environments)
    threads = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    env = {**os.environ, **{f"{library}_NUM_THREADS": threads for library in ["OMP", "OPENBLAS", "MKL", "RAYON"]}}

    rows, versions = [], {}
    for config in args.config:
        ours = [program, "bench", "--config", config, "--data", "mnist", "--run-only", "--json", *bench_args]
        commands = {"gpu-mlp": ours}
        for label, command in peers.items():
            commands[label] = [word.replace("{c}", config) for word in command]
        rates, accuracy, note, device = {label: [] for label in commands}, {}, {}, ""
        for _ in range(args.rounds):
            for label, command in commands.items():
                record, problem = last_json(command, env, args.limit)
                if problem:
                    note[label] = problem
                    continue
                if args.out:
                    with args.out.open("a") as out:
                        out.write(json.dumps({"label": label, "preset": config, **record}) + "\n")
                versions[label] = record.get("version", "?")
                if label == "gpu-mlp":
                    run, device = record["run"], record["device"]
                    # The rate over all samples together, as for the peers.
                    seconds = run["seconds"]["samples"]
                    rates[label].append(run["images"] * len(seconds) / sum(seconds))
                    accuracy[label] = run["test_accuracy"]
                    if not run["whole_epochs"]:
                        note[label] = f"{len(seconds)} times {run['steps']} steps"
                else:
                    rates[label].append(record["samples_per_s"])
                    accuracy[label] = record["final_test_acc"]
                print(f"{config} {label}: {rates[label][-1]:,.0f} images/s", file=sys.stderr)
        own = statistics.median(rates["gpu-mlp"]) if rates["gpu-mlp"] else float("nan")
        for label, found in sorted(rates.items(), key=lambda item: -statistics.median(item[1] or [0])):
            if found:
                middle = statistics.median(found)
                spread = f"{min(found):,.0f} .. {max(found):,.0f}"
                numbers = [f"{middle:,.0f}", spread, f"{own / middle:.2f}", f"{accuracy[label]:.4f}"]
                rows.append((config, label, *numbers, note.get(label, "")))
            else:
                rows.append((config, label, "-", "-", "-", "-", note.get(label, "")))
        if device:
            where = " ".join(filter(None, [device["adapter"], device["backend"], device["driver"]]))
            print(f"{config}: gpu-mlp on {device['class']}, {where}; host {device['processor']}, {threads} threads")

    print("versions: " + ", ".join(f"{label} ({version})" for label, version in versions.items()))
    print("\nimages per second, median of the rounds; ratio: speed of gpu-mlp over speed of the peer\n")
    print("| config | trainer | images/s | range | ratio | test accuracy | |\n|---|---|---:|---:|---:|---:|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    return 0 if all(row[2] != "-" for row in rows if row[1] == "gpu-mlp") else 3


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Times gpu-mlp and other trainers on the same work, in turn, and prints a Markdown table of medians and ratios.

    bench/peers.py [--peers DIR] [--config S K W] [--rounds 3] [--only REGEX] [--limit 300] [--out FILE.jsonl] [-- BENCH ARGS]

DIR (default: $PEERS, else ../shared/peers) holds the peers: scripts and programs that print one JSON object with
`samples_per_s`. Those that are not set up there are named and left out. What stands behind `--` goes to `gpu-mlp bench`,
for instance `-- --engine gpu --adapter llvmpipe`. Needs nothing beyond Python 3.8 and cargo.
"""
import argparse, json, os, re, statistics, subprocess, sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
# label: words of the command, with {c} for the configuration.
PEERS = {
    "numpy": "venv/jax/bin/python py/numpy_peer.py {c}",
    "jax-scan": "venv/jax/bin/python py/jax_peer.py scan {c}",
    "jax-step": "venv/jax/bin/python py/jax_peer.py step {c}",
    "torch-eager": "venv/torch/bin/python py/torch_peer.py eager {c}",
    "torch-compile-step": "venv/torch/bin/python py/torch_peer.py compile-step {c}",
    "torch-cuda-eager": "venv/torch/bin/python py/torch_cuda.py eager {c}",
    "torch-cuda-graph": "venv/torch/bin/python py/torch_cuda.py graph {c}",
    "keras-jit": "venv/tf/bin/python py/tf_peer.py jit {c}",
    "keras-nojit": "venv/tf/bin/python py/tf_peer.py nojit {c}",
    "burn-flex": "bin/burn-cpu flex {c} 120",
    "burn-ndarray": "bin/burn-cpu ndarray {c} 120",
    "burn-wgpu": "bin/burn-wgpu wgpu {c} 60",
    "candle": "bin/candle {c} 120",
}


def last_json(command, folder, env, limit):
    """The last JSON object that a command prints, or the reason why there is none."""
    try:
        done = subprocess.run(command, cwd=folder, env=env, timeout=limit, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        return None, f"stopped after {limit:.0f} s"
    except OSError as error:
        return None, str(error)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        tail = done.stderr.strip().splitlines()[-1:] or ["it printed no JSON object"]
        return None, f"exit code {done.returncode}: {tail[0][:200]}"
    return json.loads(lines[-1]), None


def main():
    words, bench_args = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, bench_args = words[:at], words[at + 1:]
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--peers", type=Path, default=Path(os.environ.get("PEERS", HERE / "../shared/peers")))
    parse.add_argument("--config", nargs="+", default=["S", "K", "W"], choices=["S", "K", "W"])
    parse.add_argument("--rounds", type=int, default=3)
    parse.add_argument("--only", default=".", help="peers whose label matches this regular expression")
    parse.add_argument("--limit", type=float, default=300, help="seconds after which a run is stopped")
    parse.add_argument("--out", type=Path, help="append every record to this file")
    args = parse.parse_args(words)

    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=HERE, check=True)
    program = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")) / "release/gpu-mlp"
    threads = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    names = ["PEER_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]
    env = {**os.environ, **{name: threads for name in names}}
    if "GPU_MLP_DATA_DIR" in env:
        env.setdefault("MNIST_DIR", env["GPU_MLP_DATA_DIR"])

    folder, there = args.peers.resolve(), {}
    for label, text in PEERS.items():
        needs = [word for word in text.split() if word.startswith(("venv/", "bin/", "py/"))]
        missing = [word for word in needs if not (folder / word).exists()]
        if re.search(args.only, label):
            if missing:
                print(f"left out: {label}, no {missing[0]} in the folder of peers", file=sys.stderr)
            else:
                there[label] = text

    rows = []
    for config in args.config:
        ours = [program, "bench", "--config", config, "--data", "mnist", "--offline", "--run-only", "--json"] + bench_args
        commands = {"gpu-mlp": (ours, Path.cwd())}
        commands.update({label: (text.format(c=config).split(), folder) for label, text in there.items()})
        rates, accuracy, note, device = {label: [] for label in commands}, {}, {}, ""
        for _ in range(args.rounds):
            for label, (command, cwd) in commands.items():
                record, problem = last_json(command, cwd, env, args.limit)
                if problem:
                    note[label] = problem
                    continue
                if args.out:
                    with args.out.open("a") as out:
                        out.write(json.dumps({"label": label, "preset": config, **record}) + "\n")
                if label == "gpu-mlp":
                    run, device = record["run"], record["device"]
                    # All samples together, as the peers count.
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

    print("\nimages a second, median of the rounds; ratio: gpu-mlp over the other\n")
    print("| config | trainer | images/s | extremes | ratio | test accuracy | |\n|---|---|---:|---:|---:|---:|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    return 0 if all(row[2] != "-" for row in rows if row[1] == "gpu-mlp") else 3


if __name__ == "__main__":
    sys.exit(main())

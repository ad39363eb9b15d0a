#!/usr/bin/env python3
"""Compares training in integers with training in floats: accuracy, speed, and whether machines give the same bits. Prints
Markdown tables.

    bench/integers.py accuracy [--seeds 10] [--nets S K]
    bench/integers.py bits [--nets S K D]
    bench/integers.py speed [--nets S K W] [--rounds 5] [--engines cpu lavapipe]

`accuracy`: mean and standard deviation of the test accuracy over seeds, of int8 and f32 with the same settings, and the
standard error of the difference.
`bits`: SHA-256 of the last checkpoint (weights, velocities, levels) and of the scores after a run with --precision int8. It
runs on the CPU with 1, 2 and 3 threads, with two sizes of micro-batches, with streamed data, and stopped and resumed many
times; on Mesa's Vulkan and GL drivers; and on SwiftShader if Debian's `chromium` is installed. Exits with code 3 if not all
are equal.
`speed`: training speed in images per second, f32 and int8 measured alternately; medians, ranges and their ratio.

Needs MNIST ($GPU_MLP_DATA_DIR) and Python 3.8. Uses the program of --gpu-mlp PATH, or builds one.
"""
import argparse, hashlib, json, os, statistics, subprocess, sys, tempfile
from pathlib import Path
from environments import build

NETS = {
    "S": "--hidden 128 --batch-size 64 --epochs 5",
    "K": "--hidden 512,512 --keep-prob 0.8 --batch-size 128 --momentum 0.9 --lr 0.05 --epochs 8",
    "D": "--hidden 101,77,53,31,19 --keep-prob 0.9 --batch-size 100 --optimizer nesterov --epochs 2",
}
# Updates of a whole run.
UPDATES = {"S": 5 * 938, "K": 8 * 469, "D": 2 * 600}
SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")


def run(program, words, folder, env={}):
    command = [str(program), *words]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def train(program, words, out, folder, env={}):
    run(program, ["train", "--data", "mnist", "--quiet", "--tune", "off", "--out", out, *words.split()], folder, env)
    return [json.loads(line) for line in (folder / out / "metrics.jsonl").read_text().splitlines()]


def accuracy(args, program, folder):
    print(f"| net | int8 | f32 | difference of the means |\n|---|---:|---:|---:|")
    for net in args.nets:
        found = {"int8": [], "f32": []}
        for seed in range(1, args.seeds + 1):
            for precision, scores in found.items():
                words = f"{NETS[net]} --seed {seed} --engine cpu --precision {precision}"
                records = train(program, words, f"{net}{seed}{precision}", folder)
                scores.append(100 * records[-1]["test_accuracy"])
        means = {precision: statistics.mean(scores) for precision, scores in found.items()}
        pairs = [a - b for a, b in zip(found["int8"], found["f32"])]
        error = statistics.stdev(pairs) / len(pairs) ** 0.5
        spread = {precision: statistics.stdev(scores) for precision, scores in found.items()}
        cells = [f"{means[p]:.3f} ± {spread[p]:.3f} %" for p in found]
        print(f"| {net} | {' | '.join(cells)} | {means['int8'] - means['f32']:+.3f} ± {error:.3f} |", flush=True)


def digest(folder, out, records):
    checkpoint = sorted((folder / out / "checkpoints").glob("*.safetensors"))[-1].read_bytes()
    losses = [(r["train_loss"], r["train_accuracy"], r["test_loss"], r["test_accuracy"]) for r in records if r["type"] == "epoch"]
    return hashlib.sha256(checkpoint + json.dumps(losses).encode()).hexdigest()


def killed(program, words, net, out, folder, times):
    """Stops a run at `times` places and resumes it each time."""
    part = UPDATES[net] // (times + 1)
    train(program, f"{words} --max-steps {part}", out, folder)
    for number in range(2, times + 1):
        run(program, ["train", "--resume", out, "--quiet", "--max-steps", str(number * part)], folder)
    run(program, ["train", "--resume", out, "--quiet"], folder)
    return [json.loads(line) for line in (folder / out / "metrics.jsonl").read_text().splitlines()]


def bits(args, program, folder):
    ways = {f"CPU, {threads} threads": (f"--engine cpu --threads {threads}", {}) for threads in [1, 2, 3]}
    ways["CPU, micro-batches of 32"] = ("--engine cpu --physical-batch 32", {})
    ways["CPU, micro-batches of 57"] = ("--engine cpu --physical-batch 57", {})
    ways["CPU, plain plan"] = ("--engine cpu --plan plain", {})
    ways["CPU, streamed"] = ("--engine cpu --upload stream", {})
    ways["lavapipe (Vulkan)"] = ("--engine gpu --backend vulkan --adapter llvmpipe", {})
    ways["llvmpipe (GL)"] = ("--engine gpu --backend gl", {})
    if SWIFTSHADER.exists():
        driver = {name: str(SWIFTSHADER) for name in ["VK_ICD_FILENAMES", "VK_DRIVER_FILES"]}
        ways["SwiftShader (Vulkan)"] = ("--engine gpu --backend vulkan", driver)
    print("| machine | " + " | ".join(args.nets) + " |\n|---|" + "---|" * len(args.nets))
    found = {net: set() for net in args.nets}
    for number, (name, (words, env)) in enumerate(ways.items()):
        row = []
        for net in args.nets:
            out = f"{net}bits{number}"
            records = train(program, f"{NETS[net]} --precision int8 {words}", out, folder, env)
            row.append(digest(folder, out, records))
            found[net].add(row[-1])
        print(f"| {name} | " + " | ".join(value[:16] for value in row) + " |", flush=True)
    row = []
    for net in args.nets:
        out = f"{net}killed"
        records = killed(program, f"{NETS[net]} --precision int8 --engine cpu", net, out, folder, args.kills)
        row.append(digest(folder, out, records))
        found[net].add(row[-1])
    print(f"| CPU, stopped and resumed {args.kills} times | " + " | ".join(value[:16] for value in row) + " |")
    return all(len(values) == 1 for values in found.values())


def speed(args, program, folder):
    engines = {"cpu": "--engine cpu", "lavapipe": "--engine gpu --backend vulkan --adapter llvmpipe"}
    print("| config | engine | f32 images/s | range | int8 images/s | range | int8 / f32 |\n|---|---|---:|---:|---:|---:|---:|")
    for net in args.nets:
        for engine in args.engines:
            rates = {"f32": [], "int8": []}
            for _ in range(args.rounds):
                for precision, found in rates.items():
                    words = f"bench --config {net} --data mnist --run-only --json --max-time {args.seconds} --precision {precision}"
                    record = json.loads(run(program, [*words.split(), *engines[engine].split()], folder).splitlines()[-1])["run"]
                    seconds = record["seconds"]["samples"]
                    found.append(record["images"] * len(seconds) / sum(seconds))
            medians = {precision: statistics.median(found) for precision, found in rates.items()}
            cells = [f"{medians[p]:,.0f} | {min(rates[p]):,.0f} .. {max(rates[p]):,.0f}" for p in rates]
            print(f"| {net} | {engine} | {' | '.join(cells)} | {medians['int8'] / medians['f32']:.2f} |", flush=True)


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("what", choices=["accuracy", "bits", "speed"])
    parse.add_argument("--nets", nargs="+")
    parse.add_argument("--seeds", type=int, default=10)
    parse.add_argument("--kills", type=int, default=20)
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--seconds", type=float, default=3, help="--max-time of each run of `speed`")
    parse.add_argument("--engines", nargs="+", default=["cpu", "lavapipe"])
    parse.add_argument("--gpu-mlp", type=Path, help="a gpu-mlp that is already built")
    args = parse.parse_args()
    args.nets = args.nets or {"accuracy": ["S", "K"], "bits": ["S", "K", "D"], "speed": ["S", "K", "W"]}[args.what]
    program = (args.gpu_mlp or build()).absolute()
    with tempfile.TemporaryDirectory() as folder:
        result = {"accuracy": accuracy, "bits": bits, "speed": speed}[args.what](args, program, Path(folder))
    sys.exit(3 if result is False else 0)


if __name__ == "__main__":
    main()

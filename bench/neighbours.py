#!/usr/bin/env python3
"""Times gpu-mlp and other trainers beside programs that keep the CPUs busy. Prints a Markdown table.

    bench/neighbours.py [--config S K] [--neighbours 0 1 2 4] [--threads 1 2] [--only REGEX] [--rounds 5]
                        [--seconds 4] [--limit 300] [--out FILE.jsonl]

A neighbour is a shell that loops. gpu-mlp trains on the CPU with its default, which chooses the number of threads while it
trains, and with each number of --threads. The peers are those of bench/peers.py. All run in turn, so that a
change of the machine meets all of them. Exits with code 3 if the default is more than 5 % slower than the best number.
"""
import argparse, json, os, statistics, subprocess, sys
from pathlib import Path
from environments import TARGET, build
from peers import commands_of, last_json

TOLERATED = 0.95


def rate(label, record):
    if not label.startswith("gpu-mlp"):
        return record["samples_per_s"]
    run, seconds = record["run"], record["run"]["seconds"]["samples"]
    return run["images"] * len(seconds) / sum(seconds)


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--config", nargs="+", default=["S", "K"], choices=["S", "K", "W"])
    parse.add_argument("--neighbours", nargs="+", type=int, default=[0, 1, 2, 4], metavar="N")
    parse.add_argument("--threads", nargs="+", type=int, default=[1, 2], metavar="N", help="numbers to compare with")
    parse.add_argument("--only", default="^(numpy|jax-scan)$", help="peers whose label matches; '^$' for none")
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--seconds", type=float, default=4, help="--max-time of gpu-mlp")
    parse.add_argument("--limit", type=float, default=300, help="seconds after which a run is stopped")
    parse.add_argument("--out", type=Path, help="append all records to this file")
    parse.add_argument("--environments", type=Path, default=TARGET / "peers", help="folder of the virtual environments")
    parse.add_argument("--gpu-mlp", type=Path, help="a gpu-mlp that is already built")
    args = parse.parse_args()

    program = (args.gpu_mlp or build()).absolute()
    peers = commands_of(args.only, [], args.environments)
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    env = {**os.environ, **{f"{library}_NUM_THREADS": str(cpus) for library in ["OMP", "OPENBLAS", "MKL"]}}
    fixed = [f"gpu-mlp --threads {number}" for number in args.threads]
    labels = ["gpu-mlp", *fixed, *peers]

    rates = {}
    for turn in range(args.rounds):
        for neighbours in args.neighbours:
            busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(neighbours)]
            try:
                for config in args.config:
                    ours = [program, "bench", "--config", config, "--data", "mnist", "--engine", "cpu", "--run-only",
                            "--json", "--max-time", str(args.seconds)]
                    commands = {"gpu-mlp": ours}
                    commands.update({label: [*ours, *label.split()[1:]] for label in fixed})
                    commands.update({label: [word.replace("{c}", config) for word in peers[label]] for label in peers})
                    for label in labels:
                        record, problem = last_json(commands[label], env, args.limit)
                        if problem:
                            print(f"{config} {label}: {problem}", file=sys.stderr)
                            continue
                        rates.setdefault((config, neighbours, label), []).append(rate(label, record))
                        if args.out:
                            with args.out.open("a") as out:
                                where = {"label": label, "preset": config, "neighbours": neighbours}
                                out.write(json.dumps({**where, **record}) + "\n")
                        print(f"round {turn + 1}, {neighbours} neighbours, {config} {label}: "
                              f"{rates[config, neighbours, label][-1]:,.0f} images/s", file=sys.stderr)
            finally:
                for one in busy:
                    one.kill()
                    one.wait()

    print(f"\n{cpus} CPUs, {args.rounds} rounds; images per second: median (smallest .. largest)\n")
    print("| config | busy neighbours | " + " | ".join(labels) + " | default over best number |")
    print("|---|---:|" + "---:|" * (len(labels) + 1))
    slow = False
    for config in args.config:
        for neighbours in args.neighbours:
            found = {label: rates.get((config, neighbours, label)) for label in labels}
            cells = [f"{statistics.median(one):,.0f} ({min(one):,.0f} .. {max(one):,.0f})" if one else "-"
                     for one in found.values()]
            best = max((statistics.median(found[label]) for label in fixed if found[label]), default=0)
            ratio = statistics.median(found["gpu-mlp"]) / best if found["gpu-mlp"] and best else float("nan")
            slow = slow or not ratio >= TOLERATED
            print(f"| {config} | {neighbours} | " + " | ".join(cells) + f" | {ratio:.2f} |")
    return 3 if slow else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Times whole processes, from start to exit, that train to 97 % test accuracy on MNIST: gpu-mlp and NumPy in alternation.

    bench/whole_process.py [--rounds 5] [--most 10]

NumPy is the peer with the shortest total time: it compiles nothing and imports little. It trains at a constant rate.
gpu-mlp is timed twice: with its defaults, and with the peer's net, batch size, learning rate and input scaling. Each
trainer gets the smallest number of epochs, up to --most, with which most seeds (one per round) reach 97 %. NumPy is
installed as in bench/peers.py. Needs Python 3.8 and cargo.
"""
import argparse, json, re, statistics, subprocess, sys, tempfile, time
from pathlib import Path
from environments import SCRIPTS, TARGET, build, python

GOAL = 0.97
SAME = "--hidden 128 --batch-size 64 --lr 0.1 --schedule constant --normalize unit"


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--most", type=int, default=10, help="most epochs to try")
    parse.add_argument("--environments", type=Path, default=TARGET / "peers", help="folder of the virtual environments")
    parse.add_argument("--gpu-mlp", type=Path, help="a gpu-mlp that is already built")
    args = parse.parse_args()
    program = (args.gpu_mlp or build()).absolute()
    try:
        interpreter = python("numpy", args.environments)
    except OSError as error:
        sys.exit(f"NumPy is not available: {error}")

    def timed(command, accuracy):
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"{command} failed: {done.stderr[-400:]}")
        return seconds, accuracy(done.stdout)

    with tempfile.TemporaryDirectory() as scratch:
        def ours(more):
            out = ["--out", f"{scratch}/run", "--force"]
            return lambda words: timed(
                [program, "train", "--data", "mnist", "--engine", "cpu", *words, *more, *out],
                lambda text: float(re.findall(r"test loss \S+ accuracy (\S+) %", text)[-1]) / 100)

        def numpy(words):
            return timed([interpreter, SCRIPTS / "numpy_mlp.py", "S", "--no-warm-up", *words],
                         lambda text: json.loads(text)["final_test_acc"])

        trainers = {"gpu-mlp": ours([]), "gpu-mlp, the peer's settings": ours(SAME.split()), "NumPy": numpy}

        def settings(epochs, seed):
            return ["--epochs", str(epochs), "--seed", str(seed)]

        def enough(run, epochs):
            reached = missed = 0
            for seed in range(1, args.rounds + 1):
                good = run(settings(epochs, seed))[1] >= GOAL
                reached += good
                missed += not good
                if 2 * max(reached, missed) > args.rounds:
                    break
            return reached > missed

        epochs = {}
        for label, run in trainers.items():
            epochs[label] = next((number for number in range(1, args.most + 1) if enough(run, number)), None)
            if not epochs[label]:
                sys.exit(f"{label} does not reach {GOAL:.0%} in {args.most} epochs")
        times = {label: [] for label in trainers}
        accuracy = {label: [] for label in trainers}
        for seed in range(1, args.rounds + 1):
            for label, run in trainers.items():
                seconds, right = run(settings(epochs[label], seed))
                times[label].append(seconds)
                accuracy[label].append(right)
    fastest = statistics.median(times["gpu-mlp"])
    print("| whole process | epochs | test accuracy | seconds | range | ratio |\n|---|---:|---:|---:|---:|---:|")
    for label, found in times.items():
        middle = statistics.median(found)
        numbers = f"{epochs[label]} | {statistics.median(accuracy[label]):.4f} | {middle:.2f}"
        print(f"| {label} | {numbers} | {min(found):.2f} .. {max(found):.2f} | {middle / fastest:.2f} |")


if __name__ == "__main__":
    main()

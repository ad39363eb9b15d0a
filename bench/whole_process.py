#!/usr/bin/env python3
"""Times whole processes, from start to exit, that train MNIST to 97 % of the test split: gpu-mlp and the NumPy peer, in turn.

    bench/whole_process.py [--peers DIR] [--rounds 5] [--most 10]

The peer of all that ends soonest is NumPy: no compiler, small imports (see its README for the others). It has no setting
for epochs, so it is given the fewest, up to --most, with which it reaches 97 %; gpu-mlp likewise, once with its defaults
and once with the peer's net, batch, learning rate and inputs. Needs the peers' folder (default: $PEERS, else
../shared/peers) with its environment for NumPy, and cargo.
"""
import argparse, json, os, re, statistics, subprocess, sys, tempfile, time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
GOAL = 0.97
PEER = "import runpy, sys, common; common.CONFIGS['S']['epochs'] = int(sys.argv[2]); sys.argv[1:] = ['S']; runpy.run_path('numpy_peer.py')"
SAME = "--hidden 128 --batch-size 64 --lr 0.1 --schedule constant --normalize unit"


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--peers", type=Path, default=Path(os.environ.get("PEERS", HERE / "../shared/peers")))
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--most", type=int, default=10, help="most epochs to try")
    args = parse.parse_args()
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=HERE, check=True)
    program = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")) / "release/gpu-mlp"
    peers = args.peers.resolve()
    env = dict(os.environ)
    if "GPU_MLP_DATA_DIR" in env:
        env.setdefault("MNIST_DIR", env["GPU_MLP_DATA_DIR"])

    def timed(command, folder, accuracy):
        start = time.perf_counter()
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode:
            sys.exit(f"{command} failed: {done.stderr[-400:]}")
        return seconds, accuracy(done.stdout)

    with tempfile.TemporaryDirectory() as scratch:
        def ours(settings):
            out = ["--out", f"{scratch}/run", "--force"]
            return lambda epochs: timed(
                [program, "train", "--data", "mnist", "--offline", "--engine", "cpu", "--epochs", str(epochs), *settings, *out],
                scratch, lambda text: float(re.findall(r"test loss \S+ accuracy (\S+) %", text)[-1]) / 100)

        def numpy(epochs):
            last = lambda text: json.loads([line for line in text.splitlines() if line.startswith("{")][-1])
            return timed([peers / "venv/jax/bin/python", "-c", PEER, "S", str(epochs)], peers / "py",
                         lambda text: last(text)["final_test_acc"])

        trainers = {"gpu-mlp": ours([]), "gpu-mlp, the peer's settings": ours(SAME.split()), "NumPy": numpy}
        epochs = {}
        for label, run in trainers.items():
            for number in range(1, args.most + 1):
                if run(number)[1] >= GOAL:
                    epochs[label] = number
                    break
            else:
                sys.exit(f"{label} does not reach {GOAL:.0%} in {args.most} epochs")
        times, accuracy = {label: [] for label in trainers}, {}
        for _ in range(args.rounds):
            for label, run in trainers.items():
                seconds, accuracy[label] = run(epochs[label])
                times[label].append(seconds)
    fastest = statistics.median(times["gpu-mlp"])
    print("| whole process | epochs | test accuracy | seconds | extremes | ratio |\n|---|---:|---:|---:|---:|---:|")
    for label, found in times.items():
        middle = statistics.median(found)
        print(f"| {label} | {epochs[label]} | {accuracy[label]:.4f} | {middle:.2f} | {min(found):.2f} .. {max(found):.2f} | {middle / fastest:.2f} |")


if __name__ == "__main__":
    main()

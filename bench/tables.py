#!/usr/bin/env python3
"""Trains gpu-mlp and scikit-learn's MLP on the tables that scikit-learn holds, with the same splits and settings. Prints Markdown.

    bench/tables.py [--seeds 10] [--only REGEX] [--epochs 200] [--gpu-mlp PROGRAM] [--environments DIR]

Both train one hidden layer of 100 ReLU units with Adam (rate 0.001, batches of at most 200, no penalty, no early stopping, constant rate).
Inputs and real targets are standardised by the training rows; a quarter of the rows is kept for the test, stratified by class. A seed
draws the split, the first weights and the order. Scores are accuracies, or R² (the mean over several targets). Seconds are those of
training alone: `fit` of scikit-learn, and the sum of the epochs of gpu-mlp on its CPU engine, whose evaluations are not counted.
Exits with code 3 if a mean score differs by more than two standard errors of the difference.
"""
import argparse, json, re, statistics, subprocess, sys, tempfile
from pathlib import Path
from environments import TARGET, build, python

SETS = ["iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud"]


def inside():
    """Runs in scikit-learn's environment: one seed of one data set per line of input, one record per line of output."""
    import csv, time, warnings
    import numpy as np
    from sklearn import datasets
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.metrics import r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        job = json.loads(line)
        data = getattr(datasets, f"load_{job['name']}")()
        x, y = np.asarray(data.data, dtype=np.float64), np.asarray(data.target)
        classes = job["name"] not in ("diabetes", "linnerud")
        parts = train_test_split(x, y, test_size=0.25, random_state=job["seed"], stratify=y if classes else None)
        for name, xs, ys in [("train", parts[0], parts[2]), ("test", parts[1], parts[3])]:
            with open(Path(job["folder"]) / f"{name}.csv", "w", newline="") as file:
                writer = csv.writer(file)
                targets = 1 if ys.ndim == 1 else ys.shape[1]
                writer.writerow([f"x{i}" for i in range(x.shape[1])] + [f"y{i}" for i in range(targets)])
                for row, target in zip(xs, ys.reshape(len(ys), targets)):
                    # A letter makes classes of numbers.
                    writer.writerow([repr(float(v)) for v in row] + [f"c{t}" if classes else repr(float(t)) for t in target])
        settings = dict(hidden_layer_sizes=(100,), alpha=0, batch_size=min(200, len(parts[0])), max_iter=job["epochs"],
                        tol=0, n_iter_no_change=10**9, random_state=job["seed"])
        net = MLPClassifier(**settings) if classes else TransformedTargetRegressor(MLPRegressor(**settings), transformer=StandardScaler())
        net = make_pipeline(StandardScaler(), net)
        begin = time.perf_counter()
        net.fit(parts[0], parts[2])
        seconds = time.perf_counter() - begin
        score = net.score(parts[1], parts[3]) if classes else r2_score(parts[3], net.predict(parts[1]))
        record = {"score": float(score), "seconds": seconds, "batch": settings["batch_size"], "rows": len(x),
                  "columns": int(x.shape[1]), "targets": 1 if y.ndim == 1 else int(y.shape[1]), "classes": classes}
        print(json.dumps(record), flush=True)


def ours(program, folder, facts, seed, epochs):
    targets = ",".join(f"y{i}" for i in range(facts["targets"]))
    run = folder / "run"
    train = [program, "train", "--data", folder / "train.csv", "--test", folder / "test.csv", "--target", targets, "--hidden", "100",
             "--optimizer", "adam", "--lr", "0.001", "--schedule", "constant", "--batch-size", str(facts["batch"]), "--epochs",
             str(epochs), "--seed", str(seed), "--init", "glorot", "--engine", "cpu", "--out", run, "--force", "--quiet"]
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
    scored = subprocess.run([program, "eval", run, "--engine", "cpu", "--json", "--quiet"], check=True, capture_output=True, text=True)
    scores = json.loads(scored.stdout)
    score = scores["accuracy"] if facts["classes"] else statistics.mean(target["r2"] for target in scores["targets"])
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return score, sum(epoch["seconds"] for epoch in epochs if epoch["type"] == "epoch")


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--seeds", type=int, default=10)
    parse.add_argument("--only", default="", metavar="REGEX", help="data sets whose name matches")
    parse.add_argument("--epochs", type=int, default=200)
    parse.add_argument("--gpu-mlp", type=Path, help="a gpu-mlp that is already built")
    parse.add_argument("--environments", type=Path, default=TARGET / "peers", help="folder of the virtual environments")
    args = parse.parse_args()
    program = (args.gpu_mlp or build()).absolute()
    interpreter = python("sklearn", args.environments)
    peer = subprocess.Popen([interpreter, __file__, "--inside"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print("| data | rows × columns | score | gpu-mlp | scikit-learn | difference in standard errors | fit time, scikit-learn over gpu-mlp |")
    print("|---|---:|---|---:|---:|---:|---:|")
    apart = False
    for name in [name for name in SETS if re.search(args.only, name)]:
        pairs = []
        for seed in range(1, args.seeds + 1):
            with tempfile.TemporaryDirectory() as folder:
                peer.stdin.write(json.dumps({"name": name, "seed": seed, "folder": folder, "epochs": args.epochs}) + "\n")
                peer.stdin.flush()
                facts = json.loads(peer.stdout.readline())
                pairs.append((*ours(program, Path(folder), facts, seed, args.epochs), facts["score"], facts["seconds"]))
        mine, my_time, theirs, their_time = map(list, zip(*pairs))
        error = lambda scores: statistics.stdev(scores) / len(scores) ** 0.5
        # The splits are the same, so the error of the difference is that of the paired differences.
        differences = [a - b for a, b in zip(mine, theirs)]
        distance = statistics.mean(differences) / (error(differences) or 1)
        apart |= abs(distance) > 2
        ratio = statistics.median(b / a for a, b in zip(my_time, their_time))
        shown = lambda scores: f"{statistics.mean(scores):.4f} ± {error(scores):.4f}"
        print(f"| {name} | {facts['rows']} × {facts['columns']} | {'accuracy' if facts['classes'] else 'R²'} | {shown(mine)} | {shown(theirs)} "
              f"| {distance:+.1f} | {ratio:.1f} |", flush=True)
    peer.stdin.close()
    sys.exit(3 if apart else 0)


if __name__ == "__main__":
    inside() if sys.argv[1:] == ["--inside"] else main()

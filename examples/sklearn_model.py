"""Makes a scikit-learn pipeline of a model that gpu-mlp trained on a table.

    from sklearn_model import load
    model = load("runs/iris/model.safetensors")
    model.predict([[5.1, 3.5, 1.4, 0.2]])

A row holds the columns of the training table in their order, without the target: numbers, None for a missing value, text for a category.
The activation must be one that scikit-learn has: relu, sigmoid, tanh or identity. Packages: numpy, safetensors, scikit-learn.
"""

import json
import numpy as np
from safetensors import safe_open
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

ACTIVATIONS = {"relu": "relu", "sigmoid": "logistic", "tanh": "tanh", "identity": "identity"}


def encode(rows, columns):
    """The inputs of the net (N, I), by what the model learned about each column."""
    inputs = []
    for values, column in zip(zip(*rows), columns):
        ((kind, rule),) = column["encoding"].items()
        if kind == "categories":
            known = np.array([[value == name for name in rule] for value in values])
            inputs += [known, ~known.any(axis=1, keepdims=True)]
            continue
        raw = np.array([np.nan if value is None else value for value in values], dtype=float).reshape(-1, 1)
        x = (np.where(np.isnan(raw), rule["fill"], raw) - rule["center"]) * rule["scale"]
        inputs.append(x / np.sqrt(1 + (x / 3) ** 2) if rule.get("clip") else x)
        inputs += [np.isnan(raw)] if rule.get("indicator") else []
    return np.hstack(inputs).astype(float)


def load(path):
    """The pipeline: `predict` gives classes, labels or values in their units; `predict_proba` probabilities."""
    with safe_open(path, "numpy") as file:
        about = json.loads(file.metadata()["gpu_mlp"])
        layers = range(len(about["widths"]) - 1)
        weights = [file.get_tensor(f"layers.{layer}.weight").T.astype(float) for layer in layers]
        biases = [file.get_tensor(f"layers.{layer}.bias").astype(float) for layer in layers]
    ((task, target),) = about["task"].items()
    names = np.array(target["names"])
    settings = {"hidden_layer_sizes": about["widths"][1:-1], "activation": ACTIVATIONS[about["activation"]]}
    poisson = about.get("loss") == "poisson"
    if task == "values":
        net, y = MLPRegressor(**settings, loss="poisson" if poisson else "squared_error"), np.zeros((2, len(names)))
        # The net predicts standardised values; the last layer can do the rest.
        for output, scale in enumerate(target.get("scales", [])):
            weights[-1][:, output] *= scale["deviation"]
            biases[-1][output] = biases[-1][output] * scale["deviation"] + scale["mean"]
    elif task == "labels":
        net, y = MLPClassifier(**settings), np.vstack([np.zeros(len(names), int), np.ones(len(names), int)])
    else:
        net, y = MLPClassifier(**settings), names
        # scikit-learn sorts the classes, and has one output for two of them.
        order = np.argsort(names)
        weights[-1], biases[-1] = weights[-1][:, order], biases[-1][order]
        if len(names) == 2:
            weights[-1], biases[-1] = np.diff(weights[-1]), np.diff(biases[-1])
    # A first fit makes everything that the net needs beside its weights.
    classes = {} if task == "values" else {"classes": np.unique(y)}
    net.partial_fit(np.zeros((len(y), about["widths"][0])), y.ravel() if y.shape[-1] == 1 else y, **classes)
    net.coefs_, net.intercepts_ = weights, biases
    return make_pipeline(FunctionTransformer(encode, kw_args={"columns": about["features"]["columns"]}), net)

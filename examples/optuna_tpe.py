"""Optuna's TPE sampler drives `gpu-mlp train`, with pruning by epoch. Package: optuna.

    python examples/optuna_tpe.py [trials] [journal]
"""

import json, os, subprocess, sys
import optuna
from optuna.storages.journal import JournalFileBackend, JournalStorage

PROGRAM = os.environ.get("GPU_MLP", "gpu-mlp")


def objective(trial):
    settings = {
        "lr": trial.suggest_float("lr", 0.01, 1, log=True),
        "keep-prob": trial.suggest_float("keep_prob", 0.5, 1),
        "hidden": trial.suggest_categorical("hidden", ["32", "64", "32,32"]),
    }
    words = [PROGRAM, "train", "--json", "--quiet", "--data", "digits", "--digits-train", "2000"]
    words += ["--validation", "0.1", "--epochs", "5"]
    words += ["--out", f"optuna/{trial.number}", "--force"] + [f"--{name}={value}" for name, value in settings.items()]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as run:
        for record in map(json.loads, run.stdout):
            if record["type"] == "epoch":
                trial.report(record["validation_loss"], record["epoch"])
                if trial.should_prune():
                    run.terminate()
                    raise optuna.TrialPruned()
            elif record["type"] == "end" and record["reason"] == "finished":
                return record["validation_loss"]
    raise RuntimeError("the run failed: its messages are above")


trials, journal = (sys.argv[1:] + ["20", "optuna.log"][len(sys.argv) - 1 :])[:2]
storage = JournalStorage(JournalFileBackend(journal))
pruner = optuna.pruners.MedianPruner(n_startup_trials=4)
study = optuna.create_study(storage=storage, study_name="tpe", load_if_exists=True, pruner=pruner)
study.optimize(objective, n_trials=int(trials), catch=RuntimeError)
print(study.best_trial.number, study.best_value, study.best_params)

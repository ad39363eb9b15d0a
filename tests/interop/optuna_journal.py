"""Optuna reads the journal of a sweep: the same trials, parameters, values and states. Optuna's TPE drives `train --json`.
Packages: optuna."""

import json, os, subprocess, sys, tempfile
from pathlib import Path
import optuna
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import TrialState

PROGRAM = Path(os.environ.get("GPU_MLP", "target/release/gpu-mlp")).absolute()
EXAMPLE = Path(__file__).parents[2] / "examples/optuna_tpe.py"
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def study(path, name):
    return optuna.load_study(study_name=name, storage=JournalStorage(JournalFileBackend(str(path))))


def main():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        words = "sweep --data digits --digits-train 600 --digits-test 100 --engine cpu --lr 0.01..1e30:log --epochs 1..9".split()
        words += "--hidden 16|24,24 --restore-best=true,false --trials 24 --halving 2 --quiet --out".split()
        subprocess.run([PROGRAM, *words, "s"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        table = [json.loads(line) for line in (folder / "s/trials.jsonl").read_text().splitlines()]
        best, rows = table.pop(), table
        trials = study(folder / "s/journal.log", "sweep").trials
        assert len(trials) == len(rows) == 24
        for row, trial in zip(rows, trials):
            assert trial.state == STATES[row["state"]], (row, trial)
            assert trial.user_attrs["run"] == row["run"]
            assert trial.params == row["settings"], (row, trial)
            if row["state"] != "failed":
                assert trial.value == row["validation_loss"], (row, trial)
                records = map(json.loads, (folder / "s" / row["run"] / "metrics.jsonl").read_text().splitlines())
                losses = {r["epoch"]: r["validation_loss"] for r in records if r["type"] == "epoch"}
                assert trial.intermediate_values == losses, (row, trial)
        states = {state: sum(trial.state == state for trial in trials) for state in STATES.values()}
        assert all(states.values()), states
        found = study(folder / "s/journal.log", "sweep").best_trial
        assert found.value == best["validation_loss"] and found.user_attrs["run"] == best["run"]
        print(f"journal: 24 trials, {states[TrialState.PRUNED]} pruned, {states[TrialState.FAIL]} failed, values equal")

        done = subprocess.run(
            [sys.executable, EXAMPLE, "6", "tpe.log"], cwd=folder, env={**os.environ, "GPU_MLP": str(PROGRAM)},
            capture_output=True, text=True,
        )
        assert done.returncode == 0, done.stderr
        ended = study(folder / "tpe.log", "tpe").trials
        assert len(ended) == 6 and sum(trial.state == TrialState.COMPLETE for trial in ended) >= 4, ended
        print("TPE:", done.stdout.strip())


main()

"""Many models at once: the time of a step of a group, over the number of models in it."""
import json, statistics, tempfile, time
from pathlib import Path
from runner import LEAST, reason, run

COUNTS = [1, 4, 16, 64, 256, 512]
# Net and settings of S. The samples do not matter for the time; few test samples, since every model is scored.
S = ["--hidden", "128", "--batch-size", "64", "--lr", "0.1", "--schedule", "constant", "--normalize", "unit", "--health", "off",
     "--data", "digits", "--digits-train", "60032", "--digits-test", "256", "--offline", "--epochs", "1"]
# Steps of an epoch, less one: the run must be cut off by --max-steps, so that both runs of a pair end alike.
MOST = 937
ROUNDS = 3


def trained(folder):
    """Returns the seconds of training in a folder of runs, and the number of waves in which they were trained.

    The runs of a wave are trained side by side and all take as long as the wave; waves follow one another.
    """
    runs = []
    for one in sorted(Path(folder).glob("seed-*")):
        records = map(json.loads, (one / "metrics.jsonl").read_text().splitlines())
        seconds = sum(record["seconds"] for record in records if record["type"] == "epoch")
        runs.append(((one / "config.toml").stat().st_mtime, (one / "model.safetensors").stat().st_mtime, seconds))
    waves, end = [], float("-inf")
    for start, ended, seconds in sorted(runs):
        if start >= end:
            waves.append([])
        waves[-1].append(seconds)
        end = max(end, ended)
    return sum(max(wave) for wave in waves), len(waves), len(runs)


def once(gpu, models, steps, limit):
    """Trains models for some steps. Returns the seconds of training, the waves, and the command's line for the record."""
    with tempfile.TemporaryDirectory() as folder:
        command = gpu.ours("train", "--engine", "gpu", *S, "--seeds", models, "--max-steps", steps, "--out", f"{folder}/runs", "-q")
        code, seconds, _, error, late = run(command, limit, gpu.env)
        if late:
            raise TimeoutError(f"stopped after {seconds:.0f} s")
        if code:
            raise ValueError(f"exit code {code}: {reason(error)}")
        trained_s, waves, runs = trained(f"{folder}/runs")
        if runs != models:
            raise ValueError(f"{runs} of {models} models were trained")
        return trained_s, waves, [str(word).replace(folder, "FOLDER") for word in command]


def measure(gpu):
    """Records each number of models, in rounds while time is left: a slow machine gets one round, or fewer numbers."""
    record = gpu.record
    _, _, lines, _, _ = run([gpu.program, "train", "--help"], 20, gpu.env)
    if not any("--seeds" in line for line in lines):
        return record.skip("models", "models", "this gpu-mlp has no train --seeds")
    found, rest, step = {}, list(COUNTS), None
    try:
        # Not counted: the first run compiles the shaders.
        step = once(gpu, 1, 16, record.left() / 2)[0] / 16
    except (ValueError, TimeoutError, OSError, KeyError) as error:
        return record.add("models", "models", "stopped" if isinstance(error, TimeoutError) else "failed", str(error))
    try:
        rounds(gpu, found, rest, step)
    finally:
        finish(record, found)


def rounds(gpu, found, rest, step):
    """Measures each number of models up to ROUNDS times; adds the results to `found`."""
    record = gpu.record
    for _ in range(ROUNDS):
        for models in list(rest):
            begin = time.monotonic()
            # About two seconds of training, if a group costs as much per model as the one before.
            before = [count for count in found if count < models and found[count]["step_s"]]
            guess = found[before[-1]]["step_s"][-1] * models / before[-1] if before else step
            less = 8
            more = max(less + 8, min(MOST, less + int(2 / max(guess, 1e-9))))
            if models in found:
                less, more = found[models]["steps"]
            command, message, status = None, None, "ok"
            if record.left() < max(LEAST, 2 * guess * more, found.get(models, {}).get("took", 0)):
                rest.remove(models)
                if models not in found:
                    record.skip("models", name(models), "no time left in this part")
                continue
            try:
                # Start-up, compilation and writing are the same in both runs, and cancel.
                short, _, command = once(gpu, models, less, record.left())
                long, waves, command = once(gpu, models, more, record.left())
                one = found.setdefault(models, {"models": models, "steps": [less, more], "waves": waves, "step_s": []})
                one["step_s"].append((long - short) / (more - less))
                one["took"], one["command"] = time.monotonic() - begin, command
            except TimeoutError as error:
                status, message = "stopped", str(error)
            except (ValueError, OSError, KeyError) as error:
                status, message = "failed", str(error)
            if message and models not in found:
                record.add("models", name(models), status, message, command, None, time.monotonic() - begin)
            if message:
                rest.remove(models)


def name(models):
    return f"{models} model{'s' if models > 1 else ''}"


def finish(record, found):
    """Records what was found, with the ratios to a single model."""
    single = statistics.median(found[1]["step_s"]) if 1 in found else None
    for models, one in sorted(found.items()):
        took, command, middle = one.pop("took"), one.pop("command"), statistics.median(one["step_s"])
        one["per_model_s"] = middle / models
        one["to_one"] = single and middle / models / single
        one["group_to_one"] = single and middle / single
        good = min(one["step_s"]) > 0
        record.add("models", name(models), "ok" if good else "failed",
                   None if good else "a longer run took less time: the machine is too busy", command, 0, took, one)

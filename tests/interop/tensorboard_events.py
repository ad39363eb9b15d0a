"""Does TensorBoard read back every scalar and every image of a run? Packages: numpy, pillow, tensorboard.

The scalars are compared with metrics.jsonl; `EventAccumulator` also verifies every checksum. One run is scored on its
test split. Another has a validation split, is stopped in the middle of an epoch, and is resumed.
"""

import io, json, tempfile
from collections import defaultdict
from pathlib import Path
import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from common import Verdict, gpu_mlp

EPOCHS = 3
# Tag -> field of an epoch's record.
SCALARS = {
    "loss/train": "train_loss",
    "loss/validation": "validation_loss",
    "loss/test": "test_loss",
    "accuracy/train": "train_accuracy",
    "accuracy/validation": "validation_accuracy",
    "accuracy/test": "test_accuracy",
    "rate/lr": "lr",
    "rate/images_per_second": "images_per_second",
}


def scalars(records):
    """Tag -> [(step, value)], from the records."""
    wanted = defaultdict(list)
    for record in records:
        values = {tag: record[field] for tag, field in SCALARS.items() if field in record}
        for layer in record.get("health", []):
            values |= {f"health/{name}/layer{layer['layer']}": layer[name] for name in layer if name != "layer"}
        for tag, value in values.items():
            wanted[tag].append((record["step"], np.float32(value)))
    return wanted


def check(verdict, name, run, folder):
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    epochs = [record for record in records if record["type"] == "epoch"]
    steps = [record["step"] for record in epochs]
    # With a validation split the test split is scored once, at the end.
    end = {field: value for field, value in records[-1].items() if field.startswith("test_")}
    end = [] if "test_loss" in epochs[-1] else [end | {"step": steps[-1]}]
    wanted = scalars(epochs + end)
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0}).Reload()
    tags = events.Tags()
    verdict.check(f"{name}: same tags as in the records", set(wanted) == set(tags["scalars"]), f"{len(wanted)}")
    for tag in sorted(wanted):
        read = [(event.step, np.float32(event.value)) for event in events.Scalars(tag)]
        verdict.check(f"{name}: scalar {tag}", read == wanted[tag], f"{len(read)}, the last {read[-1]}")
    for tag in ["confusion", "weights/layer1"]:
        images = events.Images(tag)
        decoded = [Image.open(io.BytesIO(image.encoded_image_string)) for image in images]
        sizes = {picture.size for picture in decoded}
        agree = all(picture.size == (image.width, image.height) for picture, image in zip(decoded, images))
        changes = len({np.asarray(picture).tobytes() for picture in decoded}) == EPOCHS
        good = agree and changes and [image.step for image in images] == steps and len(images) == EPOCHS
        verdict.check(f"{name}: picture {tag}", good, f"{len(images)} of {sizes}")


def main():
    verdict = Verdict()
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "one", Path(folder) / "two"
        words = ["--data", "digits", "--digits-train", 6000, "--digits-test", 500, "--epochs", EPOCHS]
        gpu_mlp("train", *words, "--out", one, "--tensorboard", one / "events")
        check(verdict, "test", one, one / "events")
        words += ["--validation", 1000, "--max-steps", 100]
        gpu_mlp("train", *words, "--out", two, "--tensorboard", two / "events")
        gpu_mlp("train", "--resume", two)
        check(verdict, "validation", two, two / "events")
    verdict.end()


if __name__ == "__main__":
    main()

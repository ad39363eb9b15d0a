"""Does TensorBoard read back every scalar and every picture of a run? Packages: numpy, pillow, tensorboard.

The scalars are held against metrics.jsonl; `EventAccumulator` also verifies every checksum.
"""

import io, json, tempfile
from pathlib import Path
import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from common import Verdict, gpu_mlp

EPOCHS = 3
# Tag: field of an epoch's record.
SCALARS = {
    "loss/train": "train_loss",
    "loss/test": "test_loss",
    "accuracy/train": "train_accuracy",
    "accuracy/test": "test_accuracy",
    "rate/lr": "lr",
    "rate/images_per_second": "images_per_second",
}


def main():
    verdict = Verdict()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        gpu_mlp(
            "train", "--data", "digits", "--epochs", EPOCHS, "--out", folder / "run", "--tensorboard", folder / "events"
        )
        records = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
        epochs = [record for record in records if record["type"] == "epoch"]
        events = EventAccumulator(str(folder / "events"), size_guidance={"scalars": 0, "images": 0}).Reload()
        tags = events.Tags()
        verdict.check("every tag is known here", set(SCALARS) <= set(tags["scalars"]), f"{sorted(tags['scalars'])}")
        for tag, field in SCALARS.items():
            read = [(event.step, np.float32(event.value)) for event in events.Scalars(tag)]
            wanted = [(record["step"], np.float32(record[field])) for record in epochs]
            verdict.check(f"scalar {tag}", read == wanted and len(read) == EPOCHS, f"{read[-1]}")
        for tag, shape in {"confusion": None, "weights/layer1": None}.items():
            images = events.Images(tag)
            decoded = [Image.open(io.BytesIO(image.encoded_image_string)) for image in images]
            sizes = {picture.size for picture in decoded}
            agree = all(picture.size == (image.width, image.height) for picture, image in zip(decoded, images))
            changes = len({np.asarray(picture).tobytes() for picture in decoded}) == EPOCHS
            steps = [image.step for image in images] == [record["step"] for record in epochs]
            verdict.check(f"picture {tag}", agree and changes and steps and len(images) == EPOCHS, f"{sizes}")
    verdict.end()


if __name__ == "__main__":
    main()

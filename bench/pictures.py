#!/usr/bin/env python3
"""How many pictures `predict` calls unsure: letters, noise, MNIST's test digits, and photos of digits.

    pip install numpy pillow
    apt install fonts-dejavu fonts-liberation fonts-comic-neue fonts-breip fonts-dkg-handwriting fonts-sjfonts fonts-humor-sans
    bench/pictures.py --program target/release/gpu-mlp --mnist FOLDER [--model MODEL] [--keep FOLDER]

Without --model it trains one with the default settings. Nothing about letters or noise is known to the program: the limit comes
from the training digits alone. "before" counts the doubts that are not about the likeness to the training pictures.
"""

import argparse
import gzip
import json
import string
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

# A reader may take these for digits, in some hand or font.
LIKE_DIGITS = set("OoIlZzSsgqb")
LETTERS = [letter for letter in string.ascii_letters if letter not in LIKE_DIGITS]
PRINT = ["DejaVu Sans", "DejaVu Serif", "DejaVu Sans Mono", "Liberation Sans", "Liberation Serif", "Comic Neue"]
HAND = ["Breip", "DkgHandwriting", "Steve", "Humor Sans"]


def mnist(folder, name, header):
    with gzip.open(Path(folder) / f"{name}-ubyte.gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)


def fonts(families):
    """The files of the fonts that are installed."""
    found = {}
    for family in families:
        line = subprocess.run(["fc-match", "-f", "%{family}|%{file}", family], capture_output=True, text=True, check=True)
        name, file = line.stdout.split("|")
        if family.lower() in name.lower():
            found[family] = file
        else:
            print(f"left out: the font {family} is not installed")
    return found


def written(letter, font):
    """A letter in black on a white page."""
    page = Image.new("L", (260, 280), 255)
    ImageDraw.Draw(page).text((70, 50), letter, fill=0, font=ImageFont.truetype(font, 140))
    return page


def noise(rng, side, smooth):
    picture = Image.fromarray(rng.integers(0, 256, (side, side), np.uint8))
    return picture.filter(ImageFilter.GaussianBlur(smooth)) if smooth else picture


def photo(digit, rng, kind):
    """A digit as a phone takes it; the kinds are those of tests/pure/pictures/canvas.rs."""
    small = kind.startswith("frame") or kind in ("box", "alpha", "16 bit")
    (width, height), field, at = ((48, 48), 28, (10, 10)) if small else ((260, 200), 150, (60, 22))
    ink = np.zeros((height, width))
    ink[at[1] : at[1] + field, at[0] : at[0] + field] = np.asarray(
        Image.fromarray(digit.reshape(28, 28)).resize((field, field), Image.BICUBIC)
    )
    share = ink[..., None] / 255
    y, x = np.mgrid[:height, :width]
    right, down = x / width, y / height
    paper, pen = np.array([236.0, 234, 228]), np.array([50.0, 52, 60])
    if small:
        paper, pen = np.full(3, 255.0), np.zeros(3)
    if "chalk" in kind:
        paper, pen = np.array([45.0, 70, 60]), np.array([225.0, 225, 215])
    if "orange" in kind:
        pen = np.array([230.0, 120, 20])
    if "green" in kind:
        pen = np.array([20.0, 120, 50])
    if kind == "alpha":
        alpha = np.dstack([np.zeros((height, width, 3)), ink]).astype(np.uint8)
        return Image.fromarray(alpha, "RGBA")
    if kind == "16 bit":
        return Image.fromarray((65535 - ink * 257).astype(np.uint16))
    page = np.broadcast_to(paper, (height, width, 3)).copy()
    edge = np.minimum(np.minimum(x, y), np.minimum(width - 1 - x, height - 1 - y))
    if "shadow" in kind:
        page *= (1 - right * 2 / 3)[..., None]
        pen = pen * (1 - right * 2 / 3)[..., None]
    if "vignette" in kind:
        light = (1 - ((right - 0.5) ** 2 + (down - 0.5) ** 2) * 4 / 3)[..., None]
        page, pen = page * light, pen * light
    if kind.startswith("frame"):
        page[edge < int(kind.split()[1])] = 0
    if kind == "box":
        page[at[1] : at[1] + field, at[0] : at[0] + field] = 0
        pen = np.full(3, 255.0)
    if "dark edge" in kind:
        page[x < 24] = [40, 36, 30]
    if "ruled" in kind:
        page[y % 22 == 7] = [120, 150, 200]
    if "squared" in kind:
        page[(y % 18 == 7) | (x % 18 == 7)] = [120, 150, 200]
    page = page * (1 - share) + pen * share
    if not small:
        page += rng.uniform(-4, 4, page.shape)
    picture = Image.fromarray(page.round().clip(0, 255).astype(np.uint8))
    return picture.rotate(12, Image.BICUBIC, fillcolor=tuple(int(p) for p in paper)) if "turned" in kind else picture


KINDS = ["frame 1", "frame 4", "box", "shadow", "vignette", "dark edge", "ruled", "squared", "green in shadow", "orange"]
KINDS += ["chalk", "chalk in shadow", "alpha", "16 bit", "turned by 12 degrees"]


def predict(program, model, arguments):
    """The answers; a picture in which no drawing is found has none."""
    command = [program, "predict", model, *arguments, "--json", "--engine", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 5):
        raise SystemExit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def row(name, pictures, answers, labels=None):
    """A line of the table. `pictures`: their number; a picture without an answer is refused."""
    refused = pictures - len(answers)
    share = lambda chosen: f"{100 * sum(chosen) / pictures:.1f} %"
    if labels is not None and refused:
        labels = [labels[int(Path(answer["image"]).stem)] for answer in answers]
    unlike = [any("unlike" in doubt for doubt in answer["doubts"]) for answer in answers]
    before = [any("unlike" not in doubt for doubt in answer["doubts"]) for answer in answers]
    right = "" if labels is None else share([answer["class"] == label for answer, label in zip(answers, labels)])
    unsure = share([answer["unsure"] for answer in answers])
    print(f"| {name} | {pictures} | {refused} | {right} | {share(before)} | {share(unlike)} | {unsure} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="target/release/gpu-mlp")
    parser.add_argument("--mnist", required=True, help="folder of the four IDX files, gzipped")
    parser.add_argument("--model", help="a model of MNIST")
    parser.add_argument("--keep", help="folder for the pictures [default: a temporary one]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.keep or temporary)
        model = options.model
        if not model:
            model = str(Path(temporary) / "run")
            command = [options.program, "train", "--data", options.mnist, "--out", model, "--engine", "cpu"]
            subprocess.run(command, check=True, capture_output=True)
        rng = np.random.default_rng(1)
        drawn = 0

        def show(name, pictures, labels=None):
            nonlocal drawn
            drawn += 1
            place = folder / f"{drawn:02}"
            place.mkdir(parents=True, exist_ok=True)
            number = 0
            for picture in pictures:
                picture.save(place / f"{number:04}.png")
                number += 1
            row(name, number, predict(options.program, model, [place]), labels)

        print("| pictures | number | refused | right | unsure before | unlike the training pictures | unsure |")
        print("|---|---|---|---|---|---|---|")
        for name, families in (("printed", PRINT), ("handwritten", HAND)):
            for family, font in fonts(families).items():
                show(f"letters, {name}, {family}", (written(letter, font) for letter in LETTERS))
        everything = {**fonts(PRINT), **fonts(HAND)}
        like = [written(letter, font) for letter in sorted(LIKE_DIGITS) for font in everything.values()]
        show("letters like digits, all fonts", like)
        for name, families in (("printed", PRINT), ("handwritten", HAND)):
            each = [(digit, font) for font in fonts(families).values() for digit in string.digits]
            show(f"digits, {name}", (written(*one) for one in each), [int(digit) for digit, _ in each])
        for side, smooth in ((28, 0), (60, 0), (120, 0), (60, 2), (120, 4), (200, 9)):
            show(f"noise, {side} pixels, smoothed by {smooth}", (noise(rng, side, smooth) for _ in range(50)))
        digits = mnist(options.mnist, "t10k-images-idx3", 16).reshape(-1, 784)
        labels = mnist(options.mnist, "t10k-labels-idx1", 8)
        for kind in KINDS:
            show(f"test digits, {kind}", (photo(digit, rng, kind) for digit in digits[:100]), labels[:100])
        all_digits = predict(options.program, model, ["--data", options.mnist, "--index", "all"])
        row("MNIST's test split", len(all_digits), all_digits, labels)


if __name__ == "__main__":
    main()

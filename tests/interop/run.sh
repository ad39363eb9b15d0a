#!/bin/sh
# Interoperation with PyTorch, ONNX Runtime and TensorBoard: builds the program, installs Python packages by name into a
# virtual environment of its own, and runs every check, or those named: tests/interop/run.sh onnx_runtime torch_step
#
# MNIST is taken from $GPU_MLP_DATA_DIR or the cache, else fetched by the program. $ENGINE is `cpu` (default) or `gpu`.
# PyTorch is a large download; a virtual environment that has the packages can be named with $INTEROP_VENV.
set -eu
cd "$(dirname "$0")/../.."

cargo build --quiet --release --bin gpu-mlp --example logits
target=${CARGO_TARGET_DIR:-target}
venv=${INTEROP_VENV:-$target/interop-venv}
[ -d "$venv" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --requirement tests/interop/packages.txt

GPU_MLP=$(realpath "$target/release/gpu-mlp")
export GPU_MLP PYTHONDONTWRITEBYTECODE=1
failed=''
for check in ${*:-onnx_runtime torch_state torch_step tensorboard_events}; do
    echo "== $check"
    "$venv/bin/python" "tests/interop/$check.py" || failed="$failed $check"
done
[ -z "$failed" ] || { echo "FAILED:$failed" >&2; exit 1; }
echo 'all checks passed'

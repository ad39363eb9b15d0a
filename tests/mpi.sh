#!/bin/bash
# Data-parallel training over MPI: builds the program with the feature `mpi`, and compares models that 1 to 4 processes
# train, in single precision and in integers, also killed and resumed with another number of processes.
#
#     tests/mpi.sh            the MPI of `mpicc` and `mpirun`
#     tests/mpi.sh mpich      that of `mpicc.mpich` and `mpirun.mpich`; `openmpi` in the same way
#
# $GPU_MLP: a program that was built before, instead of a new one. Needs libclang. Without an MPI library or libclang, installs Open MPI where apt-get can.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v mpicc >/dev/null || ! ls /usr/lib/llvm-*/lib/libclang* /usr/lib*/libclang* >/dev/null 2>&1; then
    root=''
    [ "$(id -u)" = 0 ] || root=sudo
    $root apt-get update -qq
    $root apt-get install -y -qq openmpi-bin libopenmpi-dev libclang-dev >/dev/null
fi
suffix=${1:+.$1}
target=${CARGO_TARGET_DIR:-target}
if [ -z "${GPU_MLP:-}" ]; then
    # Each MPI library needs a build of its own. The script of mpi-sys does not see that the library has changed.
    stamp=$target/debug/.mpi-library
    if [ -e "$stamp" ] && [ "$(cat "$stamp")" != "mpicc$suffix" ]; then
        cargo clean --quiet --package mpi-sys
    fi
    # Not `cargo build`, which would build dependencies again: without the tests, crates have fewer features.
    MPICC=mpicc$suffix cargo test --no-run --quiet ${TEST_FEATURES:-} --features mpi --test allocation
    echo "mpicc$suffix" >"$stamp"
    GPU_MLP=$target/debug/gpu-mlp
fi
program=$(realpath "$GPU_MLP")
mpirun=mpirun$suffix
echo "$mpirun: $($mpirun --version 2>&1 | grep -m1 "[0-9][.][0-9]")"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cd "$out"
options=()
if $mpirun --version 2>&1 | grep -q 'Open MPI\|OpenRTE'; then
    options=(--oversubscribe --quiet)
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
several() { $mpirun "${options[@]}" -n "$1" "$program" "${@:2}"; }
data=(--data digits --digits-train 3000 --digits-test 500 --engine cpu --threads 1 --quiet)
net=(--hidden 64,32 --batch-size 100 --momentum 0.9 --lr 0.02 --keep-prob 0.9 --epochs 3)
hash() { sha256sum <"$1/model.safetensors" | cut -c1-16; }
# Everything but times.
record() { grep -Ev '"type":"(run|updates)"' "$1/metrics.jsonl" | sed -E 's/"(seconds|images_per_second|unix_time)":[^,}]*,?//g'; }
same() {
    [ "$(hash "$1")" = "$(hash "$2")" ] || { echo "FAILED: $1 and $2 have other models" >&2; exit 1; }
}

for precision in f32 int8; do
    run=("${data[@]}" "${net[@]}" --precision $precision)
    "$program" train "${run[@]}" --shards 8 --out $precision-alone >/dev/null
    for processes in 1 2 3 4; do
        several $processes train "${run[@]}" --out $precision-$processes >"$precision-$processes.txt"
        same $precision-alone $precision-$processes
        cmp <(record $precision-alone) <(record $precision-$processes)
        # Only one process prints.
        [ "$(grep -c '^epoch 1/3' $precision-$processes.txt)" = 1 ]
    done
    # Killed after a checkpoint, and resumed with another number of processes, twice.
    killed=$precision-killed
    several 2 train "${run[@]}" --out $killed --checkpoint-steps 5 --max-steps 33 >/dev/null
    rm -f pids
    # shellcheck disable=SC2016 # expanded by the shells of the processes
    $mpirun "${options[@]}" -n 4 sh -c 'echo $$ >>pids; exec "$@"' sh "$program" train --resume $killed --threads 1 --quiet \
        --checkpoint-steps 1 >killed.txt 2>&1 &
    job=$!
    until ls $killed/checkpoints | grep -Eq '^0*[4-9][0-9]-'; do
        kill -0 $job 2>/dev/null || break
        sleep 0.02
    done
    # One process dies, and the others end too.
    kill -KILL "$(tail -1 pids)"
    wait $job && echo "note: the run ended before it was killed"
    several 3 train --resume $killed --threads 1 --quiet >/dev/null
    same $precision-alone $killed
    echo "$precision: 1, 2, 3 and 4 processes, killed and resumed: $(hash $precision-alone)"
done

refused() {
    local text
    text=$("${@:2}" 2>&1) && { echo "FAILED: not refused: $*" >&2; exit 1; }
    grep -q "$1" <<<"$text" || { echo "FAILED: no '$1' in: $text" >&2; exit 1; }
}
refused 'there are 3 processes but only 2 shards' several 3 train "${data[@]}" --shards 2 --out few
refused 'already holds a run' several 2 train "${data[@]}" "${net[@]}" --out f32-2
refused 'the loss became\|a parameter became' several 2 train "${data[@]}" --lr 1e30 --schedule constant --out wild
echo 'all MPI checks passed'

#!/bin/sh
# Builds all tests, runs one test program after another, and lists the results at the end; a failure does not stop the next
# program. If this machine has no adapter, a software one (Mesa's lavapipe) is installed first, so that the kernels are
# compared with their twins on any machine.
#
#     tests/run.sh                         all
#     tests/run.sh --test adapter parity   `cargo test` with these arguments
#
# $TEST_FEATURES: more arguments of every `cargo test`, such as --features=parquet.
set -eu
cd "$(dirname "$0")/.."

programs='lib bin pure adapter program reliability allocation doc'
# Contents of each test program, and how long it takes on two cores.
about() {
    case $1 in
    lib) echo 'unit tests of the library: 1 s' ;;
    bin) echo 'unit tests of the program: 1 s' ;;
    pure) echo 'no GPU: files, formats, the CPU engine, the shader sources: 1 to 4 min' ;;
    adapter) echo 'kernels and training on every adapter of this machine: 5 to 17 min' ;;
    program) echo 'the program as a user runs it, with every example of its help and of README: 1 to 5 min' ;;
    reliability) echo 'kills, faults, toggles, long runs: 1 to 2 min' ;;
    allocation) echo 'hostile files, and the memory used to read them: 20 s' ;;
    doc) echo 'examples in the documentation: 5 s' ;;
    esac
}
# The arguments of `cargo test` for one test program.
target() {
    case $1 in
    lib | doc) echo "--$1" ;;
    bin) echo '--bin gpu-mlp' ;;
    *) echo "--test $1" ;;
    esac
}
now() { date +%s; }

if [ $# = 0 ]; then
    echo 'tests/run.sh: builds the tests (4 to 8 minutes from nothing on two cores), then runs them (8 to 28 minutes):'
    for one in $programs; do
        printf '  %-12s %s\n' "$one" "$(about "$one")"
    done
    echo '== build'
fi
begin=$(now)
features=${TEST_FEATURES:-}
cargo test --no-run $features
# Not `cargo run`, which could rebuild the program: without the tests, crates may have fewer features.
program=${CARGO_TARGET_DIR:-target}/debug/gpu-mlp

if ! "$program" devices 2>/dev/null | grep -q ' binds '; then
    echo 'no wgpu adapter here: installing a software one' >&2
    root=''
    [ "$(id -u)" = 0 ] || root=sudo
    if command -v apt-get >/dev/null; then
        $root apt-get update -qq && $root apt-get install -y -qq libvulkan1 mesa-vulkan-drivers >/dev/null
    elif command -v dnf >/dev/null; then
        $root dnf install -y -q vulkan-loader mesa-vulkan-drivers
    elif command -v pacman >/dev/null; then
        $root pacman -S --noconfirm vulkan-icd-loader vulkan-swrast
    else
        echo 'install a Vulkan loader and driver by hand: without them no kernel is tested' >&2
        exit 1
    fi
fi
# From here on, a missing adapter is a failure.
export GPU_MLP_REQUIRE_ADAPTER=1

folder=$(mktemp -d)
neighbour=''
trap '[ -z "$neighbour" ] || kill "$neighbour"; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
# Mesa's cache of compiled shaders: empty at first, then shared by all tests.
export MESA_SHADER_CACHE_DIR="${MESA_SHADER_CACHE_DIR:-$folder/shaders}"
# With these, Mesa's software adapters compile a shader about six times as fast; they run it more slowly. Other adapters
# ignore them.
export GALLIVM_PERF="${GALLIVM_PERF-nopt}" LP_NATIVE_VECTOR_WIDTH="${LP_NATIVE_VECTOR_WIDTH-128}"

if [ $# != 0 ]; then
    cargo test --no-fail-fast $features "$@"
    exit
fi

summary=$(printf '%-12s done   in %4d s' build $(($(now) - begin)))
failed=''
for one in $programs; do
    printf '\n== %s: %s\n' "$one" "$(about "$one")"
    # .ci/run can name a test program that must also pass while another process takes a core.
    if [ "$one" = "${BUSY_NEIGHBOUR:-}" ]; then
        sh -c 'while :; do :; done' &
        neighbour=$!
    fi
    begin=$(now)
    verdict=passed
    # shellcheck disable=SC2046 # two words
    cargo test $features $(target "$one") || { verdict=FAILED failed="$failed $one"; }
    [ -z "$neighbour" ] || kill "$neighbour"
    neighbour=''
    line=$(printf '%-12s %s in %4d s' "$one" $verdict $(($(now) - begin)))
    echo "== $line"
    summary=$(printf '%s\n%s' "$summary" "$line")
done
printf '\n%s\n' "$summary"
[ -z "$failed" ] || { echo "FAILED:$failed" >&2; exit 1; }

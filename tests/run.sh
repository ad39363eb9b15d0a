#!/bin/sh
# Runs all tests, program after program, also after one that failed, and lists at the end how each went. Where this machine
# has no adapter at all, a software one (Mesa's lavapipe) is installed first, so that the kernels are compared with their
# twins on any machine. With arguments it runs `cargo test` with them: tests/run.sh --test adapter parity
set -eu
cd "$(dirname "$0")/.."

cat <<'EOF'
tests/run.sh builds the tests, which takes about 3 minutes from nothing on two cores, and then runs, in about 6 minutes:
  lib bin      unit tests
  pure         what needs no GPU: files, numbers, the CPU engine, the texts of the shaders
  adapter      every kernel and whole training steps on every adapter of this machine
  program      the program, as a user runs it
  reliability  kills, faults, toggles, long runs (tests/reliability.sh has their long forms)
  allocation   readers of files, with hostile input, and the memory that they hold
  doc          the examples in the documentation
EOF

echo '== build'
cargo test --no-run

if ! cargo run --quiet --bin gpu-mlp -- devices 2>/dev/null | grep -q ' binds '; then
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
# From here on a missing adapter is a failure.
export GPU_MLP_REQUIRE_ADAPTER=1

[ $# = 0 ] || exec cargo test --no-fail-fast "$@"

summary=''
failed=''
for program in lib bin pure adapter program reliability allocation doc; do
    case $program in
    lib | doc) target="--$program" ;;
    bin) target='--bin gpu-mlp' ;;
    *) target="--test $program" ;;
    esac
    echo
    echo "== $program"
    begin=$(date +%s)
    verdict=passed
    # shellcheck disable=SC2086 # two words
    cargo test $target || verdict=FAILED
    [ $verdict = passed ] || failed="$failed $program"
    line=$(printf '%-12s %s in %s s' $program $verdict $(($(date +%s) - begin)))
    echo "== $line"
    summary="$summary$line
"
done
echo
printf '%s' "$summary"
[ -z "$failed" ] || { echo "FAILED:$failed" >&2; exit 1; }

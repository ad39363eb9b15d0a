#!/bin/sh
# Runs all tests. Where this machine has no adapter at all, first brings a software one (Mesa's lavapipe), so that the
# kernels are compared with their twins on any machine. Arguments go to `cargo test`.
set -eu
cd "$(dirname "$0")/.."

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
GPU_MLP_REQUIRE_ADAPTER=1 exec cargo test "$@"

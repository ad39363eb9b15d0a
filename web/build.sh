#!/bin/sh
# Compiles the library to WebAssembly, with its bindings for JavaScript, into web/wasm.
#
# Takes the target of rustup if it is installed, else Debian's compiler for the web:
#   rustup target add wasm32-unknown-unknown
#   apt-get install rustc-web rust-web-src lld-19
# Needs `wasm-bindgen` of the version in Cargo.lock; $WASM_BINDGEN names another program than that of $PATH.
set -eu
cd "$(dirname "$0")"
triple=wasm32-unknown-unknown
fail() {
    echo "web/build.sh: $1" >&2
    exit 1
}

if [ -d "$(rustc --print sysroot)/lib/rustlib/$triple/lib" ]; then
    set --
elif [ -d /usr/lib/rustlib/src/rust/library ] && [ -x /usr/bin/rustc ]; then
    # Debian has no compiled standard library for the browser, so it is compiled too.
    for linker in wasm-ld wasm-ld-19 wasm-ld-18 wasm-ld-17 wasm-ld-16 none; do
        ! command -v "$linker" >/dev/null || break
    done
    [ "$linker" != none ] || fail "wasm-ld is missing; run: apt-get install lld-19"
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker"
    set -- -Z build-std=std,panic_abort
else
    fail "no compiler for $triple; run: rustup target add $triple"
fi

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p;}' Cargo.lock)
bindgen=${WASM_BINDGEN:-wasm-bindgen}
[ "$("$bindgen" --version 2>/dev/null || true)" = "wasm-bindgen $version" ] ||
    fail "needs wasm-bindgen $version; run: cargo install wasm-bindgen-cli --version $version"

RUSTFLAGS="-C target-feature=+simd128" cargo build --release --locked --target "$triple" "$@"
"$bindgen" --target web --remove-name-section --remove-producers-section --out-dir wasm "target/$triple/release/gpu_mlp_web.wasm"
echo "web/wasm: $(wc -c <wasm/gpu_mlp_web_bg.wasm) bytes"

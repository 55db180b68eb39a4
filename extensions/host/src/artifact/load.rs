//! The one place where bytes become code that runs in this process.
#![expect(unsafe_code, reason = "wasmtime cannot check what it deserialises")]

use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::Authentic;

/// Makes a component of what this server stored. Absent where this engine has no use for it, as after an update.
pub(super) fn component(engine: &Engine, stored: &Authentic) -> Option<Component> {
    // SAFETY: the bytes have to be what `Component::serialize` made, unchanged: wasmtime looks at their header and believes the
    // rest. `Authentic` is made in `Cache::read` alone, when the bytes in memory (not the file, which may change) carry the
    // authentication code that `Cache::write` computed over what `serialize` gave it, with a key that only this server has. A
    // file that is cut off, damaged, of another component or made by somebody else has another one. That the bytes belong to
    // another version or other settings of wasmtime is safe: it refuses them by their header.
    match unsafe { Component::deserialize(engine, stored.bytes()) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::info!("a compiled extension in the cache is of no use here: {error:#}");
            None
        }
    }
}

//! `context` and `config`: the call itself, and the extension's settings.

use wasmtime::component::Resource;

use crate::bindings::tidings::extension::context::{Call, Host, HostCall};
use crate::bindings::tidings::extension::{config, types};
use crate::call::{State, left_ms};
use crate::limits::NAME_BYTES;

impl types::Host for State {}
impl Host for State {}

impl HostCall for State {
    fn now(&mut self, _: Resource<Call>) -> wasmtime::Result<u64> {
        self.enter()?;
        Ok(self.about.now)
    }

    fn seed(&mut self, _: Resource<Call>) -> wasmtime::Result<Vec<u8>> {
        self.enter()?;
        Ok(self.about.seed.to_vec())
    }

    fn idempotency_key(&mut self, _: Resource<Call>) -> wasmtime::Result<String> {
        self.enter()?;
        Ok(self.about.idempotency_key.clone())
    }

    fn attempt(&mut self, _: Resource<Call>) -> wasmtime::Result<u32> {
        self.enter()?;
        Ok(self.about.attempt)
    }

    /// Never called: `linker` puts one in its place that sees the store.
    fn fuel_left(&mut self, _: Resource<Call>) -> wasmtime::Result<u64> {
        self.enter()?;
        Ok(0)
    }

    fn ms_left(&mut self, _: Resource<Call>) -> wasmtime::Result<u32> {
        self.enter()?;
        Ok(left_ms(self.deadline))
    }

    fn traceparent(&mut self, _: Resource<Call>) -> wasmtime::Result<String> {
        self.enter()?;
        Ok(self.about.traceparent.clone())
    }

    fn drop(&mut self, _: Resource<Call>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl config::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.enter()?;
        let value = self.config.get(&key).cloned();
        self.give(value.as_ref().map_or(0, String::len))?;
        Ok(value)
    }

    fn get_secret(&mut self, name: String) -> wasmtime::Result<Option<config::Secret>> {
        self.enter()?;
        if name.len() > NAME_BYTES || !self.host.has_secret(&name) {
            return Ok(None);
        }
        let known = self.secrets.iter().position(|known| *known == name);
        let index = known.unwrap_or_else(|| {
            self.secrets.push(name);
            self.secrets.len() - 1
        });
        Ok(u32::try_from(index).ok())
    }
}

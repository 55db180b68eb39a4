//! `log` and `metrics`: for whoever runs the extension and the server.

use crate::bindings::tidings::extension::{log, metrics};
use crate::call::State;
use crate::usage::Level;

impl log::Host for State {
    fn debug(&mut self, line: String) -> wasmtime::Result<()> {
        self.enter()?;
        self.log(Level::Debug, line);
        Ok(())
    }

    fn info(&mut self, line: String) -> wasmtime::Result<()> {
        self.enter()?;
        self.log(Level::Info, line);
        Ok(())
    }

    fn warn(&mut self, line: String) -> wasmtime::Result<()> {
        self.enter()?;
        self.log(Level::Warn, line);
        Ok(())
    }

    fn error(&mut self, line: String) -> wasmtime::Result<()> {
        self.enter()?;
        self.log(Level::Error, line);
        Ok(())
    }
}

impl metrics::Host for State {
    fn count(&mut self, name: String, by: u32) -> wasmtime::Result<()> {
        self.enter()?;
        self.count(name, by);
        Ok(())
    }

    fn observe(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.enter()?;
        self.observe(name, value);
        Ok(())
    }
}

//! One per process: wasmtime as it is set up for extensions, and the clock that stops them.
//!
//! # Why calls are async
//!
//! A verdict takes ten microseconds and is asked for on a thread that serves sessions, so it should run right there: handing it
//! to another thread costs more than the verdict. Now and then one takes long, and then that thread must not wait for it. So a
//! call is a future that runs on a stack of its own: polled once it usually ends, on the thread that polled it; where it runs
//! longer than a tick it gives way and goes on when it is polled again. What the stack costs is too little to be measured beside
//! the rest; an `http` request waits without holding a thread, and dropping the future stops the call.
//!
//! # What stops a call
//!
//! Fuel counts instructions: the same call takes the same fuel each time. The epoch counts ticks of the clock: at each the call
//! gives way, and ends if its time is over. Memory, tables and instances are limited as they are asked for, what goes to and
//! fro between extension and host as it is passed. The pool's limits are the last line: whatever a component declares, it
//! gets no more than a slot has.

mod ticker;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::artifact::Cache;
use crate::call::State;
use crate::limits::{CORE_INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES};
use crate::warm::Resting;

pub(crate) use ticker::Ticker;

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many calls may be under way at a time, and instances be kept. Each reserves 4 GiB of address space, of which it may use
    /// `memory`. One whose component has several memories counts once for each.
    pub calls: u32,
    /// Bytes that any memory of any extension may have: the most that `Limits::memory` can give.
    pub memory: usize,
    /// How often a call that runs on gives way, and its time is looked at. No thread is held for longer, but where a
    /// single instruction takes long (filling much memory, growing it).
    pub tick: Duration,
    /// How long a compilation may take before it is given up.
    pub compile_time: Duration,
    /// Where compiled components are kept. Without one each start compiles anew.
    pub cache: Option<Cache>,
    /// Whether what was measured is made use of; without it wasmtime's own settings of the pool stand.
    pub tuned: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            calls: 256,
            memory: 256 << 20,
            tick: Duration::from_millis(2),
            compile_time: Duration::from_mins(1),
            cache: None,
            tuned: true,
        }
    }
}

/// Compiles components and runs them. Cheap to clone; the last clone to go stops the clock.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) ticker: Ticker,
    /// Instances that are kept from one call to the next.
    pub(crate) resting: Arc<Resting>,
    pub(crate) cache: Option<Cache>,
    pub(crate) compile_time: Duration,
    /// Compilations under way, those given up included: they end by themselves and cannot be stopped.
    pub(crate) compiling: Arc<AtomicUsize>,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The machine cannot give what the settings ask for.
    #[error("wasmtime cannot be set up so: {0}")]
    Setup(String),
    /// The thread that ticks could not be started.
    #[error("no thread for the ticks: {0}")]
    Thread(#[from] std::io::Error),
}

impl Engine {
    /// Sets wasmtime up and starts the clock.
    ///
    /// # Errors
    ///
    /// When the address space that the calls need is not to be had, or there is no thread.
    pub fn new(settings: Settings) -> Result<Self, EngineError> {
        let setup = |error: wasmtime::Error| EngineError::Setup(format!("{error:#}"));
        let wasmtime = wasmtime::Engine::new(&config(&settings)).map_err(setup)?;
        let linker = crate::call::linker(&wasmtime).map_err(setup)?;
        let resting = Arc::new(Resting::new(settings.calls));
        let ticker = Ticker::start(&wasmtime, settings.tick, resting.clone())?;
        Ok(Self {
            inner: Arc::new(Inner {
                wasmtime,
                linker,
                ticker,
                resting,
                cache: settings.cache,
                compile_time: settings.compile_time,
                compiling: Arc::default(),
            }),
        })
    }
}

fn config(settings: &Settings) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        // What a reactor makes of an event must come out the same on the next machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .generate_address_map(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    config
}

fn pool(settings: &Settings) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(settings.calls)
        // All of them can be of the largest components there may be, so that what limits them is what the operator knows of.
        .total_core_instances(settings.calls.saturating_mul(CORE_INSTANCES as u32))
        .total_memories(settings.calls)
        .total_tables(settings.calls.saturating_mul(TABLES))
        .total_stacks(settings.calls)
        .max_core_instances_per_component(CORE_INSTANCES as u32)
        .max_memories_per_component(MEMORIES.min(settings.calls))
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(settings.memory);
    if settings.tuned {
        tune(&mut pool);
    }
    pool
}

/// Most of what a fresh instance costs are page faults, so the pages that one call wrote are kept and only their contents put
/// back: less than half the time of a short call. That pays most where the kernel says which pages those are (`PAGEMAP_SCAN`,
/// Linux 6.7). Without it the first pages are put back whether they were written or not, so there are few of them: as much as
/// a guest with a small stack uses. Tables gain as much as memories: each instance has two or three.
fn tune(pool: &mut PoolingAllocationConfig) {
    pool.table_keep_resident(64 << 10);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(2 << 20);
    } else {
        pool.linear_memory_keep_resident(128 << 10);
    }
}

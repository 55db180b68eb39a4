//! What a call may use, and what a component may be.

use std::time::Duration;

/// What the operator gives a call of one extension. What stands in the WIT package is the same for all and is said by the
/// constants here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Fuel of one call, in wasmtime's units: roughly one for each instruction.
    pub fuel: u64,
    /// How long a call may take, waiting for `http` included. It is looked at once a tick of the engine.
    pub time: Duration,
    /// Bytes of linear memory that one instance may have, all its memories together.
    pub memory: usize,
}

impl Default for Limits {
    /// What somebody waiting can bear: 250 ms, 64 MiB, and about half a second's worth of fuel, so that time runs out first. Of a machine that
    /// does more than it can, a call gets a part: with 50 ms a verdict of 50 us ran out of it now and then.
    fn default() -> Self {
        Self {
            fuel: 1_000_000_000,
            time: Duration::from_millis(250),
            memory: 64 << 20,
        }
    }
}

/// Calls to the host in one call of a hook.
pub const HOST_CALLS: u32 = 10_000;
/// Bytes that the host gives the extension in one call of a hook.
pub const GIVEN_BYTES: usize = 4 << 20;
/// Bytes that one call to the host may bring with it. Beyond what any argument may have, so that too long an argument is
/// answered rather than stopped; what is longer than this traps before it is copied.
pub const TAKEN_BYTES: usize = 1 << 20;
/// Handles of resources that an instance may have at a time.
pub const HANDLES: usize = 20_000;
/// Handles that the calls of one instance may have had together, before another one takes its place: a guest need not give them
/// back, and those that it keeps count as long as it is there.
pub(crate) const KEPT_HANDLES: usize = 20_000;
/// Calls of `views` in one call of a hook.
pub const VIEW_CALLS: u32 = 200;

/// Effects that one call stages.
pub const EFFECTS: usize = 64;
/// Bytes in all effects that one call stages.
pub const EFFECT_BYTES: usize = 256 << 10;
/// Timers that one call sets or cancels.
pub const TIMERS: usize = 32;
/// Bytes of a timer's payload.
pub const TIMER_PAYLOAD_BYTES: usize = 4 << 10;
/// How far ahead a timer may be, in milliseconds: 400 days.
pub const TIMER_AHEAD_MS: u64 = 400 * 86_400_000;
/// Bytes of a key: of `kv`, of a timer, of an effect.
pub const KEY_BYTES: usize = 256;
/// Keys of `kv` that one call changes.
pub const KV_KEYS: usize = 256;
/// Bytes of keys and values that one call changes.
pub const KV_BYTES: usize = 256 << 10;
/// Bytes of a value of `kv`.
pub const KV_VALUE_BYTES: usize = 64 << 10;
/// Entries that one scan of `kv` answers, and their bytes.
pub const KV_SCAN: (usize, usize) = (256, 256 << 10);

/// Lines that are kept of one call.
pub const LOG_LINES: usize = 100;
/// Bytes that are kept of a line.
pub const LOG_LINE_BYTES: usize = 4 << 10;
/// Bytes that are kept of a reason or another text for people.
pub const REASON_BYTES: usize = 512;
/// Labels of one draft.
pub const LABELS: usize = 8;
/// Bytes of a label, of a badge's name, of the kind of an event.
pub const NAME_BYTES: usize = 64;
/// Calls of `rates` in one review.
pub const RATE_CALLS: u32 = 32;

/// Requests of `http` in one call of a hook.
pub const HTTP_REQUESTS: u32 = 8;
/// Bytes of an address, of all headers and of the body of a request.
pub const HTTP_URL_BYTES: usize = 8 << 10;
/// Headers of a request, and their bytes.
pub const HTTP_HEADERS: (usize, usize) = (64, 16 << 10);
/// Bytes of the body of a request.
pub const HTTP_BODY_BYTES: usize = 256 << 10;

/// Elements that one table may have.
pub(crate) const TABLE_ELEMENTS: usize = 65_536;
/// Core instances of one component. Python's have about twenty modules.
pub(crate) const CORE_INSTANCES: usize = 128;
/// Memories of one component: those of Rust, C and Python have one.
pub(crate) const MEMORIES: u32 = 4;
/// Tables of one component: those of the same have two.
pub(crate) const TABLES: u32 = 8;

/// What a component may declare, so that it cannot take the server's time or memory while it is compiled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declared {
    /// Bytes of the component.
    pub(crate) bytes: usize,
    /// Core modules in it, and instances that it makes of them.
    pub(crate) modules: u64,
    /// Components within it, and statements that make instances of them.
    pub(crate) components: u64,
    /// Components that are made when it is instantiated, all levels multiplied out. QuickJS comes with some thirty.
    pub(crate) instantiated: u64,
    /// Levels of components within components. QuickJS comes with three.
    pub(crate) levels: u64,
    /// Functions of all modules.
    pub(crate) functions: u64,
    /// Bytes of one function. The time to compile one grows faster than its size.
    pub(crate) function_bytes: u64,
    /// Locals of all functions: four bytes may declare fifty thousand.
    pub(crate) locals: u64,
    /// Types, imports, exports, globals, segments: of all modules and components together.
    pub(crate) items: u64,
}

pub(crate) const DECLARED: Declared = Declared {
    bytes: 64 << 20,
    modules: CORE_INSTANCES as u64,
    components: 256,
    instantiated: 128,
    levels: 8,
    functions: 200_000,
    function_bytes: 1 << 20,
    locals: 5_000_000,
    items: 1_000_000,
};

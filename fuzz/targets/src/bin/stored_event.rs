//! The fuzz target `stored_event`: see `fuzz/properties/src/stored_event.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_fuzz_properties::stored_event::check;
use tidings_fuzz_targets::peak_of;

fuzz_target!(|data: &[u8]| check(data, peak_of));

//! The fuzz target `key_set`: see `fuzz/properties/src/key_set.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_fuzz_properties::key_set::check;
use tidings_fuzz_targets::peak_of;

fuzz_target!(|data: &[u8]| check(data, peak_of));

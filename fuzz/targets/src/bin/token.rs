//! The fuzz target `token`: see `fuzz/properties/src/token.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_fuzz_properties::token::check;
use tidings_fuzz_targets::peak_of;

fuzz_target!(|data: &[u8]| check(data, peak_of));

//! The fuzz target `people_query`: see `fuzz/properties/src/people_query.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_fuzz_properties::people_query::check;
use tidings_fuzz_targets::peak_of;

fuzz_target!(|data: &[u8]| check(data, peak_of));

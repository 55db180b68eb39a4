//! The fuzz target `frame_protobuf`: see `fuzz/properties/src/frame_protobuf.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_fuzz_properties::frame_protobuf::check;
use tidings_fuzz_targets::peak_of;

fuzz_target!(|data: &[u8]| check(data, peak_of));

//! Frames in JSON.

use tidings_protocol::Encoding;

use crate::{Meter, frame};

/// Whatever is read can be written and read again in both encodings, and costs no more than its bytes warrant.
pub fn check(data: &[u8], meter: Meter) {
    frame::check(Encoding::Json, data, meter);
}

//! Frames in Protobuf, alone and one behind the other as on a QUIC stream; and the commands of an import.

use bytes::{Bytes, BytesMut};
use prost::Message;
use tidings_protocol::{Encoding, codec::delimited, import::ImportCommand};

use crate::{Meter, frame, meter::Allowance};

/// The longest frame on the stream: shorter than the longest inputs, so that longer ones are tried, too.
const MAX_FRAME: usize = 1024;

/// A list of empty keys is the worst.
const IMPORT: Allowance = Allowance {
    fixed: 4 * 1024,
    per_byte: 64,
};

/// Whatever is read can be written and read again in both encodings, and costs no more than its bytes warrant.
pub fn check(data: &[u8], meter: Meter) {
    frame::check(Encoding::Protobuf, data, meter);
    import(data, meter);
    stream(data);
}

fn import(data: &[u8], meter: Meter) {
    let read = |bytes: Bytes| ImportCommand::decode(bytes);
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(command) = IMPORT.hold(meter, data.len(), || read(bytes)) {
        let written: Bytes = command.encode_to_vec().into();
        assert!(written.len() <= data.len(), "{command:?}");
        assert_eq!(read(written), Ok(command));
    }
}

/// Frames are taken off a stream whole and in order, whether they come at once or byte by byte.
fn stream(data: &[u8]) {
    let mut at_once = BytesMut::from(data);
    let mut frames = Vec::new();
    let end = loop {
        match delimited::read(&mut at_once, MAX_FRAME) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => break Ok(at_once.len()),
            Err(error) => break Err(error),
        }
    };
    assert!(frames.iter().all(|frame| frame.len() <= MAX_FRAME));

    let (mut trickle, mut came) = (BytesMut::new(), Vec::new());
    let mut trickled = Ok(0);
    'bytes: for byte in data {
        trickle.extend_from_slice(&[*byte]);
        loop {
            match delimited::read(&mut trickle, MAX_FRAME) {
                Ok(Some(frame)) => came.push(frame),
                Ok(None) => break,
                Err(error) => {
                    trickled = Err(error);
                    break 'bytes;
                }
            }
        }
        trickled = Ok(trickle.len());
    }
    assert_eq!((&came, &trickled), (&frames, &end));

    let mut written = BytesMut::new();
    for frame in &frames {
        assert!(delimited::prefix(frame.len()).len() <= 10);
        delimited::write(frame, &mut written);
    }
    assert!(written.len() <= data.len());
    for frame in &frames {
        assert_eq!(
            delimited::read(&mut written, MAX_FRAME),
            Ok(Some(frame.clone()))
        );
    }
    assert!(written.is_empty());
}

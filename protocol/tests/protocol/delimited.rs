//! Frames on a byte stream, however the network cuts it.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tidings_protocol::codec::delimited::{self, FrameError};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_come_out_as_they_went_in(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12),
        cuts in prop::collection::vec(1_usize..40, 1..12),
    ) {
        let mut stream = BytesMut::new();
        for frame in &frames {
            delimited::write(frame, &mut stream);
        }
        let (mut buffer, mut out) = (BytesMut::new(), Vec::new());
        let mut cuts = cuts.iter().cycle();
        while !stream.is_empty() {
            let cut = (*cuts.next().expect("cycles")).min(stream.len());
            buffer.extend_from_slice(&stream.split_to(cut));
            while let Some(frame) = delimited::read(&mut buffer, 300).expect("well-formed") {
                out.push(frame.to_vec());
            }
        }
        prop_assert_eq!(out, frames);
        prop_assert!(buffer.is_empty());
    }
}

#[test]
fn nothing_is_taken_before_a_frame_is_whole() {
    let frame = vec![7; 200];
    let mut whole = BytesMut::new();
    delimited::write(&frame, &mut whole);
    assert_eq!(whole.len(), 202);
    for end in 0..whole.len() {
        let mut buffer = BytesMut::from(&whole[..end]);
        assert_eq!(delimited::read(&mut buffer, 200), Ok(None));
        assert_eq!(buffer.len(), end);
    }
    assert_eq!(
        delimited::read(&mut whole, 200),
        Ok(Some(Bytes::from(frame)))
    );
    assert!(whole.is_empty());
}

#[test]
fn a_prefix_and_a_body_are_a_frame() {
    for len in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
        let body = vec![1; len];
        let mut written = BytesMut::new();
        delimited::write(&body, &mut written);
        let mut joined = delimited::prefix(len).to_vec();
        joined.extend_from_slice(&body);
        assert_eq!(written, joined);
    }
}

/// The limit is checked against the announced length, before anything is kept for it.
#[test]
fn a_long_frame_is_refused_at_its_length() {
    let mut buffer = BytesMut::from(&[0x81, 0x01][..]);
    let error = FrameError::TooLarge { len: 129, max: 128 };
    assert_eq!(delimited::read(&mut buffer, 128), Err(error));
    let mut buffer =
        BytesMut::from(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01][..]);
    let error = FrameError::TooLarge {
        len: u64::MAX,
        max: 128,
    };
    assert_eq!(delimited::read(&mut buffer, 128), Err(error));
}

#[test]
fn a_length_beyond_64_bits_is_malformed() {
    let nine = [0x80_u8; 9];
    assert_eq!(
        delimited::read(&mut BytesMut::from(&nine[..]), 128),
        Ok(None)
    );
    for last in [0x02, 0x7f, 0x80, 0xff] {
        let mut buffer = BytesMut::from(&nine[..]);
        buffer.extend_from_slice(&[last]);
        assert_eq!(
            delimited::read(&mut buffer, 128),
            Err(FrameError::Length),
            "{last:#x}"
        );
    }
    // Longer than need be, but a number.
    let mut buffer = BytesMut::from(&[0x82, 0x80, 0x00, 7, 8][..]);
    assert_eq!(
        delimited::read(&mut buffer, 128),
        Ok(Some(Bytes::from_static(&[7, 8])))
    );
}

//! WebSocket frames as they stand on the wire: RFC 6455, section 5.

/// The longest header the other side may send: two bytes, a long length, a mask.
#[cfg(test)]
const LONGEST_HEADER: usize = 14;

/// Longest payload of a control frame, in bytes.
pub(super) const CONTROL: usize = 125;

/// The other side does not keep to the protocol: the connection fails with a close frame of this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    /// Status 1002.
    #[error("{0}")]
    Protocol(&'static str),
    /// Status 1007.
    #[error("a text is not UTF-8")]
    Utf8,
}

impl Violation {
    /// The status code of the close frame that tells of it.
    pub(super) fn status(self) -> u16 {
        match self {
            Violation::Protocol(_) => 1002,
            Violation::Utf8 => 1007,
        }
    }
}

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl Opcode {
    fn of(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xA => Opcode::Pong,
            _ => return None,
        })
    }

    pub(super) fn is_control(self) -> bool {
        self as u8 >= Opcode::Close as u8
    }
}

/// The header of a frame from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) is_final: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    /// Bytes of the header itself.
    pub(super) size: usize,
    /// Bytes of the payload after it.
    pub(super) len: u64,
}

impl Header {
    /// Reads the header at the beginning of `bytes`; `None` when it is not all there. What is wrong is said
    /// as soon as it can be seen.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Header>, Violation> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(Violation::Protocol("no extension was agreed upon"));
        }
        let Some(opcode) = Opcode::of(first & 0x0F) else {
            return Err(Violation::Protocol("a frame has an opcode without meaning"));
        };
        let is_final = first & 0x80 != 0;
        if second & 0x80 == 0 {
            return Err(Violation::Protocol("a client masks its frames"));
        }
        let short = second & 0x7F;
        if opcode.is_control() && (!is_final || usize::from(short) > CONTROL) {
            return Err(Violation::Protocol(
                "a control frame has one piece of at most 125 bytes",
            ));
        }
        let (len, rest) = match short {
            126 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from_be_bytes(*len), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        let is_shortest = match short {
            126 => len > CONTROL as u64,
            127 => len > u64::from(u16::MAX),
            _ => true,
        };
        if !is_shortest || len >> 63 != 0 {
            return Err(Violation::Protocol(
                "a length is not written in its shortest form",
            ));
        }
        let Some((mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        Ok(Some(Header {
            is_final,
            opcode,
            mask: *mask,
            size: bytes.len() - rest.len(),
            len,
        }))
    }
}

/// Takes the mask off a payload, or puts it on.
pub(super) fn mask(payload: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        for (byte, mask) in word.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

/// Adds a whole frame from a server.
pub(super) fn write(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    out.push(0x80 | opcode as u8);
    match payload.len() {
        len @ ..=CONTROL => out.push(len as u8),
        len if len <= usize::from(u16::MAX) => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// The longest header [`write`] makes.
pub(super) const SERVER_HEADER: usize = 10;

/// The payload of a close frame. The reason is cut to what fits.
pub(super) fn close(status: u16, reason: &str) -> Vec<u8> {
    let mut payload = status.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(CONTROL - 2)]);
    payload
}

/// The status of a close frame from the other side; `None` where it gives none.
pub(super) fn closed(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let (status, reason) = match payload.split_first_chunk() {
        None if payload.is_empty() => return Ok(None),
        None => return Err(Violation::Protocol("half a status closes nothing")),
        Some((status, reason)) => (u16::from_be_bytes(*status), reason),
    };
    // Sections 7.4.1 and 7.4.2: these are never sent, or mean nothing.
    let is_allowed = matches!(status, 1000..=1003 | 1007..=1014 | 3000..=4999);
    if !is_allowed {
        return Err(Violation::Protocol("a close has a status without meaning"));
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(Some(status)),
        Err(_) => Err(Violation::Utf8),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame as a client writes it.
    fn frame(first: u8, len: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match len {
            0..=125 => bytes.push(0x80 | len as u8),
            126..=0xFFFF => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&(len as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&len.to_be_bytes());
            }
        }
        bytes.extend_from_slice(&[1, 2, 3, 4]);
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn headers_are_read_once_they_are_whole() {
        for len in [0, 1, 125, 126, 0xFFFF, 0x1_0000, u64::MAX >> 1] {
            let bytes = frame(0x82, len, b"and more");
            let header = Header::read(&bytes).unwrap().unwrap();
            assert!(header.size <= LONGEST_HEADER);
            assert_eq!(
                (header.is_final, header.opcode, header.len, header.mask),
                (true, Opcode::Binary, len, [1, 2, 3, 4])
            );
            assert_eq!(&bytes[header.size..], b"and more");
            for end in 0..header.size {
                assert_eq!(Header::read(&bytes[..end]), Ok(None), "{len} {end}");
            }
        }
    }

    #[test]
    fn what_is_not_allowed_is_refused_early() {
        for (bytes, wrong) in [
            (&[0xC1, 0x80][..], "extension"),
            (&[0x83, 0x80], "opcode"),
            (&[0x8B, 0x80], "opcode"),
            (&[0x81, 0x00], "masks"),
            (&[0x09, 0x80], "control"),
            (&[0x88, 0xFE], "control"),
            (&[0x81, 0xFE, 0, 125], "shortest"),
            (&[0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], "shortest"),
            (&[0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], "shortest"),
        ] {
            let error = Header::read(bytes).unwrap_err();
            assert_eq!(error.status(), 1002);
            assert!(error.to_string().contains(wrong), "{bytes:x?}: {error}");
        }
    }

    #[test]
    fn closes_say_why() {
        assert_eq!(closed(b""), Ok(None));
        assert_eq!(closed(&close(4001, "because")), Ok(Some(4001)));
        assert_eq!(close(1000, &"ü".repeat(100)).len(), CONTROL - 1);
        for payload in [&[3][..], &[3, 0xEC], &[3, 0xED], &[0, 0], &[0x13, 0x88]] {
            assert_eq!(closed(payload).unwrap_err().status(), 1002, "{payload:x?}");
        }
        assert_eq!(closed(&[3, 0xE8, 0xFF]), Err(Violation::Utf8));
    }

    proptest! {
        #[test]
        fn headers_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(Some(header)) = Header::read(&bytes) {
                prop_assert!(header.size <= bytes.len() && header.size <= LONGEST_HEADER);
            }
        }

        #[test]
        fn a_mask_put_on_comes_off(payload in prop::collection::vec(any::<u8>(), 0..70), key in any::<[u8; 4]>()) {
            let mut masked = payload.clone();
            mask(&mut masked, key);
            for (at, byte) in masked.iter().enumerate() {
                prop_assert_eq!(*byte, payload[at] ^ key[at % 4]);
            }
        }

        #[test]
        fn frames_are_as_long_as_they_say(len in 0usize..70_000) {
            let mut out = Vec::new();
            write(&mut out, Opcode::Text, &vec![b'x'; len]);
            prop_assert!(out.len() <= len + SERVER_HEADER);
            let said = match out[1] {
                126 => usize::from(u16::from_be_bytes([out[2], out[3]])),
                127 => u64::from_be_bytes(*out[2..].first_chunk().unwrap()) as usize,
                short => usize::from(short),
            };
            prop_assert_eq!(said, len);
        }
    }
}

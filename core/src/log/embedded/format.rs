//! What stands in a segment file, byte by byte. Everything is little-endian.
//!
//! A segment is a block of [`SEGMENT_HEADER`] bytes and then records, back to back:
//!
//! ```text
//! segment header                       record
//!  0  8  "TIDINGSJ"                     0  4  "\xF5TR1"
//!  8  2  format version (1)             4  4  payload length
//! 10  6  zero                           8  8  position
//! 16 16  epoch                         16 16  commit id
//! 32  8  first position                32  2  shard
//! 40  8  previous segment: first       34  2  zero
//! 48  8  previous segment: bytes used  36  4  crc32 of the payload
//! 56 16  previous segment: last id     40  4  crc32 of bytes 0..40
//! 72  4  crc32 of bytes 0..72          44  .  payload
//! 76  .  zero up to 4096
//! ```
//!
//! After the last record a file holds zeros only, or ends.

use uuid::Uuid;

use crate::log::MAX_RECORD_BYTES;

/// Format version this code writes, and the only one there has been.
pub(super) const VERSION: u16 = 1;

/// Bytes before a segment's first record: a block of its own, so that no append rewrites it.
pub(super) const SEGMENT_HEADER: usize = 4096;

/// Bytes of a record before its payload.
pub(super) const RECORD_HEADER: usize = 44;

/// Largest record with its header, in bytes.
pub(super) const MAX_FRAME: usize = RECORD_HEADER + MAX_RECORD_BYTES;

const SEGMENT_MAGIC: &[u8; 8] = b"TIDINGSJ";
const RECORD_MAGIC: &[u8; 4] = b"\xF5TR1";

/// Start of a segment file. It names the end of the segment before it, so that a missing or
/// shortened file is noticed by reading headers alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) epoch: Uuid,
    pub(super) first: u64,
    /// First position of the segment before, 0 in the first segment.
    pub(super) previous_first: u64,
    /// Bytes used in the segment before, header included.
    pub(super) previous_end: u64,
    /// Id of the commit before this segment's first.
    pub(super) previous_id: Uuid,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEADER);
        out.extend_from_slice(SEGMENT_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(self.epoch.as_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.previous_first.to_le_bytes());
        out.extend_from_slice(&self.previous_end.to_le_bytes());
        out.extend_from_slice(self.previous_id.as_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out.resize(SEGMENT_HEADER, 0);
        out
    }

    /// Reads a header, or says what is wrong with it.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < SEGMENT_HEADER {
            return Err(format!("the file has only {} bytes", bytes.len()));
        }
        if bytes[..8] != *SEGMENT_MAGIC {
            return Err("this is not a segment of a Tidings log".into());
        }
        let version = u16::from_le_bytes(array(bytes, 8));
        if version != VERSION {
            return Err(format!(
                "format version {version} is not known, only {VERSION} is"
            ));
        }
        if crc32fast::hash(&bytes[..72]) != u32::from_le_bytes(array(bytes, 72)) {
            return Err("the segment header fails its checksum".into());
        }
        if bytes[76..SEGMENT_HEADER].iter().any(|b| *b != 0) {
            return Err("the segment header is followed by bytes that should be zero".into());
        }
        Ok(SegmentHeader {
            epoch: Uuid::from_bytes(array(bytes, 16)),
            first: u64::from_le_bytes(array(bytes, 32)),
            previous_first: u64::from_le_bytes(array(bytes, 40)),
            previous_end: u64::from_le_bytes(array(bytes, 48)),
            previous_id: Uuid::from_bytes(array(bytes, 56)),
        })
    }
}

/// Start of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) len: usize,
    pub(super) position: u64,
    pub(super) id: Uuid,
    pub(super) shard: u16,
    crc: u32,
}

impl RecordHeader {
    /// Reads a header, or says what is wrong with it.
    pub(super) fn decode(bytes: &[u8; RECORD_HEADER]) -> Result<Self, &'static str> {
        if bytes[..4] != *RECORD_MAGIC {
            return Err("there is no record");
        }
        if crc32fast::hash(&bytes[..40]) != u32::from_le_bytes(array(bytes, 40)) {
            return Err("the header of the record fails its checksum");
        }
        let len = u32::from_le_bytes(array(bytes, 4)) as usize;
        if len > MAX_RECORD_BYTES {
            return Err("the record is longer than any record can be");
        }
        Ok(RecordHeader {
            len,
            position: u64::from_le_bytes(array(bytes, 8)),
            id: Uuid::from_bytes(array(bytes, 16)),
            shard: u16::from_le_bytes(array(bytes, 32)),
            crc: u32::from_le_bytes(array(bytes, 36)),
        })
    }

    /// Whether `payload` is what was written.
    pub(super) fn fits(&self, payload: &[u8]) -> bool {
        payload.len() == self.len && crc32fast::hash(payload) == self.crc
    }
}

/// Appends a whole record to `out`.
pub(super) fn encode_record(
    out: &mut Vec<u8>,
    position: u64,
    shard: u16,
    id: Uuid,
    payload: &[u8],
) {
    let start = out.len();
    out.reserve(RECORD_HEADER + payload.len());
    out.extend_from_slice(RECORD_MAGIC);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&position.to_le_bytes());
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(&shard.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let crc = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
}

/// Looks for a whole record of a position after `last` anywhere in `bytes`. Where it starts.
pub(super) fn find_record(bytes: &[u8], last: u64) -> Option<(usize, RecordHeader)> {
    let mut at = 0;
    while let Some(skip) = bytes[at..].iter().position(|b| *b == RECORD_MAGIC[0]) {
        at += skip;
        if let Some(header) = bytes[at..].first_chunk::<RECORD_HEADER>()
            && let Ok(header) = RecordHeader::decode(header)
            && header.position > last
            && let Some(payload) = bytes[at + RECORD_HEADER..].get(..header.len)
            && header.fits(payload)
        {
            return Some((at, header));
        }
        at += 1;
    }
    None
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..]
        .first_chunk()
        .expect("the caller checked the length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_the_round_trip() {
        let header = SegmentHeader {
            epoch: Uuid::from_u128(1),
            first: 77,
            previous_first: 70,
            previous_end: 5000,
            previous_id: Uuid::from_u128(9),
        };
        assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));

        let mut bytes = Vec::new();
        encode_record(&mut bytes, 5, 3, Uuid::from_u128(8), b"abc");
        assert_eq!(bytes.len(), RECORD_HEADER + 3);
        let read = RecordHeader::decode(bytes.first_chunk().unwrap()).unwrap();
        assert_eq!((read.position, read.shard, read.len), (5, 3, 3));
        assert_eq!(read.id, Uuid::from_u128(8));
        assert!(read.fits(b"abc"));
        assert!(!read.fits(b"abd"));
    }

    /// The layout is a promise to files already written: these bytes never change.
    #[test]
    fn the_layout_is_frozen() {
        let mut bytes = Vec::new();
        encode_record(&mut bytes, 1, 0, Uuid::from_u128(0x0102_0304), b"hi");
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, GOLDEN_RECORD);
        let header = SegmentHeader {
            epoch: Uuid::from_u128(0x0a0b),
            first: 2,
            previous_first: 1,
            previous_end: 4142,
            previous_id: Uuid::from_u128(0x0102_0304),
        };
        let hex: String = header.encode()[..76]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(hex, GOLDEN_SEGMENT);
    }

    const GOLDEN_RECORD: &str = "f55452310200000001000000000000000000000000000000000000000102030400000000ac2a93d8dcb8af9e\
        6869";
    const GOLDEN_SEGMENT: &str = "544944494e47534a010000000000000000000000000000000000000000000a0b020000000000000001000000\
        000000002e100000000000000000000000000000000000000102030478ec5e82";

    #[test]
    fn a_record_is_found_among_other_bytes() {
        let mut bytes = vec![0xF5; 100];
        encode_record(&mut bytes, 5, 0, Uuid::nil(), b"abc");
        assert_eq!(
            find_record(&bytes, 4).map(|(at, h)| (at, h.position)),
            Some((100, 5))
        );
        assert_eq!(
            find_record(&bytes, 5).map(|(at, _)| at),
            None,
            "not after position 5"
        );
        assert_eq!(
            find_record(&bytes[..bytes.len() - 1], 4).map(|(at, _)| at),
            None,
            "cut short"
        );
    }
}

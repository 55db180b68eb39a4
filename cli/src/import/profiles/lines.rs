//! Files read piece by piece: what is longer than a profile can be is not held.

use std::io::{self, BufRead};

/// Longest line of a file, or record of several lines, in bytes.
pub(super) const LINE_BYTES: usize = 1 << 20;

/// What one line, or record, holds; or why it cannot be read. The next may be read all the same.
pub(super) type Piece<T> = (u64, Result<T, String>);

/// That it is too long.
pub(super) fn too_long() -> String {
    format!("longer than {LINE_BYTES} bytes")
}

/// A file's lines.
pub(super) struct Lines<R> {
    reader: R,
    line: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Lines<R> {
        Lines { reader, line: 0 }
    }

    /// The next line that is not blank, with its number, without its end. Nothing at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece<String>>> {
        loop {
            let mut bytes = Vec::new();
            let (mut any, mut long) = (false, false);
            loop {
                let buffer = self.reader.fill_buf()?;
                if buffer.is_empty() {
                    break;
                }
                any = true;
                let end = buffer.iter().position(|byte| *byte == b'\n');
                let some = &buffer[..end.unwrap_or(buffer.len())];
                long |= bytes.len() + some.len() > LINE_BYTES;
                if !long {
                    bytes.extend_from_slice(some);
                }
                let used = end.map_or(buffer.len(), |end| end + 1);
                self.reader.consume(used);
                if end.is_some() {
                    break;
                }
            }
            if !any {
                return Ok(None);
            }
            self.line += 1;
            if long {
                return Ok(Some((self.line, Err(too_long()))));
            }
            if self.line == 1 && bytes.starts_with(BOM) {
                bytes.drain(..BOM.len());
            }
            if !bytes.trim_ascii().is_empty() {
                return Ok(Some((self.line, text(bytes))));
            }
        }
    }
}

/// What some programs begin a file with.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Bytes as text.
pub(super) fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("not UTF-8, from byte {} on", at + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bounded() {
        let mut file = b"\xef\xbb\xbfone\r\n\n  \nfour\n".to_vec();
        file.extend(vec![b'x'; LINE_BYTES + 1]);
        file.extend(b"\n\xff\nseven");
        // Small pieces: lines do not end where buffers do.
        let reader = io::BufReader::with_capacity(7, &file[..]);
        let mut lines = Lines::new(reader);
        let mut all = Vec::new();
        while let Some((line, read)) = lines.next().unwrap() {
            all.push((line, read.unwrap_or_else(|wrong| format!("wrong: {wrong}"))));
        }
        let expected = [
            (1, "one\r"),
            (4, "four"),
            (5, "wrong: longer than 1048576 bytes"),
            (6, "wrong: not UTF-8, from byte 1 on"),
            (7, "seven"),
        ];
        assert_eq!(all, expected.map(|(line, read)| (line, read.to_owned())));
    }
}

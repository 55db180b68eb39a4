//! Records of a file of comma-separated values (RFC 4180): a record may go over several lines where a cell
//! stands in quotation marks.

use std::io::{self, BufRead};

use super::lines::{BOM, LINE_BYTES, Piece, text, too_long};

/// Where in a record the reading is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    CellBegins,
    Cell,
    Quoted,
    /// After a quotation mark within quotation marks: the end, or the first of two.
    QuoteInQuoted,
}

/// A file's records.
pub(super) struct Records<R> {
    reader: R,
    /// Lines that were read.
    line: u64,
    /// Nothing can be told apart any more.
    over: bool,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(reader: R) -> Records<R> {
        Records {
            reader,
            line: 0,
            over: false,
        }
    }

    /// The cells of the next record that is not blank, with the number of the line it begins in. Nothing at
    /// the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece<Vec<String>>>> {
        loop {
            if self.over {
                return Ok(None);
            }
            let begins = self.line + 1;
            let Some(read) = self.record(begins == 1)? else {
                return Ok(None);
            };
            let cells = match read {
                Err(wrong) => return Ok(Some((begins, Err(wrong)))),
                Ok(cells) => cells,
            };
            if cells.len() == 1 && cells[0].trim_ascii().is_empty() {
                continue;
            }
            let cells: Result<Vec<String>, String> = cells.into_iter().map(text).collect();
            return Ok(Some((begins, cells)));
        }
    }

    /// Reads no more.
    pub(super) fn end(&mut self) {
        self.over = true;
    }

    fn record(&mut self, first: bool) -> io::Result<Option<Result<Vec<Vec<u8>>, String>>> {
        let mut cells = vec![Vec::new()];
        let (mut at, mut bytes, mut wrong) = (At::CellBegins, 0, None);
        let mut any = false;
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            any = true;
            let mut used = 0;
            let mut ended = false;
            for &byte in buffer {
                used += 1;
                bytes += 1;
                if byte == b'\n' {
                    self.line += 1;
                }
                if byte == b'\n' && (at != At::Quoted || wrong.is_some()) {
                    ended = true;
                    break;
                }
                // Only the end of the line is looked for.
                if wrong.is_some() {
                    continue;
                }
                if bytes > LINE_BYTES {
                    wrong = Some(match at {
                        At::Quoted => {
                            self.over = true;
                            format!("{}; is a quotation mark not closed?", too_long())
                        }
                        _ => too_long(),
                    });
                    continue;
                }
                let cell = cells.last_mut().expect("there is one");
                match (at, byte) {
                    (At::CellBegins, b'"') if cell.is_empty() => at = At::Quoted,
                    (At::CellBegins | At::Cell | At::QuoteInQuoted, b',') => {
                        cells.push(Vec::new());
                        at = At::CellBegins;
                    }
                    (At::Quoted, b'"') => at = At::QuoteInQuoted,
                    (At::QuoteInQuoted, b'"') => {
                        cell.push(b'"');
                        at = At::Quoted;
                    }
                    // The end of the line follows.
                    (At::QuoteInQuoted, b'\r') => {}
                    (At::QuoteInQuoted, _) => {
                        wrong = Some(
                            "after the quotation mark that ends a cell comes a comma or the end of the \
                             line; within a cell quotation marks are doubled"
                                .to_owned(),
                        );
                    }
                    (At::Quoted, byte) => cell.push(byte),
                    (At::CellBegins | At::Cell, byte) => {
                        cell.push(byte);
                        at = At::Cell;
                        if first && cells.len() == 1 && cells[0] == BOM {
                            cells[0].clear();
                            at = At::CellBegins;
                        }
                    }
                }
            }
            self.reader.consume(used);
            if self.over || ended {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        if let Some(wrong) = wrong {
            return Ok(Some(Err(wrong)));
        }
        if at == At::Quoted {
            return Ok(Some(Err("a quotation mark is not closed".to_owned())));
        }
        let last = cells.last_mut().expect("there is one");
        if at == At::Cell && last.last() == Some(&b'\r') {
            last.pop();
        }
        Ok(Some(Ok(cells)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &[u8]) -> Vec<(u64, Result<Vec<String>, String>)> {
        let mut records = Records::new(io::BufReader::with_capacity(5, file));
        let mut all = Vec::new();
        while let Some(piece) = records.next().unwrap() {
            all.push(piece);
        }
        all
    }

    #[test]
    fn cells_are_what_stands_in_them() {
        let file =
            b"\xef\xbb\xbfuser,about\r\nann,\"a \"\"b\"\", c\nd\"\r\n\r\nben,\n\"\",5\" nails";
        let cells = |cells: &[&str]| Ok(cells.iter().map(|cell| (*cell).to_owned()).collect());
        assert_eq!(
            read(file),
            [
                (1, cells(&["user", "about"])),
                (2, cells(&["ann", "a \"b\", c\nd"])),
                (5, cells(&["ben", ""])),
                (6, cells(&["", "5\" nails"])),
            ]
        );
        assert_eq!(read(b"\xef\xbb\xbf\"user\"\n"), [(1, cells(&["user"]))]);
        assert_eq!(read(b""), []);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let wrong = |file: &[u8]| {
            let mut all = Vec::new();
            for (line, read) in read(file) {
                all.push((line, read.err().unwrap_or_default()));
            }
            all
        };
        let all = wrong(b"a,b\n\"a\"b,c\nd,\xff\n\"e");
        assert_eq!(all[0], (1, String::new()));
        assert!(all[1].1.starts_with("after the quotation mark"), "{all:?}");
        assert_eq!(all[2], (3, "not UTF-8, from byte 1 on".to_owned()));
        assert_eq!(all[3], (4, "a quotation mark is not closed".to_owned()));

        let long = vec![b'x'; LINE_BYTES + 1];
        let all = wrong(&[b"a\n", &long[..], b"\nb\n"].concat());
        assert_eq!(all[1], (2, "longer than 1048576 bytes".to_owned()));
        assert_eq!(all[2], (3, String::new()));
        // Where it would end cannot be known: the rest is not read.
        let all = wrong(&[b"\"a\n", &long[..], b"\nb\n"].concat());
        assert_eq!(all.len(), 1);
        assert!(
            all[0].1.ends_with("is a quotation mark not closed?"),
            "{all:?}"
        );
    }
}

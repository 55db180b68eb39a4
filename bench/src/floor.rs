//! What importing cannot do without, done bare: to set an import and a rebuild against.
//!
//! [`append`] seals every line and makes it durable, as the log must before anything is acknowledged.
//! [`rows`] reads that back and keeps a row a line in key order on disk, as projections must. Neither
//! decides, identifies or counts anything.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustix::time::{ClockId, clock_gettime};

use crate::irc::LogFile;

/// Lines made durable by one sync.
pub const LINES_A_SYNC: usize = 1_000;

/// What something took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Seconds by the clock.
    pub wall_s: f64,
    /// Seconds of CPU, user and system.
    pub cpu_s: f64,
}

/// Seals every line of the logs with AES-256-GCM and appends it to `out`, with a sync after each
/// [`LINES_A_SYNC`]. Returns the number of lines, too.
pub fn append(logs: &[LogFile], out: &Path) -> io::Result<(u64, Cost)> {
    let mut out = File::create(out)?;
    let unbound = UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("32 bytes are a key");
    let key = LessSafeKey::new(unbound);
    measured(|| {
        let (mut lines, mut pending, mut record) = (0_u64, Vec::new(), Vec::new());
        for log in logs {
            let mut reader = BufReader::new(File::open(&log.path)?);
            loop {
                record.clear();
                if reader.read_until(b'\n', &mut record)? == 0 {
                    break;
                }
                lines += 1;
                let mut nonce = [0; NONCE_LEN];
                nonce[..8].copy_from_slice(&lines.to_le_bytes());
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record)
                    .expect("a line is far below 64 GiB");
                pending.extend_from_slice(&log.channel.to_le_bytes());
                pending.extend_from_slice(&(record.len() as u32).to_le_bytes());
                pending.extend_from_slice(&record);
                if lines.is_multiple_of(LINES_A_SYNC as u64) {
                    out.write_all(&pending)?;
                    out.sync_data()?;
                    pending.clear();
                }
            }
        }
        out.write_all(&pending)?;
        out.sync_data()?;
        Ok(lines)
    })
}

/// Reads what [`append`] wrote, keeps a row for each line in an ordered map, and writes that to `out` in
/// order, with a sync. Returns the number of rows, too.
pub fn rows(appended: &Path, out: &Path) -> io::Result<(u64, Cost)> {
    measured(|| {
        let mut reader = BufReader::new(File::open(appended)?);
        let mut rows: BTreeMap<(u32, u64), Vec<u8>> = BTreeMap::new();
        let mut number = 0;
        while !reader.fill_buf()?.is_empty() {
            let (channel, length) = (read_u32(&mut reader)?, read_u32(&mut reader)?);
            let mut row = vec![0; length as usize];
            reader.read_exact(&mut row)?;
            number += 1;
            rows.insert((channel, number), row);
        }
        let mut out = BufWriter::new(File::create(out)?);
        for ((channel, number), row) in &rows {
            out.write_all(&channel.to_be_bytes())?;
            out.write_all(&number.to_be_bytes())?;
            out.write_all(&(row.len() as u32).to_le_bytes())?;
            out.write_all(row)?;
        }
        let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        out.sync_data()?;
        Ok(rows.len() as u64)
    })
}

fn read_u32(reader: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Does something on this thread alone.
fn measured(work: impl FnOnce() -> io::Result<u64>) -> io::Result<(u64, Cost)> {
    let (started, cpu) = (Instant::now(), thread_cpu());
    let count = work()?;
    let cost = Cost {
        wall_s: started.elapsed().as_secs_f64(),
        cpu_s: (thread_cpu() - cpu).as_secs_f64(),
    };
    Ok((count, cost))
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The kernel's numbers are never negative.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::irc;

    #[test]
    fn every_line_is_kept_and_none_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let logs = irc::write(folder.path(), 3_000).unwrap();
        let read = |log: &LogFile| std::fs::read_to_string(&log.path).unwrap();
        let texts: Vec<String> = logs.iter().map(read).collect();
        let lines: usize = texts.iter().map(|text| text.lines().count()).sum();
        let bytes: usize = texts.iter().map(String::len).sum();

        let (appended, table) = (folder.path().join("log"), folder.path().join("table"));
        let (count, cost) = append(&logs, &appended).unwrap();
        assert_eq!(count, lines as u64);
        assert!(cost.wall_s > 0.0 && cost.cpu_s > 0.0);
        let size = |path: &Path| std::fs::metadata(path).unwrap().len() as usize;
        // A tag and two numbers a line.
        assert_eq!(size(&appended), bytes + lines * (16 + 8));
        let sealed = std::fs::read(&appended).unwrap();
        let first = texts[0].lines().next().unwrap().as_bytes();
        assert!(!sealed.windows(first.len()).any(|part| part == first));

        let (count, cost) = rows(&appended, &table).unwrap();
        assert_eq!(count, lines as u64);
        assert!(cost.wall_s > 0.0 && cost.cpu_s > 0.0);
        assert_eq!(size(&table), bytes + lines * (16 + 16));
    }

    #[test]
    fn half_a_record_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, [0, 0, 0, 0, 9, 0, 0, 0, 1]).unwrap();
        let error = rows(&path, &folder.path().join("table")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

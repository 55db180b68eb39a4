//! CPU time and memory of processes, as Linux counts them.

use std::fs;

/// `utime` and `stime` are counted in hundredths of a second on every Linux this runs on (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds, user and system, of a process and all its threads; `None` if it is not there.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    parse_cpu(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// CPU seconds, user and system, of all children that have ended and been waited for; `None` if the
/// kernel does not say. Exact to a hundredth of a second.
pub fn children_cpu_seconds() -> Option<f64> {
    parse_children_cpu(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// CPU seconds of several processes.
pub(crate) fn cpu_seconds_of(pids: &[u32]) -> Option<f64> {
    if pids.is_empty() {
        return None;
    }
    pids.iter().map(|&pid| cpu_seconds(pid)).sum()
}

/// Resident memory of several processes in KiB.
pub(crate) fn resident_kib_of(pids: &[u32]) -> Option<u64> {
    if pids.is_empty() {
        return None;
    }
    let of = |pid| parse_resident(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?);
    pids.iter().map(of).sum()
}

fn parse_cpu(stat: &str) -> Option<f64> {
    ticks(stat, 11)
}

fn parse_children_cpu(stat: &str) -> Option<f64> {
    ticks(stat, 13)
}

/// Seconds of a pair of counters, user and system.
fn ticks(stat: &str, field: usize) -> Option<f64> {
    // The name may hold anything, spaces and parentheses included: fields count from behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(field);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat =
            "42 (a (b) 1 2 3) S 1 42 42 0 -1 4194304 100 0 0 0 250 130 42 8 20 0 5 0 100 1 2";
        assert_eq!(parse_cpu(stat), Some(3.8));
        assert_eq!(parse_children_cpu(stat), Some(0.5));
        assert_eq!(parse_cpu("nonsense"), None);
        assert_eq!(parse_resident("Name:\tx\nVmRSS:\t   1234 kB\n"), Some(1234));
        assert_eq!(parse_resident("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_has_some() {
        let own = [std::process::id()];
        assert!(cpu_seconds_of(&own).is_some());
        assert!(resident_kib_of(&own).unwrap() > 100);
        assert_eq!(cpu_seconds_of(&[]), None);
        assert!(children_cpu_seconds().is_some());
    }
}

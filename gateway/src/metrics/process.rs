//! The process, as Linux counts it. Elsewhere nothing is told.

use std::fs;

use super::Page;

/// `utime` and `stime` are counted in hundredths of a second on every Linux this runs on (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// Writes what this program is and what it takes.
pub(super) fn write(page: &mut Page) {
    let name = "tidings_build_info";
    page.gauge(name, "1, with the version that runs.");
    let version = env!("CARGO_PKG_VERSION");
    page.sample(name, &[("version", version)], 1);
    let read = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let (stat, status) = (read("stat"), read("status"));
    if let Some(seconds) = cpu_seconds(&stat) {
        let name = "process_cpu_seconds_total";
        page.counter(name, "CPU time spent, user and system, in seconds.");
        page.sample(name, &[], seconds);
    }
    if let Some(kib) = kib_of(&status, "VmRSS:") {
        let name = "process_resident_memory_bytes";
        page.gauge(name, "Memory that is in use and present, in bytes.");
        page.sample(name, &[], kib * 1_024);
    }
    if let Some(kib) = kib_of(&status, "VmSize:") {
        let name = "process_virtual_memory_bytes";
        page.gauge(name, "Memory that is mapped, in bytes.");
        page.sample(name, &[], kib * 1_024);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        let name = "process_open_fds";
        page.gauge(name, "Open file descriptors.");
        page.sample(name, &[], open.count() as u64);
    }
    if let Some(most) = most_files(&read("limits")) {
        let name = "process_max_fds";
        page.gauge(name, "Most file descriptors that may be open.");
        page.sample(name, &[], most);
    }
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    // The name may hold anything, spaces and parentheses included: fields count from behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

fn kib_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn most_files(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_is_understood() {
        let stat =
            "17 (a )b( c) S 1 17 17 0 -1 4194560 1500 0 0 0 250 50 0 0 20 0 9 0 88 1000 200 1";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(
            kib_of("VmSize:\t  900 kB\nVmRSS:\t   512 kB\n", "VmRSS:"),
            Some(512)
        );
        assert_eq!(
            most_files(
                "Max open files            1024                 524288               files\n"
            ),
            Some(1_024)
        );
        assert_eq!(
            (cpu_seconds(""), kib_of("", "VmRSS:"), most_files("")),
            (None, None, None)
        );
    }
}

//! Making the index: how long, how much memory, how many bytes.

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use serde::Serialize;
use tidings_search::people::PeopleIndex;

use super::{
    Options, SearchBenchError, bar,
    profiles::{World, attributes, user},
};
use crate::process;

/// Memory of the index's writer, as the server gives it.
const WRITER_MEMORY: usize = 64_000_000;

/// Segments are merged in the background: none was for so long, then it is over.
const QUIET: Duration = Duration::from_secs(2);

/// Longest wait for that.
const PATIENCE: Duration = Duration::from_secs(180);

/// What making the index came to.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Loading {
    /// Until all profiles are found, making them up included.
    pub seconds: f64,
    /// Profiles a second.
    pub profiles_per_s: f64,
    /// CPU seconds of all threads.
    pub cpu_s: Option<f64>,
    /// The most memory this process had until then (`VmHWM`), MiB.
    pub peak_rss_mib: Option<f64>,
    /// The index on disk, after merging, MiB.
    pub disk_mib: f64,
    /// The same in bytes for each profile.
    pub disk_bytes_per_profile: f64,
    /// Seconds until segments were merged.
    pub merged_s: f64,
}

/// Makes the index and waits until it is merged.
pub(super) fn load(
    options: &Options,
    world: &World,
) -> Result<(PeopleIndex, Loading), SearchBenchError> {
    let attributes = attributes().expect("the declaration is valid");
    let folder = options.folder.join("people");
    fs::create_dir_all(&folder)?;
    let people = PeopleIndex::open(&folder, &attributes, WRITER_MEMORY)?;
    if people.position().position > 0 || !people.is_empty() {
        return Err(SearchBenchError::NotEmpty);
    }
    let own = [std::process::id()];
    let (started, before) = (Instant::now(), process::cpu_seconds_of(&own));
    let bar = bar(options, u64::from(options.profiles), "profiles");
    for number in 0..options.profiles {
        let (profile, facts) = world.person(number);
        people.put(&user(number), &profile, &facts)?;
        if number.is_multiple_of(1_000) {
            bar.set_position(number.into());
        }
    }
    people.commit(1, [0; 16])?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let cpu_s = process::cpu_seconds_of(&own)
        .zip(before)
        .map(|(after, before)| after - before);
    let peak_rss_mib = peak_kib().map(|kib| kib as f64 / 1024.0);
    if options.settle {
        merged(&folder, || Ok(people.refresh()?))?;
    }
    let disk = size(&folder)?.1;
    let loading = Loading {
        seconds,
        profiles_per_s: f64::from(options.profiles) / seconds,
        cpu_s,
        peak_rss_mib,
        disk_mib: disk as f64 / f64::from(1 << 20),
        disk_bytes_per_profile: disk as f64 / f64::from(options.profiles),
        merged_s: started.elapsed().as_secs_f64() - seconds,
    };
    Ok((people, loading))
}

/// Waits until no segments are merged any more, and lets queries see the merged ones.
pub(super) fn merged(
    folder: &Path,
    refresh: impl Fn() -> Result<(), SearchBenchError>,
) -> Result<(), SearchBenchError> {
    let started = Instant::now();
    let (mut last, mut since) = (size(folder)?, Instant::now());
    while since.elapsed() < QUIET && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(200));
        // Files of segments that were merged go when nobody reads them any more.
        refresh()?;
        let now = size(folder)?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(())
}

/// How many files there are, and how many bytes.
pub(super) fn size(folder: &Path) -> io::Result<(usize, u64)> {
    let mut sum = (0, 0);
    for entry in fs::read_dir(folder)? {
        match entry?.metadata() {
            Ok(file) => {
                sum.0 += 1;
                sum.1 += file.len();
            }
            // Just merged away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sum)
}

/// The most memory this process ever had, KiB.
fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

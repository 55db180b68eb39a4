//! `tidings projections list|audit|rebuild`.

use anyhow::{Context as _, anyhow};
use tidings_core::{
    log::{Lane, Position},
    projections::{Projections, Table, audit, rebuild, store},
};

use crate::{
    config::{Config, Place},
    log,
    say::say,
    server,
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Lists the tables, their rows and how far they are folded.
    List(Place),
    /// Folds the log afresh and compares every row. The server must not be running.
    Audit(Place),
    /// Builds all rows anew from the log, beside the present ones, which stay until all is done. The
    /// server may be running: it takes the new ones at its next start.
    Rebuild(Place),
}

impl Command {
    /// True when all is well.
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        match self {
            Command::List(place) => list(place).await,
            Command::Audit(place) => audit(place).await,
            Command::Rebuild(place) => rebuild(place).await,
        }
    }
}

async fn list(place: Place) -> anyhow::Result<bool> {
    let config = place.load()?;
    let log = server::log_to_read(&config).await?;
    let projections = server::open_projections(&config, &log)?;
    let head = log.head(Lane::Journal).await?;
    say!(
        "log: position {head}; projections: position {} on disk",
        projections.flushed()
    );
    for table in Table::ALL {
        let (mut rows, mut bytes) = (0_u64, 0_u64);
        let counted = projections.store().iterate(*table, |key, value| {
            rows += 1;
            bytes += (key.len() + value.len()) as u64;
            true
        });
        counted.map_err(|error| anyhow!("{error}: {}", config.rebuild()))?;
        say!("{:<16} {rows:>12} rows {bytes:>14} bytes", table.name());
    }
    Ok(nothing_parked(&projections, &config))
}

async fn audit(place: Place) -> anyhow::Result<bool> {
    let config = place.load()?;
    let log = server::log_to_read(&config).await?;
    let projections = server::present_projections(&config, &log).await?;
    let bar = server::progress(projections.cursor(), "folding the log afresh");
    let folder = config.data.join("projections").join("build-audit");
    // What an audit that was broken off has left may be of another history.
    if folder.exists() && !store::is_open(&folder) {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let mut tell = |position: Position, _| bar.set_position(position.0);
    let audited = audit::audit(&*log, &projections, &folder, &mut tell);
    let report = audited
        .await
        .map_err(|error| server::unfolded(&config, error))?;
    bar.finish_and_clear();
    for (table, key, wrong) in &report.listed {
        say!("{table} {key}: {wrong}");
    }
    say!(
        "audit: {} rows compared at position {}, {} differences, {} parked streams",
        report.rows,
        report.position,
        report.differences,
        report.parked
    );
    if report.differences > 0 {
        say!("the projections are damaged: {}", config.rebuild());
    }
    if report.parked > 0 {
        say!("{}", parked_advice(&config));
    }
    Ok(report.is_clean())
}

/// Names the streams that are set aside; false if there are any.
fn nothing_parked(projections: &Projections, config: &Config) -> bool {
    let parked = projections.parked();
    for stream in &parked {
        say!("parked: {}", log::name_of(stream));
    }
    if !parked.is_empty() {
        say!("{}", parked_advice(config));
    }
    parked.is_empty()
}

/// What to do about streams that are set aside.
fn parked_advice(config: &Config) -> String {
    format!(
        "parked streams hold events that this version cannot read or fold, and nobody can write to them: \
         with a version that can, {}",
        config.rebuild()
    )
}

async fn rebuild(place: Place) -> anyhow::Result<bool> {
    let config = place.load()?;
    let log = server::log_to_read(&config).await?;
    let head = log.head(Lane::Journal).await?;
    let root = config.data.join("projections");
    std::fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    let old = rebuild::current(&root);
    let in_use = store::is_open(&old);
    // Rows of another version or epoch, damaged or in use say nothing here.
    if old.exists()
        && let Ok(present) = Projections::open(&old, log.identity())
    {
        server::not_ahead(&present, head)?;
    }
    let started = std::time::Instant::now();
    let (projections, events) = server::rebuild_projections(&root, &log, head).await?;
    let seconds = started.elapsed().as_secs_f64();
    say!(
        "rebuilt: {events} events up to position {} in {seconds:.1} s ({:.0} events/s), in place of {}",
        projections.cursor(),
        events as f64 / seconds.max(0.001),
        old.file_name().unwrap_or_default().to_string_lossy(),
    );
    if in_use {
        say!("the server that is running takes them at its next start");
    }
    Ok(nothing_parked(&projections, &config))
}

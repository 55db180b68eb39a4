//! `tidings projections list|audit|rebuild`.

use tidings_core::{
    log::Lane,
    projections::{Projections, Table, audit, rebuild, store},
};

use crate::{
    config::Place,
    server::{self, Storage},
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
    let Storage { log, .. } = server::present_storage(&config).await?;
    let projections = Projections::open(&Projections::folder(&config.data), log.identity())?;
    let head = log.head(Lane::Journal).await?;
    println!(
        "log: position {head}; projections: position {} on disk",
        projections.flushed()
    );
    for table in Table::ALL {
        let (mut rows, mut bytes) = (0_u64, 0_u64);
        projections.store().iterate(*table, |key, value| {
            rows += 1;
            bytes += (key.len() + value.len()) as u64;
            true
        })?;
        println!("{:<16} {rows:>12} rows {bytes:>14} bytes", table.name());
    }
    let parked = projections.parked();
    for stream in &parked {
        println!("parked: {stream:?}");
    }
    Ok(parked.is_empty())
}

async fn audit(place: Place) -> anyhow::Result<bool> {
    let config = place.load()?;
    let Storage { log, .. } = server::present_storage(&config).await?;
    let projections = server::projections(&config, &log).await?;
    let bar = server::progress(projections.cursor(), "folding the log afresh");
    let folder = config.data.join("projections").join("build-audit");
    let report = audit::audit(&*log, &projections, &folder, &mut |position, _| {
        bar.set_position(position.0)
    })
    .await?;
    bar.finish_and_clear();
    for (table, key, wrong) in &report.listed {
        println!("{table} {key}: {wrong}");
    }
    println!(
        "audit: {} rows compared at position {}, {} differences, {} parked streams",
        report.rows, report.position, report.differences, report.parked
    );
    Ok(report.is_clean())
}

async fn rebuild(place: Place) -> anyhow::Result<bool> {
    let config = place.load()?;
    let log = server::log_to_read(&config).await?;
    let head = log.head(Lane::Journal).await?;
    let root = config.data.join("projections");
    std::fs::create_dir_all(&root)?;
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
    println!(
        "rebuilt: {events} events up to position {} in {seconds:.1} s ({:.0} events/s), in place of {}",
        projections.cursor(),
        events as f64 / seconds.max(0.001),
        old.file_name().unwrap_or_default().to_string_lossy(),
    );
    if in_use {
        println!("the server that is running takes them at its next start");
    }
    Ok(projections.parked().is_empty())
}

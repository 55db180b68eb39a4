//! Opening the folder of an index, and ending what was written with where in the log it is.

use std::path::Path;

use tantivy::directory::MmapDirectory;
use tantivy::directory::error::{LockError, OpenDirectoryError};
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::schema::Schema;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyError};

use super::payload::Payload;
use super::{MIN_WRITER_MEMORY, OpenError, Position};
use crate::text::Analyzer;

/// An index that is open.
pub(crate) struct Opened {
    pub(crate) writer: IndexWriter,
    pub(crate) reader: IndexReader,
    /// What its last commit holds.
    pub(crate) position: Position,
}

/// Opens an index, or makes an empty one. `fingerprint` tells how documents are made, `analyzer` included.
pub(crate) fn open(
    folder: &Path,
    schema: Schema,
    fingerprint: u64,
    analyzer: Analyzer,
    writer_memory: usize,
) -> Result<Opened, OpenError> {
    if writer_memory < MIN_WRITER_MEMORY {
        return Err(OpenError::Memory(writer_memory));
    }
    std::fs::create_dir_all(folder)?;
    let directory = MmapDirectory::open(folder).map_err(|error| match error {
        OpenDirectoryError::IoError { io_error, .. } => {
            OpenError::Folder(std::io::Error::new(io_error.kind(), io_error.to_string()))
        }
        other => OpenError::Broken(other.into()),
    })?;
    let index = Index::open_or_create(directory, schema).map_err(open_error)?;
    let payload = index.load_metas().map_err(open_error)?.payload;
    let position = match payload {
        // Made, and never written to: the schema alone decides, which was compared.
        None => Position::default(),
        Some(payload) => match Payload::read(&payload) {
            Some(payload) if payload.fingerprint == fingerprint => payload.position,
            _ => return Err(OpenError::Other),
        },
    };
    analyzer.register(index.tokenizers());
    let options = IndexWriterOptions::builder()
        .memory_budget_per_thread(writer_memory)
        .num_worker_threads(1)
        .num_merge_threads(1)
        .build();
    let writer: IndexWriter = index.writer_with_options(options).map_err(open_error)?;
    tune(&writer);
    let reader = index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .doc_store_cache_num_blocks(1)
        .try_into()
        .map_err(open_error)?;
    Ok(Opened {
        writer,
        reader,
        position,
    })
}

/// Makes what was written durable, together with how far in the log it is.
pub(crate) fn commit(
    writer: &mut IndexWriter,
    fingerprint: u64,
    position: Position,
) -> Result<(), TantivyError> {
    let mut commit = writer.prepare_commit()?;
    commit.set_payload(
        &Payload {
            fingerprint,
            position,
        }
        .write(),
    );
    commit.commit()?;
    Ok(())
}

/// What a writer is to be told when it was made.
pub(crate) fn tune(writer: &IndexWriter) {
    writer.set_merge_policy(Box::new(merge_policy()));
}

/// Small segments are merged soon, since each costs every query; large ones when a third is deleted.
fn merge_policy() -> LogMergePolicy {
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(8);
    policy.set_del_docs_ratio_before_merge(0.3);
    policy
}

/// What an error while opening means.
pub(crate) fn open_error(error: TantivyError) -> OpenError {
    match error {
        TantivyError::SchemaError(_) => OpenError::Other,
        TantivyError::LockFailure(LockError::LockBusy, _) => OpenError::Locked,
        other => OpenError::Broken(other),
    }
}

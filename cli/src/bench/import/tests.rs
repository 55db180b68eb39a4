//! The made-up logs through the real importer.

use clap::Parser;
use tidings_core::{
    log::Lane,
    projections::{Projections, Table, rebuild},
};

use super::*;
use crate::{config::Config, server};

/// What is given to the program, so that the same words are read as by the processes that are measured.
#[derive(Debug, Parser)]
enum Words {
    #[command(subcommand)]
    Import(crate::import::Import),
    #[command(subcommand)]
    Projections(crate::projections::Command),
}

fn read(arguments: Vec<PathBuf>) -> Words {
    let program = [PathBuf::from("tidings")];
    Words::try_parse_from(program.into_iter().chain(arguments)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_imported_and_rebuilt() {
    const MESSAGES: u32 = 403;
    let folder = tempfile::tempdir().unwrap();
    let logs = irc::write(folder.path(), MESSAGES).unwrap();
    let data = folder.path().join("data");
    let Words::Import(import) = read(import_command(&data, &logs)) else {
        panic!("not an import");
    };
    assert!(import.run().await.unwrap(), "something was refused");
    let Words::Projections(rebuild) = read(rebuild_command(&data)) else {
        panic!("not a rebuild");
    };
    assert!(rebuild.run().await.unwrap());

    let config = Config {
        data: data.clone(),
        ..Config::default()
    };
    // The thread that folds ends with its process, so it may still have the log open.
    let log = server::log_to_read(&config).await.unwrap();
    let folder = rebuild::current(&data.join("projections"));
    let projections = Projections::open(&folder, log.identity()).unwrap();
    assert_eq!(
        projections.flushed(),
        log.head(Lane::Journal).await.unwrap().0
    );
    let rows = |table| {
        let mut rows = 0;
        let mut count = |_: &[u8], _: &[u8]| {
            rows += 1;
            true
        };
        projections.store().iterate(table, &mut count).unwrap();
        rows
    };
    assert_eq!(rows(Table::Messages), MESSAGES);
    assert_eq!(rows(Table::Conversations), irc::CHANNELS);
}

#[test]
fn numbers_are_found_in_what_is_said() {
    let said = "#a: 7 nicks\nimported 12 messages (0 known already), 3 joins";
    assert_eq!(number_after(said, "imported ", "messages").unwrap(), 12);
    for (start, of) in [("imported ", "events"), ("rebuilt: ", "messages")] {
        let error = number_after(said, start, of).unwrap_err();
        assert!(error.to_string().contains(of), "{error}");
    }
}

//! What is stored of compiled components, and what becomes of files that are not what was stored.

use std::fs;
use std::path::Path;

use super::*;
use crate::staged::Verdict;

/// An engine of its own: what it finds is in the folder alone.
fn engine_at(folder: &Path, key: u8) -> Engine {
    Engine::new(Settings {
        calls: 2,
        cache: Some(Cache::new(folder, &[key; 32])),
        ..Settings::default()
    })
    .expect("an engine")
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

async fn works(engine: &Engine) {
    let artifact = engine
        .compile(&component(&moderator("", "")))
        .expect("it can be used");
    let definition = Definition {
        id: "small".to_owned(),
        version: "1".to_owned(),
        config: "{}".to_owned(),
        limits: patient(),
    };
    let extension = Extension::new(artifact, definition).expect("settings");
    let called = extension.review(about(), draft(""), server()).await;
    assert_eq!(called.result, Ok(Verdict::default()));
}

#[tokio::test]
async fn a_compiled_component_is_stored_and_used() {
    let folder = tempfile::tempdir().expect("a folder");
    works(&engine_at(folder.path(), 1)).await;
    let stored = files(folder.path());
    assert_eq!(stored.len(), 1, "{stored:?}");
    let before = fs::metadata(&stored[0])
        .and_then(|file| file.modified())
        .expect("a time");
    works(&engine_at(folder.path(), 1)).await;
    assert_eq!(files(folder.path()), stored);
    let after = fs::metadata(&stored[0])
        .and_then(|file| file.modified())
        .expect("a time");
    assert_eq!(before, after, "it was not compiled again");
}

#[tokio::test]
async fn a_damaged_or_foreign_file_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    works(&engine_at(folder.path(), 1)).await;
    let file = files(folder.path()).remove(0);
    let good = fs::read(&file).expect("it was stored");

    let mut damaged = Vec::from([
        Vec::new(),
        good[..20].to_vec(),
        good[..good.len() - 1].to_vec(),
    ]);
    for at in [0, 10, 50, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        damaged.push(bytes);
    }
    for bytes in damaged {
        fs::write(&file, &bytes).expect("the folder can be written");
        works(&engine_at(folder.path(), 1)).await;
        assert!(fs::read(&file).expect("it was stored again") == good);
    }
    // Written by somebody with another key.
    works(&engine_at(folder.path(), 2)).await;
    assert!(fs::read(&file).expect("it was stored again") != good);
}

#[tokio::test]
async fn a_file_cannot_stand_for_another_component() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine_at(folder.path(), 1);
    let other = component(&moderator("", "unreachable"));
    engine.compile(&other).expect("it can be used");
    let theirs = files(folder.path()).remove(0);
    works(&engine).await;
    let mine = files(folder.path())
        .into_iter()
        .find(|file| *file != theirs)
        .expect("two are stored");
    fs::copy(&theirs, &mine).expect("the folder can be written");
    works(&engine_at(folder.path(), 1)).await;
}

#[tokio::test]
async fn without_a_folder_that_can_be_written_all_is_compiled() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a file");
    fs::write(&file, b"").expect("the folder can be written");
    works(&engine_at(&file.join("below"), 1)).await;
}

//! The exam of `keys::conformance`, and what only this store can be asked.

use ring::rand::SystemRandom;

use super::*;
use crate::keys::conformance::{Factory, id, print};
use crate::keys::seal::KEY;

struct Folders(tempfile::TempDir);

#[async_trait]
impl Factory for Folders {
    async fn open(&self, name: &str) -> Arc<dyn KeyStore> {
        Arc::new(open(&self.0.path().join(name)).unwrap())
    }
}

crate::key_conformance!(Folders(tempfile::tempdir().unwrap()));

fn operator(byte: u8) -> OperatorKey {
    OperatorKey::new(&RawKey::from_bytes([byte; KEY]))
}

fn random() -> Arc<dyn SecureRandom + Send + Sync> {
    #[expect(clippy::disallowed_methods, reason = "the test hands it in")]
    Arc::new(SystemRandom::new())
}

fn open(dir: &Path) -> Result<Embedded, OpenError> {
    Embedded::open(dir, operator(1), random())
}

fn wrapped_in(dir: &Path, slot: usize) -> Vec<u8> {
    std::fs::read(dir.join("keys.slots")).unwrap()[slot * 64..][..61].to_vec()
}

/// All files of the store, to look for bytes that should not be there.
fn contents(dir: &Path) -> Vec<u8> {
    let files = ["keys.redb", "keys.slots"];
    files
        .iter()
        .flat_map(|file| std::fs::read(dir.join(file)).unwrap())
        .collect()
}

#[tokio::test]
async fn nothing_of_a_destroyed_key_is_left_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let keys = open(dir.path()).unwrap();
    let ids: Vec<KeyId> = (0..5).map(|n| id(n, "eve")).collect();
    for id in &ids {
        keys.ensure(std::slice::from_ref(id)).await.unwrap();
    }
    let wrapped = wrapped_in(dir.path(), 3);
    let holds = |bytes: &[u8]| bytes.windows(24).any(|window| window == &wrapped[13..37]);
    assert!(holds(&contents(dir.path())));
    keys.destroy(&ids[2..3]).await.unwrap();
    assert!(
        !holds(&contents(dir.path())),
        "the ciphertext of the key is gone"
    );
    let states = keys.get(&ids).await.unwrap();
    let present = states
        .iter()
        .filter(|state| matches!(state, KeyState::Present(_)))
        .count();
    assert_eq!(present, 4);
}

#[tokio::test]
async fn another_operator_key_is_refused_at_the_door() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!exists(dir.path()));
    drop(open(dir.path()).unwrap());
    assert!(exists(dir.path()));
    let refused = Embedded::open(dir.path(), operator(2), random())
        .err()
        .unwrap();
    assert!(
        matches!(refused, OpenError::WrongOperatorKey { .. }),
        "{refused}"
    );
    open(dir.path()).expect("the right one still opens it");
}

#[tokio::test]
async fn a_garbled_or_exchanged_key_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let keys = open(dir.path()).unwrap();
    let ids = [id(1, "eve"), id(2, "eve"), id(3, "eve")];
    for id in &ids {
        keys.ensure(std::slice::from_ref(id)).await.unwrap();
    }
    drop(keys);
    let path = dir.path().join("keys.slots");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[64 + 20] ^= 1;
    bytes.copy_within(3 * 64..4 * 64, 2 * 64);
    std::fs::write(&path, &bytes).unwrap();
    let keys = open(dir.path()).unwrap();
    for id in &ids[..2] {
        let refused = keys.get(std::slice::from_ref(id)).await;
        assert!(
            matches!(refused, Err(KeyError::WrongOperatorKey)),
            "{refused:?}"
        );
    }
    keys.get(&ids[2..]).await.unwrap();
}

#[tokio::test]
async fn a_missing_or_short_file_of_keys_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let keys = open(dir.path()).unwrap();
    keys.ensure(&[id(1, "eve"), id(2, "eve")]).await.unwrap();
    drop(keys);
    let path = dir.path().join("keys.slots");
    let whole = std::fs::read(&path).unwrap();
    for len in [0, 64, 128] {
        std::fs::write(&path, &whole[..len]).unwrap();
        let refused = open(dir.path()).err().unwrap();
        assert!(
            matches!(refused, OpenError::Damaged { .. }),
            "{len}: {refused}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Io { .. })));
    assert!(!path.exists(), "no empty one is made in its place");
    std::fs::write(&path, &whole).unwrap();
    open(dir.path()).unwrap();
}

#[tokio::test]
async fn keys_without_their_index_are_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let keys = open(dir.path()).unwrap();
    keys.ensure(&[id(1, "eve")]).await.unwrap();
    drop(keys);
    let before = wrapped_in(dir.path(), 1);
    std::fs::remove_file(dir.path().join("keys.redb")).unwrap();
    let refused = open(dir.path()).err().unwrap();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    assert_eq!(wrapped_in(dir.path(), 1), before);
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let keys = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Locked { .. })));
    drop(keys);
    open(dir.path()).unwrap();
}

#[tokio::test]
async fn slots_written_by_an_interrupted_ensure_are_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let keys = open(dir.path()).unwrap();
    keys.ensure(&[id(1, "eve")]).await.unwrap();
    // As if the machine had stopped before the index was written.
    keys.slots.write(2, &[[1; 61], [1; 61]]).unwrap();
    drop(keys);
    let keys = open(dir.path()).unwrap();
    let made = keys.ensure(&[id(2, "eve")]).await.unwrap();
    let KeyState::Present(made) = &made[0] else {
        panic!("{made:?}")
    };
    drop(keys);
    assert_ne!(wrapped_in(dir.path(), 2), [1; 61]);
    let keys = open(dir.path()).unwrap();
    let found = keys.get(&[id(2, "eve")]).await.unwrap();
    let KeyState::Present(found) = &found[0] else {
        panic!("{found:?}")
    };
    assert_eq!(print(found), print(made));
}

#[tokio::test]
async fn after_a_disk_that_failed_keys_are_there_and_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let ids: Vec<KeyId> = (0..5_000).map(|n| id(n, "eve")).collect();
    let keys = open(dir.path()).unwrap();
    keys.ensure(&ids).await.unwrap();
    drop(keys);

    let path = database_path(dir.path());
    let keys = open(dir.path()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(0).unwrap();
    for _ in 0..2 {
        let missing = keys.get(&ids).await.map(|states| states.len());
        assert!(
            matches!(missing, Err(KeyError::Unavailable(_))),
            "{missing:?}"
        );
    }
    std::os::unix::fs::FileExt::write_all_at(&file, &whole, 0).unwrap();
    drop(file);

    let states = keys.get(&ids).await.unwrap();
    assert!(
        states
            .iter()
            .all(|state| matches!(state, KeyState::Present(_)))
    );
    let made = keys.ensure(&[id(5_000, "eve")]).await.unwrap();
    assert!(matches!(made[0], KeyState::Present(_)));
}

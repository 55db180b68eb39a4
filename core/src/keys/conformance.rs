//! The exam every key store takes. A backend joins with one line in its tests:
//!
//! ```ignore
//! tidings_core::key_conformance!(MyFactory::new());
//! ```

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::{ContentKey, KeyId, KeyState, KeyStore};

/// Makes key stores of the backend under test. It panics if it cannot.
#[async_trait]
pub trait Factory: Send + Sync {
    /// Opens the store of that name, making it at first, as a process does that knows nothing yet
    /// of what is in it. If the backend can be shared, it may be open elsewhere.
    async fn open(&self, name: &str) -> Arc<dyn KeyStore>;
}

/// Defines one test for each case. The argument is an expression that makes a [`Factory`].
#[macro_export]
macro_rules! key_conformance {
    ($factory:expr) => {
        $crate::key_conformance! { @cases $factory;
            a_key_is_made_once_and_stays
            a_key_survives_reopening
            several_are_answered_in_order
            a_destroyed_key_never_comes_back
            an_unknown_key_can_be_destroyed
            concurrent_callers_get_the_same_keys
            destroying_wins_over_concurrent_readers
            what_is_recorded_first_stays
        }
    };
    (@cases $factory:expr; $($case:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let factory = $factory;
                $crate::keys::conformance::$case(&factory).await;
            }
        )+
    };
}

/// The id of what an author wrote in a conversation.
pub fn id(conversation: u128, author: &str) -> KeyId {
    KeyId::Content {
        conversation: Uuid::from_u128(conversation),
        author: author.into(),
    }
}

/// A text by which keys can be compared: two keys are the same if they seal alike.
pub fn print(key: &ContentKey) -> Vec<u8> {
    key.seal(b"place", [0; 12], b"text").to_vec()
}

fn present(state: &KeyState) -> Vec<u8> {
    match state {
        KeyState::Present(key) => print(key),
        other => panic!("expected a key, not {other:?}"),
    }
}

fn assert_destroyed(states: &[KeyState]) {
    assert!(
        states
            .iter()
            .all(|state| matches!(state, KeyState::Destroyed)),
        "{states:?}"
    );
}

/// What is never ensured is unknown; what is ensured is the same ever after, and no other's.
pub async fn a_key_is_made_once_and_stays(factory: &dyn Factory) {
    let keys = factory.open("once").await;
    let (eve, bob) = (id(1, "eve"), id(1, "bob"));
    let before = keys.get(std::slice::from_ref(&eve)).await.expect("get");
    assert!(matches!(before[..], [KeyState::Unknown]), "{before:?}");
    assert!(!matches!(keys.cached(&eve), Some(KeyState::Present(_))));

    let made = keys
        .ensure(std::slice::from_ref(&eve))
        .await
        .expect("ensure");
    let key = present(&made[0]);
    for _ in 0..2 {
        let both = [eve.clone(), bob.clone()];
        let again = keys.ensure(&both).await.expect("ensure");
        assert_eq!(present(&again[0]), key);
        assert_ne!(present(&again[1]), key, "each id has a key of its own");
        assert_eq!(present(&keys.get(&both).await.expect("get")[0]), key);
        assert_eq!(
            present(&keys.cached(&eve).expect("a key in use is at hand")),
            key
        );
    }
    assert!(keys.ensure(&[]).await.expect("nothing").is_empty());
    assert!(keys.get(&[]).await.expect("nothing").is_empty());
}

/// Another process finds the same keys.
pub async fn a_key_survives_reopening(factory: &dyn Factory) {
    let keys = factory.open("reopened").await;
    let ids: Vec<KeyId> = (0..50).map(|n| id(n, "eve")).collect();
    let made: Vec<_> = keys
        .ensure(&ids)
        .await
        .expect("ensure")
        .iter()
        .map(present)
        .collect();
    keys.destroy(&ids[..10]).await.expect("destroy");
    drop(keys);

    let keys = factory.open("reopened").await;
    let found = keys.get(&ids).await.expect("get");
    assert_destroyed(&found[..10]);
    let found: Vec<_> = found[10..].iter().map(present).collect();
    assert_eq!(found, made[10..]);
    let more = keys
        .ensure(&[id(50, "eve"), ids[10].clone()])
        .await
        .expect("ensure");
    assert!(!made.contains(&present(&more[0])), "a new key is a new one");
    assert_eq!(present(&more[1]), made[10]);
}

/// Also where one id is asked for twice, and some are there already.
pub async fn several_are_answered_in_order(factory: &dyn Factory) {
    let keys = factory.open("several").await;
    let (a, b, c) = (id(1, "a"), id(1, "b"), id(1, "c"));
    let first = present(&keys.ensure(std::slice::from_ref(&b)).await.expect("ensure")[0]);
    let ids = [a.clone(), b.clone(), a.clone(), c.clone(), b];
    let states = keys.ensure(&ids).await.expect("ensure");
    let prints: Vec<_> = states.iter().map(present).collect();
    assert_eq!(prints[0], prints[2]);
    assert_eq!([&prints[1], &prints[4]], [&first, &first]);
    assert_ne!(prints[0], prints[3]);
    keys.destroy(&[c.clone(), c.clone()])
        .await
        .expect("destroy");
    let states = keys.get(&[c, id(9, "nobody"), a]).await.expect("get");
    assert!(
        matches!(
            states[..],
            [KeyState::Destroyed, KeyState::Unknown, KeyState::Present(_)]
        ),
        "{states:?}"
    );
}

/// Neither by asking, nor by ensuring, nor by reopening, nor by destroying again.
pub async fn a_destroyed_key_never_comes_back(factory: &dyn Factory) {
    let keys = factory.open("destroyed").await;
    let ids = [id(1, "eve"), id(2, "eve")];
    let kept = present(&keys.ensure(&ids).await.expect("ensure")[1]);
    for _ in 0..2 {
        keys.destroy(&ids[..1]).await.expect("destroy");
        assert_destroyed(&keys.cached(&ids[0]).into_iter().collect::<Vec<_>>());
        assert_destroyed(&keys.get(&ids[..1]).await.expect("get"));
        assert_destroyed(&keys.ensure(&ids[..1]).await.expect("ensure"));
    }
    drop(keys);
    let keys = factory.open("destroyed").await;
    assert_destroyed(&keys.ensure(&ids[..1]).await.expect("ensure"));
    assert_destroyed(&keys.get(&ids[..1]).await.expect("get"));
    assert_eq!(present(&keys.get(&ids[1..]).await.expect("get")[0]), kept);
}

/// So that a key that another node is about to make is not made after the erasure.
pub async fn an_unknown_key_can_be_destroyed(factory: &dyn Factory) {
    let keys = factory.open("never").await;
    let ids = [id(1, "eve")];
    keys.destroy(&ids).await.expect("destroy");
    assert_destroyed(&keys.ensure(&ids).await.expect("ensure"));
    drop(keys);
    let keys = factory.open("never").await;
    assert_destroyed(&keys.ensure(&ids).await.expect("ensure"));
    present(
        &keys
            .ensure(&[id(2, "eve")])
            .await
            .expect("others can be made")[0],
    );
}

/// However many make the same keys at once, there is one of each.
pub async fn concurrent_callers_get_the_same_keys(factory: &dyn Factory) {
    let keys = factory.open("concurrent").await;
    let caller = |start: u128| {
        let keys = keys.clone();
        tokio::spawn(async move {
            let mut found = Vec::new();
            for step in 0..20 {
                let n = (start + step) % 20;
                let ids = [id(n, "eve"), id((n + 7) % 20, "bob")];
                let states = keys.ensure(&ids).await.expect("ensure");
                found.extend(ids.into_iter().zip(states.iter().map(present)));
            }
            found
        })
    };
    let callers: Vec<_> = (0..6).map(|n| caller(n * 3)).collect();
    let mut all = std::collections::BTreeMap::new();
    for caller in callers {
        for (id, print) in caller.await.expect("no caller panics") {
            let first = all.entry(id.clone()).or_insert_with(|| print.clone());
            assert_eq!(*first, print, "{id:?}");
        }
    }
    let mut prints: Vec<_> = all.values().collect();
    prints.sort();
    prints.dedup();
    assert_eq!(
        (all.len(), prints.len()),
        (40, 40),
        "no two ids share a key"
    );
}

/// Once `destroy` has returned, nobody on this node is given the key any more.
pub async fn destroying_wins_over_concurrent_readers(factory: &dyn Factory) {
    let keys = factory.open("race").await;
    for round in 0..20 {
        let ids = [id(round, "eve")];
        present(&keys.ensure(&ids).await.expect("ensure")[0]);
        let readers: Vec<_> = (0..3)
            .map(|reader| {
                let (keys, ids) = (keys.clone(), ids.clone());
                tokio::spawn(async move {
                    for _ in 0..20 {
                        match reader {
                            0 => drop(keys.ensure(&ids).await.expect("ensure")),
                            _ => drop(keys.get(&ids).await.expect("get")),
                        }
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        keys.destroy(&ids).await.expect("destroy");
        for _ in 0..20 {
            assert_destroyed(&keys.cached(&ids[0]).into_iter().collect::<Vec<_>>());
            assert_destroyed(&keys.get(&ids).await.expect("get"));
            tokio::task::yield_now().await;
        }
        for reader in readers {
            reader.await.expect("no reader panics");
        }
    }
}

/// Of several values recorded under one name the first one stays, and keys are not in its way.
pub async fn what_is_recorded_first_stays(factory: &dyn Factory) {
    let keys = factory.open("recorded").await;
    let ask = async |keys: &dyn KeyStore, name, value: &[u8]| {
        keys.recorded(name, value).await.expect("recorded")
    };
    assert_eq!(&ask(&*keys, "ids", b"first").await[..], b"first");
    assert_eq!(&ask(&*keys, "ids", b"first").await[..], b"first");
    assert_eq!(&ask(&*keys, "ids", b"second").await[..], b"first");
    let eve = id(1, "eve");
    let made = keys.ensure(std::slice::from_ref(&eve)).await;
    present(&made.expect("ensure")[0]);
    drop(keys);
    let keys = factory.open("recorded").await;
    assert_eq!(&ask(&*keys, "ids", b"third").await[..], b"first");
    assert_eq!(&ask(&*keys, "other", b"third").await[..], b"third");
}

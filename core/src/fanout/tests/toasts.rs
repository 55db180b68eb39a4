//! Toasts: to every session of their user, to none where it is looked at what they tell of.

use super::*;
use crate::{
    domain::Content,
    history::play::{batch, commit},
};

/// A session of somebody who looks at the first conversation.
#[derive(Default)]
struct Looker {
    told: Recorder,
    seen: Mutex<Vec<u64>>,
}

impl Session for Looker {
    fn nodes(&self, _: &Arc<Nodes>) {}
    fn notify(&self, notice: &Arc<Notice>) {
        self.told.notify(notice);
    }
    fn signal(&self, _: &Arc<Signal>) {}
    fn interrupt(&self) {}
    fn erased(&self) {}
    fn wake(&self) {}
    fn looks_at(&self, conversation: ConversationId) -> bool {
        conversation == place(0)
    }
    fn sees(&self, toast: u64) {
        self.seen.lock().push(toast);
    }
}

fn queued(
    vault: &Vault,
    toast: u64,
    about: Option<&UserId>,
    of: Option<ConversationId>,
    replaces: Vec<u64>,
) -> Event {
    let aad = seal::toast_aad(&user(0), "likes", about.map(|about| &**about), None);
    let nonce = [toast as u8; 12];
    let states = vault
        .runtime
        .block_on(vault.keys.get(&[KeyId::User(user(0).shared())]));
    let states = states.expect("keys are there");
    let KeyState::Present(key) = &states[0] else {
        panic!("{states:?}");
    };
    let mut sealed = key.seal(&aad, nonce, br#"{"title":"news"}"#);
    if let Some(about) = about {
        let id = [KeyId::User(about.shared())];
        let states = vault.runtime.block_on(vault.keys.get(&id));
        let states = states.expect("keys are there");
        let KeyState::Present(key) = &states[0] else {
            panic!("{states:?}");
        };
        sealed = key.seal(&aad, nonce, &sealed);
    }
    Event::ToastQueued {
        toast,
        source: "likes".to_owned(),
        collapse: None,
        content: Content::Sealed(sealed),
        about_user: about.cloned(),
        about_conversation: of,
        expires_ms: u64::MAX,
        replaces,
    }
}

fn own(of: usize, events: Vec<Event>) -> Batch {
    batch(Stream::User(user(of)), &user(of), events)
}

/// What a session was told, in short.
fn said(changes: Vec<Change>) -> Vec<String> {
    let said = changes.into_iter().map(|change| match change.what {
        What::ToastQueued { toast, replaces } => {
            assert!(matches!(toast.text, Text::Open(_)), "{toast:?}");
            format!("{} for {replaces:?}", toast.toast)
        }
        What::ToastsSeen { toasts } => format!("seen {toasts:?}"),
        other => panic!("{other:?}"),
    });
    said.collect()
}

#[test]
fn what_is_looked_at_is_told_to_no_session_and_counts_as_seen() {
    let vault = Vault::new();
    let projector = Projector::new(&vault);
    let looker = Arc::new(Looker::default());
    let _first = projector.fanout.register(&user(0), looker.clone());
    let (other, _second) = projector.session(&user(0));
    let (stranger, _third) = projector.session(&user(1));
    let events = vec![
        queued(&vault, 1, None, Some(place(3)), vec![]),
        queued(&vault, 2, None, Some(place(0)), vec![]),
        queued(&vault, 3, Some(&user(1)), None, vec![]),
        queued(&vault, 4, None, Some(place(0)), vec![3]),
    ];
    projector.project(&[commit(1, &[own(0, events)])]);
    // What it took the place of is gone all the same: 3 is not even shown, since it went in the same commit.
    for session in [&looker.told, &*other] {
        assert_eq!(said(session.take()), ["1 for []", "seen [3]"]);
    }
    assert_eq!(*looker.seen.lock(), [2, 4]);
    assert_eq!(said(stranger.take()), Vec::<String>::new());
}

#[test]
fn those_who_are_here_are_told_what_went_with_somebody() {
    let vault = Vault::new();
    let projector = Projector::new(&vault);
    let (session, _registration) = projector.session(&user(0));
    let (other, _second) = projector.session(&user(2));
    let events = vec![queued(&vault, 1, Some(&user(1)), None, vec![])];
    projector.project(&[commit(1, &[own(0, events)])]);
    assert_eq!(said(session.take()), ["1 for []"]);
    // One in the rows, and one in commits that are folded together with the erasure.
    let late = vec![queued(&vault, 2, Some(&user(1)), None, vec![])];
    projector.project(&[
        commit(2, &[own(0, late)]),
        commit(3, &[own(1, vec![Event::UserErased])]),
    ]);
    assert_eq!(said(session.take()), ["seen [1, 2]"]);
    assert_eq!(said(other.take()), Vec::<String>::new());
}

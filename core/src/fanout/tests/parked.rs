//! Streams that are set aside, and sessions that are made to resume.

use super::*;
use crate::history::play::{batch, commit};

fn posted(seq: u64) -> Event {
    Event::MessagePosted {
        seq,
        countable_seq: seq,
        content: crate::domain::Content::Sealed(Bytes::new()),
        reply_to: 0,
        mentions: Vec::new(),
    }
}

fn at(position: u64, number: usize, who: &str, event: Event) -> Commit {
    commit(
        position,
        &[batch(Stream::Conversation(place(number)), who, vec![event])],
    )
}

/// A projector after the start, with a session of `user(0)`.
fn started(vault: &Vault) -> (Projector<'_>, Arc<Recorder>, Registration) {
    let projector = Projector::new(vault);
    projector.project(&[vault.play().commit().expect("the start")]);
    let (session, registration) = projector.session(&user(0));
    (projector, session, registration)
}

#[test]
fn nobody_is_told_of_a_parked_stream_and_nobody_is_disturbed_by_it() {
    let vault = Vault::new();
    let (projector, session, _registration) = started(&vault);
    // The message before this one is missing, so it can neither be folded nor reacted to.
    let reaction = "+1".to_owned();
    let commits = [
        at(2, 3, "a", posted(2)),
        at(3, 3, "a", Event::ReactionAdded { seq: 2, reaction }),
        at(4, 3, "ab", Event::MemberLeft { user: user(1) }),
        at(5, 0, "a", posted(1)),
    ];
    projector.fanout.prepare(&commits).expect("read");
    assert_eq!(
        projector.projections.apply(&commits).expect("folds").len(),
        1
    );
    projector.tell(&commits);
    let told: Vec<_> = session
        .take()
        .iter()
        .map(|change| change.conversation)
        .collect();
    assert_eq!(told, [Some(place(0))]);
    assert_eq!(session.interrupts.load(Ordering::Relaxed), 0);
}

/// Whoever was not told of a commit has to forget who was in its conversations.
#[test]
fn after_an_interruption_the_right_ones_are_told() {
    let vault = Vault::new();
    let (projector, session, _registration) = started(&vault);
    let (gone, _other) = projector.session(&user(1));
    projector.project(&[at(2, 3, "a", posted(1))]);
    assert_eq!((session.take().len(), gone.take().len()), (1, 1));

    // Folded, but an error keeps it from being told.
    let left = [at(3, 3, "ab", Event::MemberLeft { user: user(1) })];
    projector.fanout.prepare(&left).expect("read");
    projector.projections.apply(&left).expect("folds");
    projector.fanout.interrupt();
    assert_eq!(session.interrupts.load(Ordering::Relaxed), 1);
    assert_eq!(gone.interrupts.load(Ordering::Relaxed), 1);

    projector.project(&[at(4, 3, "a", posted(2))]);
    assert_eq!(
        (session.take().len(), gone.take().len()),
        (1, 0),
        "the past member hears nothing"
    );
}

#[test]
fn a_session_that_has_ended_is_told_of_nothing() {
    let vault = Vault::new();
    let (projector, session, registration) = started(&vault);
    let (another, _registration) = projector.session(&user(0));
    assert_eq!(projector.fanout.sessions_of(&user(0)), 2);
    drop(registration);
    projector.project(&[at(2, 3, "a", posted(1))]);
    assert_eq!((session.take().len(), another.take().len()), (0, 1));
    assert_eq!(projector.fanout.sessions_of(&user(0)), 1);
}

/// Those who are told the same share one notice, so that its frame is made once.
#[test]
fn a_change_is_made_once_for_everyone() {
    #[derive(Default)]
    struct Keeps(Mutex<Vec<Arc<Notice>>>);

    impl Session for Keeps {
        fn nodes(&self, _: &Arc<Nodes>) {}

        fn notify(&self, notice: &Arc<Notice>) {
            self.0.lock().push(notice.clone());
        }
        fn signal(&self, _: &Arc<Signal>) {}
        fn interrupt(&self) {}
        fn erased(&self) {}
        fn wake(&self) {}
        fn looks_at(&self, _: ConversationId) -> bool {
            false
        }
        fn sees(&self, _: u64) {}
    }

    let vault = Vault::new();
    let (projector, ..) = started(&vault);
    let sessions: Vec<_> = [0, 1, 1, 2]
        .map(|index| {
            let session = Arc::new(Keeps::default());
            (
                projector.fanout.register(&user(index), session.clone()),
                session,
            )
        })
        .into();
    projector.project(&[at(2, 3, "a", posted(1))]);
    let notices: Vec<_> = sessions
        .iter()
        .flat_map(|(_, session)| session.0.lock().clone())
        .collect();
    assert_eq!(notices.len(), 4);
    assert!(
        notices
            .iter()
            .all(|notice| Arc::ptr_eq(notice, &notices[0]))
    );
}

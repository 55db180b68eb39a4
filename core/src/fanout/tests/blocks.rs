//! Blocks: what the blocker is told of the blocked one, and the other way round.

use super::*;
use crate::history::play;

const POST: Deed = Deed::Post {
    reply_back: None,
    mention: None,
};

/// A projector after the start and these acts, with a session of `user(0)` and one of `user(1)`.
struct Pair<'v> {
    projector: Projector<'v>,
    play: Play,
    first: (Arc<Recorder>, Registration),
    second: (Arc<Recorder>, Registration),
}

impl<'v> Pair<'v> {
    fn new(vault: &'v Vault) -> Pair<'v> {
        let projector = Projector::new(vault);
        let mut play = vault.play();
        projector.project(&[play.commit().expect("the start")]);
        let (first, second) = (projector.session(&user(0)), projector.session(&user(1)));
        Pair {
            projector,
            play,
            first,
            second,
        }
    }

    /// Plays acts in one commit, tells everyone, and returns what the two were told.
    fn told(&mut self, acts: &[(usize, usize, Deed)]) -> (Vec<What>, Vec<What>) {
        for (who, place, deed) in acts {
            let deed = deed.clone();
            self.play.act(&Act {
                who: *who,
                by_member: false,
                place: *place,
                deed,
                ends_commit: false,
            });
        }
        self.projector
            .project(&[self.play.commit().expect("something happens")]);
        let whats = |session: &Recorder| session.take().into_iter().map(|change| change.what);
        (
            whats(&self.first.0).collect(),
            whats(&self.second.0).collect(),
        )
    }
}

fn is_posted(whats: &[What]) -> bool {
    matches!(whats, [What::MessagePosted(_)])
}

#[test]
fn the_blocked_ones_direct_messages_are_silently_kept_from_the_blocker() {
    let vault = Vault::new();
    let mut pair = Pair::new(&vault);
    let (first, second) = pair.told(&[(0, 0, Deed::Block { user: 1 })]);
    assert!(matches!(&first[..], [What::UserBlocked { user: whom }] if *whom == user(1)));
    assert_eq!(second, [], "a block is not revealed");

    let (first, second) = pair.told(&[(1, 0, POST)]);
    assert_eq!(first, []);
    assert!(
        is_posted(&second),
        "one's own message comes back: {second:?}"
    );
    let (first, second) = pair.told(&[(1, 0, Deed::React { back: 0, which: 0 })]);
    assert_eq!((first.len(), second.len()), (0, 1));
    let (first, second) = pair.told(&[(
        1,
        0,
        Deed::Edit {
            back: 0,
            mention: None,
        },
    )]);
    assert_eq!((first.len(), second.len()), (0, 1));
    let (first, second) = pair.told(&[(1, 0, Deed::Retract { back: 0 })]);
    assert_eq!((first.len(), second.len()), (0, 1));

    // In a group the blocker does not see them either, and the others do.
    let (third, _registration) = pair.projector.session(&user(2));
    let (first, second) = pair.told(&[(1, 3, POST)]);
    assert_eq!(first, []);
    assert!(is_posted(&second));
    assert!(matches!(
        third.take()[..],
        [Change {
            what: What::MessagePosted(_),
            ..
        }]
    ));
    // The blocked one sees the blocker.
    let (first, second) = pair.told(&[(0, 3, POST)]);
    assert!(is_posted(&first) && is_posted(&second));
}

#[test]
fn a_block_holds_from_its_place_in_a_commit_on() {
    let vault = Vault::new();
    let mut pair = Pair::new(&vault);
    let block = || Deed::Block { user: 1 };
    let (first, _) = pair.told(&[(0, 0, block()), (1, 0, POST)]);
    assert!(matches!(first[..], [What::UserBlocked { .. }]), "{first:?}");
    let (first, _) = pair.told(&[(0, 0, Deed::Unblock { user: 1 }), (1, 0, POST)]);
    assert!(
        matches!(
            first[..],
            [What::UserUnblocked { .. }, What::MessagePosted(_)]
        ),
        "{first:?}"
    );
}

#[test]
fn a_conversation_begun_by_a_blocked_user_is_not_shown() {
    let vault = Vault::new();
    let mut pair = Pair::new(&vault);
    pair.told(&[(0, 0, Deed::Block { user: 3 })]);
    let (third, _registration) = pair.projector.session(&user(3));
    let (first, _) = pair.told(&[(3, 2, Deed::Start), (3, 2, POST)]);
    assert_eq!(first, []);
    let whats: Vec<_> = third.take().into_iter().map(|change| change.what).collect();
    assert!(
        matches!(
            &whats[..],
            [What::ConversationAdded(_), What::MessagePosted(_)]
        ),
        "{whats:?}"
    );
    let kind = match &whats[0] {
        What::ConversationAdded(view) => view.kind.clone(),
        _ => unreachable!("matched above"),
    };
    assert_eq!(play::peer(&kind, &user(3)), Some(user(0)));
}

#[test]
fn a_look_is_over_with_a_block_and_with_leaving() {
    let vault = Vault::new();
    let mut pair = Pair::new(&vault);
    let looks = |pair: &Pair<'_>, who: usize, at: usize| {
        let fanout = &pair.projector.fanout;
        let told = fanout.signal(Doing::Looking, place(at), &user(who), true);
        told.expect("read");
    };
    let heard = |pair: &Pair<'_>, of: usize| {
        let session = [&pair.first.0, &pair.second.0][of];
        std::mem::take(&mut *session.typing.lock())
    };
    looks(&pair, 0, 0);
    looks(&pair, 1, 0);
    assert_eq!(heard(&pair, 0), [(user(1), true)]);
    assert_eq!(heard(&pair, 1), [(user(0), true)]);
    pair.told(&[(0, 0, Deed::Block { user: 1 })]);
    assert_eq!(heard(&pair, 0), [(user(1), false)]);
    assert_eq!(heard(&pair, 1), [(user(0), false)]);
    looks(&pair, 0, 0);
    looks(&pair, 1, 0);
    assert_eq!((heard(&pair, 0), heard(&pair, 1)), (vec![], vec![]));
    pair.told(&[(0, 0, Deed::Unblock { user: 1 })]);
    looks(&pair, 1, 3);
    assert_eq!(heard(&pair, 0), [(user(1), true)]);
    pair.told(&[(1, 3, Deed::Leave { force: false })]);
    assert_eq!(heard(&pair, 0), [(user(1), false)]);
}

#[test]
fn nobody_learns_of_typing_across_a_block() {
    let vault = Vault::new();
    let mut pair = Pair::new(&vault);
    let typing = |pair: &Pair<'_>, who: usize, place_number: usize| {
        pair.projector
            .fanout
            .signal(Doing::Typing, place(place_number), &user(who), true)
            .expect("read");
        let heard = |session: &Recorder| std::mem::take(&mut *session.typing.lock()).len();
        (heard(&pair.first.0), heard(&pair.second.0))
    };
    assert_eq!(
        typing(&pair, 0, 0),
        (0, 1),
        "the others hear of it, not oneself"
    );
    assert_eq!(typing(&pair, 1, 3), (1, 0));
    assert_eq!(typing(&pair, 0, 1), (0, 0), "nobody is there yet");
    pair.told(&[(0, 0, Deed::Block { user: 1 })]);
    assert_eq!((typing(&pair, 0, 0), typing(&pair, 1, 0)), ((0, 0), (0, 0)));
    assert_eq!(typing(&pair, 1, 3), (0, 0));
}

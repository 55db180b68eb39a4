//! Aggregates loaded from rows are what they were when they were decided on.

use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::{
    history::{
        Play,
        act::{places, users},
        acts,
    },
    log::Identity,
    projections::Projections,
};

/// Everything there is to load, for somebody.
fn everything(last_seq: u64, last_held: u64) -> Needs {
    let reactions = ["+1", "+10", "🎉"];
    Needs {
        members: users().collect(),
        // And one that does not exist.
        messages: (0..=last_seq + 1).collect(),
        reactions: (1..=last_seq)
            .flat_map(|seq| reactions.map(|reaction| (seq, reaction.to_owned())))
            .collect(),
        blocked: None,
        held: (1..=last_held).collect(),
    }
}

/// An aggregate with a place for everything that was looked up, as `facts` leaves it.
fn looked_up(live: &Conversation, needs: &Needs) -> Conversation {
    let mut full = live.clone();
    if full.head.is_none() {
        return full;
    }
    for user in &needs.members {
        full.members.entry(user.clone()).or_insert(None);
        for (seq, reaction) in &needs.reactions {
            full.reactions
                .entry((*seq, user.clone(), reaction.clone()))
                .or_insert(false);
        }
    }
    for seq in &needs.messages {
        full.messages.entry(*seq).or_insert(None);
    }
    full
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn loaded_equals_live(acts in acts(20..200)) {
        let folder = TempDir::new().expect("a temporary folder");
        let identity = Identity { epoch: Uuid::nil(), shards: 1 };
        let projections = Projections::open(folder.path(), identity).expect("opens");
        let (play, commits) = Play::new().all(&acts);
        projections.apply(&commits).expect("folds");
        let rows = projections.read();
        for id in places() {
            let never = Conversation::new(id);
            let live = play.conversations.get(&id).unwrap_or(&never);
            let lasts = live.head.as_ref().map_or((0, 0), |head| (head.last_seq, head.last_held));
            let needs = everything(lasts.0, lasts.1);
            let mut loaded = Conversation::new(id);
            prop_assert!(missing(&loaded, &users().next().expect("somebody"), &needs));
            head(&rows, &mut loaded).expect("read");
            for user in users() {
                facts(&rows, &mut loaded, &user, &needs).expect("read");
                prop_assert_eq!(missing(&loaded, &user, &needs), live.head.is_none());
            }
            prop_assert_eq!(&loaded, &looked_up(live, &needs));
        }
        for live in play.users.values() {
            let mut loaded = User::new(live.id.clone());
            for other in users() {
                user(&rows, &mut loaded, &UserCommand::Block { user: other }).expect("read");
            }
            for conversation in places() {
                let command = UserCommand::SetMuted { conversation, muted: true };
                user(&rows, &mut loaded, &command).expect("read");
                let present = play.model.is_present(&live.id, conversation);
                let muted = play.model.has_muted(&live.id, conversation);
                prop_assert_eq!(loaded.muted[&conversation], present.then_some(muted));
            }
            prop_assert_eq!(loaded.blocked_count, live.blocked_count);
            for other in users() {
                let blocked = live.blocked.get(&other).copied().unwrap_or(false);
                prop_assert_eq!(loaded.blocked[&other], blocked);
            }
        }
    }

    /// A retry, or a writer that takes over, decides on what is loaded anew at every step: the same
    /// comes of it as of what was kept.
    #[test]
    fn deciding_on_loaded_state_gives_the_same_history(acts in acts(20..80)) {
        let folder = TempDir::new().expect("a temporary folder");
        let identity = Identity { epoch: Uuid::nil(), shards: 1 };
        let projections = Projections::open(folder.path(), identity).expect("opens");
        let (_, commits) = Play::new().all(&acts);
        let mut again = Play::new();
        let mut folded = Vec::from_iter(again.commit());
        for act in &acts {
            again.act(act);
            if act.ends_commit {
                folded.extend(again.commit());
                projections.apply(&folded[projections.cursor() as usize..]).expect("folds");
                let rows = projections.read();
                for live in again.conversations.values_mut().filter(|live| live.head.is_some()) {
                    let lasts = live.head.as_ref().map_or((0, 0), |head| (head.last_seq, head.last_held));
                    let needs = everything(lasts.0, lasts.1);
                    let mut loaded = Conversation::new(live.id);
                    head(&rows, &mut loaded).expect("read");
                    for user in users() {
                        facts(&rows, &mut loaded, &user, &needs).expect("read");
                    }
                    *live = loaded;
                }
            }
        }
        folded.extend(again.commit());
        prop_assert_eq!(folded, commits);
    }
}

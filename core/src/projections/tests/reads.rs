//! What everyone reads, after every commit, against a naive model.

use std::collections::BTreeMap;

use proptest::{prelude::*, strategy::ValueTree};

use super::*;
use crate::{
    domain::{ConversationId, UserId, user::Contact},
    history::{
        Play,
        act::{self, places, users},
        acts, client,
    },
    projections::read::{ConversationView, MessageView, Page, Viewer},
};

/// Everything one user reads.
struct Reader<'a> {
    rows: &'a Snapshot<'a>,
    viewer: Viewer,
}

impl<'a> Reader<'a> {
    fn new(rows: &'a Snapshot<'a>, user: &UserId) -> Reader<'a> {
        Reader {
            rows,
            viewer: Viewer::load(rows, user).expect("read"),
        }
    }

    fn conversation(&self, id: ConversationId) -> Option<ConversationView> {
        let view = read::conversation(self.rows, self.rows.cursor(), &self.viewer, id);
        view.expect("read").map(comparable)
    }

    fn page(
        &self,
        id: ConversationId,
        page: Page,
        limit: usize,
    ) -> Option<(Vec<MessageView>, bool)> {
        let (mut messages, mut more): (Vec<MessageView>, bool) = Default::default();
        let mut rest = Some(page);
        // A few rows at a time, as many as it takes.
        while let Some(part) = rest {
            let left = limit - messages.len();
            let found = read::messages(self.rows, &self.viewer, id, part, left, 3).expect("read");
            let found = found?;
            assert!(found.messages.len() <= left);
            match page {
                Page::After(_) => messages.extend(found.messages),
                Page::Latest | Page::Before(_) => drop(messages.splice(0..0, found.messages)),
            }
            (more, rest) = (found.more, found.rest);
        }
        messages.iter_mut().for_each(client::unsealed);
        Some((messages, more))
    }

    /// All messages, in pages from the end.
    fn backwards(&self, id: ConversationId, limit: usize) -> Vec<MessageView> {
        let mut all: Vec<MessageView> = Vec::new();
        let mut page = Page::Latest;
        loop {
            let (mut found, more) = self.page(id, page, limit).expect("a member");
            assert!(found.len() <= limit && (found.len() == limit || !more));
            found.append(&mut all);
            all = found;
            match all.first() {
                Some(first) if more => page = Page::Before(first.seq),
                _ => return all,
            }
        }
    }

    /// All messages, in pages from the start.
    fn forwards(&self, id: ConversationId, limit: usize) -> Vec<MessageView> {
        let mut all: Vec<MessageView> = Vec::new();
        loop {
            let after = all.last().map_or(0, |last| last.seq);
            let (found, more) = self.page(id, Page::After(after), limit).expect("a member");
            assert!(found.len() <= limit && (found.len() == limit || !more));
            all.extend(found);
            if !more {
                return all;
            }
        }
    }

    /// All conversations, in pages.
    fn conversations(&self, limit: usize) -> Vec<ConversationView> {
        let mut all: Vec<ConversationView> = Vec::new();
        let mut before = 0;
        loop {
            let (found, more) =
                read::conversations(self.rows, self.rows.cursor(), &self.viewer, before, limit)
                    .expect("read");
            assert!(
                found.len() >= limit || !more,
                "a page is full while there is more"
            );
            all.extend(found.into_iter().map(comparable));
            match all.last() {
                Some(last) if more => before = last.activity_position,
                _ => return all,
            }
        }
    }
}

/// A view without what a model cannot know.
fn comparable(mut view: ConversationView) -> ConversationView {
    view.as_of = 0;
    view.last_message.as_mut().map(client::unsealed);
    view
}

fn by_id(views: Vec<ConversationView>) -> BTreeMap<ConversationId, ConversationView> {
    let count = views.len();
    let map: BTreeMap<_, _> = views.into_iter().map(|view| (view.id, view)).collect();
    assert_eq!(map.len(), count, "none is there twice");
    map
}

fn last_of(contacts: &[(UserId, Contact)]) -> &str {
    contacts.last().map_or("", |(user, _)| user)
}

/// After one commit, everybody's everything.
fn check(play: &Play, rows: &Snapshot<'_>, limit: usize) -> Result<(), TestCaseError> {
    for user in users() {
        let reader = Reader::new(rows, &user);
        let mut total = 0;
        let mut expected = BTreeMap::new();
        for id in places() {
            let view = play.model.conversation(&user, id);
            prop_assert_eq!(&reader.conversation(id), &view, "{} in {}", user, id);
            let unread = play.model.unread(&user, id).unwrap_or(0);
            total += if play.model.has_muted(&user, id) {
                0
            } else {
                unread
            };
            match play.model.messages(&user, id) {
                None => prop_assert_eq!(reader.page(id, Page::Latest, limit), None),
                Some(messages) => {
                    prop_assert_eq!(&reader.backwards(id, limit), &messages);
                    prop_assert_eq!(&reader.forwards(id, limit), &messages);
                }
            }
            expected.extend(view.map(|view| (id, view)));
        }
        prop_assert_eq!(
            read::unread_total(rows, &reader.viewer).expect("read"),
            total
        );
        let listed = reader.conversations(limit);
        prop_assert!(listed.is_sorted_by(|a, b| a.activity_position >= b.activity_position));
        prop_assert_eq!(by_id(listed), expected);
        let mut contacts = Vec::new();
        while let (found, more) =
            read::contacts(rows, &reader.viewer, last_of(&contacts), limit).expect("read")
            && !found.is_empty()
        {
            prop_assert!(found.len() == limit || !more);
            contacts.extend(
                found
                    .into_iter()
                    .map(|contact| (contact.user, contact.contact)),
            );
        }
        let theirs = users().map(|other| (other.clone(), play.model.contact(&user, &other)));
        let theirs = theirs.filter(|(other, contact)| {
            *contact != Contact::default() && !play.model.blocks(&user, other)
        });
        prop_assert_eq!(contacts, Vec::from_iter(theirs));
        let profile = read::profile(rows, &user).expect("read");
        let (says, hidden) = play.model.profile(&user);
        prop_assert_eq!(&profile.hidden, &hidden);
        let text = profile.set.map(|set| match set.text {
            read::Text::Sealed { sealed, .. } => {
                String::from_utf8(sealed.to_vec()).expect("as it was")
            }
            other => panic!("not sealed: {other:?}"),
        });
        prop_assert_eq!(text.as_deref(), says);
        let toasts = read::toasts(rows, &user, 0).expect("read").into_iter();
        let toasts = toasts.map(|toast| (toast.toast, client::as_it_was(toast.text)));
        prop_assert_eq!(BTreeMap::from_iter(toasts), play.model.toasts(&user));
        let badges = read::badges(rows, &user).expect("read").into_iter();
        let badges = badges.map(|badge| (badge.source, badge.name, badge.count));
        prop_assert_eq!(Vec::from_iter(badges), play.model.badges(&user));
    }
    for id in places() {
        let members = read::members(rows, id, "", 100).expect("read").0;
        let members: Vec<_> = members.into_iter().map(|member| member.user).collect();
        prop_assert_eq!(members, play.model.roster(id));
        let (held, more) = read::held_in(rows, id, None, 0, 1_000).expect("reads");
        let held = held.into_iter().map(|held| (held.held, held.author));
        prop_assert_eq!(Vec::from_iter(held), play.model.held(id));
        prop_assert!(!more);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Unread counts, visible messages, lists and rosters are what their definitions say, for
    /// everyone and after every commit; pages of any size make up the whole.
    #[test]
    fn everyone_reads_what_the_definitions_say(
        acts in acts(20..140),
        limit in 1..7_usize,
        flush_every in 1..40_u64,
    ) {
        let (_folder, projections) = empty();
        let mut play = Play::new();
        fold(&projections, play.commit().expect("the start"));
        for act in &acts {
            play.act(act);
            if !act.ends_commit {
                continue;
            }
            let Some(commit) = play.commit() else { continue };
            fold(&projections, commit);
            if play.position().is_multiple_of(flush_every) {
                projections.flush().expect("flushes");
            }
            check(&play, &projections.read(), limit)?;
        }
    }

    /// Nobody's cursors ever go back, whoever leaves, returns or is removed.
    #[test]
    fn cursors_only_move_forward(acts in acts(40..200)) {
        let (_folder, projections) = empty();
        let (_, commits) = Play::new().all(&acts);
        let mut before = BTreeMap::new();
        for commit in commits {
            fold(&projections, commit);
            let rows = projections.read();
            for (user, id) in users().flat_map(|user| places().map(move |id| (user.clone(), id))) {
                let Some(member) = read::member(&rows, id, &user).expect("read") else { continue };
                let now = (member.read_seq, member.delivered_seq);
                prop_assert!(now.0 <= now.1);
                let (read, delivered) = before.insert((user, id), now).unwrap_or_default();
                prop_assert!(read <= now.0 && delivered <= now.1);
            }
        }
    }
}

/// The histories above are no use unless everything happens in them.
#[test]
fn every_kind_of_event_happens_in_random_histories() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let acts = act::acts(100)
            .new_tree(&mut runner)
            .expect("acts")
            .current();
        let (_, commits) = Play::new().all(&acts);
        let events = commits.iter().flat_map(Commit::events);
        kinds.extend(events.map(|(_, _, event)| crate::commit::schema_of(event).kind));
    }
    assert_eq!(
        Vec::from_iter(kinds),
        [
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 30, 31, 32, 33,
            34, 35, 36, 37, 38, 39
        ]
    );
}

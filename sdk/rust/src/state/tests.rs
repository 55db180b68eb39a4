//! A reset plus the events after it must show what a fresh reset shows. The model below keeps whole
//! histories and answers by folding them; it shares no code with the reducer.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use tidings_protocol::event::{
    CursorMoved, Event, Kind, MembersChanged, MessageEdited, MessageRetracted, MutedChanged,
    ReactionChanged, RoleChanged, TitleChanged, UserChanged,
};
use tidings_protocol::frame::{Cursor, Reset};
use tidings_protocol::{id, query, view};
use uuid::Uuid;

use super::wants::Ask;
use super::*;

const ME: &str = "me";

#[derive(Clone, Debug)]
struct Post {
    position: u64,
    author: String,
    text: String,
    edited_ms: u64,
    retracted: bool,
    reactions: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Clone, Debug, Default)]
struct Talk {
    title: String,
    role: String,
    members: BTreeSet<String>,
    posts: Vec<Post>,
    read: BTreeMap<String, u64>,
    delivered: BTreeMap<String, u64>,
    muted: bool,
    activity: u64,
}

#[derive(Clone, Debug, Default)]
struct World {
    position: u64,
    talks: Vec<Talk>,
    blocked: BTreeSet<String>,
}

#[derive(Clone, Debug)]
enum Step {
    Post {
        talk: usize,
        author: usize,
    },
    Edit {
        talk: usize,
        seq: u64,
    },
    Retract {
        talk: usize,
        seq: u64,
    },
    React {
        talk: usize,
        seq: u64,
        by: usize,
        what: usize,
    },
    Unreact {
        talk: usize,
        seq: u64,
        by: usize,
        what: usize,
    },
    Read {
        talk: usize,
        by: usize,
        seq: u64,
    },
    Deliver {
        talk: usize,
        by: usize,
        seq: u64,
    },
    Mute {
        talk: usize,
        muted: bool,
    },
    Title {
        talk: usize,
    },
    Role {
        talk: usize,
        owner: bool,
    },
    Join {
        talk: usize,
        who: usize,
    },
    Leave {
        talk: usize,
        who: usize,
    },
    Block {
        who: usize,
        blocked: bool,
    },
}

fn user(number: usize) -> String {
    [ME, "ann", "ben", "cleo"][number % 4].to_owned()
}

fn reaction(number: usize) -> String {
    ["+1", "heart"][number % 2].to_owned()
}

fn talk_id(number: usize) -> Bytes {
    id::to_wire(Uuid::from_u128(number as u128 + 1))
}

impl World {
    fn new(talks: usize) -> World {
        let members: BTreeSet<String> = (0..4).map(user).collect();
        let talk = Talk {
            role: "member".into(),
            members,
            ..Talk::default()
        };
        World {
            position: 0,
            talks: vec![talk; talks],
            blocked: BTreeSet::new(),
        }
    }

    fn visible(&self, author: &str) -> bool {
        !self.blocked.contains(author)
    }

    fn unread(&self, talk: usize) -> u64 {
        let talk = &self.talks[talk];
        let read = talk.read.get(ME).copied().unwrap_or_default();
        let unread = talk.posts.iter().enumerate().filter(|(i, post)| {
            *i as u64 + 1 > read
                && post.author != ME
                && !post.retracted
                && self.visible(&post.author)
        });
        unread.count() as u64
    }

    fn total(&self) -> u64 {
        (0..self.talks.len())
            .filter(|&i| !self.talks[i].muted)
            .map(|i| self.unread(i))
            .sum()
    }

    fn message(&self, talk: usize, seq: u64) -> view::Message {
        let post = &self.talks[talk].posts[seq as usize - 1];
        let mut reactions: Vec<_> = post
            .reactions
            .iter()
            .filter(|(_, users)| !users.is_empty())
            .map(|(reaction, users)| view::Reaction {
                reaction: reaction.clone(),
                count: users.len() as u32,
                mine: users.contains(ME),
            })
            .collect();
        reactions.sort_by_key(|entry| std::cmp::Reverse(entry.count));
        view::Message {
            seq,
            author: post.author.clone(),
            text: post.text.clone(),
            edited_ms: post.edited_ms,
            retracted: post.retracted,
            countable: !post.retracted,
            reactions,
            ..view::Message::default()
        }
    }

    fn view(&self, number: usize) -> view::Conversation {
        let talk = &self.talks[number];
        let last = (1..=talk.posts.len() as u64)
            .rev()
            .find(|&seq| self.visible(&talk.posts[seq as usize - 1].author));
        let cursors = talk.members.iter().filter(|user| *user != ME).map(|user| {
            let read_seq = talk.read.get(user).copied().unwrap_or_default();
            let delivered_seq = talk.delivered.get(user).copied().unwrap_or_default();
            view::MemberCursor {
                user: user.clone(),
                read_seq,
                delivered_seq,
            }
        });
        view::Conversation {
            id: talk_id(number),
            kind: "group".into(),
            title: talk.title.clone(),
            role: talk.role.clone(),
            member_count: talk.members.len() as u32,
            last_message: last.map(|seq| self.message(number, seq)),
            last_seq: last.unwrap_or_default(),
            read_seq: talk.read.get(ME).copied().unwrap_or_default(),
            unread: self.unread(number),
            muted: talk.muted,
            cursors: cursors.collect(),
            activity_position: talk.activity,
            activity_ms: talk.activity * 10,
            delivered_seq: talk.delivered.get(ME).copied().unwrap_or_default(),
            as_of: self.position,
            ..view::Conversation::default()
        }
    }

    /// The latest `window` conversations.
    fn reset(&self, window: usize) -> Reset {
        let mut numbers: Vec<_> = (0..self.talks.len()).collect();
        numbers.sort_by_key(|&i| std::cmp::Reverse(self.talks[i].activity));
        Reset {
            reason: "first".into(),
            cursor: Some(Cursor {
                epoch: id::to_wire(Uuid::from_u128(9)),
                position: self.position,
                index: u32::MAX,
            }),
            conversations: numbers.iter().take(window).map(|&i| self.view(i)).collect(),
            more: numbers.len() > window,
            unread_total: self.total(),
            blocked: self.blocked.iter().cloned().collect(),
            invisible: false,
        }
    }

    /// Takes a step; gives the event this user sees of it, if any.
    fn step(&mut self, step: &Step) -> Option<Event> {
        let position = self.position + 1;
        let (talk, actor, kind) = self.act(step, position)?;
        self.position = position;
        let hidden = matches!(kind, Kind::MessagePosted(_)) && !self.visible(&actor);
        let conversation = talk.map(talk_id).unwrap_or_default();
        let event = Event {
            position,
            index: 0,
            conversation,
            actor,
            at_ms: position * 10,
            kind: Some(kind),
        };
        (!hidden).then_some(event)
    }

    fn act(&mut self, step: &Step, position: u64) -> Option<(Option<usize>, String, Kind)> {
        let existing = |talk: &Talk, seq: u64| (1..=talk.posts.len() as u64).contains(&seq);
        match *step {
            Step::Post {
                talk: number,
                author,
            } => {
                let author = user(author);
                let visible = self.visible(&author);
                let talk = &mut self.talks[number];
                talk.members.get(&author)?;
                talk.posts.push(Post {
                    position,
                    author: author.clone(),
                    text: format!("text {position}"),
                    edited_ms: 0,
                    retracted: false,
                    reactions: BTreeMap::new(),
                });
                if visible {
                    talk.activity = position;
                }
                let seq = talk.posts.len() as u64;
                Some((
                    Some(number),
                    author,
                    Kind::MessagePosted(self.message(number, seq)),
                ))
            }
            Step::Edit { talk: number, seq } => {
                let talk = &mut self.talks[number];
                let post = existing(talk, seq).then(|| &mut talk.posts[seq as usize - 1])?;
                if post.retracted || self.blocked.contains(&post.author) {
                    return None;
                }
                post.text = format!("edited {position}");
                post.edited_ms = position * 10;
                let edit = MessageEdited {
                    seq,
                    text: post.text.clone(),
                    ..Default::default()
                };
                Some((Some(number), post.author.clone(), Kind::MessageEdited(edit)))
            }
            Step::Retract { talk: number, seq } => {
                let talk = &mut self.talks[number];
                let post = existing(talk, seq).then(|| &mut talk.posts[seq as usize - 1])?;
                if post.retracted || self.blocked.contains(&post.author) {
                    return None;
                }
                post.retracted = true;
                post.text.clear();
                post.edited_ms = 0;
                post.reactions.clear();
                let author = post.author.clone();
                let retracted = MessageRetracted {
                    seq,
                    author: author.clone(),
                    countable: true,
                };
                Some((Some(number), author, Kind::MessageRetracted(retracted)))
            }
            Step::React {
                talk: number,
                seq,
                by,
                what,
            } => {
                let (by, what) = (user(by), reaction(what));
                let talk = &mut self.talks[number];
                let post = existing(talk, seq).then(|| &mut talk.posts[seq as usize - 1])?;
                if post.retracted || self.blocked.contains(&post.author) {
                    return None;
                }
                let users = post.reactions.entry(what.clone()).or_default();
                users.insert(by.clone()).then_some(())?;
                let change = ReactionChanged {
                    seq,
                    reaction: what,
                    count: users.len() as u32,
                };
                Some((Some(number), by, Kind::ReactionAdded(change)))
            }
            Step::Unreact {
                talk: number,
                seq,
                by,
                what,
            } => {
                let (by, what) = (user(by), reaction(what));
                let talk = &mut self.talks[number];
                let post = existing(talk, seq).then(|| &mut talk.posts[seq as usize - 1])?;
                let users = post.reactions.get_mut(&what)?;
                users.remove(&by).then_some(())?;
                if self.blocked.contains(&post.author) {
                    return None;
                }
                let change = ReactionChanged {
                    seq,
                    reaction: what,
                    count: users.len() as u32,
                };
                Some((Some(number), by, Kind::ReactionRemoved(change)))
            }
            Step::Read {
                talk: number,
                by,
                seq,
            }
            | Step::Deliver {
                talk: number,
                by,
                seq,
            } => {
                let by = user(by);
                let read = matches!(step, Step::Read { .. });
                let talk = &mut self.talks[number];
                talk.members.get(&by)?;
                let seq = seq.min(talk.posts.len() as u64);
                let moved = |cursors: &mut BTreeMap<String, u64>| {
                    let cursor = cursors.entry(by.clone()).or_default();
                    let forward = seq > *cursor;
                    *cursor = (*cursor).max(seq);
                    forward
                };
                let forward = moved(if read {
                    &mut talk.read
                } else {
                    &mut talk.delivered
                });
                if read {
                    moved(&mut talk.delivered);
                }
                forward.then_some(())?;
                let mine = read && by == ME;
                let moved = CursorMoved {
                    user: by.clone(),
                    seq,
                    unread: if mine { self.unread(number) } else { 0 },
                    as_of: if mine { position } else { 0 },
                };
                let kind = if read {
                    Kind::ReadUpTo(moved)
                } else {
                    Kind::DeliveredUpTo(moved)
                };
                Some((Some(number), by, kind))
            }
            Step::Mute {
                talk: number,
                muted,
            } => {
                self.talks[number].muted = muted;
                Some((
                    Some(number),
                    ME.into(),
                    Kind::MutedChanged(MutedChanged { muted }),
                ))
            }
            Step::Title { talk: number } => {
                let title = format!("title {position}");
                self.talks[number].title.clone_from(&title);
                Some((
                    Some(number),
                    "ann".into(),
                    Kind::TitleChanged(TitleChanged { title }),
                ))
            }
            Step::Role {
                talk: number,
                owner,
            } => {
                let role = if owner { "owner" } else { "member" }.to_owned();
                if self.talks[number].role.is_empty() {
                    return None;
                }
                self.talks[number].role.clone_from(&role);
                let change = RoleChanged {
                    user: ME.into(),
                    role,
                };
                Some((Some(number), "ann".into(), Kind::RoleChanged(change)))
            }
            Step::Join { talk: number, who } => {
                let who = user(who);
                let talk = &mut self.talks[number];
                if who == ME || !talk.members.insert(who.clone()) {
                    return None;
                }
                let member_count = talk.members.len() as u32;
                let joined = MembersChanged {
                    users: vec![who],
                    member_count,
                    removed: false,
                };
                Some((Some(number), "ann".into(), Kind::MembersJoined(joined)))
            }
            Step::Leave { talk: number, who } => {
                let who = user(who);
                let talk = &mut self.talks[number];
                talk.members.remove(&who).then_some(())?;
                if who == ME {
                    talk.role.clear();
                } else {
                    // On coming back everybody starts anew.
                    talk.read.remove(&who);
                    talk.delivered.remove(&who);
                }
                let member_count = talk.members.len() as u32;
                let left = MembersChanged {
                    users: vec![who.clone()],
                    member_count,
                    removed: false,
                };
                Some((Some(number), who, Kind::MemberLeft(left)))
            }
            Step::Block { who, blocked } => {
                let who = user(who);
                let changed = match blocked {
                    _ if who == ME => false,
                    true => self.blocked.insert(who.clone()),
                    false => self.blocked.remove(&who),
                };
                changed.then_some(())?;
                for number in 0..self.talks.len() {
                    // What is hidden is no activity either.
                    let talk = &self.talks[number];
                    let last = talk
                        .posts
                        .iter()
                        .rev()
                        .find(|post| self.visible(&post.author));
                    let activity = last.map(|post| post.position).unwrap_or_default();
                    self.talks[number].activity = activity;
                }
                let change = UserChanged { user: who };
                let kind = match blocked {
                    true => Kind::UserBlocked(change),
                    false => Kind::UserUnblocked(change),
                };
                Some((None, ME.into(), kind))
            }
        }
    }

    /// Answers everything the state wants, as the client would ask the server.
    fn answer(&self, state: &mut State) {
        for _ in 0..3 {
            for ask in state.wants().ask() {
                match ask {
                    Ask::Conversation(id) => {
                        state.apply_conversation(&self.view(id.as_u128() as usize - 1));
                    }
                    Ask::UnreadTotal => {
                        state.apply_unread(&query::Unread {
                            total: self.total(),
                            as_of: self.position,
                        });
                    }
                    Ask::Conversations => {
                        let page = query::Conversations {
                            conversations: self.reset(100).conversations,
                            more: false,
                            position: self.position,
                        };
                        state.apply_conversations(&query::ListConversations::default(), &page);
                    }
                }
            }
        }
        assert!(state.wants().is_empty());
    }
}

/// What a conversation list shows.
fn shown(state: &State) -> Vec<view::Conversation> {
    let mut views: Vec<_> = state
        .conversations()
        .iter()
        .map(|c| c.view().clone())
        .collect();
    for view in &mut views {
        // Moves with every answer, and means the same.
        view.as_of = 0;
    }
    views
}

fn steps(talks: usize) -> impl Strategy<Value = Vec<Step>> {
    let talk = 0..talks;
    let (seq, who) = (1u64..12, 0usize..4);
    let step = prop_oneof![
        6 => (talk.clone(), who.clone()).prop_map(|(talk, author)| Step::Post { talk, author }),
        2 => (talk.clone(), seq.clone()).prop_map(|(talk, seq)| Step::Edit { talk, seq }),
        2 => (talk.clone(), seq.clone()).prop_map(|(talk, seq)| Step::Retract { talk, seq }),
        2 => (talk.clone(), seq.clone(), who.clone(), 0usize..2)
            .prop_map(|(talk, seq, by, what)| Step::React { talk, seq, by, what }),
        1 => (talk.clone(), seq.clone(), who.clone(), 0usize..2)
            .prop_map(|(talk, seq, by, what)| Step::Unreact { talk, seq, by, what }),
        3 => (talk.clone(), who.clone(), seq.clone())
            .prop_map(|(talk, by, seq)| Step::Read { talk, by, seq }),
        2 => (talk.clone(), who.clone(), seq)
            .prop_map(|(talk, by, seq)| Step::Deliver { talk, by, seq }),
        1 => (talk.clone(), any::<bool>()).prop_map(|(talk, muted)| Step::Mute { talk, muted }),
        1 => talk.clone().prop_map(|talk| Step::Title { talk }),
        1 => (talk.clone(), any::<bool>()).prop_map(|(talk, owner)| Step::Role { talk, owner }),
        1 => (talk.clone(), who.clone()).prop_map(|(talk, who)| Step::Join { talk, who }),
        1 => (talk, 1usize..4).prop_map(|(talk, who)| Step::Leave { talk, who }),
        1 => (who, any::<bool>()).prop_map(|(who, blocked)| Step::Block { who, blocked }),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn a_reset_and_the_events_after_it_equal_a_fresh_reset(
        before in steps(3), after in steps(3), again in any::<bool>()
    ) {
        let mut world = World::new(3);
        before.iter().for_each(|step| drop(world.step(step)));
        let mut state = State::new(ME);
        state.apply_reset(&world.reset(3));
        for step in &after {
            let Some(event) = world.step(step) else { continue };
            prop_assert_eq!(state.apply_event(&event), Applied::New);
            if again {
                prop_assert_eq!(state.apply_event(&event), Applied::Known);
            }
            world.answer(&mut state);
        }
        let mut fresh = State::new(ME);
        fresh.apply_reset(&world.reset(3));
        prop_assert_eq!(shown(&state), shown(&fresh));
        prop_assert_eq!(state.unread_total(), fresh.unread_total());
        prop_assert_eq!(state.blocked(), fresh.blocked());
        for conversation in state.conversations() {
            for (seq, message) in conversation.messages() {
                let number = id::from_wire(&conversation.view().id).unwrap().as_u128() as usize - 1;
                prop_assert_eq!(message, &world.message(number, *seq));
            }
        }
    }

    /// Of five conversations two are in the window; the others are fetched when they stir.
    #[test]
    fn conversations_outside_the_window_are_fetched_when_something_is_posted_there(
        before in steps(5), after in steps(5)
    ) {
        let mut world = World::new(5);
        before.iter().for_each(|step| drop(world.step(step)));
        let mut state = State::new(ME);
        state.apply_reset(&world.reset(2));
        for step in &after {
            let Some(event) = world.step(step) else { continue };
            state.apply_event(&event);
            world.answer(&mut state);
        }
        let mut fresh = State::new(ME);
        fresh.apply_reset(&world.reset(5));
        let held: BTreeSet<_> = shown(&state).into_iter().map(|view| view.id).collect();
        let expected: Vec<_> =
            shown(&fresh).into_iter().filter(|view| held.contains(&view.id)).collect();
        prop_assert_eq!(shown(&state), expected);
        prop_assert_eq!(state.unread_total(), fresh.unread_total());
    }

    /// Nothing that matters is left out of what is stored.
    #[test]
    fn a_stored_state_goes_on_as_if_nothing_had_happened(before in steps(2), after in steps(2)) {
        let mut world = World::new(2);
        let mut state = State::new(ME);
        state.apply_reset(&world.reset(2));
        for event in before.iter().filter_map(|step| world.step(step)) {
            state.apply_event(&event);
        }
        let stored = serde_json::to_string(&state).unwrap();
        let mut restored: State = serde_json::from_str(&stored).unwrap();
        for event in after.iter().filter_map(|step| world.step(step)) {
            state.apply_event(&event);
            restored.apply_event(&event);
        }
        prop_assert_eq!(restored, state);
    }
}

fn posted(position: u64, seq: u64, author: &str) -> Event {
    let message = view::Message {
        seq,
        author: author.into(),
        text: format!("text {seq}"),
        countable: true,
        ..view::Message::default()
    };
    let (conversation, actor) = (talk_id(0), author.into());
    let kind = Some(Kind::MessagePosted(message));
    Event {
        position,
        index: 0,
        conversation,
        actor,
        at_ms: position * 10,
        kind,
    }
}

/// One conversation with messages 1 to `posts` by ann.
fn with_posts(posts: u64) -> (World, State) {
    let mut world = World::new(1);
    (0..posts).for_each(|_| drop(world.step(&Step::Post { talk: 0, author: 1 })));
    let mut state = State::new(ME);
    state.apply_reset(&world.reset(1));
    (world, state)
}

#[test]
fn a_count_that_is_ahead_of_its_event_is_not_changed_twice() {
    let (_, mut state) = with_posts(3);
    // Read up to 3 at position 4, counted when 5 and 6 had been written too.
    let moved = CursorMoved {
        user: ME.into(),
        seq: 3,
        unread: 2,
        as_of: 6,
    };
    let (conversation, actor) = (talk_id(0), ME.into());
    let kind = Some(Kind::ReadUpTo(moved));
    state.apply_event(&Event {
        position: 4,
        index: 0,
        conversation,
        actor,
        at_ms: 40,
        kind,
    });
    let unread = |state: &State| state.conversations()[0].view().unread;
    assert_eq!((unread(&state), state.unread_total()), (2, 2));
    state.apply_event(&posted(5, 4, "ann"));
    state.apply_event(&posted(6, 5, "ann"));
    assert_eq!((unread(&state), state.unread_total()), (2, 2));
    state.apply_event(&posted(7, 6, "ann"));
    assert_eq!((unread(&state), state.unread_total()), (3, 3));
}

fn retracted(position: u64, seq: u64, author: &str) -> Event {
    let retraction = MessageRetracted {
        seq,
        author: author.into(),
        countable: true,
    };
    let kind = Some(Kind::MessageRetracted(retraction));
    Event {
        kind,
        ..posted(position, seq, author)
    }
}

#[test]
fn a_retraction_counts_once_and_only_where_the_message_had_counted() {
    let (world, _) = with_posts(3);
    let mut reset = world.reset(1);
    // Counted when 4 and 5 had happened too, which come as events all the same.
    reset.conversations[0].as_of = 5;
    let mut state = State::new(ME);
    state.apply_reset(&reset);
    let unread = |state: &State| (state.conversations()[0].view().unread, state.unread_total());
    assert_eq!(unread(&state), (3, 3));
    state.apply_event(&retracted(5, 1, "ann"));
    assert_eq!(unread(&state), (3, 3));
    state.apply_event(&retracted(6, 2, "ann"));
    assert_eq!(unread(&state), (2, 2));

    // What a blocked user wrote is not part of the count.
    reset.blocked = vec!["ann".into()];
    state.apply_reset(&reset);
    state.apply_event(&retracted(7, 2, "ann"));
    assert_eq!(unread(&state), (3, 3));
}

#[test]
fn pages_fill_holes() {
    let (world, mut state) = with_posts(100);
    let conversation = |state: &State| state.conversations()[0].clone();
    assert_eq!(conversation(&state).holes(), [(1, 99)]);

    let page = |first: u64, last: u64, more| query::Messages {
        messages: (first..=last).map(|seq| world.message(0, seq)).collect(),
        more,
        position: world.position,
    };
    let ask = |before, after| query::ListMessages {
        conversation: talk_id(0),
        before,
        after,
        ..Default::default()
    };
    state.apply_messages(&ask(100, None), &page(80, 99, true));
    assert_eq!(conversation(&state).holes(), [(1, 79)]);
    state.apply_messages(&ask(0, Some(0)), &page(1, 20, true));
    assert_eq!(conversation(&state).holes(), [(21, 79)]);
    // Five of them are hidden from this user.
    state.apply_messages(&ask(80, None), &page(26, 70, true));
    assert_eq!(conversation(&state).holes(), [(21, 25)]);
    state.apply_messages(&ask(26, None), &page(21, 20, false));
    assert_eq!(conversation(&state).holes(), []);

    state.trim(Uuid::from_u128(1), 10);
    assert_eq!(conversation(&state).holes(), [(1, 90)]);
    assert_eq!(conversation(&state).messages().len(), 10);
}

#[test]
fn a_page_older_than_the_view_undoes_nothing() {
    let (mut world, mut state) = with_posts(3);
    let old = query::Messages {
        messages: vec![world.message(0, 1)],
        more: false,
        position: world.position,
    };
    let event = world.step(&Step::Retract { talk: 0, seq: 1 }).unwrap();
    state.apply_event(&event);
    let asked = query::ListMessages {
        conversation: talk_id(0),
        before: 2,
        ..Default::default()
    };
    state.apply_messages(&asked, &old);
    assert_eq!(state.conversations()[0].holes(), [(1, 2)]);
}

#[test]
fn a_stub_is_filled_unless_it_was_edited_meanwhile() {
    let (_, mut state) = with_posts(0);
    let mut event = posted(1, 1, "ann");
    let Some(Kind::MessagePosted(message)) = &mut event.kind else {
        unreachable!()
    };
    (message.stub, message.text) = (true, String::new());
    state.apply_event(&event);
    let full = view::Message {
        seq: 1,
        text: "long".into(),
        edited_ms: 7,
        ..Default::default()
    };
    state.apply_message(Uuid::from_u128(1), &full);
    let held = |state: &State| state.conversations()[0].messages()[&1].clone();
    assert!(held(&state).stub);
    state.apply_message(
        Uuid::from_u128(1),
        &view::Message {
            edited_ms: 0,
            ..full
        },
    );
    assert_eq!(
        (held(&state).stub, held(&state).text.as_str()),
        (false, "long")
    );
}

#[test]
fn what_a_blocked_user_began_appears_when_they_are_unblocked() {
    let mut world = World::new(1);
    world.blocked.insert("ann".into());
    let mut state = State::new(ME);
    state.apply_reset(&world.reset(1));
    // Begun by ann while she was blocked: nobody told.
    world.talks.push(world.talks[0].clone());
    let unblock = Step::Block {
        who: 1,
        blocked: false,
    };
    state.apply_event(&world.step(&unblock).unwrap());
    world.answer(&mut state);
    assert_eq!(shown(&state), shown_fresh(&world));
}

#[test]
fn who_comes_back_has_what_was_changed_meanwhile() {
    let (mut world, mut state) = with_posts(3);
    let (asked, page) = (
        query::ListMessages {
            conversation: talk_id(0),
            ..Default::default()
        },
        query::Messages {
            messages: (1..=3).map(|seq| world.message(0, seq)).collect(),
            more: false,
            position: world.position,
        },
    );
    state.apply_messages(&asked, &page);
    // While one is away nothing is told.
    world.step(&Step::Edit { talk: 0, seq: 1 }).unwrap();
    world.position += 1;
    let event = Event {
        kind: Some(Kind::ConversationAdded(world.view(0))),
        ..posted(world.position, 0, ME)
    };
    state.apply_event(&event);
    let conversation = state.conversations()[0];
    assert_eq!(conversation.holes(), [(1, 2)]);
    assert_eq!(conversation.messages()[&3], world.message(0, 3));
}

fn shown_fresh(world: &World) -> Vec<view::Conversation> {
    let mut fresh = State::new(ME);
    fresh.apply_reset(&world.reset(100));
    shown(&fresh)
}

/// A replay shows messages as they are now; where it is cut, the retraction may follow on its own.
#[test]
fn a_message_that_came_as_taken_back_is_not_subtracted() {
    let (mut world, mut state) = with_posts(2);
    let posted = world.step(&Step::Post { talk: 0, author: 1 }).unwrap();
    let retracted = world.step(&Step::Retract { talk: 0, seq: 3 }).unwrap();
    state.apply_event(&Event {
        kind: Some(Kind::MessagePosted(world.message(0, 3))),
        ..posted
    });
    state.apply_event(&retracted);
    assert_eq!(state.conversations()[0].view().unread, 2);
    assert_eq!(shown(&state), shown_fresh(&world));
}

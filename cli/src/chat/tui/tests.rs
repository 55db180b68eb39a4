//! What stands on the screen, drawn as it is in a terminal.

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers},
};
use tidings_protocol::{
    event::{CursorMoved, Event, Kind, Typing},
    frame::{Cursor, Reset},
    id,
    view::{self, Message},
};
use uuid::Uuid;

use super::{
    app::{Focus, Link, Load},
    wrap::width,
    *,
};
use crate::chat::command::Command;

const PAIR: Uuid = Uuid::from_u128(1);
const GROUP: Uuid = Uuid::from_u128(2);
/// 2025-11-24 16:00 UTC.
const AT: u64 = 1_764_000_000_000;

fn message(seq: u64, author: &str, text: &str) -> Message {
    Message {
        seq,
        author: author.to_owned(),
        at_ms: AT + seq * 60_000,
        text: text.to_owned(),
        countable: true,
        ..Message::default()
    }
}

fn conversation(id: Uuid, last: Message, at: u64) -> view::Conversation {
    let seq = last.seq;
    view::Conversation {
        id: id::to_wire(id),
        kind: "direct".to_owned(),
        peer: "bob".to_owned(),
        role: "member".to_owned(),
        member_count: 2,
        last_message: Some(last),
        last_seq: seq,
        read_seq: seq,
        activity_position: at,
        ..view::Conversation::default()
    }
}

/// A screen, the view behind it and what happens to both.
struct Scene {
    app: App,
    state: State,
    position: u64,
    now: Instant,
    size: (u16, u16),
}

impl Scene {
    /// A direct conversation with one message by Bob, and a group with two unread.
    fn new(size: (u16, u16)) -> Scene {
        let pair = conversation(PAIR, message(1, "bob", "Is it still for sale?"), 10);
        let group = view::Conversation {
            kind: "group".to_owned(),
            title: "Hike".to_owned(),
            peer: String::new(),
            role: "owner".to_owned(),
            member_count: 4,
            read_seq: 5,
            unread: 2,
            ..conversation(GROUP, message(7, "mei", "可以带狗吗？"), 9)
        };
        let mut state = State::new("alice");
        state.apply_reset(&Reset {
            cursor: Some(Cursor {
                position: 10,
                ..Cursor::default()
            }),
            conversations: vec![pair, group],
            unread_total: 2,
            ..Reset::default()
        });
        let mut app = App::new("quic://x:1".to_owned(), TimeZone::UTC, Vec::new());
        app.link = Link::Online;
        Scene {
            app,
            state,
            position: 10,
            now: Instant::now(),
            size,
        }
    }

    fn opened(size: (u16, u16)) -> Scene {
        let mut scene = Scene::new(size);
        scene.app.open(PAIR, &scene.state);
        scene
    }

    fn event(&mut self, actor: &str, kind: Kind) {
        self.position += 1;
        let event = Event {
            position: self.position,
            conversation: id::to_wire(PAIR),
            actor: actor.to_owned(),
            at_ms: AT + 600_000,
            kind: Some(kind),
            ..Event::default()
        };
        self.state.apply_event(&event);
        self.app.update(Update::Event(event), &self.state, self.now);
    }

    fn said(&mut self, message: Message) {
        let author = message.author.clone();
        self.event(&author, Kind::MessagePosted(message));
    }

    fn key(&mut self, code: KeyCode) {
        self.press(code, KeyModifiers::NONE);
    }

    fn press(&mut self, code: KeyCode, with: KeyModifiers) {
        let input = Input::Key(KeyEvent::new(code, with));
        self.app.event(input, &self.state, self.now);
    }

    fn write(&mut self, text: &str) {
        text.chars().for_each(|c| self.key(KeyCode::Char(c)));
    }

    /// Draws, and reads the rows.
    fn rows(&mut self) -> Vec<String> {
        let (columns, rows) = self.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let drawn = terminal.draw(|frame| draw::draw(frame, &mut self.app, &self.state, self.now));
        drawn.unwrap();
        self.app.drawn(&self.state, self.now);
        let buffer = terminal.backend().buffer();
        let read = |y| {
            let (mut row, mut x) = (String::new(), 0);
            while x < columns {
                let symbol = buffer[(x, y)].symbol();
                row.push_str(symbol);
                x += u16::try_from(width(symbol).max(1)).unwrap();
            }
            row.trim_end().to_owned()
        };
        (0..rows).map(read).collect()
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.app.effects)
    }
}

/// The command and the text of what was sent last.
fn sent(effects: &[Effect]) -> (Uuid, String) {
    let submitted = effects.iter().rev().find_map(|effect| match effect {
        Effect::Submit(command, request) => Some((*command, Pending::of(*command, request)?.text)),
        _ => None,
    });
    submitted.expect("something was sent")
}

#[test]
fn the_list_stands_beside_the_conversation() {
    let mut scene = Scene::opened((76, 11));
    scene.event(
        "bob",
        Kind::DeliveredUpTo(CursorMoved {
            user: "bob".to_owned(),
            seq: 2,
            ..CursorMoved::default()
        }),
    );
    scene.said(message(2, "alice", "It is."));
    assert_eq!(
        scene.rows(),
        [
            "alice at quic://x:1 · 2 unread                                      ● online",
            "│bob                        │bob",
            "  16:02 you: It is.         │         the conversation begins here",
            " Hike                      2│─────────── Monday 24 November 2025 ───────────",
            "  16:07 mei: 可以带狗吗？   │bob",
            "                            │ 16:01 Is it still for sale?",
            "                            │alice",
            "                            │ 16:02 It is. ✓✓",
            "                            │",
            "                            │>",
            "Enter sends · Up selects · Tab list · F1 help",
        ]
    );
}

#[test]
fn narrow_terminals_show_one_thing_at_a_time() {
    let mut scene = Scene::new((26, 8));
    assert_eq!(
        scene.rows(),
        [
            "alice at quic://… ● online",
            "▶bob",
            "  16:01 Is it still for s…",
            " Hike                    2",
            "  16:07 mei: 可以带狗吗？",
            "",
            "",
            "Enter opens · Up Down · F…",
        ]
    );
    scene.key(KeyCode::Enter);
    scene.write("a可可可可可可可可可可可可");
    let rows = scene.rows();
    assert_eq!(
        rows[1..],
        [
            "bob",
            " 16:01 Is it still for",
            "  sale?",
            "",
            "> a可可可可可可可可可可可",
            "  可",
            "Enter sends · Up selects …",
        ]
    );
}

#[test]
fn messages_show_what_has_become_of_them() {
    let mut scene = Scene::opened((60, 18));
    let mut reply = message(2, "alice", "It is, @bob. And a line\nof its own");
    (reply.reply_to, reply.edited_ms) = (1, AT);
    reply.mentions = vec!["bob".to_owned()];
    reply.reactions = vec![view::Reaction {
        reaction: "👍".to_owned(),
        count: 1,
        mine: false,
    }];
    scene.said(reply);
    let mut gone = message(3, "alice", "");
    gone.retracted = true;
    scene.said(gone);
    let mut tomorrow = message(4, "bob", "\u{1b}[2Jhello");
    tomorrow.at_ms += 24 * 3_600_000;
    scene.said(tomorrow);
    let read = CursorMoved {
        user: "bob".to_owned(),
        seq: 4,
        ..CursorMoved::default()
    };
    scene.event("bob", Kind::ReadUpTo(read));
    let rows = scene.rows();
    let from = rows.iter().position(|row| row == "alice").unwrap();
    assert_eq!(
        rows[from..from + 10],
        [
            "alice",
            " 16:02 ▏bob: Is it still for sale?",
            "       It is, @bob. And a line",
            "       of its own (edited) ✔✔",
            "       👍 1",
            " 16:03 taken back",
            "───────────────── Tuesday 25 November 2025 ─────────────────",
            "bob",
            " 16:04 \u{fffd}[2Jhello",
            "",
        ]
    );
}

#[test]
fn a_message_is_seen_waiting_until_it_is_in_the_view() {
    let mut scene = Scene::opened((60, 12));
    scene.write("hello");
    scene.key(KeyCode::Enter);
    let effects = scene.effects();
    assert_eq!(
        effects
            .iter()
            .filter(|one| **one == Effect::Typing(PAIR, true))
            .count(),
        1
    );
    let (command, text) = sent(&effects);
    assert_eq!(text, "hello");
    assert!(scene.rows().contains(&"       hello …".to_owned()));

    let accepted = Outcome::Submitted(command, Ok(2));
    scene.app.outcome(accepted, &scene.state, scene.now);
    assert!(scene.rows().contains(&"       hello ✓".to_owned()));

    let mut posted = message(2, "alice", "hello");
    posted.command_id = id::to_wire(command);
    scene.said(posted);
    scene.rows();
    let rows = scene.rows();
    let shown: Vec<_> = rows.iter().filter(|row| row.contains("hello")).collect();
    assert_eq!(shown, [" 16:02 hello ✓"]);
}

#[test]
fn what_is_refused_is_never_lost() {
    let mut scene = Scene::opened((70, 12));
    scene.write("one");
    scene.key(KeyCode::Enter);
    let (first, _) = sent(&scene.effects());
    scene.write("two");
    scene.key(KeyCode::Enter);
    let (second, _) = sent(&scene.effects());
    scene.write("three");

    for command in [first, second] {
        let refused = Outcome::Submitted(command, Err(refused()));
        scene.app.outcome(refused, &scene.state, scene.now);
    }
    // Something else is being written, so they wait.
    let rows = scene.rows();
    assert!(
        rows.iter()
            .any(|row| row.starts_with("       one ✗ not sent: ")),
        "{rows:#?}"
    );
    assert!(rows.contains(&"> three".to_owned()));
    assert_eq!(scene.app.unsent().len(), 3);

    scene.press(KeyCode::Char('u'), KeyModifiers::CONTROL);
    scene.press(KeyCode::Char('r'), KeyModifiers::CONTROL);
    assert!(scene.rows().contains(&"> one".to_owned()));
    scene.press(KeyCode::Char('u'), KeyModifiers::CONTROL);
    scene.press(KeyCode::Char('r'), KeyModifiers::CONTROL);
    assert!(scene.rows().contains(&"> two".to_owned()));
}

/// An error as a client makes it: of a client that cannot start.
fn refused() -> tidings_sdk::Error {
    let options = tidings_sdk::Options::new("nowhere", "dev:x");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let started = runtime.unwrap().block_on(Client::start(options));
    started.err().expect("the address is none")
}

#[test]
fn a_selected_message_is_answered_edited_taken_back_and_reacted_to() {
    let mut scene = Scene::opened((60, 12));
    scene.said(message(2, "alice", "It is."));
    scene.rows();
    scene.key(KeyCode::Up);
    assert!(scene.rows().contains(&"▶16:02 It is. ✓".to_owned()));
    scene.key(KeyCode::Char('e'));
    assert!(scene.rows().contains(&"editing #2".to_owned()));
    scene.write("!");
    scene.key(KeyCode::Enter);
    assert_eq!(sent(&scene.effects()).1, "It is.!");

    scene.key(KeyCode::Up);
    scene.key(KeyCode::Char('d'));
    assert!(
        scene
            .rows()
            .contains(&"take back? alice: It is.".to_owned())
    );
    scene.key(KeyCode::Char('n'));
    assert_eq!(scene.effects(), []);
    scene.key(KeyCode::Char('d'));
    scene.key(KeyCode::Char('y'));
    let retract = Effect::Command(Some(PAIR), "/retract 2".to_owned(), Command::Retract(2));
    assert_eq!(scene.effects(), [retract]);

    scene.key(KeyCode::Up);
    scene.key(KeyCode::Up);
    assert_eq!(scene.app.focus, Focus::Message(1));
    scene.key(KeyCode::Char('e'));
    assert!(
        scene
            .rows()
            .contains(&"only its author can edit it".to_owned())
    );
    scene.key(KeyCode::Char('1'));
    let react = Command::React(1, "👍".to_owned());
    let react = Effect::Command(Some(PAIR), "/react 1 👍".to_owned(), react);
    assert!(scene.effects().contains(&react));
    scene.key(KeyCode::Char('r'));
    assert!(
        scene
            .rows()
            .contains(&"reply to bob: Is it still for sale?".to_owned())
    );
}

#[test]
fn scrolling_up_asks_for_what_is_not_held_and_stays_where_it_is() {
    let mut scene = Scene::opened((60, 12));
    (2..=40).for_each(|seq| scene.said(message(seq, "bob", &format!("number {seq}"))));
    let rows = scene.rows();
    assert_eq!(rows[8], " 16:40 number 40");
    assert!(scene.effects().contains(&Effect::MarkRead(PAIR, 40)));
    scene.key(KeyCode::PageUp);
    scene.key(KeyCode::PageUp);
    let above = scene.rows();
    assert!(!above.contains(&" 16:40 number 40".to_owned()));
    // More is said below: what is read stays in its place, and is not marked as read.
    scene.said(message(41, "bob", "number 41"));
    assert_eq!(scene.rows()[1..], above[1..]);
    assert!(!scene.effects().contains(&Effect::MarkRead(PAIR, 41)));
    scene.key(KeyCode::End);
    assert_eq!(scene.rows()[8], " 16:41 number 41");
    (0..20).for_each(|_| scene.key(KeyCode::PageUp));
    let top = scene.rows();
    assert_eq!(top[2].trim(), "the conversation begins here");

    // Of the group only the last message is held.
    scene.app.open(GROUP, &scene.state);
    let rows = scene.rows();
    assert!(
        rows.iter()
            .any(|row| row.trim() == "loading what was said before…"),
        "{rows:#?}"
    );
    assert!(rows.iter().any(|row| row.contains("─ new ─")), "{rows:#?}");
    let effects = scene.effects();
    assert!(
        effects.contains(&Effect::Load(Load::Messages(GROUP, 7))),
        "{effects:?}"
    );
    scene.rows();
    assert_eq!(scene.effects(), [], "asked once");
}

#[test]
fn how_the_connection_is_and_who_types_is_shown() {
    let mut scene = Scene::opened((60, 8));
    let typing = Typing {
        conversation: id::to_wire(PAIR),
        user: "bob".to_owned(),
        active: true,
    };
    scene
        .app
        .update(Update::Typing(typing), &scene.state, scene.now);
    assert_eq!(scene.rows()[5], "bob is typing…");
    let lost = Update::Disconnected {
        reason: "the server has gone".to_owned(),
        retry_in: Duration::from_millis(2500),
    };
    scene.app.update(lost, &scene.state, scene.now);
    let rows = scene.rows();
    assert!(
        rows[0].ends_with("○ offline, again in 3 s: the server has gone"),
        "{}",
        rows[0]
    );
    assert_eq!(rows[5], "");
    scene.app.update(Update::CaughtUp, &scene.state, scene.now);
    assert!(scene.rows()[0].ends_with("● online"));
}

#[test]
fn the_help_is_whole_where_there_is_room_for_it() {
    let mut scene = Scene::opened((100, 24));
    for columns in [80, 100, 120, 200] {
        scene.size = (columns, 40);
        scene.app.help = None;
        scene.key(KeyCode::F(1));
        let rows = scene.rows().join("\n");
        for said in [
            "reply to it, edit it, take it back",
            "list of conversations; ends a @name",
            "a message that begins with a slash",
        ] {
            assert!(rows.contains(said), "{columns} columns: {said}\n{rows}");
        }
    }
}

#[test]
fn no_size_of_terminal_breaks_anything() {
    let mut scene = Scene::opened((80, 24));
    (2..=9).for_each(|seq| scene.said(message(seq, "alice", &"可以 long ".repeat(20))));
    scene.write("a text\n🚲");
    for columns in (1..=40).chain([71, 72, 73, 200]) {
        for rows in [1, 2, 5, 6, 7, 12, 60] {
            scene.size = (columns, rows);
            scene.app.help = None;
            scene.rows();
            scene.key(KeyCode::PageUp);
            scene.rows();
            scene.key(KeyCode::F(1));
            scene.rows();
        }
    }
}

//! What keys do.

use std::time::Instant;

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tidings_protocol::id;
use tidings_sdk::State;
use uuid::Uuid;

use super::{
    app::{App, Effect, Focus, Load},
    draft::Draft,
    pending::Pending,
    thread,
};
use crate::chat::{
    act,
    command::{self, Command, Line},
};

/// The keys, for people.
pub(super) const HELP: [(&str, &str); 12] = [
    ("Enter", "send; Ctrl-J for a new line"),
    ("Up, Down", "select a message"),
    ("r e d", "reply to it, edit it, take it back"),
    ("1-6 +", "react 👍 ❤️ 😂 😮 😢 🙏, with anything"),
    ("i", "who has read it"),
    ("PgUp, PgDn", "scroll; End to the latest"),
    ("Tab", "list of conversations; ends a @name"),
    ("Ctrl-N Ctrl-P", "next, previous conversation"),
    ("Ctrl-R", "take back a refused message"),
    ("Esc", "back; drop a reply or an edit"),
    ("F1", "this"),
    ("Ctrl-C", "end"),
];

impl App {
    /// Takes in what the user did.
    pub(super) fn event(&mut self, event: Event, state: &State, now: Instant) {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key, state, now),
            Event::Paste(text) => {
                let text = text.replace("\r\n", "\n").replace('\r', "\n");
                match self.focus {
                    Focus::React(_) => self.reaction.insert(text.trim()),
                    _ if self.open.is_some() => {
                        self.focus = Focus::Text;
                        self.write(now, |draft| draft.insert(&text));
                    }
                    _ => {}
                }
            }
            Event::FocusGained => self.attentive = true,
            Event::FocusLost => self.attentive = false,
            _ => {}
        }
    }

    fn key(&mut self, key: KeyEvent, state: &State, now: Instant) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        self.notice.clear();
        match (key.code, control) {
            (KeyCode::Char('c' | 'q'), true) => return self.effects.push(Effect::Quit),
            (code, _) if self.help.is_some() => return self.help_key(code),
            (KeyCode::F(1), _) => {
                self.help = Some(0);
                return;
            }
            (KeyCode::Char('n'), true) => return self.neighbour(1, state),
            (KeyCode::Char('p'), true) => return self.neighbour(-1, state),
            (KeyCode::PageUp, _) => return self.scroll(-1, state),
            (KeyCode::PageDown, _) => return self.scroll(1, state),
            _ => {}
        }
        match self.focus {
            Focus::List => self.list_key(key.code, state, now),
            Focus::Text => self.text_key(key, state, now),
            Focus::Message(seq) => self.message_key(key.code, seq, state),
            Focus::React(seq) => self.react_key(key, seq),
            Focus::Retract(seq) => {
                self.focus = Focus::Message(seq);
                if key.code == KeyCode::Char('y') {
                    self.command(Command::Retract(seq), format!("/retract {seq}"));
                    self.focus = Focus::Text;
                }
            }
        }
    }

    fn help_key(&mut self, code: KeyCode) {
        let from = self.help.unwrap_or_default();
        self.help = match code {
            KeyCode::Up => Some(from.saturating_sub(1)),
            // The last line stays.
            KeyCode::Down => Some((from + 1).min(HELP.len() + command::HELP.len() - 1)),
            _ => None,
        };
    }

    fn list_key(&mut self, code: KeyCode, state: &State, now: Instant) {
        let ids = ids(state);
        let at = self
            .chosen
            .and_then(|id| ids.iter().position(|one| *one == id));
        let at = at.unwrap_or_default();
        let to = match code {
            KeyCode::Up | KeyCode::Char('k') => at.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => at + 1,
            KeyCode::Home => 0,
            KeyCode::End => ids.len(),
            KeyCode::Enter | KeyCode::Right => {
                if let Some(id) = ids.get(at) {
                    self.open(*id, state);
                }
                return;
            }
            KeyCode::Tab | KeyCode::Esc if self.open.is_some() => {
                self.focus = Focus::Text;
                return;
            }
            KeyCode::Char('q') => return self.effects.push(Effect::Quit),
            KeyCode::Char('?') => {
                self.help = Some(0);
                return;
            }
            _ => return,
        };
        if to >= ids.len() && state.more() {
            let list = state.conversations();
            let oldest = list.last().map_or(0, |one| one.view().activity_position);
            self.load(Load::Conversations(oldest), now);
        }
        self.chosen = ids.get(to.min(ids.len().saturating_sub(1))).copied();
    }

    fn neighbour(&mut self, step: isize, state: &State) {
        let ids = ids(state);
        let at = self
            .open
            .and_then(|id| ids.iter().position(|one| *one == id));
        let to = match at {
            Some(at) => at.checked_add_signed(step),
            None => Some(0),
        };
        if let Some(id) = to.and_then(|to| ids.get(to)) {
            self.open(*id, state);
        }
    }

    pub(super) fn scroll(&mut self, direction: isize, state: &State) {
        let Some(seen) = self.seen.clone() else {
            return;
        };
        let page = isize::try_from(seen.height.saturating_sub(2).max(1)).unwrap_or(1);
        if let Some(anchor) = thread::scrolled(self, state, &seen, direction * page)
            && let Some(talk) = self.talk()
        {
            talk.anchor = anchor;
        }
    }

    fn text_key(&mut self, key: KeyEvent, state: &State, now: Instant) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        let Some(talk) = self.talk() else {
            self.focus = Focus::List;
            return;
        };
        let nothing = talk.draft.text().is_empty();
        match (key.code, control, alt) {
            (KeyCode::Enter, _, true) | (KeyCode::Char('j'), true, _) => {
                self.write(now, |draft| draft.insert("\n"));
            }
            (KeyCode::Enter, ..) if shift => self.write(now, |draft| draft.insert("\n")),
            (KeyCode::Enter, ..) => self.enter(state),
            (KeyCode::Up, ..) if nothing => self.select(-1, state),
            (KeyCode::Tab, ..) => {
                let members = talk.members.clone().unwrap_or_default();
                if !talk.draft.complete(&members) {
                    self.focus = Focus::List;
                }
            }
            (KeyCode::BackTab, ..) => self.focus = Focus::List,
            (KeyCode::Esc, ..) => {
                let draft = &mut talk.draft;
                if draft.editing > 0 {
                    // What is edited is in the message still.
                    *draft = Draft::default();
                } else if draft.reply_to > 0 {
                    draft.reply_to = 0;
                } else {
                    self.focus = Focus::List;
                }
            }
            (KeyCode::Char('r'), true, _) => self.take_refused_back(),
            (KeyCode::Char('a'), true, _) | (KeyCode::Home, ..) => talk.draft.home(),
            (KeyCode::Char('e'), true, _) => talk.draft.end(),
            (KeyCode::End, ..) if nothing => talk.anchor = thread::Anchor::End,
            (KeyCode::End, ..) => talk.draft.end(),
            (KeyCode::Left, true, _) | (KeyCode::Left | KeyCode::Char('b'), _, true) => {
                talk.draft.word_left();
            }
            (KeyCode::Right, true, _) | (KeyCode::Right | KeyCode::Char('f'), _, true) => {
                talk.draft.word_right();
            }
            (KeyCode::Left, ..) => talk.draft.left(),
            (KeyCode::Right, ..) => talk.draft.right(),
            (KeyCode::Char('w'), true, _) | (KeyCode::Backspace, _, true) => {
                self.write(now, Draft::delete_word);
            }
            (KeyCode::Char('u'), true, _) => self.write(now, Draft::delete_to_start),
            (KeyCode::Char('k'), true, _) => self.write(now, Draft::delete_to_end),
            (KeyCode::Backspace, ..) | (KeyCode::Char('h'), true, _) => {
                self.write(now, Draft::backspace);
            }
            (KeyCode::Delete, ..) => self.write(now, Draft::delete),
            (KeyCode::Char(c), false, false) => {
                self.write(now, |draft| draft.insert(c.encode_utf8(&mut [0; 4])));
            }
            _ => {}
        }
    }

    /// Changes what is written, and tells the others that somebody writes.
    fn write(&mut self, now: Instant, change: impl FnOnce(&mut Draft)) {
        let Some(open) = self.open else {
            return;
        };
        let draft = &mut self.talks.entry(open).or_default().draft;
        change(draft);
        let something = !draft.is_empty() && !draft.text().starts_with('/');
        let told = self.typing.wrote(open, something, now);
        self.effects.extend(
            told.into_iter()
                .map(|(there, active)| Effect::Typing(there, active)),
        );
    }

    fn enter(&mut self, state: &State) {
        let Some(open) = self.open else {
            return;
        };
        let talk = self.talks.entry(open).or_default();
        if talk.draft.is_empty() {
            return;
        }
        let text = talk.draft.text().trim_end().to_owned();
        let line = match talk.draft.editing {
            0 => command::read(&text),
            _ => Ok(Line::Message(text.clone())),
        };
        match line {
            // The text stays, to be corrected.
            Err(error) => self.say(error),
            Ok(Line::Command(command)) => {
                talk.draft.take();
                self.command(command, text);
            }
            Ok(Line::Message(text)) => {
                let draft = talk.draft.take();
                let gone = state
                    .conversation(open)
                    .is_some_and(|one| one.view().role.is_empty());
                if gone {
                    talk.draft = draft;
                    return self.say("you are not in this conversation any more");
                }
                talk.anchor = thread::Anchor::End;
                talk.new_after = None;
                let members = talk.members.clone().unwrap_or_default();
                let request = match draft.editing {
                    0 => act::post(open, &text, draft.reply_to, &members),
                    seq => act::edit(open, seq, &text, &members),
                };
                let command = Uuid::now_v7();
                self.pending.extend(Pending::of(command, &request));
                self.effects.push(Effect::Submit(command, request));
                self.typing.sent();
                if draft.editing > 0 {
                    // A message says itself that its author has stopped typing.
                    self.effects.push(Effect::Typing(open, false));
                }
            }
        }
    }

    pub(super) fn command(&mut self, command: Command, line: String) {
        match command {
            Command::Help => self.help = Some(0),
            Command::Quit => self.effects.push(Effect::Quit),
            command => self.effects.push(Effect::Command(self.open, line, command)),
        }
    }
}

/// The conversations, as the list shows them.
pub(super) fn ids(state: &State) -> Vec<Uuid> {
    let list = state.conversations();
    list.iter()
        .filter_map(|one| id::from_wire(&one.view().id))
        .collect()
}

//! What keys do to a selected message.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tidings_sdk::State;

use super::{
    app::{App, Focus},
    draft::Draft,
    thread,
};
use crate::chat::command::Command;

/// Reactions that have a key of their own, 1 to 6.
const REACTIONS: [&str; 6] = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

impl App {
    /// Selects the message this many after (before) the selected one.
    pub(super) fn select(&mut self, step: isize, state: &State) {
        let Some(conversation) = self.open.and_then(|id| state.conversation(id)) else {
            return;
        };
        let messages = conversation.messages();
        let selected = match self.focus {
            Focus::Message(seq) => Some(seq),
            _ => None,
        };
        let next = match (selected, step < 0) {
            (None, _) => messages.keys().next_back().copied(),
            (Some(seq), true) => messages.range(..seq).next_back().map(|(seq, _)| *seq),
            (Some(seq), false) => messages.range(seq + 1..).next().map(|(seq, _)| *seq),
        };
        match (next, step < 0) {
            (Some(seq), _) => {
                self.focus = Focus::Message(seq);
                if let Some(seen) = self.seen.clone()
                    && let Some(anchor) = thread::showing(self, state, &seen, seq)
                    && let Some(talk) = self.talk()
                {
                    talk.anchor = anchor;
                }
            }
            // Above the oldest there is nothing, below the latest the text.
            (None, true) => self.scroll(-1, state),
            (None, false) => self.leave_message(),
        }
    }

    fn leave_message(&mut self) {
        self.focus = Focus::Text;
        if let Some(talk) = self.talk() {
            talk.anchor = thread::Anchor::End;
        }
    }

    pub(super) fn message_key(&mut self, code: KeyCode, seq: u64, state: &State) {
        let conversation = self.open.and_then(|id| state.conversation(id));
        let message = conversation.and_then(|one| one.messages().get(&seq));
        let (Some(conversation), Some(message)) = (conversation, message) else {
            return self.leave_message();
        };
        let gone = message.retracted || message.erased;
        let mine = message.author == state.user();
        match code {
            KeyCode::Up | KeyCode::Char('k') => self.select(-1, state),
            KeyCode::Down | KeyCode::Char('j') => self.select(1, state),
            KeyCode::Esc | KeyCode::End | KeyCode::Tab => self.leave_message(),
            KeyCode::Char('i') => self.command(Command::Receipts(seq), format!("/receipts {seq}")),
            KeyCode::Char('?') => self.help = Some(0),
            _ if gone => self.say("it was taken back"),
            KeyCode::Char('r') | KeyCode::Enter => {
                if let Some(talk) = self.talk() {
                    talk.draft.reply_to = seq;
                }
                self.leave_message();
            }
            KeyCode::Char('e') if !mine => self.say("only its author can edit it"),
            KeyCode::Char('e') if message.stub => self.say("its text is still being loaded"),
            KeyCode::Char('e') => {
                let mut draft = Draft::of(message.text.clone());
                draft.editing = seq;
                match self.talk() {
                    Some(talk) if talk.draft.is_empty() => {
                        talk.draft = draft;
                        self.leave_message();
                    }
                    _ => self.say("send or delete first what you are writing"),
                }
            }
            KeyCode::Char('d') => {
                let role = conversation.view().role.as_str();
                let may = mine || matches!(role, "owner" | "moderator");
                match may {
                    true => self.focus = Focus::Retract(seq),
                    false => self.say("only its author, or who looks after the group, can"),
                }
            }
            KeyCode::Char('+') => {
                self.reaction = Draft::default();
                self.focus = Focus::React(seq);
            }
            KeyCode::Char(digit @ '1'..='6') => {
                let reaction = REACTIONS[usize::from(digit as u8 - b'1')];
                self.react(seq, reaction);
            }
            _ => {}
        }
    }

    fn react(&mut self, seq: u64, reaction: &str) {
        let line = format!("/react {seq} {reaction}");
        self.command(Command::React(seq, reaction.to_owned()), line);
    }

    pub(super) fn react_key(&mut self, key: KeyEvent, seq: u64) {
        match key.code {
            KeyCode::Esc => self.focus = Focus::Message(seq),
            KeyCode::Enter => {
                let reaction = self.reaction.take();
                self.focus = Focus::Message(seq);
                if !reaction.is_empty() {
                    self.react(seq, reaction.text().trim());
                }
            }
            KeyCode::Backspace => self.reaction.backspace(),
            KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
                self.reaction.insert(c.encode_utf8(&mut [0; 4]));
            }
            _ => {}
        }
    }
}

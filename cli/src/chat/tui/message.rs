//! The rows of one message.

use ratatui::{
    style::{Color, Modifier, Style},
    text::{Line, Span},
};
use tidings_protocol::view::{self, Message};
use tidings_sdk::state::Conversation;

use super::{
    pending::{Fate, Pending},
    wrap::{clip, width, wrap},
};
use crate::chat::{people, text};

pub(super) const DIM: Style = Style::new().fg(Color::DarkGray);
const GONE: Style = Style::new()
    .fg(Color::DarkGray)
    .add_modifier(Modifier::ITALIC);
const NAMED: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);

/// Columns of the time and what stands beside it.
const TIME: usize = 7;
/// Narrower than this, only a message's first row is indented that far.
const NARROW: usize = 44;

/// How a user's name looks: always the same.
pub(super) fn style_of(user: &str) -> Style {
    const COLOURS: [Color; 6] = [
        Color::Cyan,
        Color::Green,
        Color::Magenta,
        Color::Yellow,
        Color::Blue,
        Color::LightRed,
    ];
    let sum = user.bytes().fold(7_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    Style::new()
        .fg(COLOURS[sum % COLOURS.len()])
        .add_modifier(Modifier::BOLD)
}

/// How far one's own message has come.
pub(super) fn ticks(conversation: &Conversation, seq: u64) -> (&'static str, Style) {
    let view = conversation.view();
    let others = view.member_count.saturating_sub(1) as usize;
    let all = |reached: &dyn Fn(&view::MemberCursor) -> bool| {
        others > 0 && view.cursors.iter().filter(|one| reached(one)).count() >= others
    };
    if all(&|one| one.read_seq >= seq) {
        ("✔✔", Style::new().fg(Color::Cyan))
    } else if all(&|one| one.delivered_seq >= seq) {
        ("✓✓", DIM)
    } else {
        ("✓", DIM)
    }
}

/// What a message answers, in a few words.
fn quote(message: Option<&Message>, seq: u64, columns: usize) -> Span<'static> {
    let said = match message {
        None => format!("▏#{seq}"),
        Some(message) => format!("▏{}: {}", text::one_line(&message.author), short(message)),
    };
    Span::styled(clip(&said, columns), DIM)
}

/// A message's text on one line.
pub(super) fn short(message: &Message) -> String {
    if message.retracted || message.erased {
        "taken back".to_owned()
    } else if message.stub {
        "…".to_owned()
    } else {
        text::one_line(&message.text)
    }
}

/// Everything needed to draw messages of a conversation.
pub(super) struct Look<'a> {
    pub(super) conversation: &'a Conversation,
    pub(super) zone: &'a jiff::tz::TimeZone,
    pub(super) me: &'a str,
    /// Columns there are.
    pub(super) columns: usize,
}

impl Look<'_> {
    fn indent(&self) -> usize {
        if self.columns < NARROW { 2 } else { TIME }
    }

    /// A message: time, what it answers, text, reactions.
    pub(super) fn message(&self, message: &Message, selected: bool) -> Vec<Line<'static>> {
        let mut body = self.text(message);
        if message.edited_ms > 0 && !message.retracted {
            body.push(Span::styled(" (edited)", DIM));
        }
        if message.author == self.me && !message.retracted {
            let (tick, style) = ticks(self.conversation, message.seq);
            body.push(Span::styled(format!(" {tick}"), style));
        }
        let reply = match message.reply_to {
            0 => None,
            seq => {
                let replied = self.conversation.messages().get(&seq);
                Some(quote(replied, seq, self.columns.saturating_sub(TIME)))
            }
        };
        let time = text::clock(message.at_ms, self.zone);
        let mut rows = self.rows(&time, reply, &body, selected);
        rows.extend(self.reactions(message, selected));
        rows
    }

    fn text(&self, message: &Message) -> Vec<Span<'static>> {
        if message.retracted || message.erased {
            return vec![Span::styled("taken back", GONE)];
        }
        if message.stub {
            return vec![Span::styled("a long text, being loaded…", GONE)];
        }
        let said = text::harmless(&message.text);
        let mut spans = Vec::new();
        let mut from = 0;
        for (place, user) in people::places(&said, &message.mentions) {
            spans.push(Span::raw(said[from..place.start].to_owned()));
            let style = match *user == self.me {
                true => NAMED.add_modifier(Modifier::REVERSED),
                false => NAMED,
            };
            spans.push(Span::styled(said[place.clone()].to_owned(), style));
            from = place.end;
        }
        spans.push(Span::raw(said[from..].to_owned()));
        spans
    }

    fn reactions(&self, message: &Message, selected: bool) -> Vec<Line<'static>> {
        if message.reactions.is_empty() {
            return Vec::new();
        }
        let given = message.reactions.iter().map(|given| {
            let said = format!("{} {}", text::one_line(&given.reaction), given.count);
            if given.mine {
                format!("[{said}]")
            } else {
                said
            }
        });
        let given = given.collect::<Vec<_>>().join("  ");
        let columns = self.columns.saturating_sub(self.indent());
        let rows = wrap(&[Span::styled(given, DIM)], columns, columns);
        rows.into_iter()
            .map(|row| self.indented(row, selected))
            .collect()
    }

    /// A text on its way, and what is known of that.
    pub(super) fn pending(&self, pending: &Pending) -> Vec<Line<'static>> {
        let mut body = vec![Span::raw(text::harmless(&pending.text))];
        let (mark, said, style) = match &pending.fate {
            Fate::Waiting => ("…", String::new(), DIM),
            Fate::Accepted(_) => ("✓", String::new(), DIM),
            Fate::Refused(reason) => (
                "✗",
                format!(" not sent: {} (Ctrl-R)", text::one_line(reason)),
                Style::new().fg(Color::Red),
            ),
        };
        if pending.editing > 0 {
            body.push(Span::styled(
                format!(" (edit of #{})", pending.editing),
                DIM,
            ));
        }
        body.push(Span::styled(format!(" {mark}{said}"), style));
        let reply = match pending.reply_to {
            0 => None,
            seq => {
                let replied = self.conversation.messages().get(&seq);
                Some(quote(replied, seq, self.columns.saturating_sub(TIME)))
            }
        };
        self.rows("", reply, &body, false)
    }

    fn rows(
        &self,
        time: &str,
        reply: Option<Span<'static>>,
        body: &[Span<'_>],
        selected: bool,
    ) -> Vec<Line<'static>> {
        let first = Line::from(vec![
            Span::raw(if selected { "▶" } else { " " }),
            Span::styled(format!("{time:5} "), DIM),
        ]);
        let beside = self.columns.saturating_sub(TIME);
        let rest = self.columns.saturating_sub(self.indent());
        let (mut rows, text) = match reply {
            Some(reply) => {
                let mut row = first;
                row.push_span(reply);
                let text = wrap(body, rest, rest);
                (vec![row], text)
            }
            None => {
                let mut text = wrap(body, beside, rest);
                let mut row = first;
                row.spans.extend(text.remove(0).spans);
                (vec![row], text)
            }
        };
        rows.extend(text.into_iter().map(|row| self.indented(row, selected)));
        rows
    }

    fn indented(&self, mut row: Line<'static>, selected: bool) -> Line<'static> {
        let gutter = if selected { "▶" } else { " " };
        let space = " ".repeat(self.indent().saturating_sub(1));
        row.spans.insert(0, Span::raw(format!("{gutter}{space}")));
        row
    }

    /// A line across, with something said in its middle.
    pub(super) fn across(&self, said: &str, style: Style) -> Line<'static> {
        let said = clip(&format!(" {said} "), self.columns);
        let left = self.columns.saturating_sub(width(&said));
        let line = |columns: usize| "─".repeat(columns);
        Line::styled(
            format!("{}{said}{}", line(left / 2), line(left - left / 2)),
            style,
        )
    }
}

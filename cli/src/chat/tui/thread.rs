//! The messages of a conversation as a column of rows, of which a window is shown. Only rows near the
//! window are made, however much history there is.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use ratatui::{
    style::{Color, Style},
    text::Line,
};
use tidings_protocol::view::Message;
use tidings_sdk::{State, state::Conversation};
use uuid::Uuid;

use super::{
    app::{App, Focus},
    message::{DIM, Look, style_of},
};
use crate::chat::text;

/// After a silence this long the author is named again.
const SILENCE_MS: u64 = 10 * 60 * 1000;
/// The row above all messages.
const HEAD: u64 = 0;
/// The rows below all messages: what is on its way.
const TAIL: u64 = u64::MAX;

/// A row: the message (or head, or tail) it belongs to, and which of that message's rows it is.
type Place = (u64, usize);

/// Which row is the lowest of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Anchor {
    /// The last one, also when more come.
    #[default]
    End,
    At(u64, usize),
}

/// What a window showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) columns: usize,
    pub(super) height: usize,
    /// Everything up to this message has been seen, where the window is at the end.
    pub(super) read: u64,
    /// Messages before this one are to be seen and not held.
    pub(super) missing_before: Option<u64>,
    /// Long texts that are to be seen and not held.
    pub(super) stubs: Vec<u64>,
}

pub(super) struct Rows<'a> {
    app: &'a App,
    id: Uuid,
    look: Look<'a>,
    holes: Vec<(u64, u64)>,
    made: RefCell<HashMap<u64, Rc<Vec<Line<'static>>>>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        app: &'a App,
        state: &'a State,
        id: Uuid,
        columns: usize,
    ) -> Option<Rows<'a>> {
        let conversation = state.conversation(id)?;
        Some(Rows {
            app,
            id,
            look: Look {
                conversation,
                zone: &app.zone,
                me: state.user(),
                columns,
            },
            holes: conversation.holes(),
            made: RefCell::default(),
        })
    }

    fn conversation(&self) -> &'a Conversation {
        self.look.conversation
    }

    fn previous(&self, seq: u64) -> Option<&'a Message> {
        let before = self.conversation().messages().range(..seq).next_back();
        before.map(|(_, message)| message)
    }

    /// Whether messages between these two are not held.
    fn hole_between(&self, after: u64, before: u64) -> bool {
        let within = |(from, to): &(u64, u64)| *from < before && *to > after;
        self.holes.iter().any(within)
    }

    fn block(&self, seq: u64) -> Rc<Vec<Line<'static>>> {
        if let Some(made) = self.made.borrow().get(&seq) {
            return made.clone();
        }
        let rows = match seq {
            HEAD => vec![self.head()],
            TAIL => self.tail(),
            seq => self.message(seq),
        };
        let rows = Rc::new(rows);
        self.made.borrow_mut().insert(seq, rows.clone());
        rows
    }

    fn head(&self) -> Line<'static> {
        let first = self.conversation().messages().keys().next();
        let said = match first {
            Some(first) if self.hole_between(0, *first) => "loading what was said before…",
            None if !self.holes.is_empty() => "loading…",
            None => "nothing has been said yet",
            Some(_) => "the conversation begins here",
        };
        Line::styled(said, DIM).centered()
    }

    fn tail(&self) -> Vec<Line<'static>> {
        let here = |one: &&super::pending::Pending| one.conversation == self.id;
        let pending = self.app.pending.iter().filter(here);
        pending.flat_map(|one| self.look.pending(one)).collect()
    }

    fn message(&self, seq: u64) -> Vec<Line<'static>> {
        let Some(message) = self.conversation().messages().get(&seq) else {
            return Vec::new();
        };
        let mut rows = Vec::new();
        let before = self.previous(seq);
        let day = text::day(message.at_ms, self.look.zone);
        if before.is_some_and(|before| self.hole_between(before.seq, seq)) {
            rows.push(self.look.across("loading…", DIM));
        }
        if before.is_none_or(|before| text::day(before.at_ms, self.look.zone) != day) {
            rows.push(self.look.across(&day, DIM));
        }
        if self.is_first_new(message, before) {
            let style = Style::new().fg(Color::Yellow);
            rows.push(self.look.across("new", style));
        }
        let same = |before: &Message| {
            before.author == message.author && message.at_ms < before.at_ms + SILENCE_MS
        };
        if !rows.is_empty() || !before.is_some_and(same) {
            let author = text::one_line(&message.author);
            rows.push(Line::styled(author, style_of(&message.author)));
        }
        let selected = matches!(
            self.app.focus,
            Focus::Message(one) | Focus::React(one) | Focus::Retract(one) if one == seq
        );
        rows.extend(self.look.message(message, selected));
        rows
    }

    fn is_first_new(&self, message: &Message, before: Option<&Message>) -> bool {
        let talk = self.app.talks.get(&self.id);
        let after = talk.and_then(|talk| talk.new_after);
        let new = |one: &Message| after.is_some_and(|after| one.seq > after);
        let others = message.author != self.look.me;
        others
            && new(message)
            && !before.is_some_and(|before| new(before) && before.author != self.look.me)
    }

    fn block_above(&self, seq: u64) -> Option<u64> {
        match (seq, self.previous(seq)) {
            (HEAD, _) => None,
            (_, Some(message)) => Some(message.seq),
            (_, None) => Some(HEAD),
        }
    }

    fn block_below(&self, seq: u64) -> Option<u64> {
        if seq == TAIL {
            return None;
        }
        let below = self.conversation().messages().range(seq + 1..).next();
        Some(below.map_or(TAIL, |(seq, _)| *seq))
    }

    fn above(&self, (seq, row): Place) -> Option<Place> {
        if row > 0 {
            return Some((seq, row - 1));
        }
        let mut seq = seq;
        loop {
            seq = self.block_above(seq)?;
            if let Some(last) = self.block(seq).len().checked_sub(1) {
                return Some((seq, last));
            }
        }
    }

    fn below(&self, (seq, row): Place) -> Option<Place> {
        if row + 1 < self.block(seq).len() {
            return Some((seq, row + 1));
        }
        let mut seq = seq;
        loop {
            seq = self.block_below(seq)?;
            if !self.block(seq).is_empty() {
                return Some((seq, 0));
            }
        }
    }

    fn last(&self) -> Place {
        match self.block(TAIL).len().checked_sub(1) {
            Some(last) => (TAIL, last),
            None => self.above((TAIL, 0)).unwrap_or((HEAD, 0)),
        }
    }

    /// The row an anchor means. A message that has gone is the one before it.
    fn place(&self, anchor: Anchor) -> Place {
        let Anchor::At(seq, row) = anchor else {
            return self.last();
        };
        match self.block(seq).len().checked_sub(1) {
            Some(last) => (seq, row.min(last)),
            None => self.above((seq, 0)).unwrap_or((HEAD, 0)),
        }
    }

    fn moved(&self, from: Place, rows: isize) -> Place {
        let mut place = from;
        for _ in 0..rows.unsigned_abs() {
            let next = match rows < 0 {
                true => self.above(place),
                false => self.below(place),
            };
            match next {
                Some(next) => place = next,
                None => break,
            }
        }
        place
    }

    /// The anchor of this row: the last stays the last.
    fn anchor(&self, place: Place) -> Anchor {
        match place == self.last() {
            true => Anchor::End,
            false => Anchor::At(place.0, place.1),
        }
    }

    /// The rows of a window, from above.
    pub(super) fn window(&self, anchor: Anchor, height: usize) -> (Vec<Line<'static>>, Seen) {
        let mut places = vec![self.place(anchor)];
        while places.len() < height
            && let Some(above) = places.last().and_then(|place| self.above(*place))
        {
            places.push(above);
        }
        places.reverse();
        while places.len() < height
            && let Some(below) = places.last().and_then(|place| self.below(*place))
        {
            places.push(below);
        }
        let rows = places
            .iter()
            .map(|(seq, row)| self.block(*seq)[*row].clone())
            .collect();
        (rows, self.seen(&places, height))
    }

    fn seen(&self, places: &[Place], height: usize) -> Seen {
        let messages = self.conversation().messages();
        let top = places.first().copied().unwrap_or_default();
        let bottom = places.last().copied().unwrap_or_default();
        // The lowest message is seen when its last row is.
        let whole = bottom.0 == TAIL || bottom.1 + 1 == self.block(bottom.0).len();
        let lowest = match whole {
            true => messages.range(..=bottom.0).next_back(),
            false => messages.range(..bottom.0).next_back(),
        };
        let lowest = lowest.map_or(0, |(seq, _)| *seq);
        let at_end = messages.range(lowest + 1..).next().is_none();
        let last = self.conversation().view().last_seq;
        let (low, high) = (top.0, bottom.0.min(last));
        let hole = self
            .holes
            .iter()
            .rev()
            .find(|(from, to)| *from <= high && *to + 1 >= low);
        let stubs = messages.range(low..=high.max(low));
        Seen {
            columns: self.look.columns,
            height,
            read: if at_end { last.max(lowest) } else { lowest },
            missing_before: hole.map(|(_, to)| to + 1),
            stubs: stubs
                .filter(|(_, message)| message.stub)
                .map(|(seq, _)| *seq)
                .collect(),
        }
    }
}

/// Where the window is after it was moved by this many rows.
pub(super) fn scrolled(app: &App, state: &State, seen: &Seen, by: isize) -> Option<Anchor> {
    let (rows, bottom, height) = now(app, state, seen)?;
    let bottom = rows.moved(bottom, by);
    // Nothing is above the head.
    let top = rows.moved(bottom, 1 - height);
    let bottom = rows.moved(top, height - 1);
    Some(rows.anchor(bottom))
}

/// Where the window is when it was moved no further than needed to show a message.
pub(super) fn showing(app: &App, state: &State, seen: &Seen, seq: u64) -> Option<Anchor> {
    let (rows, bottom, height) = now(app, state, seen)?;
    let top = rows.moved(bottom, 1 - height);
    let (first, last) = ((seq, 0), (seq, rows.block(seq).len().saturating_sub(1)));
    if first < top {
        return Some(rows.anchor(rows.moved(first, height - 1)));
    }
    (last > bottom).then(|| rows.anchor(last))
}

/// The rows, the lowest of the window and how many it has: as they are now, which may be some keys
/// after they were drawn.
fn now<'a>(app: &'a App, state: &'a State, seen: &Seen) -> Option<(Rows<'a>, Place, isize)> {
    let id = app.open?;
    let rows = Rows::new(app, state, id, seen.columns)?;
    let anchor = app
        .talks
        .get(&id)
        .map(|talk| talk.anchor)
        .unwrap_or_default();
    let bottom = rows.place(anchor);
    let height = isize::try_from(seen.height).unwrap_or(isize::MAX);
    Some((rows, bottom, height))
}

//! The list of conversations.

use ratatui::{
    style::{Modifier, Style},
    text::{Line, Span},
};
use tidings_protocol::{id, view};
use tidings_sdk::State;

use super::{
    app::{App, Focus},
    message::{DIM, short, style_of},
    wrap::{clip, width},
};
use crate::chat::text;

/// What a conversation is called.
pub(super) fn name(view: &view::Conversation) -> String {
    match view.kind.as_str() {
        "group" if view.title.is_empty() => "a group".to_owned(),
        "group" => text::one_line(&view.title),
        _ if view.context.is_empty() => text::one_line(&view.peer),
        _ => text::one_line(&format!("{} · {}", view.peer, view.context)),
    }
}

/// The rows of the list: two for each conversation, those around the chosen one.
pub(super) fn rows(app: &App, state: &State, columns: usize, height: usize) -> Vec<Line<'static>> {
    let list = state.conversations();
    if list.is_empty() {
        return vec![Line::styled(clip("no conversations yet", columns), DIM)];
    }
    let chosen = list
        .iter()
        .position(|one| id::from_wire(&one.view().id) == app.chosen.or(app.open))
        .unwrap_or_default();
    let fit = (height / 2).max(1);
    let first = chosen.saturating_sub(fit.saturating_sub(1) / 2 + fit / 2);
    let shown = list.iter().enumerate().skip(first).take(fit);
    shown
        .flat_map(|(at, one)| {
            let selected = app.focus == Focus::List && at == chosen;
            entry(app, state, one.view(), selected, columns)
        })
        .collect()
}

fn entry(
    app: &App,
    state: &State,
    view: &view::Conversation,
    selected: bool,
    columns: usize,
) -> [Line<'static>; 2] {
    let id = id::from_wire(&view.id).unwrap_or_default();
    let open = app.open == Some(id);
    let unread = match (view.unread, view.muted) {
        (0, true) => "muted".to_owned(),
        (0, false) => String::new(),
        (unread, true) => format!("({unread})"),
        (unread, false) => format!("{unread}"),
    };
    let mark = match (selected, open) {
        (true, _) => "▶",
        (false, true) => "│",
        _ => " ",
    };
    let room = columns.saturating_sub(width(&unread) + 2);
    let name_text = clip(&name(view), room);
    let gap = " ".repeat(room.saturating_sub(width(&name_text)) + 1);
    let mut style = match view.kind.as_str() {
        "group" => Style::new().add_modifier(Modifier::BOLD),
        _ => style_of(&view.peer),
    };
    let mut badge = Style::new();
    if view.unread > 0 && !view.muted {
        badge = badge.add_modifier(Modifier::BOLD | Modifier::REVERSED);
    }
    if selected {
        style = style.add_modifier(Modifier::REVERSED);
    }
    let first = Line::from(vec![
        Span::raw(mark),
        Span::styled(name_text, style),
        Span::raw(gap),
        Span::styled(unread, badge),
    ]);
    let second = clip(&preview(app, state, view), columns.saturating_sub(2));
    [first, Line::styled(format!("  {second}"), DIM)]
}

fn preview(app: &App, state: &State, view: &view::Conversation) -> String {
    let id = id::from_wire(&view.id).unwrap_or_default();
    if let Some(user) = app.typing.users(id).first() {
        return format!("{} is typing…", text::one_line(user));
    }
    if let Some(draft) = app.talks.get(&id).map(|talk| &talk.draft)
        && !draft.is_empty()
        && app.open != Some(id)
    {
        return format!("draft: {}", text::one_line(draft.text()));
    }
    let Some(last) = &view.last_message else {
        return String::new();
    };
    let said = short(last);
    let time = text::clock(last.at_ms, &app.zone);
    match last.author == state.user() {
        true => format!("{time} you: {said}"),
        false if view.kind == "group" => format!("{time} {}: {said}", text::one_line(&last.author)),
        false => format!("{time} {said}"),
    }
}

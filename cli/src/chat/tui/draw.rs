//! The whole screen.

use std::time::Instant;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span, Text},
    widgets::{Block, Clear},
};
use tidings_sdk::{State, state::Conversation};
use uuid::Uuid;

use super::{
    app::{App, Focus, Link},
    draft::Draft,
    keys,
    list::{self, name},
    message::{DIM, short, style_of},
    thread::{Rows, Seen},
    wrap::{clip, width},
};
use crate::chat::{command, text};

/// From this width on the list stands beside the conversation.
const BESIDE: u16 = 72;
const LIST: u16 = 28;
/// What is being written takes no more rows than this.
const FIELD: usize = 6;
/// Smaller than this nothing can be read.
const LEAST: (u16, u16) = (16, 6);
/// What is explained in the help stands before its meaning, in a column of this width.
const EXPLAINED: usize = 15;
const NOTICE: Style = Style::new().fg(Color::Yellow);

/// Draws everything; what was shown of the conversation is in `app.seen` then.
pub(super) fn draw(frame: &mut Frame<'_>, app: &mut App, state: &State, now: Instant) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        frame.render_widget(Line::raw("too small"), area);
        return;
    }
    let [top, body, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(status(app, state, top.width.into(), now), top);
    let beside = area.width >= BESIDE;
    let listed = app.focus == Focus::List || app.open.is_none();
    if beside {
        let [left, line, right] = Layout::horizontal([
            Constraint::Length(LIST),
            Constraint::Length(1),
            Constraint::Min(1),
        ])
        .areas(body);
        draw_list(frame, app, state, left);
        let bar = vec![Line::styled("│", DIM); line.height.into()];
        frame.render_widget(Text::from(bar), line);
        draw_talk(frame, app, state, right);
    } else if listed {
        app.seen = None;
        draw_list(frame, app, state, body);
    } else {
        draw_talk(frame, app, state, body);
    }
    frame.render_widget(hint(app, bottom.width.into()), bottom);
    if let Some(from) = app.help {
        draw_help(frame, from, body);
    }
}

fn status(app: &App, state: &State, columns: usize, now: Instant) -> Line<'static> {
    let (link, style) = match &app.link {
        Link::Online => ("● online".to_owned(), Style::new().fg(Color::Green)),
        Link::Connecting => ("○ connecting…".to_owned(), NOTICE),
        Link::Offline { reason, until } => {
            let seconds = until.saturating_duration_since(now).as_secs() + 1;
            let link = format!("○ offline, again in {seconds} s: {reason}");
            (link, Style::new().fg(Color::Red))
        }
    };
    let unread = match state.unread_total() {
        0 => String::new(),
        unread => format!(" · {unread} unread"),
    };
    let who = match state.user() {
        "" => app.place.clone(),
        user => format!("{} at {}{unread}", text::one_line(user), app.place),
    };
    let link = clip(&link, columns.saturating_sub(8));
    let who = clip(&who, columns.saturating_sub(width(&link) + 1));
    let gap = columns.saturating_sub(width(&who) + width(&link));
    Line::from(vec![
        Span::styled(who, Style::new().add_modifier(Modifier::BOLD)),
        Span::raw(" ".repeat(gap)),
        Span::styled(link, style),
    ])
}

fn hint(app: &App, columns: usize) -> Line<'static> {
    if !app.notice.is_empty() {
        return Line::styled(clip(&text::one_line(&app.notice), columns), NOTICE);
    }
    let hint = match app.focus {
        Focus::List => "Enter opens · Up Down · F1 help · Ctrl-C ends",
        Focus::Text => "Enter sends · Up selects · Tab list · F1 help",
        Focus::Message(_) => "r reply · e edit · d take back · 1-6 + react · i info · Esc",
        Focus::React(_) => "Enter reacts · Esc",
        Focus::Retract(_) => "y takes it back · any other key does not",
    };
    Line::styled(clip(hint, columns), DIM)
}

fn draw_list(frame: &mut Frame<'_>, app: &App, state: &State, area: Rect) {
    let rows = list::rows(app, state, area.width.into(), area.height.into());
    frame.render_widget(Text::from(rows), area);
}

fn draw_talk(frame: &mut Frame<'_>, app: &mut App, state: &State, area: Rect) {
    let open = app.open.and_then(|id| Some((id, state.conversation(id)?)));
    let Some((id, conversation)) = open else {
        app.seen = None;
        let said = match app.open {
            Some(_) => "this conversation is not there any more",
            None => "choose a conversation",
        };
        frame.render_widget(Line::styled(said, DIM).centered(), area);
        return;
    };
    let columns = usize::from(area.width);
    let field = Field::of(app, conversation, id, columns);
    let field_height = u16::try_from(field.rows.len()).unwrap_or(1);
    let [head, messages, typing, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(field_height),
    ])
    .areas(area);
    frame.render_widget(title(conversation, columns), head);
    app.seen = draw_messages(frame, app, state, id, messages);
    frame.render_widget(typing_line(app, id, columns), typing);
    frame.render_widget(Text::from(field.rows), bottom);
    let typed = matches!(app.focus, Focus::Text | Focus::React(_));
    if let Some((row, column)) = field.cursor.filter(|_| typed) {
        frame.set_cursor_position((bottom.x + column, bottom.y + row));
    }
}

fn draw_messages(
    frame: &mut Frame<'_>,
    app: &App,
    state: &State,
    id: Uuid,
    area: Rect,
) -> Option<Seen> {
    let rows = Rows::new(app, state, id, area.width.into())?;
    let anchor = app
        .talks
        .get(&id)
        .map(|talk| talk.anchor)
        .unwrap_or_default();
    let (shown, seen) = rows.window(anchor, area.height.into());
    // Few messages stand at the bottom, where one writes.
    let empty = usize::from(area.height).saturating_sub(shown.len());
    let mut lines = vec![Line::default(); empty];
    lines.extend(shown);
    frame.render_widget(Text::from(lines), area);
    Some(seen)
}

fn title(conversation: &Conversation, columns: usize) -> Line<'static> {
    let view = conversation.view();
    let mut said = Vec::new();
    if view.kind == "group" {
        said.push(format!("{} members", view.member_count));
    }
    match view.role.as_str() {
        "" => said.push("you have left".to_owned()),
        "member" => {}
        role => said.push(format!("you are {}", text::one_line(role))),
    }
    if view.muted {
        said.push("muted".to_owned());
    }
    let name = clip(&name(view), columns);
    let room = columns.saturating_sub(width(&name));
    let said = said
        .iter()
        .map(|said| format!(" · {said}"))
        .collect::<String>();
    let style = match view.kind.as_str() {
        "group" => Style::new().add_modifier(Modifier::BOLD),
        _ => style_of(&view.peer),
    };
    let style = style.add_modifier(Modifier::UNDERLINED);
    Line::from(vec![
        Span::styled(name, style),
        Span::styled(clip(&said, room), DIM),
    ])
}

fn typing_line(app: &App, id: Uuid, columns: usize) -> Line<'static> {
    let said = match app.typing.users(id).as_slice() {
        [] => String::new(),
        [one] => format!("{one} is typing…"),
        [one, other] => format!("{one} and {other} are typing…"),
        several => format!("{} people are typing…", several.len()),
    };
    Line::styled(clip(&text::one_line(&said), columns), DIM)
}

/// Where one writes, and what it is about.
struct Field {
    rows: Vec<Line<'static>>,
    cursor: Option<(u16, u16)>,
}

impl Field {
    fn of(app: &App, conversation: &Conversation, id: Uuid, columns: usize) -> Field {
        let empty = Draft::default();
        let draft = match app.focus {
            Focus::React(_) => &app.reaction,
            _ => app.talks.get(&id).map_or(&empty, |talk| &talk.draft),
        };
        let quoted = |seq: u64| {
            let message = conversation.messages().get(&seq);
            message.map_or_else(
                || format!("#{seq}"),
                |message| format!("{}: {}", text::one_line(&message.author), short(message)),
            )
        };
        let about = match app.focus {
            Focus::React(seq) => Some(format!("reaction to {}", quoted(seq))),
            Focus::Retract(seq) => Some(format!("take back? {}", quoted(seq))),
            _ if draft.editing > 0 => Some(format!("editing #{}", draft.editing)),
            _ if draft.reply_to > 0 => Some(format!("reply to {}", quoted(draft.reply_to))),
            _ => None,
        };
        let mut rows = Vec::new();
        rows.extend(about.map(|about| Line::styled(clip(&about, columns), NOTICE)));
        let above = rows.len();
        let (text, (row, column)) = draft.rows(columns.saturating_sub(2));
        // The rows around the cursor, where there are too many.
        let first = (row + 1).saturating_sub(FIELD);
        let shown = text.into_iter().enumerate().skip(first).take(FIELD);
        rows.extend(shown.map(|(at, text)| {
            let mark = if at == 0 { "> " } else { "  " };
            Line::from(vec![Span::styled(mark, DIM), Span::raw(text)])
        }));
        let cursor = (above + row - first, column + 2);
        Field {
            rows,
            cursor: u16::try_from(cursor.0)
                .ok()
                .zip(u16::try_from(cursor.1).ok()),
        }
    }
}

/// The help, in as many columns as there is room for without cutting anything off.
fn draw_help(frame: &mut Frame<'_>, from: usize, area: Rect) {
    let block = Block::bordered().title(" Up and Down, any other key closes ");
    let inner = block.inner(area);
    let entries = keys::HELP.iter().chain(&command::HELP);
    let widest = entries.clone().map(|(what, meaning)| {
        let what = width(what).max(EXPLAINED);
        what + 1 + width(meaning) + 1
    });
    let widest = widest.max().unwrap_or(1);
    let columns = (usize::from(inner.width) / widest).max(1);
    let areas = Layout::horizontal(vec![Constraint::Fill(1); columns]).split(inner);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    let lines: Vec<Line<'_>> = entries
        .skip(from)
        .map(|(what, meaning)| {
            let what = Span::styled(format!("{what:<EXPLAINED$} "), Style::new().fg(Color::Cyan));
            Line::from(vec![what, Span::raw(*meaning)])
        })
        .collect();
    let height = usize::from(inner.height.max(1));
    for (part, area) in lines.chunks(height).zip(areas.iter()) {
        frame.render_widget(Text::from(part.to_vec()), *area);
    }
}

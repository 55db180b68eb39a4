//! One line of a log, read on its own.

use super::clock::Clock;
use super::encoding::clean;
use super::{LeftOut, MAX_NICK, What};

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// The `[HH:MM]` it begins with.
    pub(super) clock: Option<Clock>,
    pub(super) content: Content,
    /// The channel it names, in lower case.
    pub(super) channel: Option<String>,
    /// What stood between `<` and `>`.
    pub(super) written: Option<String>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Content {
    Blank,
    What(What),
    LeftOut(Kind),
    /// Why it could not be read.
    Unread(&'static str),
}

/// What has no counterpart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Action,
    Mode,
    Topic,
    Network,
}

impl Kind {
    /// Where lines of this kind are counted.
    pub(super) fn count(self, left_out: &mut LeftOut) -> &mut u32 {
        match self {
            Self::Action => &mut left_out.untimed_actions,
            Self::Mode => &mut left_out.modes,
            Self::Topic => &mut left_out.topics,
            Self::Network => &mut left_out.network,
        }
    }
}

const NOT_A_NICK: Content = Content::Unread(
    "what stands for the nick is empty, too long or holds a space; correct it by hand",
);
const UNKNOWN: Content = Content::Unread(
    "the line is neither \"[12:34] <nick> text\" nor \"=== nick ...\"; correct it by hand",
);

/// Reads a line without its line feed.
pub(super) fn read(text: &str) -> Line {
    // Neither a file's byte order mark nor the carriage return of a file from Windows is text.
    let text = text.trim_start_matches('\u{feff}').trim_end_matches('\r');
    let (clock, rest) = Clock::read(text).map_or((None, text), |(clock, rest)| (Some(clock), rest));
    let rest = rest.trim_start_matches(' ');
    let mut line = Line {
        clock,
        content: UNKNOWN,
        channel: None,
        written: None,
    };
    if let Some(body) = rest.strip_prefix("===") {
        (line.content, line.channel) = event(body.trim_start_matches(' '));
    } else if let Some(body) = rest.strip_prefix("* ") {
        line.content = match clock {
            Some(_) => {
                let (nick, text) = word(body);
                message(nick, text, true)
            }
            None => Content::LeftOut(Kind::Action),
        };
    } else if clock.is_none() {
        if rest.trim().is_empty() {
            line.content = Content::Blank;
        }
    } else if let Some((nick, text)) = rest.strip_prefix('<').and_then(|r| r.split_once('>')) {
        line.content = message(nick.trim_start_matches(['@', '+', '%', ' ']), text, false);
        line.written = matches!(line.content, Content::What(_)).then(|| nick.to_owned());
    } else if let Some((nick, target, text)) = addressed(rest) {
        line.content = message(nick, text, false);
        line.channel = channel(target);
    }
    line
}

fn message(written: &str, text: &str, action: bool) -> Content {
    let Some(nick) = nick(written) else {
        return NOT_A_NICK;
    };
    // One space parts nick and text; more belong to the text.
    let text = clean(text.strip_prefix(' ').unwrap_or(text));
    Content::What(What::Message { nick, text, action })
}

/// Text before the first space, and the rest with it.
fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(' ').unwrap_or(text.len()))
}

/// `-nick:#channel- text` and `(nick/#channel) text`.
fn addressed(rest: &str) -> Option<(&str, &str, &str)> {
    let (head, text) = word(rest);
    let (nick, target) = if let Some(inner) = head.strip_prefix('-') {
        inner.strip_suffix('-')?.split_once(":#")?
    } else {
        head.strip_prefix('(')?
            .strip_suffix(')')?
            .split_once("/#")?
    };
    // The `#` is one byte and `target` follows it in `head`.
    let at = head.len() - 1 - target.len() - 1;
    Some((nick, &head[at..head.len() - 1], text))
}

/// What stands behind `===`.
fn event(body: &str) -> (Content, Option<String>) {
    let named = || body.find('#').and_then(|at| channel(&body[at..]));
    for (start, kind) in [
        ("mode/#", Kind::Mode),
        ("Topic for #", Kind::Topic),
        ("Topic (#", Kind::Topic),
        ("..[topic/#", Kind::Topic),
        ("netjoined: ", Kind::Network),
        ("netsplit: ", Kind::Network),
        ("Starting logfile ", Kind::Network),
    ] {
        if body.starts_with(start) {
            let channel = (kind != Kind::Network).then(named).flatten();
            return (Content::LeftOut(kind), channel);
        }
    }
    for (verb, joined) in [
        (" has joined #", true),
        (" has left #", false),
        (" was kicked off #", false),
    ] {
        // The channel begins with the last byte of the verb.
        if let Some(at) = body.find(verb)
            && let Some(channel) = channel(&body[at + verb.len() - 1..])
            && let Some(nick) = someone(&body[..at])
        {
            let what = match joined {
                true => What::Joined { nick },
                false => What::Left { nick },
            };
            return (Content::What(what), Some(channel));
        }
    }
    // Only behind a host: `nick has quit smoking` is an action.
    if let Some(at) = body.find(" has quit")
        && body[..at].trim_end().ends_with(']')
        && body[..at].contains('@')
        && let Some(nick) = someone(&body[..at])
    {
        return (Content::What(What::Left { nick }), None);
    }
    if let Some((from, to)) = body.rsplit_once(" is now known as ")
        && let (Some(from), Some(to)) = (nick(from), nick(to))
    {
        return (Content::What(What::Renamed { from, to }), None);
    }
    if let Some((who, _)) = body.split_once(" changed the topic of #")
        && nick(who).is_some()
    {
        return (Content::LeftOut(Kind::Topic), named());
    }
    match body.trim().contains(' ') {
        true => (Content::LeftOut(Kind::Action), None),
        false => (UNKNOWN, None),
    }
}

/// The nick of `nick [user@host] `, or of `nick`.
fn someone(text: &str) -> Option<String> {
    let text = text.trim_end();
    let host = |at: usize| text.ends_with(']') && text[at..].contains('@');
    // From behind, for the older logger wrote the nick `[a][b]` as `[a] [b] `. Of a host written so, what is before its
    // last bracket is no nick.
    text.rmatch_indices(" [")
        .filter(|(at, _)| host(*at))
        .find_map(|(at, _)| nick(&text[..at]))
        .or_else(|| nick(text))
}

/// A nick without the space that the older logger wrote after `]`; `None` if it cannot be one.
fn nick(written: &str) -> Option<String> {
    let mut nick = String::with_capacity(written.len());
    for c in written.chars() {
        if c == ' ' && nick.ends_with(']') {
            continue;
        }
        if c.is_whitespace() || c.is_control() {
            return None;
        }
        nick.push(c);
    }
    (1..=MAX_NICK).contains(&nick.len()).then_some(nick)
}

/// The channel a text begins with, in lower case.
fn channel(text: &str) -> Option<String> {
    let end = text
        .find(|c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | ',' | ')' | ']'))
        .unwrap_or(text.len());
    (text.starts_with('#') && end > 1).then(|| text[..end].to_lowercase())
}

#[cfg(test)]
mod tests;

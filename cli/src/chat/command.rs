//! What a line that begins with a slash asks for.

/// A command as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Reply(u64, String),
    Edit(u64, String),
    Retract(u64),
    React(u64, String),
    Receipts(u64),
    Mute(bool),
    /// Whom; in a direct conversation the other user, if nobody is named.
    Block(Option<String>, bool),
    Blocked,
    Members,
    Invite(Vec<String>),
    Remove(String),
    Role(String, String),
    Title(String),
    Leave,
    Direct(String),
    Group(String),
    Help,
    Quit,
}

/// Each command: how it is written, and what it does.
pub(super) const HELP: [(&str, &str); 20] = [
    ("/reply N TEXT", "answer message N"),
    ("/edit N TEXT", "replace your message N"),
    ("/retract N", "take message N back"),
    ("/react N EMOJI", "react to message N; again to undo"),
    ("/receipts N", "who has read message N"),
    ("/mute, /unmute", "whether it counts in the total of unread"),
    ("/block [USER]", "hide what USER writes"),
    ("/unblock [USER]", "show it again"),
    ("/blocked", "whom you have blocked"),
    ("/members", "who is here, and as what"),
    ("/invite USER...", "add members to the group"),
    ("/remove USER", "remove a member"),
    ("/role USER ROLE", "owner, moderator or member"),
    ("/title TEXT", "name the group"),
    ("/leave", "leave the group"),
    ("/direct USER", "talk to USER"),
    ("/group TITLE", "make a group; then /invite"),
    ("/help", "this"),
    ("/quit", "end"),
    ("//TEXT", "a message that begins with a slash"),
];

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Message(String),
    Command(Command),
}

/// Reads a line; the error says what a command lacks.
pub(super) fn read(line: &str) -> Result<Line, String> {
    let Some(rest) = line.strip_prefix('/') else {
        return Ok(Line::Message(line.to_owned()));
    };
    if rest.starts_with('/') {
        return Ok(Line::Message(rest.to_owned()));
    }
    let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let rest = rest.trim();
    command(name, rest).map(Line::Command)
}

fn command(name: &str, rest: &str) -> Result<Command, String> {
    let usage = || {
        let found = HELP
            .iter()
            .find(|(usage, _)| usage.split([' ', ',']).next() == Some(&format!("/{name}")));
        match found {
            Some((usage, _)) => format!("it goes like this: {usage}"),
            None => format!("there is no command /{name}: see /help"),
        }
    };
    let numbered = || {
        let (number, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let number = number.trim_start_matches('#').parse::<u64>();
        let number = number.ok().filter(|number| *number > 0).ok_or_else(usage)?;
        Ok::<_, String>((number, rest.trim().to_owned()))
    };
    let text = |text: String| Some(text).filter(|text| !text.is_empty()).ok_or_else(usage);
    let some = || text(rest.to_owned());
    let one = || {
        some().and_then(|one| match one.contains(char::is_whitespace) {
            true => Err(usage()),
            false => Ok(one),
        })
    };
    Ok(match name {
        "reply" => numbered().and_then(|(n, rest)| Ok(Command::Reply(n, text(rest)?)))?,
        "edit" => numbered().and_then(|(n, rest)| Ok(Command::Edit(n, text(rest)?)))?,
        "react" => numbered().and_then(|(n, rest)| Ok(Command::React(n, text(rest)?)))?,
        "retract" => Command::Retract(numbered()?.0),
        "receipts" => Command::Receipts(numbered()?.0),
        "mute" => Command::Mute(true),
        "unmute" => Command::Mute(false),
        "block" => Command::Block(one().ok(), true),
        "unblock" => Command::Block(one().ok(), false),
        "blocked" => Command::Blocked,
        "members" => Command::Members,
        "invite" => Command::Invite(some()?.split_whitespace().map(str::to_owned).collect()),
        "remove" => Command::Remove(one()?),
        "role" => match some()?.split_once(char::is_whitespace) {
            Some((user, role)) => Command::Role(user.to_owned(), role.trim().to_owned()),
            None => return Err(usage()),
        },
        "title" => Command::Title(some()?),
        "leave" => Command::Leave,
        "direct" => Command::Direct(one()?),
        "group" => Command::Group(some()?),
        "help" => Command::Help,
        "quit" => Command::Quit,
        _ => return Err(usage()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(line: &str) -> Command {
        match read(line) {
            Ok(Line::Command(command)) => command,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn lines_are_messages_or_commands() {
        let message = |text: &str| Ok(Line::Message(text.to_owned()));
        assert_eq!(read("hello / there"), message("hello / there"));
        assert_eq!(read("//etc"), message("/etc"));
        assert_eq!(
            is("/reply #3 yes,  it is "),
            Command::Reply(3, "yes,  it is".into())
        );
        assert_eq!(is("/react 3 👍"), Command::React(3, "👍".into()));
        assert_eq!(is("/block"), Command::Block(None, true));
        assert_eq!(
            is("/unblock bob"),
            Command::Block(Some("bob".into()), false)
        );
        assert_eq!(
            is("/invite a  b"),
            Command::Invite(vec!["a".into(), "b".into()])
        );
        assert_eq!(
            is("/role bob owner"),
            Command::Role("bob".into(), "owner".into())
        );
        assert_eq!(is("/title Two words"), Command::Title("Two words".into()));
    }

    #[test]
    fn what_lacks_something_says_how_it_goes() {
        for line in ["/reply", "/reply x", "/reply 0 x", "/reply 3"] {
            assert_eq!(read(line).unwrap_err(), "it goes like this: /reply N TEXT");
        }
        assert_eq!(
            read("/role bob").unwrap_err(),
            "it goes like this: /role USER ROLE"
        );
        assert_eq!(
            read("/nothing x").unwrap_err(),
            "there is no command /nothing: see /help"
        );
    }

    #[test]
    fn all_commands_are_explained_and_all_explained_exist() {
        for (usage, _) in &HELP[..HELP.len() - 1] {
            for name in usage.split(", ") {
                let name = name.split(' ').next().unwrap();
                let line = format!("{name} 1 x");
                let error = read(&line).err().unwrap_or_default();
                assert!(!error.contains("no command"), "{line}: {error}");
            }
        }
    }
}

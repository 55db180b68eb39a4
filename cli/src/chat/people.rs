//! Who may be named in a conversation, and who is named in a text.

use tidings_protocol::view;
use tidings_sdk::{Client, Error};
use uuid::Uuid;

/// Members of a larger group than this many pages have to be named on another client.
const PAGES: u32 = 5;
const PAGE: u32 = 200;

/// The members of a conversation, as far as they are needed to name them.
pub(super) async fn of(client: &Client, conversation: Uuid) -> Result<Vec<view::Member>, Error> {
    let mut members: Vec<view::Member> = Vec::new();
    for _ in 0..PAGES {
        let after = members.last().map(|last| last.user.clone());
        let page = client
            .list_members(conversation, &after.unwrap_or_default(), PAGE)
            .await?;
        let more = page.more && !page.members.is_empty();
        members.extend(page.members);
        if !more {
            break;
        }
    }
    Ok(members)
}

/// Whom a text names with `@`, each once.
pub(super) fn named(text: &str, members: &[String]) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for (_, user) in places(text, members) {
        if !named.contains(user) {
            named.push(user.clone());
        }
    }
    named
}

/// Where in a text somebody is named: bytes, `@` included.
pub(super) fn places<'a>(
    text: &str,
    members: &'a [String],
) -> Vec<(std::ops::Range<usize>, &'a String)> {
    let mut found = Vec::new();
    let mut end = 0;
    for (at, _) in text.match_indices('@') {
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if at < end || joins(text[..at].chars().next_back()) {
            continue;
        }
        let rest = &text[at + 1..];
        let here = |user: &&String| {
            rest.strip_prefix(user.as_str())
                .is_some_and(|after| !user.is_empty() && !joins(after.chars().next()))
        };
        // Of two names the longer one: one may begin with the other.
        let user = members.iter().filter(here).max_by_key(|user| user.len());
        if let Some(user) = user {
            end = at + 1 + user.len();
            found.push((at..end, user));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_a_member_can_be_named() {
        let members = ["al", "al-2", "bob"].map(str::to_owned);
        assert_eq!(named("@bob: ask @al-2, @bob", &members), ["bob", "al-2"]);
        assert_eq!(named("a@bob @bobby @cas @", &members), [""; 0]);
        assert_eq!(places("é @al!", &members), [(3..6, &members[0])]);
    }
}

//! Addresses on the web: with `https://`, with `www.`, bare, and spelled out so that a filter does not see them.

use std::ops::Range;

use crate::fold::{Folded, Kind};
use crate::settings;
use crate::spoken::{DOT, Piece, Shape, TLD, WORDY};

/// Behind `dot com` these speak of business and not of an address.
const BUSINESS: [&str; 10] = [
    "bubble",
    "boom",
    "crash",
    "era",
    "startup",
    "startups",
    "company",
    "companies",
    "blase",
    "millionaire",
];
/// Words before a dot that name no site.
const ARTICLES: [&str; 16] = [
    "the", "this", "that", "der", "die", "das", "les", "une", "los", "las", "and", "dem", "den",
    "des", "ten", "bir",
];

/// Where links stand in the text that the settings do not allow, in bytes.
pub(crate) fn find(
    text: &Folded,
    pieces: &[Piece],
    settings: &settings::Links,
) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < pieces.len() {
        let Some(link) = link_at(text, pieces, at, settings.spelled) else {
            at += 1;
            continue;
        };
        let host = host(text, &pieces[link.first..link.behind]);
        let allowed = settings.allow.iter().any(|domain| is_within(&host, domain));
        if !allowed {
            found.push(text.span(link.from, link.to));
        }
        at = link.behind;
        // What is in its path is part of it.
        while pieces.get(at).is_some_and(|piece| piece.from < link.to) {
            at += 1;
        }
    }
    found
}

/// A link, by its letters and by the pieces of its host.
struct Link {
    from: usize,
    to: usize,
    first: usize,
    behind: usize,
}

fn link_at(text: &Folded, pieces: &[Piece], at: usize, spelled: bool) -> Option<Link> {
    let (last, obscured) = host_from(pieces, at)?;
    let (first, end) = (&pieces[at], &pieces[last]);
    if at > 0 && matches!(pieces[at - 1].shape, Shape::At(_)) {
        return None;
    }
    let letters = &text.letters;
    let next = letters.get(end.to).map(|letter| letter.letter);
    let named = first.to - first.from >= 2;
    let scheme = scheme_before(text, first.from);
    let is_link = if obscured {
        spelled && named && is_spelled(text, pieces, at, last)
    } else {
        let www = word(text, first) == "www" && last > at + 2;
        let path = next == Some('/')
            && letters
                .get(end.to + 1)
                .is_some_and(|letter| letter.kind != Kind::Space);
        let ends = letters.get(end.to..).is_none_or(|rest| {
            rest.iter()
                .find(|letter| letter.letter != '.')
                .is_none_or(|letter| letter.kind == Kind::Break)
        });
        let wordy = end.meaning.has(WORDY) && (path || (ends && first.to - first.from >= 4));
        scheme.is_some() || www || wordy || ((named || path) && end.meaning.has(TLD))
    };
    if !is_link {
        return None;
    }
    let path = letters[end.to..]
        .iter()
        .take_while(|letter| is_of_path(letter.kind, letter.letter))
        .count();
    let to = match next {
        Some('/' | ':' | '?' | '#') => end.to + path,
        _ => end.to,
    };
    Some(Link {
        from: scheme.unwrap_or(first.from),
        to,
        first: at,
        behind: last + 1,
    })
}

/// The last piece of `word dot word dot word`, and whether one of the dots is hidden.
fn host_from(pieces: &[Piece], at: usize) -> Option<(usize, bool)> {
    let is_word = |piece: Option<&Piece>| piece.is_some_and(|piece| piece.shape == Shape::Word);
    if !is_word(pieces.get(at))
        || (at > 1
            && pieces[at - 1].shape == Shape::Dot(false)
            && is_word(pieces.get(at - 2))
            && !pieces[at].apart)
    {
        return None;
    }
    let mut last = at;
    let mut obscured = false;
    while let (Some(dot), true) = (pieces.get(last + 1), is_word(pieces.get(last + 2))) {
        let plain = dot.shape == Shape::Dot(false) && !dot.apart && !pieces[last + 2].apart;
        let hidden = dot.shape == Shape::Dot(true);
        if !plain && !hidden {
            break;
        }
        obscured |= hidden;
        last += 2;
    }
    (last > at).then_some((last, obscured))
}

/// Where `https://` before it begins.
fn scheme_before(text: &Folded, from: usize) -> Option<usize> {
    let before = text.letters.get(..from)?;
    let [rest @ .., colon, one, two] = before else {
        return None;
    };
    if (colon.letter, one.letter, two.letter) != (':', '/', '/') {
        return None;
    }
    let letters = rest
        .iter()
        .rev()
        .take_while(|letter| letter.kind == Kind::Letter)
        .count();
    Some(rest.len() - letters)
}

/// Whether `example dot com` is meant as an address.
fn is_spelled(text: &Folded, pieces: &[Piece], at: usize, last: usize) -> bool {
    let end = &pieces[last];
    let dot = &pieces[last - 1];
    let (name, ending) = (word(text, &pieces[last - 2]), word(text, end));
    let next = pieces.get(last + 1);
    // In Portuguese `ponto com` is also a point with something: an address ends there.
    let goes_on = next.is_some_and(|next| next.shape == Shape::Word);
    if dot.meaning.has(DOT) && word(text, dot) == "ponto" && goes_on {
        return false;
    }
    // `.NET` is no address, `el punto es` and `the point in` are none either.
    let known = end.meaning.has(TLD) && ending != "net" && ending != "info"
        || ending == "de" && word(text, dot) != "punto" && word(text, dot) != "ponto" && !goes_on;
    let business = next.is_some_and(|next| BUSINESS.contains(&word(text, next).as_str()));
    known
        && !business
        && name.chars().count() >= 3
        && !(ARTICLES.contains(&name.as_str()) && at + 2 == last)
}

fn is_of_path(kind: Kind, letter: char) -> bool {
    kind != Kind::Space
        && kind != Kind::Dense
        && !"\"<>(){}[]\n\r".contains(letter)
        && (kind != Kind::Break || letter.is_ascii())
}

/// A piece as text.
pub(crate) fn word(text: &Folded, piece: &Piece) -> String {
    text.letters[piece.from..piece.to]
        .iter()
        .map(|letter| letter.letter)
        .collect()
}

fn host(text: &Folded, pieces: &[Piece]) -> String {
    let mut host = String::new();
    for piece in pieces {
        match piece.shape {
            Shape::Dot(_) => host.push('.'),
            _ => host.extend(
                text.letters[piece.from..piece.to]
                    .iter()
                    .map(|letter| letter.letter),
            ),
        }
    }
    host
}

fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spoken;

    fn found(text: &str) -> Vec<&str> {
        let settings = settings::Links {
            allow: vec!["example.org".into()],
            ..settings::Links::default()
        };
        let folded = Folded::of(text);
        find(&folded, &spoken::pieces(&folded), &settings)
            .into_iter()
            .map(|span| &text[span])
            .collect()
    }

    #[test]
    fn addresses_are_found_whole() {
        for (text, expected) in [
            (
                "see https://evil.example/path?x=1#y now",
                "https://evil.example/path?x=1#y",
            ),
            ("HTTP://EVIL.COM", "HTTP://EVIL.COM"),
            ("hxxps://evil.test", "hxxps://evil.test"),
            ("(www.evil.pw)", "www.evil.pw"),
            ("go to evil.com, please", "evil.com"),
            ("evil.com.", "evil.com"),
            ("shop.evil.co.uk/sale is on", "shop.evil.co.uk/sale"),
            ("bit.ly/abc or t.me/anna99", "t.me/anna99"),
            ("meine-seite.de", "meine-seite.de"),
            ("Meine Seite: beispiel.de.", "beispiel.de"),
            ("besuch beispiel.de/angebot heute", "beispiel.de/angebot"),
            ("ｅｖｉｌ．ｃｏｍ", "ｅｖｉｌ．ｃｏｍ"),
            ("еvil.соm", "еvil.соm"),
            ("evil\u{200B}.com", "evil\u{200B}.com"),
            ("my site is evil dot com", "evil dot com"),
            ("evil (dot) com", "evil (dot) com"),
            ("evil[.]com", "evil[.]com"),
            ("evil . com", "evil . com"),
            ("evil punkt de", "evil punkt de"),
            ("evil punto com", "evil punto com"),
            ("evil ponto com ponto br", "evil ponto com ponto br"),
            ("evil kropka pl", "evil kropka pl"),
            ("evil nokta com", "evil nokta com"),
            ("http://1.2.3.4/x", "http://1.2.3.4/x"),
            ("http://example.org.evil.com", "http://example.org.evil.com"),
            ("https://myexample.org", "https://myexample.org"),
        ] {
            let all = found(text);
            assert!(all.contains(&expected), "{text}: {all:?}");
        }
    }

    #[test]
    fn what_is_allowed_is_left_with_all_below_it() {
        for text in [
            "https://example.org/a",
            "www.example.org",
            "shop.example.org",
            "EXAMPLE.ORG!",
            "example dot org",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn other_dots_are_no_links() {
        for text in [
            "I was there.It was good.So we left.",
            "No.Me neither. Yes.It is.",
            "3.14, 10.30, v1.2.3, 192.168.0.1",
            "e.g. this, i.e. that, a.m. and p.m., U.S.A.",
            "node.js, main.rs, photo.jpg, etc.",
            "fui ao cinema. Com ela foi bom",
            "nesse ponto com ela, o ponto com mais gente",
            "el punto es que no; the point is; the point in time",
            "the dot com bubble, a dot net developer, famous dot com boom",
            "una casa.de madera",
            "anna@evil.com is no link",
            "Wait... what? Dr. Com. Prof.Dr. Müller",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}

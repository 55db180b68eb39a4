//! Lines of every shape, and of none.

use super::*;

fn content(text: &str) -> Content {
    read(text).content
}

fn said(nick: &str, text: &str) -> Content {
    let (nick, text) = (nick.into(), text.into());
    Content::What(What::Message {
        nick,
        text,
        action: false,
    })
}

fn joined(nick: &str) -> Content {
    Content::What(What::Joined { nick: nick.into() })
}

fn left(nick: &str) -> Content {
    Content::What(What::Left { nick: nick.into() })
}

fn renamed(from: &str, to: &str) -> Content {
    let (from, to) = (from.into(), to.into());
    Content::What(What::Renamed { from, to })
}

#[test]
fn messages_are_what_stands_behind_a_nick() {
    let cases = [
        (
            "[09:14] <will> best media player",
            said("will", "best media player"),
        ),
        ("[09:14:59] <will> hi\r", said("will", "hi")),
        (
            "[09:15] <|QuaD-> will: totem",
            said("|QuaD-", "will: totem"),
        ),
        (
            "[09:15] <`anthony> a > b <c>",
            said("`anthony", "a > b <c>"),
        ),
        ("[09:15] <5EXAANIBG> hi", said("5EXAANIBG", "hi")),
        ("[09:15] <@ChanServ> hi", said("ChanServ", "hi")),
        ("[09:15] < fromirssi> hi", said("fromirssi", "hi")),
        // Only one space parts nick and text.
        (
            "[09:48] <neoxed>         Flags",
            said("neoxed", "        Flags"),
        ),
        ("[09:48] <a>text", said("a", "text")),
        (
            "[09:48] <a> === b is now known as c",
            said("a", "=== b is now known as c"),
        ),
        ("\u{feff}[09:48] <a> first line", said("a", "first line")),
        (
            "[10:19] <sprung> \u{8}<\u{8}ubuntu_\u{8}>\u{8}",
            said("sprung", "<ubuntu_>"),
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(content(text), wanted, "{text:?}");
    }
}

#[test]
fn a_message_without_text_is_one() {
    for text in [
        "[09:43] <drcode>",
        "[09:43] <drcode> ",
        "[09:43] <drcode> \u{2}\u{f}",
    ] {
        assert_eq!(content(text), said("drcode", ""), "{text:?}");
    }
}

#[test]
fn the_space_that_the_older_logger_put_behind_a_bracket_goes() {
    let cases = [
        ("[06:03] <bur[n] er> anyone", said("bur[n]er", "anyone")),
        ("[07:15] <[optik] > hola", said("[optik]", "hola")),
        ("[07:15] <[a] [b] > [x] y", said("[a][b]", "[x] y")),
        ("[07:15] <zcat[1]> newer", said("zcat[1]", "newer")),
    ];
    for (text, wanted) in cases {
        assert_eq!(content(text), wanted, "{text:?}");
    }
    assert_eq!(
        read("[06:03] <bur[n] er> a").written.as_deref(),
        Some("bur[n] er")
    );
    assert_eq!(read("=== a is now known as b").written, None);
}

#[test]
fn actions_notices_and_what_the_logger_sent_are_messages() {
    let action = |nick: &str, text: &str| {
        let (nick, text) = (nick.into(), text.into());
        Content::What(What::Message {
            nick,
            text,
            action: true,
        })
    };
    assert_eq!(
        content("[13:56]  * genii sips a coffee"),
        action("genii", "sips a coffee")
    );
    assert_eq!(content("[13:56] * genii  sips"), action("genii", " sips"));
    assert_eq!(content("[11:27]  * TheHawk"), action("TheHawk", ""));

    let notice = read("[05:12] -so-me:#Ubuntu- happy - holidays");
    assert_eq!(notice.content, said("so-me", "happy - holidays"));
    assert_eq!(notice.channel.as_deref(), Some("#ubuntu"));
    let sent = read("[01:09] (soundray/#ubuntu) thomas: have you seen");
    assert_eq!(sent.content, said("soundray", "thomas: have you seen"));
    assert_eq!(sent.channel.as_deref(), Some("#ubuntu"));
    assert_eq!((notice.written, sent.written), (None, None));
}

#[test]
fn joins_and_leaves_name_the_nick_and_the_channel() {
    let cases = [
        (
            "=== L0sT [~waa3@raptor.ukc.ac.uk]  has joined #ubuntu",
            joined("L0sT"),
        ),
        (
            "=== devFran [~Fran@84-120-105-69.onocable.ono.com]  has joined #Ubuntu",
            joined("devFran"),
        ),
        (
            "=== bob2 [rob@bob2.user] has joined #ubuntu",
            joined("bob2"),
        ),
        ("=== bob2 has joined #ubuntu", joined("bob2")),
        (
            "[09:14] === bob2 [rob@bob2.user] has joined #ubuntu",
            joined("bob2"),
        ),
        (
            "=== [optik]  [~optik@200.106.11.64]  has joined #ubuntu",
            joined("[optik]"),
        ),
        (
            "=== bur[n] er [~norml@c-67.net]  has joined #ubuntu",
            joined("bur[n]er"),
        ),
        (
            "=== N}{N[] O [n=Conectin@85-57.es]  has joined #ubuntu",
            joined("N}{N[]O"),
        ),
        (
            "=== Guard] [an [n=Guardian@ANantes.fr]  has joined #ubuntu",
            joined("Guard][an"),
        ),
        ("=== [a] [b]  [n=x@y]  has joined #ubuntu", joined("[a][b]")),
        ("=== a[b] [n=x@y] has joined #ubuntu", joined("a[b]")),
        (
            "=== toxicfume [[H] -669593@58.10.65.120]  has joined #ubuntu",
            joined("toxicfume"),
        ),
        (
            "=== gijoework [n=[gijoe] @cacher3.net]  has joined #ubuntu",
            joined("gijoework"),
        ),
        ("=== x [[a] [b] @host]  has joined #ubuntu", joined("x")),
        (
            "=== rake [~luc@wanadoo.fr]  has left #ubuntu [\"Leaving\"]",
            left("rake"),
        ),
        (
            "=== womble [~m@on.net]  has left #ubuntu [\"Oooh!]",
            left("womble"),
        ),
        (
            "=== devFran [~F@ono.com]  has left #UBUNTU []",
            left("devFran"),
        ),
        (
            "=== quax [n=q@88.224]  has left #ubuntu [\"Ex-Chat\"] ",
            left("quax"),
        ),
        ("=== el was kicked off #ubuntu by LoRez (LoRez)", left("el")),
    ];
    for (text, wanted) in cases {
        let read = read(text);
        assert_eq!(read.content, wanted, "{text:?}");
        assert_eq!(read.channel.as_deref(), Some("#ubuntu"), "{text:?}");
    }
    let quit = read("=== a [n=x@y]  has quit [\"Leaving\"]");
    assert_eq!((quit.content, quit.channel), (left("a"), None));
}

#[test]
fn renames_name_both_nicks() {
    let cases = [
        (
            "=== sid77 is now known as sid77_",
            renamed("sid77", "sid77_"),
        ),
        (
            "=== Virtuall[BZA]  is now known as Virtuall",
            renamed("Virtuall[BZA]", "Virtuall"),
        ),
        (
            "=== Cre[a] tiveEmb[a]  is now known as Cre",
            renamed("Cre[a]tiveEmb[a]", "Cre"),
        ),
        (
            "=== server_ is now known as Bart] ",
            renamed("server_", "Bart]"),
        ),
        (
            "=== Spec[x] is now known as Spec",
            renamed("Spec[x]", "Spec"),
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(content(text), wanted, "{text:?}");
    }
}

#[test]
fn actions_without_a_time_are_told_from_events() {
    for text in [
        "=== jiyuu0 here to witness...",
        "=== sri_ goes to get sick in #gstreamer",
        "=== bur[n] er wonders if he'll have to install from cd",
        "=== Tonren : Bringing #ubuntu-offtopic to #ubuntu since 2006.",
        "=== Erlik      <debian> by <erlik>",
        "=== regeya has quit smoking",
        "=== regeya has joined the army",
        "=== regeya has left #",
        "=== bob is now known as the king",
        "=== bob who knows it changed the topic of #ubuntu",
        "* genii sips a coffee",
    ] {
        assert_eq!(content(text), Content::LeftOut(Kind::Action), "{text:?}");
    }
}

#[test]
fn modes_topics_and_the_network_are_counted_by_kind() {
    let cases = [
        (
            "=== mode/#ubuntu [+o Amaranth]  by ChanServ",
            Kind::Mode,
            true,
        ),
        ("=== Topic for #ubuntu: Official", Kind::Topic, true),
        (
            "=== Topic (#ubuntu): set by Madpilot at Mon Dec  4 07:27:08 2006",
            Kind::Topic,
            true,
        ),
        (
            "=== ..[topic/#ubuntu:Seveas] : Happy Dapper Day",
            Kind::Topic,
            true,
        ),
        (
            "=== LjL changed the topic of #ubuntu to: Official",
            Kind::Topic,
            true,
        ),
        (
            "=== netjoined: irc.freenode.net -> kornbluth.freenode.net",
            Kind::Network,
            false,
        ),
        (
            "=== Starting logfile irclogs/#other.log",
            Kind::Network,
            false,
        ),
    ];
    for (text, kind, named) in cases {
        let read = read(text);
        assert_eq!(read.content, Content::LeftOut(kind), "{text:?}");
        assert_eq!(
            read.channel.as_deref(),
            named.then_some("#ubuntu"),
            "{text:?}"
        );
    }
}

#[test]
fn what_cannot_be_read_says_so_and_keeps_its_clock() {
    let long = "x".repeat(MAX_NICK + 1);
    let long = format!("[09:14] <{long}> hi");
    for text in [
        "[09:14]",
        "[09:14] ",
        "[09:14] hello",
        "[09:14] <a b> hi",
        "[09:14] <> hi",
        "[09:14] <] > hi there".trim_end_matches("> hi there"),
        "[09:14] <a\u{1}b> hi",
        "[09:14] -a- b",
        "[09:14] (a) b",
        "[09:14] *",
        "[09:14] ===",
        "[09:14] === x",
        &long,
    ] {
        let read = read(text);
        assert!(
            matches!(read.content, Content::Unread(_)),
            "{text:?} {read:?}"
        );
        assert!(read.clock.is_some(), "{text:?}");
        assert_eq!(read.written, None, "{text:?}");
    }
    for text in ["<a> b", "[25:14] <a> b", "hello", "*", "==", "\u{0}\u{1}"] {
        let read = read(text);
        assert!(
            matches!(read.content, Content::Unread(_)),
            "{text:?} {read:?}"
        );
        assert_eq!(read.clock, None, "{text:?}");
    }
    for text in ["", " ", "\r", "\t"] {
        assert_eq!(content(text), Content::Blank, "{text:?}");
    }
}

#[test]
fn the_longest_nick_makes_the_longest_user_id() {
    let nick = "é".repeat(MAX_NICK / 2);
    assert_eq!(content(&format!("[09:14] <{nick}> hi")), said(&nick, "hi"));
    assert_eq!(super::super::user_id(&nick).len(), 128);
}

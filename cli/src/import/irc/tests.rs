//! Whole files: the sample, odd ones, arbitrary bytes.

use std::io::{self, BufReader, Cursor, Read};

use proptest::prelude::*;

use super::*;

/// A file of the sample: see its README.
macro_rules! sample {
    ($name:literal) => {
        parse(
            concat!("ubuntu-irc/", $name),
            None,
            &include_bytes!(concat!("../../../../tests/data/ubuntu-irc/", $name))[..],
        )
        .expect("the sample can be read")
    };
}

pub(super) fn samples() -> Vec<File> {
    vec![
        sample!("2005-02-08.train-a.excerpt.txt"),
        sample!("2006-07-01.train-c.excerpt.txt"),
        sample!("2006-12-06.train-c.excerpt.txt"),
        sample!("2010-02-13.train-a.excerpt.txt"),
    ]
}

pub(super) fn read(path: &str, text: &str) -> File {
    parse(path, Some("#test"), text.as_bytes()).expect("a log")
}

fn at(date: (i64, i64, i64), hour: i64, minute: i64, ms: i64) -> i64 {
    let days = Date::new(date.0, date.1, date.2).expect("a date").days();
    ((days * 24 + hour) * 60 + minute) * 60_000 + ms
}

/// Messages, actions among them, joins, leaves, renames.
fn kinds(file: &File) -> [usize; 5] {
    let mut kinds = [0; 5];
    for op in &file.ops {
        match op.what {
            What::Message { action, .. } => {
                kinds[0] += 1;
                kinds[1] += usize::from(action);
            }
            What::Joined { .. } => kinds[2] += 1,
            What::Left { .. } => kinds[3] += 1,
            What::Renamed { .. } => kinds[4] += 1,
        }
    }
    kinds
}

#[test]
fn every_line_of_the_sample_is_understood() {
    for file in samples() {
        assert_eq!(file.warnings, [], "{}", file.name);
        assert_eq!(file.channel, "#ubuntu", "{}", file.name);
        let left_out = file.left_out;
        let counted =
            left_out.untimed_actions + left_out.modes + left_out.topics + left_out.network;
        assert_eq!(
            file.ops.len() + counted as usize,
            file.lines as usize,
            "{}",
            file.name
        );
        assert!(
            file.ops.windows(2).all(|two| two[0].at_ms < two[1].at_ms),
            "{}",
            file.name
        );
        assert!(
            file.ops.windows(2).all(|two| two[0].line < two[1].line),
            "{}",
            file.name
        );
    }
}

#[test]
fn the_older_logger_on_a_12_hour_clock() {
    let file = sample!("2005-02-08.train-a.excerpt.txt");
    assert_eq!(kinds(&file), [48, 0, 28, 0, 3]);
    assert_eq!(
        (file.left_out.untimed_actions, file.left_out.network),
        (1, 1)
    );
    let day = (2005, 2, 8);
    // Two renames before the first clock take its time.
    assert_eq!(file.ops[0].at_ms, at(day, 12, 48, 0));
    assert_eq!(file.ops[2].at_ms, at(day, 12, 48, 2));
    assert_eq!(
        file.ops[0].what,
        What::Renamed {
            from: "stuff".into(),
            to: "Rake".into()
        }
    );
    let later = file
        .ops
        .iter()
        .find(|op| op.line == 49)
        .expect("[01:03] is read");
    assert_eq!(later.at_ms, at(day, 13, 3, 0));

    let noon = sample!("2006-07-01.train-c.excerpt.txt");
    let joined = What::Joined {
        nick: "A[D]minS".into(),
    };
    assert!(noon.ops.iter().any(|op| op.what == joined));
    let first = noon
        .ops
        .iter()
        .find(|op| op.line == 23)
        .expect("[00:00] is read");
    assert_eq!(first.at_ms, at((2006, 7, 1), 12, 0, 0));
}

#[test]
fn a_log_that_was_restarted() {
    let file = sample!("2006-12-06.train-c.excerpt.txt");
    assert_eq!((file.left_out.topics, file.left_out.network), (2, 1));
    let sent = file
        .ops
        .iter()
        .find(|op| op.line == 19)
        .expect("(soundray/#ubuntu) is read");
    let What::Message {
        nick,
        text,
        action: false,
    } = &sent.what
    else {
        panic!("{sent:?}");
    };
    assert_eq!(nick, "soundray");
    assert!(text.starts_with("thomas: have you seen http://"), "{text}");
    // Only what stands between < and > is a nick as published.
    assert!(file.written_nicks.contains("thomas"));
    assert!(!file.written_nicks.contains("lucien"));
}

#[test]
fn the_newer_logger_past_midnight() {
    let file = sample!("2010-02-13.train-a.excerpt.txt");
    assert_eq!(kinds(&file), [70, 2, 0, 0, 5]);
    // The name has the date of the last line.
    assert_eq!(file.ops[0].at_ms, at((2010, 2, 12), 23, 43, 0));
    assert_eq!(
        file.ops.last().expect("ops").at_ms / 60_000,
        at((2010, 2, 13), 0, 8, 0) / 60_000
    );
}

#[test]
fn the_channel_named_most_often_wins_over_the_name() {
    let text =
        "=== a [x@y] has joined #One\n=== b [x@y] has joined #two\n=== c [x@y] has joined #TWO\n";
    let channel =
        |path, channel, text: &str| parse(path, channel, text.as_bytes()).map(|f| f.channel);
    assert_eq!(
        channel("z-irc/2005-01-01.txt", None, text).expect("read"),
        "#two"
    );
    assert_eq!(
        channel("2005-01-01.txt", Some("#Three"), text).expect("read"),
        "#three"
    );
    assert_eq!(
        channel("z-irc/2005-01-01.txt", None, "[00:00] <a> b").expect("read"),
        "#z"
    );
    let error = channel("2005-01-01.txt", None, "[00:00] <a> b").expect_err("nothing names it");
    assert!(matches!(error, ParseError::NoChannel { .. }), "{error}");
}

#[test]
fn what_is_not_a_log_is_refused() {
    let error = |path, bytes: &[u8]| parse(path, Some("#x"), bytes).expect_err("not a log");
    let not_a_log = error("2005-01-01.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    assert!(
        matches!(not_a_log, ParseError::NotALog { lines: 3, .. }),
        "{not_a_log}"
    );
    assert!(matches!(
        error("2005-01-01.txt", b"[09:14]"),
        ParseError::NotALog { .. }
    ));
    assert!(matches!(
        error("log.txt", b"[09:14] <a> b"),
        ParseError::NoDate { .. }
    ));
}

#[test]
fn a_source_that_fails_is_an_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk gone"))
        }
    }
    let reader = BufReader::new(Cursor::new("[09:14] <a> b\n").chain(Broken));
    let error = parse("2005-01-01.txt", Some("#x"), reader).expect_err("half a file is no file");
    assert_eq!(error.to_string(), "cannot read 2005-01-01.txt: disk gone");
}

#[test]
fn an_empty_file_is_a_log_in_which_nothing_happened() {
    let file = read("2005-01-01.txt", "\n\n");
    assert_eq!((file.ops.len(), file.warnings.len(), file.lines), (0, 0, 2));
}

#[test]
fn lines_that_cannot_be_read_are_named_and_the_rest_is() {
    let mut text = b"[09:14] <a> b\nwhat\n[09:15] <c> d".to_vec();
    let file = parse("2005-01-01.txt", Some("#x"), &text[..]).expect("a log");
    assert_eq!(
        file.ops.iter().map(|op| op.line).collect::<Vec<_>>(),
        [1, 3]
    );
    assert_eq!(file.warnings.len(), 1);
    assert_eq!(file.warnings[0].line, 2);

    text.extend(b"\n[09:15] <c> d\xe9j\xe0\n[09:15] <c> ");
    text.resize(text.len() + MAX_LINE, b'x');
    text.extend(b"\n[09:16] <c> end\r\n");
    let file = parse("2005-01-01.txt", Some("#x"), &text[..]).expect("a log");
    assert_eq!(
        file.ops.iter().map(|op| op.line).collect::<Vec<_>>(),
        [1, 3, 4, 6]
    );
    let What::Message { text, .. } = &file.ops[2].what else {
        panic!("{:?}", file.ops[2]);
    };
    assert_eq!(text, "déjà");
    assert_eq!(
        file.warnings.iter().map(|w| w.line).collect::<Vec<_>>(),
        [2, 4, 5]
    );
}

#[test]
fn a_long_line_is_cut_and_the_next_begins_behind_it() {
    let mut text = vec![b'x'; MAX_LINE * 3];
    text.extend(b"\nnext");
    let mut reader = BufReader::with_capacity(7, &text[..]);
    let mut line = Vec::new();
    assert!(read_line(&mut reader, &mut line).expect("in memory"));
    assert_eq!(line.len(), MAX_LINE + 1);
    assert!(read_line(&mut reader, &mut line).expect("in memory"));
    assert_eq!(line, b"next");
    assert!(!read_line(&mut reader, &mut line).expect("in memory"));
}

#[test]
fn warnings_are_bounded() {
    let text = format!("[09:14] <a> b\n{}", "what\n".repeat(MAX_WARNINGS + 5));
    let file = read("2005-01-01.txt", &text);
    assert_eq!(file.warnings.len(), MAX_WARNINGS + 1);
    let last = file.warnings.last().expect("warnings");
    assert!(last.text.starts_with("5 more lines"), "{}", last.text);
}

/// Text made of what logs are made of, so that a good part of it means something.
pub(super) fn log() -> impl Strategy<Value = String> {
    let nick = || prop::sample::select(vec!["a", "b", "c", "[d] ", "e[] f", "g[h]"]);
    let clock = || (0..26u8, 0..62u8).prop_map(|(hour, minute)| format!("[{hour:02}:{minute:02}]"));
    let line = prop_oneof![
        8 => (clock(), nick(), "[ -~]{0,8}").prop_map(|(t, n, x)| format!("{t} <{n}> {x}")),
        2 => (clock(), nick()).prop_map(|(t, n)| format!("{t}  * {n} waves")),
        4 => nick().prop_map(|n| format!("=== {n} [u@h]  has joined #Chan")),
        2 => nick().prop_map(|n| format!("=== {n} [u@h]  has left #chan []")),
        3 => (nick(), nick()).prop_map(|(a, b)| format!("=== {a} is now known as {b}")),
        1 => nick().prop_map(|n| format!("=== {n} was kicked off #chan by x")),
        1 => "[<>*=\\[\\]() :#/a-c0-9-]{0,20}",
        1 => any::<String>().prop_map(|s| s.replace('\n', " ")),
    ];
    prop::collection::vec(line, 1..40).prop_map(|lines| lines.join("\n"))
}

fn check_times(file: &File) {
    assert!(file.ops.windows(2).all(|two| two[0].at_ms < two[1].at_ms));
    assert!(file.ops.windows(2).all(|two| two[0].line < two[1].line));
    assert!(
        file.ops
            .iter()
            .all(|op| (1..=file.lines).contains(&op.line))
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        path in "\\PC{0,12}2005-02-0[0-9]\\PC{0,8}",
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        if let Ok(file) = parse(&path, Some("#x"), &bytes[..]) {
            check_times(&file);
        }
    }

    #[test]
    fn any_name_is_read_or_refused(path in "[#%23a/\\\\._ 0-9-]{0,30}") {
        let _ = name::Name::read(&path);
    }

    #[test]
    fn any_log_is_read_in_order(text in log(), part in "a|b|c") {
        if let Ok(file) = parse(&format!("2005-02-08.train-{part}.txt"), Some("#x"), text.as_bytes()) {
            check_times(&file);
            let nicks = file.ops.iter().flat_map(|op| match &op.what {
                What::Message { nick, .. } | What::Joined { nick } | What::Left { nick } => vec![nick],
                What::Renamed { from, to } => vec![from, to],
            });
            for nick in nicks {
                prop_assert!(user_id(nick).len() <= 128 && !nick.contains(char::is_whitespace));
            }
        }
    }
}

//! That questions find what they are to find, and that a run says all it promises.

use tidings_search::messages::{MessageQuery, Sight, Viewer};

use super::*;

fn options(folder: &Path, messages: Options) -> crate::search::Options {
    crate::search::Options {
        messages: Options {
            queries: 3,
            ..messages
        },
        settle: false,
        ..crate::search::Options::new(folder.to_owned(), crate::search::MIN_PROFILES)
    }
}

fn logs(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    crate::irc::write(folder, 2_000).unwrap();
}

#[test]
fn made_up_messages_and_logs_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let irc = folder.path().join("logs");
    logs(&irc);
    let options = options(
        folder.path(),
        Options {
            irc: vec![irc],
            ..Options::new(5_000)
        },
    );
    let report = measure(&options).unwrap();
    let said = serde_json::to_value(&report).unwrap();
    for (part, messages, kinds) in [("synthetic", 5_000, 9), ("irc", 2_000, 8)] {
        let said = &said[part];
        assert_eq!(said["messages"], messages);
        assert!(said["index_bytes"].as_u64().unwrap() > 10_000, "{said}");
        assert!(said["loading"]["seconds"].as_f64().unwrap() > 0.0);
        assert!(said["worst_p99_ms"].as_f64().unwrap() > 0.0);
        let users = said["users"].as_array().unwrap();
        let last = users.last().unwrap();
        assert!(last["conversations"].is_null(), "{last}");
        for user in users {
            let shapes = user["shapes"].as_array().unwrap();
            assert_eq!(shapes.len(), kinds, "{user}");
            for shape in shapes {
                for way in ["newest_ms", "relevance_ms"] {
                    let (p50, p99) = (&shape[way]["p50"], &shape[way]["p99"]);
                    assert!(p50.as_f64().unwrap() > 0.0, "{shape}");
                    assert!(p99.as_f64() >= p50.as_f64(), "{shape}");
                }
            }
        }
        // Whoever sees everything finds something for most questions, and so do they who are in all channels.
        let found = |shape: &str| {
            let shapes = last["shapes"].as_array().unwrap();
            let shape = shapes.iter().find(|one| one["shape"] == shape).unwrap();
            shape["found"].as_f64().unwrap()
        };
        assert_eq!(found("nothing asked"), 20.0, "{last}");
        assert!(found("common word") > 1.0, "{last}");
    }
    let sizes = said["synthetic"]["users"].as_array().unwrap().iter();
    let sizes: Vec<u64> = sizes
        .filter_map(|user| user["conversations"].as_u64())
        .collect();
    for (size, about) in sizes.iter().zip(corpus::SEARCHERS) {
        let off = size.abs_diff(about + 3);
        assert!(
            off * off <= 25 * about.max(4),
            "{size} is not about {about}"
        );
    }
    assert_eq!(sizes.len(), 4);
    let table = report.to_string();
    for shape in Shape::ALL {
        assert!(table.contains(shape.name()), "{table}");
    }
}

#[test]
fn an_index_that_is_there_is_measured_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let run = |messages| {
        let asked = Options {
            folder: Some(kept.clone()),
            ..Options::new(messages)
        };
        let report = measure(&options(&folder.path().join("run"), asked)).unwrap();
        report.synthetic.unwrap()
    };
    let first = run(600);
    let again = run(0);
    assert!(first.loading.is_some() && again.loading.is_none());
    assert_eq!((first.messages, again.messages), (600, 600));
}

#[test]
fn nothing_is_measured_that_was_not_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let report = measure(&options(folder.path(), Options::new(0))).unwrap();
    assert!(report.synthetic.is_none() && report.irc.is_none());
}

#[test]
fn who_searches_logs_sees_what_is_in_their_conversations() {
    let folder = tempfile::tempdir().unwrap();
    let texts = folder.path().join("logs");
    logs(&texts);
    let mut logs = irc::Logs::read(&[texts]).unwrap();
    let index = MessageIndex::open(&folder.path().join("index"), WRITER_MEMORY).unwrap();
    let asked = options(folder.path(), Options::new(0));
    index::load(&index, &mut logs, folder.path(), &asked).unwrap();
    for searcher in logs.searchers() {
        let sees = |conversation, seq| {
            let seen = searcher.conversations.contains(&conversation);
            Sight::among(seq, seen.then_some((1, u64::MAX)))
        };
        let viewer = Viewer {
            user: &searcher.user,
            large: &searcher.large,
            sees: &sees,
            all: searcher.all,
        };
        let everything = MessageQuery::new(tidings_search::messages::Filter::All(Vec::new()));
        let mut query = MessageQuery {
            limit: 100,
            ..everything
        };
        let mut count = 0;
        loop {
            let answer = index.search(&query, &viewer).unwrap();
            count += answer.hits.len() as u64;
            query.after = answer.next;
            if query.after.is_none() {
                break;
            }
        }
        let each = logs.len() / u64::from(crate::irc::CHANNELS);
        let expected = match searcher.all {
            true => logs.len(),
            false => each * searcher.conversations.len() as u64,
        };
        assert_eq!(count, expected, "{}", searcher.user);
    }
}

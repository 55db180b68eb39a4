//! That all ways to a page find the same people, and that a run says all it promises.

use std::collections::BTreeSet;

use tidings_search::{
    people::{PeopleIndex, Presence},
    query::{MAX_LIMIT, Online, PeopleQuery},
};

use super::*;

fn small(folder: &tempfile::TempDir, profiles: u32) -> Options {
    Options {
        queries: 3,
        ..Options::new(folder.path().join("index"), profiles).quick()
    }
}

/// Whoever a query finds, on all its pages, with how they are.
fn all(people: &PeopleIndex, query: &PeopleQuery, online: Online) -> Vec<(String, Presence)> {
    let query = PeopleQuery {
        online,
        limit: MAX_LIMIT,
        ..query.clone()
    };
    let mut found = Vec::new();
    ways::pages(people, &query, |answer| {
        found.extend(answer.hits.into_iter().map(|hit| (hit.user, hit.presence)));
        false
    })
    .unwrap();
    found
}

#[test]
fn every_way_finds_the_same_people() {
    let folder = tempfile::tempdir().unwrap();
    let options = small(&folder, 2_000);
    let world = World::new(options.seed);
    let (people, _) = load::load(&options, &world).unwrap();
    for share in SHARES {
        let crowd = Crowd::gather(&people, &world, options.profiles, share);
        for shape in Shape::ALL {
            let mut random = world.random(9);
            let mut seen = 0;
            for _ in 0..4 {
                let query = shape.query(&world, &mut random);
                let plain = all(&people, &query, Online::Any);
                let only = all(&people, &query, Online::Only);
                let first = all(&people, &query, Online::First);
                let said = format!("{} at {share} %: {}", shape.name(), query.filter);
                let set = |found: &[(String, Presence)]| -> BTreeSet<String> {
                    found.iter().map(|(user, _)| user.clone()).collect()
                };
                assert_eq!(set(&plain).len(), plain.len(), "{said} repeats somebody");
                let filtered: BTreeSet<String> =
                    ways::post_filter(&people, &query, &crowd.statuses, 100, usize::MAX)
                        .unwrap()
                        .into_iter()
                        .collect();
                assert_eq!(set(&only), filtered, "{said}");
                assert_eq!(only.len(), filtered.len(), "{said} repeats somebody");
                assert_eq!(first.len(), plain.len(), "{said}");
                assert_eq!(set(&first), set(&plain), "{said}");
                let online = first.iter().map(|(_, how)| *how != Presence::Offline);
                assert!(
                    online.clone().is_sorted_by(|one, next| one >= next),
                    "{said}: offline before online"
                );
                assert_eq!(
                    online.filter(|online| *online).count(),
                    only.len(),
                    "{said}"
                );
                seen += plain.len();
            }
            let rare = [Shape::RareWordFiltered, Shape::Near, Shape::Chinese];
            assert!(
                seen > 0 || rare.contains(&shape),
                "{} finds nobody",
                shape.name()
            );
        }
    }
}

#[test]
fn a_page_by_post_filtering_stops_when_full() {
    let folder = tempfile::tempdir().unwrap();
    let options = small(&folder, 2_000);
    let world = World::new(options.seed);
    let (people, _) = load::load(&options, &world).unwrap();
    let crowd = Crowd::gather(&people, &world, options.profiles, 50);
    let query = Shape::Everybody.query(&world, &mut world.random(9));
    let found = ways::post_filter(&people, &query, &crowd.statuses, 40, 20).unwrap();
    assert_eq!(found.len(), 20);
    let online = all(&people, &query, Online::Only);
    let online: Vec<String> = online.into_iter().map(|(user, _)| user).take(20).collect();
    assert_eq!(found, online);
}

#[test]
fn a_run_says_all_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let options = small(&folder, MIN_PROFILES);
    let report = run(&options).unwrap();
    let said = serde_json::to_value(&report).unwrap();
    for key in [
        "worst_ratio_online_to_plain",
        "worst_ratio_online_to_plain_at_1",
        "worst_ratio_text_only",
        "worst_ratio_online_first",
        "worst_ratio_browse",
        "worst_page_p99_ms",
    ] {
        assert!(said[key].as_f64().unwrap() > 0.0, "{key}: {said}");
    }
    let shapes = said["shapes"].as_array().unwrap();
    assert_eq!(shapes.len(), SHARES.len() * Shape::ALL.len());
    for shape in shapes {
        for way in ["plain_ms", "online_ms", "online_first_ms", "post_filter_ms"] {
            let (p50, p99) = (&shape[way]["p50"], &shape[way]["p99"]);
            assert!(p50.as_f64().unwrap() > 0.0, "{way}: {shape}");
            assert!(p99.as_f64() >= p50.as_f64(), "{way}: {shape}");
        }
    }
    assert_eq!(said["busy"].as_array().unwrap().len(), BUSY.len());
    assert!(said["loading"]["disk_mib"].as_f64().unwrap() > 0.0);
    assert!(said["loading"]["peak_rss_mib"].as_f64().unwrap() > 1.0);
    assert!(said["transitions"]["field_per_s"].as_f64().unwrap() > 0.0);
    assert!(said["transitions"]["join_per_s"].as_f64().unwrap() > 0.0);
    for key in [
        "bit_test_ns",
        "cache_get_ns",
        "cache_expire_ns",
        "heap_expire_ns",
    ] {
        assert!(said["statuses"][key].as_f64().unwrap() > 0.0, "{key}");
    }
    let table = report.to_string();
    for shape in Shape::ALL {
        assert!(table.contains(shape.name()), "{table}");
    }
    // Its own index is there now.
    assert!(matches!(run(&options), Err(SearchBenchError::NotEmpty)));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let few = small(&folder, MIN_PROFILES - 1);
    assert!(matches!(
        run(&few),
        Err(SearchBenchError::Profiles(profiles)) if profiles == MIN_PROFILES - 1
    ));
    let none = Options {
        queries: 0,
        ..small(&folder, MIN_PROFILES)
    };
    assert!(matches!(run(&none), Err(SearchBenchError::Queries)));
}

//! How Chinese is cut can be changed for what is there already: nobody who searches meanwhile finds nothing.

use serde_json::{Value, json};
use tidings_protocol::{
    frame::{Outcome, Request},
    query::{SearchMessages, SearchPeople},
};
use tidings_tests::{Server, Session, Way, World, ask, eventually};

use crate::people::{ATTRIBUTES, call, set, stop, with_people};

on_both_logs!(how_chinese_is_cut_is_changed_under_those_who_search);

/// Who are married and who are not married yet have all come. 和尚, a monk, is no word here: two words, 和 and
/// 尚未, meet in it.
const NO_MONK: &str = "结婚的和尚未结婚的都来了";
/// I study at Peking University, and go climbing at weekends.
const STUDENT: &str = "我在北京大学读书，周末去登山";

/// Found whichever way it is cut, and in which of the two.
const WORDS: [&str; 3] = ["北京大学", "登山", "结婚"];

fn expected(query: &str) -> &'static str {
    match query {
        "和尚" | "结婚" => NO_MONK,
        _ => STUDENT,
    }
}

/// Whoever searches, people and messages.
struct Searcher {
    people: Session,
    messages: Session,
}

impl Searcher {
    async fn of(server: &Server) -> Searcher {
        Searcher {
            people: Session::open(server, Way::WebSocketProtobuf, "dave").await,
            messages: Session::open(server, Way::WebSocketProtobuf, "ann").await,
        }
    }

    /// What is found among people, and among messages: an answer each time.
    async fn find(&mut self, query: &str) -> [Vec<String>; 2] {
        let people = SearchPeople {
            query: query.to_owned(),
            ..SearchPeople::default()
        };
        let people = match self.people.ask(Request::SearchPeople(people)).await {
            Outcome::People(page) => page.people.into_iter().map(|one| {
                let said: Value = serde_json::from_str(&one.attributes).unwrap();
                said["about"].as_str().unwrap_or_default().to_owned()
            }),
            other => panic!("{query}: {other:?}"),
        };
        let messages = SearchMessages {
            query: query.to_owned(),
            ..SearchMessages::default()
        };
        let messages = match self.messages.ask(Request::SearchMessages(messages)).await {
            Outcome::FoundMessages(page) => {
                let messages = page.messages.into_iter();
                messages.map(|found| found.message.unwrap().text)
            }
            other => panic!("{query}: {other:?}"),
        };
        [people.collect(), messages.collect()]
    }
}

/// How often each index was put in use, and whether another one is being built.
async fn built(server: &Server) -> [(u64, bool); 2] {
    let (_, said) = call(server, "GET", "/v1/search/status", Value::Null).await;
    ["people", "messages"].map(|index| {
        let said = &said[index];
        let installed = said["installed"].as_u64();
        let installed = installed.unwrap_or_else(|| panic!("{index}: {said}"));
        (installed, !said["building"].is_null())
    })
}

/// Searches all the time until the other way of cutting holds, and says how often the index that was made the
/// one way was seen to answer while another was built.
async fn until_cut_the_other_way(server: &Server, monk_before: bool) -> usize {
    let mut searcher = Searcher::of(server).await;
    let mut answered_meanwhile = 0;
    eventually("the other way of cutting holds", async || {
        let before = built(server).await;
        for word in WORDS {
            let found = searcher.find(word).await;
            assert_eq!(found, [[expected(word)], [expected(word)]], "{word}");
        }
        let monks = searcher.find("和尚").await;
        for monks in &monks {
            assert!(monks.is_empty() || *monks == [NO_MONK], "{monks:?}");
        }
        let after = built(server).await;
        for at in 0..2 {
            // The same index all the while, and it is not the last one.
            if before[at].1 && after[at].0 == before[at].0 {
                assert_eq!(!monks[at].is_empty(), monk_before, "{before:?} {monks:?}");
                answered_meanwhile += 1;
            }
        }
        let changed = monks.iter().all(|monks| monks.is_empty() == monk_before);
        changed.then_some(())
    })
    .await;
    let done = built(server).await;
    assert!(
        done.iter().all(|(installed, _)| *installed == 2),
        "{done:?}"
    );
    answered_meanwhile
}

async fn how_chinese_is_cut_is_changed_under_those_who_search(world: World) {
    let mut world = with_people(world);
    let server = world.start().await;
    set(&server, "eve", json!({ "about": NO_MONK })).await;
    set(&server, "gus", json!({ "about": STUDENT })).await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let place = ann.start(ask::direct("ben")).await;
    for text in [NO_MONK, STUDENT] {
        ann.command(ask::post(place, text)).await;
    }
    let mut searcher = Searcher::of(&server).await;
    for query in WORDS.into_iter().chain(["和尚"]) {
        eventually(&format!("{query} is found"), async || {
            let found = searcher.find(query).await;
            (found == [[expected(query)], [expected(query)]]).then_some(())
        })
        .await;
    }
    drop((ann, searcher));
    stop(server).await;

    world.search(&format!("chinese = \"words\"\n{ATTRIBUTES}"));
    let server = world.start().await;
    let by_pairs = until_cut_the_other_way(&server, true).await;
    let mut searcher = Searcher::of(&server).await;
    // In quotation marks it is what stands there, word or no word.
    let found = searcher.find("\"和尚\"").await;
    assert_eq!(found, [[NO_MONK], [NO_MONK]]);
    drop(searcher);
    stop(server).await;
    // It stays so.
    let server = world.start().await;
    let mut searcher = Searcher::of(&server).await;
    assert_eq!(searcher.find("和尚").await, [[""; 0]; 2]);
    assert!(
        built(&server)
            .await
            .iter()
            .all(|index| *index == (1, false))
    );
    drop(searcher);
    stop(server).await;

    world.search(ATTRIBUTES);
    let server = world.start().await;
    let by_words = until_cut_the_other_way(&server, false).await;
    println!("meanwhile the index before answered {by_pairs} and {by_words} times");
    assert!(by_pairs + by_words > 0, "that was never seen");
}

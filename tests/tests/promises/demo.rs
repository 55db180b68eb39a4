//! What a demo has beyond a server: the standard extensions, at work, and a product that records facts. No other server
//! has either.

use std::path::Path;

use serde_json::Value;
use tidings_tests::{Server, World, eventually, http, server::Starting};

const STANDARD: [&str; 3] = ["badges", "moderation", "toasts"];

async fn demo(data: &Path, arguments: &[&str], world: &World) -> Server {
    let starting = Starting::demo(data, arguments, &world.server_log());
    starting.listening().await
}

/// Asks as somebody, with a token of theirs.
async fn ask(server: &Server, who: &str, method: &str, path: &str) -> (u16, Value) {
    let bearer = format!("Bearer dev:{who}");
    let headers = [("Authorization", bearer.as_str())];
    let answer = http::request(server, method, path, &headers, b"").await;
    (
        answer.status,
        serde_json::from_str(&answer.body).unwrap_or_default(),
    )
}

/// Those that are installed: id, whether it acts, where in the log it has since when.
async fn extensions(server: &Server) -> Vec<(String, bool, u64)> {
    let (status, said) = ask(server, "an-operator", "GET", "/v1/extensions").await;
    assert_eq!(status, 200, "{said}");
    let all = said["extensions"].as_array().unwrap().iter();
    all.map(|one| {
        let active = one.get("active");
        (
            one["id"].as_str().unwrap().to_owned(),
            active.is_some(),
            active
                .and_then(|active| active["position"].as_u64())
                .unwrap_or_default(),
        )
    })
    .collect()
}

async fn badge(server: &Server, user: &str, name: &str) -> u64 {
    let path = format!("/v1/users/{user}/notifications");
    let (_, said) = ask(server, "a-backend", "GET", &path).await;
    let mut badges = said["badges"].as_array().into_iter().flatten();
    let found = badges.find(|badge| badge["name"] == name);
    found.map_or(0, |badge| badge["count"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_has_the_standard_extensions_unless_they_are_not_wanted() {
    let world = World::embedded();
    let data = world.folder.path().join("demo");
    let server = demo(&data, &["--no-extensions"], &world).await;
    assert_eq!(extensions(&server).await, []);
    drop(server);

    // On a folder that has a past, which they are not told of.
    let server = demo(&data, &[], &world).await;
    let begun = extensions(&server).await;
    assert_eq!(
        begun.iter().map(|(id, ..)| id.as_str()).collect::<Vec<_>>(),
        STANDARD
    );
    assert!(begun.iter().all(|(_, acts, _)| *acts), "{begun:?}");
    for user in ["alice", "bob", "mei"] {
        assert_eq!(badge(&server, user, "profile_views").await, 0);
    }
    let path = "/v1/extensions/badges/active";
    let (status, said) = ask(&server, "an-operator", "DELETE", path).await;
    assert_eq!(status, 200, "{said}");
    drop(server);

    // Those that acted go on; what somebody ended stays ended.
    let server = demo(&data, &[], &world).await;
    let again = extensions(&server).await;
    assert_eq!(again[1..], begun[1..]);
    assert_eq!(again[0], ("badges".to_owned(), false, 0));
    drop(server);
    let server = demo(&data, &["--no-extensions"], &world).await;
    assert_eq!(extensions(&server).await, again, "nothing is taken away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_product_of_a_demo_records_what_somebody_does_in_their_own_name() {
    let world = World::embedded();
    let data = world.folder.path().join("demo");
    let server = demo(&data, &[], &world).await;
    let like = |who: &'static str, whom: &'static str| {
        let path = format!("/product/people/{whom}/liked");
        let server = &server;
        async move { ask(server, who, "POST", &path).await.1 }
    };
    let said = like("alice", "bob").await;
    assert_eq!(
        (&said["liked"], &said["matched"]),
        (&true.into(), &false.into())
    );
    // Once, however often.
    like("alice", "bob").await;
    let said = like("bob", "alice").await;
    assert_eq!(said["matched"], true);
    assert_eq!(like("alice", "bob").await["matched"], true);
    for (user, likes) in [("alice", 1), ("bob", 1)] {
        eventually("they are told of a match and counted a like", async || {
            let counted = badge(&server, user, "matches").await;
            (counted == 1 && badge(&server, user, "likes").await == likes).then_some(())
        })
        .await;
    }
    // What has been looked at counts no more.
    let (status, _) = ask(&server, "bob", "POST", "/product/badges/likes/seen").await;
    assert_eq!(status, 204);
    eventually("the badge is gone", async || {
        (badge(&server, "bob", "likes").await == 0).then_some(())
    })
    .await;
    assert_eq!(badge(&server, "bob", "matches").await, 1);

    for (path, expected) in [
        ("/product/people/alice/viewed", 400),
        ("/product/people/%0a/viewed", 400),
        ("/product/badges/others/seen", 404),
    ] {
        let (status, said) = ask(&server, "alice", "POST", path).await;
        assert_eq!(status, expected, "{path}: {said}");
        assert!(said["message"].is_string(), "{path}: {said}");
    }
    let path = "/product/people/bob/liked";
    for headers in [vec![], vec![("Authorization", "Bearer nonsense")]] {
        let answer = http::request(&server, "POST", path, &headers, b"").await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    // Nobody speaks for the product itself.
    let (status, _) = ask(&server, "system:product", "POST", path).await;
    assert_eq!(status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_server_has_a_product_or_extensions_of_its_own() {
    let mut world = World::embedded();
    for development in [true, false] {
        world.development = development;
        let server = world.start().await;
        for method in ["GET", "POST"] {
            let (status, _) = ask(&server, "alice", method, "/product/people/bob/liked").await;
            assert!([404, 405].contains(&status), "{method}: {status}");
        }
        if development {
            assert_eq!(extensions(&server).await, []);
            let said = http::get(&format!("http://{}", server.http), "/v1/dev/users").await;
            assert!(!said.unwrap().contains("product"));
        }
    }
}

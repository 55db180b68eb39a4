//! `badges`: counting, and taking back to nothing.

use super::*;
use crate::input::Invocation;
use crate::staged::CommandError;

const BADGES: &[u8] = include_bytes!("../../../../standard/built/badges.wasm");

fn badge(user: &str, name: &str, count: u32) -> Effect {
    Effect::Badge {
        user: user.to_owned(),
        name: name.to_owned(),
        count,
    }
}

fn reset(caller: &str, args: serde_json::Value) -> Invocation {
    Invocation {
        name: "reset".to_owned(),
        caller: caller.to_owned(),
        conversation: None,
        args: args.to_string(),
    }
}

#[tokio::test]
async fn people_are_counted_once_each() {
    let badges = standard(BADGES, json!({}));
    assert!(badges.has(Hook::Reactor) && badges.has(Hook::Command));
    let product = Arc::new(Product::default());
    let told = async |kind, actor| react(&badges, app(kind, actor, "ann"), &product).await;
    assert_eq!(
        told("profile.viewed", "bob").await,
        [badge("ann", "profile_views", 1)]
    );
    assert_eq!(told("profile.viewed", "bob").await, []);
    assert_eq!(
        told("profile.viewed", "eve").await,
        [badge("ann", "profile_views", 2)]
    );
    assert_eq!(
        told("profile.liked", "bob").await,
        [badge("ann", "likes", 1)]
    );
    assert_eq!(
        told("match.made", "bob").await,
        [badge("ann", "matches", 1), badge("bob", "matches", 1)]
    );
    assert_eq!(
        told("badges.cleared.likes", "ann").await,
        [badge("ann", "likes", 0)]
    );
    let rest = [badge("ann", "profile_views", 0), badge("ann", "matches", 0)];
    assert_eq!(told("badges.cleared", "system:app").await, rest);
    assert_eq!(product.keys(), ["count/matches/bob"]);
}

#[tokio::test]
async fn users_reset_their_own_badges() {
    let badges = standard(BADGES, json!({"likes": {"distinct": false, "most": 2}}));
    let product = Arc::new(Product::default());
    for count in [1, 2] {
        let effects = react(&badges, app("profile.liked", "bob", "ann"), &product).await;
        assert_eq!(effects, [badge("ann", "likes", count)]);
    }
    assert_eq!(
        react(&badges, app("profile.liked", "bob", "ann"), &product).await,
        []
    );

    let asked = async |invocation| {
        let called = badges.invoke(about(), invocation, product.clone()).await;
        called.result.expect("a reply")
    };
    let reply = asked(reset("ann", json!({"badge": "likes"}))).await;
    assert_eq!(reply.answer.as_deref(), Ok(r#"{"reset":["likes"]}"#));
    assert_eq!(land(&product, reply.staged), [badge("ann", "likes", 0)]);
    let again = asked(reset("ann", json!({}))).await;
    assert_eq!(again.answer.as_deref(), Ok(r#"{"reset":[]}"#));
    let wrong = asked(reset("ann", json!({"badge": "fame"}))).await.answer;
    assert!(matches!(wrong, Err(CommandError::Usage(_))), "{wrong:?}");
}

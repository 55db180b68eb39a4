//! `toasts`: what is shown to whom, and what is kept between the calls.

use super::*;
use crate::staged::Toast;

const TOASTS: &[u8] = include_bytes!("../../../../standard/built/toasts.wasm");

fn product() -> Arc<Product> {
    Arc::new(Product {
        names: [("ann", "Ann"), ("bob", "Bob \"B\"")].into(),
        members: vec!["ann", "bob", "eve"],
        here: ["ann", "bob"].into(),
        ..Product::default()
    })
}

async fn shown(
    extension: &Extension,
    event: Event,
    product: &Arc<Product>,
) -> Vec<(String, String)> {
    let effects = react(extension, event, product).await;
    let toasts = effects.into_iter().map(|effect| match effect {
        Effect::Toast(toast) => (toast.user, toast.title),
        other => panic!("{other:?}"),
    });
    toasts.collect()
}

fn pair(user: &str, title: &str) -> (String, String) {
    (user.to_owned(), title.to_owned())
}

#[tokio::test]
async fn views_are_one_toast_with_a_count() {
    let (toasts, product) = (standard(TOASTS, json!({})), product());
    let effects = react(&toasts, app("profile.viewed", "bob", "ann"), &product).await;
    let expected = Toast {
        user: "ann".to_owned(),
        title: "Bob \"B\" viewed your profile".to_owned(),
        body: String::new(),
        collapse: Some("profile_viewed".to_owned()),
        link: None,
        about_user: Some("bob".to_owned()),
        about_conversation: None,
        expire_after_ms: Some(7 * 86_400_000),
    };
    assert_eq!(effects, [Effect::Toast(expected)]);
    let again = shown(&toasts, app("profile.viewed", "bob", "ann"), &product).await;
    assert_eq!(again, []);
    let more = shown(&toasts, app("profile.viewed", "eve", "ann"), &product).await;
    assert_eq!(more, [pair("ann", "2 people viewed your profile")]);
    assert_eq!(product.keys(), ["quiet/ann", "tally/profile_viewed/ann"]);
}

#[tokio::test]
async fn likes_flirts_and_matches_are_told() {
    let (toasts, product) = (standard(TOASTS, json!({})), product());
    let told = async |kind| shown(&toasts, app(kind, "eve", "ann"), &product).await;
    assert_eq!(told("profile.liked").await, [pair("ann", "eve likes you")]);
    assert_eq!(
        told("profile.flirted").await,
        [pair("ann", "eve is flirting with you")]
    );
    let both = [
        pair("ann", "It’s a match with eve"),
        pair("eve", "It’s a match with Ann"),
    ];
    assert_eq!(told("match.made").await, both);
}

#[tokio::test]
async fn a_contact_that_is_accepted_is_told_who_asked() {
    let (toasts, product) = (standard(TOASTS, json!({})), product());
    let added = |actor: &str, user: &str| Event {
        kind: "contact_added".to_owned(),
        payload: json!({"user": user}).to_string(),
        ..app("", actor, actor)
    };
    assert_eq!(shown(&toasts, added("ann", "bob"), &product).await, []);
    let accepted = shown(&toasts, added("bob", "ann"), &product).await;
    assert_eq!(accepted, [pair("ann", "Bob \"B\" accepted your request")]);
}

#[tokio::test]
async fn a_message_is_told_who_is_here() {
    let settings =
        json!({"message": {"title": "{name}:", "body": "{text}", "link": "/c/{conversation}"}});
    let (toasts, product) = (standard(TOASTS, settings), product());
    let posted = Event {
        subject: None,
        payload: json!({"seq": 1, "text": "hello"}).to_string(),
        ..event("message_posted")
    };
    let effects = react(&toasts, posted.clone(), &product).await;
    let [Effect::Toast(toast)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(
        (
            toast.user.as_str(),
            toast.title.as_str(),
            toast.body.as_str()
        ),
        ("bob", "Ann:", "hello")
    );
    assert_eq!(toast.about_conversation.as_deref(), Some("room"));
    assert_eq!(toast.link.as_deref(), Some("/c/room"));
    let small = standard(TOASTS, json!({"messages": {"max_members": 2}}));
    assert_eq!(shown(&small, posted, &product).await, []);
}

#[tokio::test]
async fn the_hour_has_its_number() {
    let (toasts, product) = (standard(TOASTS, json!({"per_hour": 1})), product());
    assert_eq!(
        shown(&toasts, app("profile.viewed", "bob", "ann"), &product)
            .await
            .len(),
        1
    );
    assert_eq!(
        shown(&toasts, app("profile.liked", "bob", "ann"), &product).await,
        []
    );
    assert_eq!(
        shown(&toasts, app("match.made", "bob", "ann"), &product)
            .await
            .len(),
        2
    );
}

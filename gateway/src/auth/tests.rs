//! Tokens good and bad, keys that change, issuers that fail.

mod issuer;

use issuer::{Ed, Issuer, Rsa, jwks, jwt};
use serde_json::json;
use tempfile::TempDir;

use super::*;

const NOW: u64 = 1_764_000_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn with_secret(kid: Option<&str>, secret: &[u8]) -> SecretConfig {
    SecretConfig {
        kid: kid.map(str::to_owned),
        secret: Some(String::from_utf8(secret.to_vec()).unwrap().into()),
        file: None,
    }
}

fn hs256() -> Authenticator {
    let secrets = vec![with_secret(None, SECRET)];
    Authenticator::new(&AuthConfig {
        secrets,
        ..AuthConfig::default()
    })
    .unwrap()
}

fn from_file(directory: &TempDir, keys: &serde_json::Value) -> AuthConfig {
    let file = directory.path().join("jwks.json");
    std::fs::write(&file, keys.to_string()).unwrap();
    let jwks = Some(JwksConfig {
        file: Some(file),
        ..JwksConfig::default()
    });
    AuthConfig {
        jwks,
        ..AuthConfig::default()
    }
}

fn from_url(issuer: &Issuer) -> AuthConfig {
    let jwks = JwksConfig {
        url: Some(issuer.url()),
        min_refresh_s: 0,
        ..JwksConfig::default()
    };
    AuthConfig {
        jwks: Some(jwks),
        ..AuthConfig::default()
    }
}

/// Claims of a token of Alice's that lasts another minute.
fn claims() -> serde_json::Value {
    json!({ "sub": "alice", "exp": NOW / 1000 + 60 })
}

/// An HS256 token of these claims.
fn token(claims: &serde_json::Value) -> String {
    jwt(&json!({ "alg": "HS256" }), claims, |message| {
        issuer::hmac(SECRET, message)
    })
}

fn refused(authenticator: &Authenticator, token: &str) -> AuthError {
    authenticator
        .authenticate(token, NOW)
        .expect_err("the token is bad")
}

#[test]
fn hs256_names_the_user() {
    let token = sign_hs256(SECRET, "alice", NOW + 60_000);
    let identity = hs256().authenticate(&token, NOW).unwrap();
    assert_eq!(
        identity,
        Identity {
            user: "alice".into(),
            expires_ms: Some(NOW + 60_000),
            honoured_until_ms: Some(NOW + 90_000),
            scope: String::new(),
        }
    );
}

#[test]
fn only_a_scope_in_the_signed_claims_allows_more() {
    let authenticator = hs256();
    let allows = |claims: serde_json::Value| {
        let identity = authenticator.authenticate(&token(&claims), NOW);
        identity.expect("the user is let in").allows(IMPORT_SCOPE)
    };
    let exp = NOW / 1000 + 60;
    for (scope, expected) in [
        (json!("tidings:import"), true),
        (json!("chat tidings:import read"), true),
        (json!(""), false),
        (json!("import"), false),
        (json!("tidings:imports"), false),
        (json!("tidings:import,chat"), false),
        // Not as the standard has it: no reason to keep a user out, and no right either.
        (json!(["tidings:import"]), false),
        (json!({ "tidings:import": true }), false),
        (json!(7), false),
        (json!(null), false),
    ] {
        let claims = json!({ "sub": "alice", "exp": exp, "scope": scope });
        assert_eq!(allows(claims), expected, "{scope}");
    }
    assert!(!allows(json!({ "sub": "alice", "exp": exp })));
    let minted = TokenSigner::new(SECRET).with_scope(IMPORT_SCOPE);
    let minted = authenticator.authenticate(&minted.sign("operator", NOW + 60_000), NOW);
    assert!(minted.unwrap().allows(IMPORT_SCOPE));
}

#[test]
fn a_wrong_secret_is_refused() {
    let token = sign_hs256(
        b"another secret of sufficient length",
        "alice",
        NOW + 60_000,
    );
    assert_eq!(refused(&hs256(), &token), AuthError::Signature);
}

#[test]
fn ed25519_and_rsa_keys_check_their_own_tokens() {
    let (ed, rsa) = (Ed::new(1), Rsa::new());
    let directory = TempDir::new().unwrap();
    let keys = jwks(&[ed.jwk("ed"), rsa.jwk("rsa")]);
    let authenticator = Authenticator::new(&from_file(&directory, &keys)).unwrap();
    for good in [ed.token("ed", &claims()), rsa.token("rsa", &claims())] {
        assert_eq!(
            authenticator.authenticate(&good, NOW).unwrap().user,
            "alice"
        );
        // Another user's claims under the same signature.
        let mut parts: Vec<&str> = good.split('.').collect();
        let other = token(&json!({ "sub": "mallory", "exp": NOW / 1000 + 60 }));
        parts[1] = other.split('.').nth(1).unwrap();
        assert_eq!(
            refused(&authenticator, &parts.join(".")),
            AuthError::Signature
        );
    }
    // The right name and the wrong key.
    let forged = Ed::new(2).token("ed", &claims());
    assert_eq!(refused(&authenticator, &forged), AuthError::Signature);
}

/// The classic: a public key is no secret, so whoever knows it must not be able to sign with it.
#[test]
fn a_public_key_is_never_a_secret() {
    let (ed, rsa) = (Ed::new(1), Rsa::new());
    let directory = TempDir::new().unwrap();
    let keys = jwks(&[ed.jwk("ed"), rsa.jwk("rsa")]);
    let mut config = from_file(&directory, &keys);
    config.secrets = vec![with_secret(Some("secret"), SECRET)];
    let authenticator = Authenticator::new(&config).unwrap();
    let public: [(&str, Vec<u8>); 4] = [
        ("rsa", rsa.modulus()),
        ("rsa", rsa.jwk("rsa").to_string().into_bytes()),
        ("rsa", keys.to_string().into_bytes()),
        ("ed", ed.public()),
    ];
    for (kid, key) in public {
        let header = json!({ "alg": "HS256", "kid": kid });
        let token = jwt(&header, &claims(), |message| issuer::hmac(&key, message));
        let unknown = AuthError::UnknownKey { kid: kid.into() };
        assert_eq!(refused(&authenticator, &token), unknown);
        let header = json!({ "alg": "HS256" });
        let token = jwt(&header, &claims(), |message| issuer::hmac(&key, message));
        assert_eq!(refused(&authenticator, &token), AuthError::Signature);
    }
    // Nor one kind of public key the other, nor a secret a public key.
    let header = json!({ "alg": "EdDSA", "kid": "rsa" });
    let token = jwt(&header, &claims(), |message| rsa.sign(message));
    assert_eq!(
        refused(&authenticator, &token),
        AuthError::UnknownKey { kid: "rsa".into() }
    );
    let header = json!({ "alg": "RS256", "kid": "secret" });
    let token = jwt(&header, &claims(), |message| issuer::hmac(SECRET, message));
    assert_eq!(
        refused(&authenticator, &token),
        AuthError::UnknownKey {
            kid: "secret".into()
        }
    );
}

#[test]
fn other_algorithms_are_refused() {
    let authenticator = hs256();
    for algorithm in [
        "none", "None", "NONE", "HS384", "HS512", "RS512", "PS256", "ES256", "XS1",
    ] {
        for signature in [Vec::new(), issuer::hmac(SECRET, b"x")] {
            let header = json!({ "alg": algorithm });
            let token = jwt(&header, &claims(), |_| signature.clone());
            assert_eq!(
                refused(&authenticator, &token),
                AuthError::Algorithm,
                "{algorithm}"
            );
        }
    }
    // Without a signature nothing is accepted, whatever the header says.
    let good = token(&claims());
    let unsigned = &good[..=good.rfind('.').unwrap()];
    assert_eq!(refused(&authenticator, unsigned), AuthError::Signature);
    let header = json!({ "alg": "HS256", "crit": ["b64"] });
    let critical = jwt(&header, &claims(), |message| issuer::hmac(SECRET, message));
    assert!(matches!(
        refused(&authenticator, &critical),
        AuthError::Malformed(_)
    ));
}

#[test]
fn what_is_no_token_is_malformed() {
    let authenticator = hs256();
    let long = format!("{}.e30.x", "a".repeat(MAX_TOKEN_BYTES));
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "e30.e30.e30",
        "\u{0}.\u{0}.\u{0}",
        "é.é.é",
        &long,
    ] {
        let error = refused(&authenticator, text);
        assert!(
            matches!(error, AuthError::Malformed(_)),
            "{text:.20}: {error:?}"
        );
        assert!(!error.retry());
    }
    let header = json!({ "alg": "HS256" });
    for claims in [
        json!(null),
        json!([]),
        json!("alice"),
        json!({ "sub": 7, "exp": NOW }),
    ] {
        let token = jwt(&header, &claims, |message| issuer::hmac(SECRET, message));
        let error = refused(&authenticator, &token);
        assert!(
            matches!(error, AuthError::Malformed(_)),
            "{claims}: {error:?}"
        );
    }
}

#[test]
fn time_is_the_callers_within_a_leeway() {
    let authenticator = hs256();
    let until = |exp: serde_json::Value| token(&json!({ "sub": "alice", "exp": exp }));
    let ends = NOW / 1000;
    for (now, good) in [
        (0, true),
        (NOW, true),
        (NOW + LEEWAY_MS - 1, true),
        (NOW + LEEWAY_MS, false),
        (u64::MAX, false),
    ] {
        let answer = authenticator.authenticate(&until(json!(ends)), now);
        match answer {
            Ok(_) => assert!(good, "{now}"),
            Err(error) => {
                assert!(!good, "{now}");
                assert_eq!(
                    error,
                    AuthError::Expired {
                        expired_ms: NOW,
                        now_ms: now
                    }
                );
            }
        }
    }
    // Decimals are allowed, a date before time began is not.
    let identity = authenticator
        .authenticate(&until(json!(ends as f64 + 0.5)), NOW)
        .unwrap();
    assert_eq!(identity.expires_ms, Some(NOW + 500));
    assert!(
        authenticator
            .authenticate(&until(json!(u64::MAX)), NOW)
            .is_ok()
    );
    for odd in [json!(-1), json!("tomorrow"), json!(true)] {
        assert!(matches!(
            refused(&authenticator, &until(odd)),
            AuthError::Malformed(_)
        ));
    }
    let from = |nbf: u64| token(&json!({ "sub": "alice", "exp": ends + 600, "nbf": nbf }));
    assert!(authenticator.authenticate(&from(ends + 30), NOW).is_ok());
    assert_eq!(
        refused(&authenticator, &from(ends + 31)),
        AuthError::NotYetValid {
            not_before_ms: NOW + 31_000,
            now_ms: NOW
        }
    );
}

#[test]
fn expiry_is_required_unless_configured_otherwise() {
    let endless = token(&json!({ "sub": "alice" }));
    assert!(
        matches!(refused(&hs256(), &endless), AuthError::Malformed(reason) if reason.contains("exp"))
    );
    let secrets = vec![with_secret(None, SECRET)];
    let config = AuthConfig {
        secrets,
        require_expiry: false,
        ..AuthConfig::default()
    };
    let identity = Authenticator::new(&config)
        .unwrap()
        .authenticate(&endless, NOW)
        .unwrap();
    assert_eq!(
        (identity.expires_ms, identity.honoured_until_ms),
        (None, None)
    );
}

#[test]
fn issuer_and_audience_are_checked_where_configured() {
    let config = AuthConfig {
        issuer: Some("https://id.example.com".into()),
        audience: Some("tidings".into()),
        secrets: vec![with_secret(Some("2026"), SECRET)],
        ..AuthConfig::default()
    };
    let authenticator = Authenticator::new(&config).unwrap();
    let mine = TokenSigner::of(&config)
        .unwrap()
        .unwrap()
        .sign("alice", NOW + 60_000);
    assert_eq!(
        authenticator.authenticate(&mine, NOW).unwrap().user,
        "alice"
    );

    let with = |iss: serde_json::Value, aud: serde_json::Value| {
        let mut claims = claims();
        claims["iss"] = iss;
        claims["aud"] = aud;
        authenticator
            .authenticate(&token(&claims), NOW)
            .map(|identity| identity.user)
    };
    let iss = || json!("https://id.example.com");
    assert!(with(iss(), json!(["other", "tidings"])).is_ok());
    let audience = || {
        Err(AuthError::Audience {
            expected: "tidings".into(),
        })
    };
    for aud in [
        json!("other"),
        json!(["other"]),
        json!([]),
        json!(null),
        json!(7),
    ] {
        assert_eq!(with(iss(), aud.clone()), audience(), "{aud}");
    }
    let issuer = || {
        Err(AuthError::Issuer {
            expected: "https://id.example.com".into(),
        })
    };
    for iss in [json!("https://evil.example.com"), json!(""), json!(null)] {
        assert_eq!(with(iss.clone(), json!("tidings")), issuer(), "{iss}");
    }
    // Where none is configured, any will do.
    let mut claims = claims();
    claims["aud"] = json!("anything");
    claims["iss"] = json!("anyone");
    assert!(hs256().authenticate(&token(&claims), NOW).is_ok());
}

#[test]
fn users_are_checked() {
    let authenticator = hs256();
    let as_user = |user: &str| {
        let token = sign_hs256(SECRET, user, NOW + 60_000);
        authenticator
            .authenticate(&token, NOW)
            .map(|identity| identity.user)
    };
    for good in ["a", "用户-1", "x y", &"a".repeat(128)] {
        assert_eq!(as_user(good).as_deref(), Ok(good));
    }
    for bad in [
        "",
        "a\nb",
        "\u{0}",
        "\u{7f}",
        "\u{85}",
        &"a".repeat(129),
        &"é".repeat(65),
    ] {
        assert!(
            matches!(as_user(bad), Err(AuthError::Malformed(_))),
            "{bad:?}"
        );
    }
    let nobody = token(&json!({ "exp": NOW / 1000 + 60 }));
    assert!(matches!(
        refused(&authenticator, &nobody),
        AuthError::Malformed(_)
    ));
}

#[test]
fn development_tokens_need_permission() {
    assert_eq!(refused(&hs256(), "dev:alice"), AuthError::Development);
    let config = AuthConfig {
        development: true,
        ..AuthConfig::default()
    };
    let authenticator = Authenticator::new(&config).unwrap();
    assert_eq!(
        authenticator.authenticate("dev:alice", NOW).unwrap().user,
        "alice"
    );
    assert!(matches!(
        refused(&authenticator, "dev:"),
        AuthError::Malformed(_)
    ));
    assert!(matches!(
        refused(&authenticator, "dev:a\nb"),
        AuthError::Malformed(_)
    ));
    // It opens nothing else.
    let token = sign_hs256(SECRET, "alice", NOW + 60_000);
    assert!(matches!(
        refused(&authenticator, &token),
        AuthError::UnknownKey { .. }
    ));
}

#[test]
fn secrets_are_told_apart_by_kid() {
    let (old, new) = (SECRET, &b"fedcba9876543210fedcba9876543210"[..]);
    let secrets = vec![with_secret(Some("old"), old), with_secret(Some("new"), new)];
    let authenticator = Authenticator::new(&AuthConfig {
        secrets,
        ..AuthConfig::default()
    })
    .unwrap();
    let sign = |kid: Option<&str>, secret: &[u8]| {
        let header = match kid {
            Some(kid) => json!({ "alg": "HS256", "kid": kid }),
            None => json!({ "alg": "HS256" }),
        };
        let token = jwt(&header, &claims(), |message| issuer::hmac(secret, message));
        authenticator
            .authenticate(&token, NOW)
            .map(|identity| identity.user)
    };
    assert!(sign(Some("old"), old).is_ok() && sign(Some("new"), new).is_ok());
    assert_eq!(sign(Some("old"), new), Err(AuthError::Signature));
    assert_eq!(
        sign(Some("older"), old),
        Err(AuthError::UnknownKey {
            kid: "older".into()
        })
    );
    assert_eq!(
        sign(None, old),
        Err(AuthError::UnknownKey { kid: String::new() })
    );
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let new = |config: &AuthConfig| Authenticator::new(config).unwrap_err().to_string();
    let error = new(&AuthConfig::default());
    assert!(error.contains("no way to check tokens"), "{error}");
    let short = AuthConfig {
        secrets: vec![with_secret(Some("k"), &SECRET[..31])],
        ..Default::default()
    };
    let error = new(&short);
    assert!(error.contains("\"k\" has 31 bytes, at least 32"), "{error}");

    let directory = TempDir::new().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, [&SECRET[..31], b"\n"].concat()).unwrap();
    let secret = SecretConfig {
        file: Some(file.clone()),
        ..SecretConfig::default()
    };
    let config = AuthConfig {
        secrets: vec![secret],
        ..AuthConfig::default()
    };
    assert!(
        new(&config).contains("has 31 bytes"),
        "the line's end is no part of the secret"
    );
    std::fs::write(&file, [SECRET, b"\n"].concat()).unwrap();
    let token = sign_hs256(SECRET, "alice", NOW + 60_000);
    assert!(
        Authenticator::new(&config)
            .unwrap()
            .authenticate(&token, NOW)
            .is_ok()
    );
    std::fs::remove_file(&file).unwrap();
    assert!(new(&config).contains("cannot read"));
    let neither = AuthConfig {
        secrets: vec![SecretConfig::default()],
        ..AuthConfig::default()
    };
    assert!(new(&neither).contains("either `secret` or `file`"));

    let jwks = |jwks| {
        new(&AuthConfig {
            jwks: Some(jwks),
            ..AuthConfig::default()
        })
    };
    assert!(jwks(JwksConfig::default()).contains("either `file` or `url`"));
    for url in ["ftp://x/y", "x", "https://", "http://a b/"] {
        let error = jwks(JwksConfig {
            url: Some(url.into()),
            ..JwksConfig::default()
        });
        assert!(error.contains("is not an http or https URL"), "{error}");
    }
    for (set, reason) in [
        (json!({}), "not a key set"),
        (json!({ "keys": [] }), "the set is empty"),
        (
            json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "kid": "s" }] }),
            "does not belong",
        ),
        (
            json!({ "keys": [{ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "r" }] }),
            "2048",
        ),
        (
            json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "AQAB" }] }),
            "3 bytes",
        ),
    ] {
        let error = new(&from_file(&directory, &set));
        assert!(error.contains(reason), "{set}: {error}");
    }
}

#[test]
fn the_configuration_is_strict_and_never_shows_secrets() {
    let text =
        json!({ "secrets": [{ "secret": "s".repeat(32) }], "jwks": { "url": "https://x/y" } });
    let config: AuthConfig = serde_json::from_value(text).unwrap();
    assert_eq!(config.jwks.as_ref().unwrap().refresh_s, 300);
    let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
    assert!(
        !shown.contains("ssss") && shown.contains("(hidden)"),
        "{shown}"
    );
    for text in [json!({ "secret": [] }), json!({ "jwks": { "uri": "x" } })] {
        assert!(serde_json::from_value::<AuthConfig>(text).is_err());
    }
}

#[test]
fn a_list_is_no_table() {
    let hidden = "hunter2".repeat(5);
    for text in [
        json!({ "jwks": ["keys.json"] }),
        json!({ "secrets": [["kid", hidden]] }),
        json!({ "api_keys": [["backend", "x.key", ["import"]]] }),
    ] {
        let error = serde_json::from_value::<AuthConfig>(text.clone()).unwrap_err();
        let error = error.to_string();
        let expected = "it is a list, and is to be a table";
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let none = serde_json::from_value::<AuthConfig>(json!({ "jwks": null })).unwrap();
    assert_eq!(none.jwks, None);
}

/// Sets are shared with other services, so keys for other purposes are skipped.
#[test]
fn keys_of_other_kinds_are_skipped() {
    let ed = Ed::new(1);
    let mut encryption = Rsa::new().jwk("enc");
    encryption["use"] = json!("enc");
    let mut other = Rsa::new().jwk("rs512");
    other["alg"] = json!("RS512");
    let strange = json!({ "kty": "LATTICE", "kid": "pq", "alg": "ML-DSA-65", "pub": "AQAB" });
    let directory = TempDir::new().unwrap();
    let keys = jwks(&[encryption, other, strange, json!(7), ed.jwk("ed")]);
    let authenticator = Authenticator::new(&from_file(&directory, &keys)).unwrap();
    assert!(
        authenticator
            .authenticate(&ed.token("ed", &claims()), NOW)
            .is_ok()
    );
    for kid in ["enc", "rs512"] {
        let error = refused(&authenticator, &Rsa::new().token(kid, &claims()));
        assert_eq!(error, AuthError::UnknownKey { kid: kid.into() });
    }
}

#[test]
fn a_changed_file_is_read_again() {
    let (old, new) = (Ed::new(1), Ed::new(2));
    let directory = TempDir::new().unwrap();
    let config = from_file(&directory, &jwks(&[old.jwk("old")]));
    let file = config.jwks.as_ref().unwrap().file.clone().unwrap();
    let authenticator = Authenticator::new(&config).unwrap();
    let (by_old, by_new) = (old.token("old", &claims()), new.token("new", &claims()));
    let knows = |token: &str, at: u64| authenticator.authenticate(token, at).is_ok();
    assert!(knows(&by_old, NOW) && !knows(&by_new, NOW));

    std::fs::write(&file, jwks(&[old.jwk("old"), new.jwk("new")]).to_string()).unwrap();
    // Looked at once a second of the caller's clock.
    assert!(!knows(&by_new, NOW + 999));
    assert!(knows(&by_new, NOW + 1000) && knows(&by_old, NOW + 1000));

    // Half a file, then no file: the last good set stays.
    std::fs::write(&file, "{\"keys\":[").unwrap();
    assert!(knows(&by_new, NOW + 2000));
    std::fs::remove_file(&file).unwrap();
    assert!(knows(&by_new, NOW + 3000));

    std::fs::write(&file, jwks(&[new.jwk("new")]).to_string()).unwrap();
    assert!(knows(&by_new, NOW + 4000) && !knows(&by_old, NOW + 4000));
}

#[test]
fn keys_come_from_a_url_and_change_there() {
    let (old, new) = (Ed::new(1), Rsa::new());
    let issuer = Issuer::start(200, &jwks(&[old.jwk("old")]).to_string());
    let authenticator = Authenticator::new(&from_url(&issuer)).unwrap();
    assert_eq!(issuer.requests(), 1);
    assert!(
        authenticator
            .authenticate(&old.token("old", &claims()), NOW)
            .is_ok()
    );

    // The issuer begins to sign with a new key: the first such token makes for a fetch.
    issuer.serve(200, &jwks(&[old.jwk("old"), new.jwk("new")]).to_string());
    let token = new.token("new", &claims());
    let error = refused(&authenticator, &token);
    assert_eq!(error, AuthError::KeyPending { kid: "new".into() });
    assert!(error.retry());
    issuer::until("the new key is known", || {
        authenticator.authenticate(&token, NOW).is_ok()
    });

    // The issuer fails, in several ways: both keys stay.
    for (status, body) in [
        (500, "oops"),
        (200, "<html>"),
        (200, "{\"keys\":[]}"),
        (404, ""),
    ] {
        issuer.serve(status, body);
        let before = issuer.requests();
        let stranger = Ed::new(3).token("stranger", &claims());
        issuer::until("the issuer is asked", || {
            assert!(refused(&authenticator, &stranger).retry());
            issuer.requests() > before + 1
        });
        assert!(authenticator.authenticate(&token, NOW).is_ok());
        assert!(
            authenticator
                .authenticate(&old.token("old", &claims()), NOW)
                .is_ok()
        );
    }
}

#[test]
fn a_server_starts_while_its_issuer_is_down() {
    let ed = Ed::new(1);
    let issuer = Issuer::start(503, "starting");
    let authenticator = Authenticator::new(&from_url(&issuer)).unwrap();
    let token = ed.token("ed", &claims());
    assert_eq!(
        refused(&authenticator, &token),
        AuthError::KeyPending { kid: "ed".into() }
    );
    issuer.serve(200, &jwks(&[ed.jwk("ed")]).to_string());
    issuer::until("the key is known", || {
        authenticator.authenticate(&token, NOW).is_ok()
    });
}

/// Whoever makes up key names must not make us flood the issuer.
#[test]
fn unknown_keys_do_not_flood_the_issuer() {
    let ed = Ed::new(1);
    let issuer = Issuer::start(200, &jwks(&[ed.jwk("ed")]).to_string());
    let mut config = from_url(&issuer);
    config.jwks.as_mut().unwrap().min_refresh_s = 3600;
    let authenticator = Authenticator::new(&config).unwrap();
    for number in 0..100 {
        let kid = format!("made-up-{number}");
        let error = refused(&authenticator, &Ed::new(2).token(&kid, &claims()));
        assert_eq!(error, AuthError::UnknownKey { kid });
    }
    assert_eq!(issuer.requests(), 1);
}

//! The product's own programs: who they are by their keys, and what they may.

use std::{fmt, hint::black_box};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{ApiKeyConfig, AuthConfigError, Identity};

/// A part of the backend API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Makes connection tokens for users.
    Tokens,
    /// Reads users' lists and counts, blocks and unblocks for them.
    Users,
    /// Starts conversations, reads them, changes members and titles.
    Conversations,
    /// Posts, edits, takes back, reacts, reads.
    Messages,
    /// Reads and settles what moderation holds, in all conversations.
    Moderation,
    /// Shows users toasts and badges, and lists them.
    Notifications,
    /// Records the product's own facts.
    Events,
    /// Reads what extensions have for the backend.
    Feed,
    /// Calls commands of extensions.
    Commands,
    /// Brings conversations in from elsewhere.
    Import,
    /// Erases users, and builds indexes anew.
    Operate,
}

impl Scope {
    /// All there are.
    pub const ALL: [Scope; 11] = [
        Scope::Tokens,
        Scope::Users,
        Scope::Conversations,
        Scope::Messages,
        Scope::Moderation,
        Scope::Notifications,
        Scope::Events,
        Scope::Feed,
        Scope::Commands,
        Scope::Import,
        Scope::Operate,
    ];

    /// Its name in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Tokens => "tokens",
            Scope::Users => "users",
            Scope::Conversations => "conversations",
            Scope::Messages => "messages",
            Scope::Moderation => "moderation",
            Scope::Notifications => "notifications",
            Scope::Events => "events",
            Scope::Feed => "feed",
            Scope::Commands => "commands",
            Scope::Import => "import",
            Scope::Operate => "operate",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What user ids of system accounts begin with: the product's own voices, which nobody logs in as.
pub const SYSTEM_PREFIX: &str = "system:";

/// Whoever calls the backend API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Under what they are known: `key:NAME` of an API key, `token:USER` of a token.
    pub name: String,
    /// What they may.
    scopes: Vec<Scope>,
    /// Whether they came with an API key, by which system accounts act.
    pub is_key: bool,
}

impl Caller {
    /// Whether this part of the API is theirs to call.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The bearer of a token.
    pub(super) fn of(identity: &Identity) -> Caller {
        let granted = |scope: &Scope| identity.allows(&format!("tidings:{scope}"));
        Caller {
            name: format!("token:{}", identity.user),
            scopes: Scope::ALL.into_iter().filter(granted).collect(),
            is_key: false,
        }
    }
}

/// The API keys of a configuration. Of each there is its hash only.
#[derive(Debug, Default)]
pub(super) struct ApiKeys(Vec<([u8; 32], Caller)>);

impl ApiKeys {
    pub(super) fn load(configs: &[ApiKeyConfig]) -> Result<ApiKeys, AuthConfigError> {
        let mut keys: Vec<([u8; 32], Caller)> = Vec::with_capacity(configs.len());
        for config in configs {
            let name = config.name.clone();
            let named =
                |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
            if !(1..=64).contains(&name.len()) || !name.bytes().all(named) {
                return Err(AuthConfigError::ApiKeyName { name });
            }
            if config.scopes.is_empty() {
                return Err(AuthConfigError::ApiKeyScopes { name });
            }
            let hash = hash(&config.load()?);
            let caller = Caller {
                name: format!("key:{name}"),
                scopes: config.scopes.clone(),
                is_key: true,
            };
            let same =
                |(known, other): &([u8; 32], Caller)| *known == hash || other.name == caller.name;
            if keys.iter().any(same) {
                return Err(AuthConfigError::ApiKeyTwice { name });
            }
            keys.push((hash, caller));
        }
        Ok(ApiKeys(keys))
    }

    /// Whose key it is. Takes as long whichever it is, and if it is none.
    pub(super) fn find(&self, key: &[u8]) -> Option<&Caller> {
        let given = hash(key);
        let mut found = None;
        for (known, caller) in &self.0 {
            let different = known.iter().zip(&given).fold(0, |d, (a, b)| d | (a ^ b));
            if black_box(different) == 0 {
                found = Some(caller);
            }
        }
        found
    }
}

fn hash(key: &[u8]) -> [u8; 32] {
    let hash = digest(&SHA256, key);
    hash.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn keys_are_known_by_their_whole_text_and_bad_ones_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (first, second) = ("a".repeat(32), "b".repeat(64));
        let config = |name: &str, path, scopes: &[Scope]| ApiKeyConfig {
            name: name.to_owned(),
            file: path,
            scopes: scopes.to_vec(),
        };
        let one = config("one", file("1", &format!("{first}\n")), &[Scope::Events]);
        let two = config("two", file("2", &second), &Scope::ALL);
        let keys = ApiKeys::load(&[one.clone(), two.clone()]).unwrap();
        let found = keys.find(first.as_bytes()).unwrap();
        assert_eq!(found.name, "key:one");
        assert!(found.allows(Scope::Events) && !found.allows(Scope::Users));
        assert_eq!(keys.find(second.as_bytes()).unwrap().name, "key:two");
        for wrong in ["", &first[1..], &format!("{first}a"), &"b".repeat(63)] {
            assert_eq!(keys.find(wrong.as_bytes()), None, "{wrong}");
        }
        let refused = |configs: &[ApiKeyConfig]| ApiKeys::load(configs).unwrap_err().to_string();
        let short = config("short", file("3", &"c".repeat(31)), &[Scope::Users]);
        assert!(refused(&[short]).contains("holds 31 bytes"));
        for name in ["", "A", "a b", &"x".repeat(65)] {
            let named = ApiKeyConfig {
                name: name.to_owned(),
                ..one.clone()
            };
            assert!(refused(&[named]).contains("is no name"), "{name}");
        }
        let again = ApiKeyConfig {
            name: "other".to_owned(),
            ..one.clone()
        };
        assert!(refused(&[one.clone(), again]).contains("there twice"));
        let renamed = ApiKeyConfig {
            name: "one".to_owned(),
            ..two
        };
        assert!(refused(&[one.clone(), renamed]).contains("there twice"));
        let none = ApiKeyConfig {
            scopes: Vec::new(),
            ..one.clone()
        };
        assert!(refused(&[none]).contains("has no scopes"));
        let missing = config("gone", folder.path().join("gone"), &[Scope::Users]);
        assert!(refused(&[missing]).starts_with("cannot read "));
    }
}

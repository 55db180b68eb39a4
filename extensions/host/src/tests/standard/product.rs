//! A product to run the standard set on: people with names, one conversation, a store and windows that last.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::Mutex;

use crate::staged::KvChange;
use crate::{
    Answer, Ask, Conversation, Entry, Host, HttpError, Message, Presence, Request, Staging,
};

#[derive(Default)]
pub(super) struct Product {
    pub(super) names: BTreeMap<&'static str, &'static str>,
    pub(super) members: Vec<&'static str>,
    pub(super) here: BTreeSet<&'static str>,
    pub(super) store: Mutex<BTreeMap<String, Entry>>,
    pub(super) rates: Mutex<BTreeMap<(String, String, u32), u32>>,
}

impl Product {
    /// Stores what a call has staged, if each key still has the revision that it expects.
    pub(super) fn land(&self, changes: &[KvChange]) {
        let mut store = self.store.lock().expect("no test panics with it");
        for change in changes {
            let revision = store.get(&change.key).map_or(0, |entry| entry.revision);
            assert!(change.expect.is_none_or(|expected| expected == revision));
            match change.value.clone() {
                None => drop(store.remove(&change.key)),
                Some(value) => {
                    assert!(change.subject.is_some(), "{} is about nobody", change.key);
                    let (key, revision) = (change.key.clone(), revision + 1);
                    store.insert(
                        change.key.clone(),
                        Entry {
                            key,
                            value,
                            revision,
                        },
                    );
                }
            }
        }
    }

    pub(super) fn keys(&self) -> Vec<String> {
        let store = self.store.lock().expect("no test panics with it");
        store.keys().cloned().collect()
    }
}

impl Host for Product {
    fn as_of(&self) -> Result<u64, Ask> {
        Ok(1)
    }

    fn conversation(&self, id: &str) -> Result<Option<Conversation>, Ask> {
        Ok(Some(Conversation {
            id: id.to_owned(),
            kind: "group".to_owned(),
            title: String::new(),
            context: String::new(),
            members: self.members.len() as u32,
        }))
    }

    fn members(&self, _: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Ask> {
        let behind = self.members.iter().filter(|member| Some(**member) > after);
        Ok(behind
            .take(limit as usize)
            .map(|member| (*member).to_owned())
            .collect())
    }

    fn is_member(&self, _: &str, user: &str) -> Result<bool, Ask> {
        Ok(self.members.contains(&user))
    }

    fn recent(&self, _: &str, _: Option<u64>, _: u32) -> Result<Vec<Message>, Ask> {
        Ok(Vec::new())
    }

    fn unread(&self, _: &str, _: &str) -> Result<u32, Ask> {
        Ok(0)
    }

    fn presence(&self, user: &str) -> Result<Presence, Ask> {
        let here = self.here.contains(user);
        Ok(if here {
            Presence::Available
        } else {
            Presence::Offline
        })
    }

    fn profile_attribute(&self, user: &str, attribute: &str) -> Result<Option<String>, Ask> {
        let name = self.names.get(user).filter(|_| attribute == "name");
        Ok(name.map(|name| serde_json::Value::from(*name).to_string()))
    }

    fn is_blocked_between(&self, _: &str, _: &str) -> Result<bool, Ask> {
        Ok(false)
    }

    fn kv_get(&self, key: &str) -> Result<Option<Entry>, Ask> {
        Ok(self
            .store
            .lock()
            .expect("no test panics with it")
            .get(key)
            .cloned())
    }

    fn kv_scan(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<Entry>, Ask> {
        Ok(Vec::new())
    }

    fn bump(&self, name: &str, key: &str, window_ms: u32, by: u32) -> Result<u32, Ask> {
        let mut rates = self.rates.lock().expect("no test panics with it");
        let count = rates
            .entry((name.to_owned(), key.to_owned(), window_ms))
            .or_default();
        *count += by;
        Ok(*count)
    }

    fn has_secret(&self, _: &str) -> bool {
        false
    }

    fn has_metric(&self, _: &str) -> bool {
        true
    }

    fn admit(&self, _: Staging<'_>) -> Result<(), Ask> {
        Ok(())
    }

    fn http(&self, _: Request) -> Answer {
        Box::pin(ready(Err(HttpError::Timeout)))
    }
}

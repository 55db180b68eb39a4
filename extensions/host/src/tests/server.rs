//! A server to run extensions on: it knows one room, and grants everything but what is named `forbidden`.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Mutex;

use crate::staged::{Effect, PostTo};
use crate::{
    Answer, Ask, Conversation, Entry, Host, HttpError, Message, Presence, Refusal, Request,
    Response, Staging,
};

#[derive(Default)]
pub(super) struct Server {
    rates: Mutex<BTreeMap<(String, String), u32>>,
    pub(super) requests: Mutex<Vec<Request>>,
}

pub(super) fn message(seq: u64, text: &str) -> Message {
    Message {
        id: format!("message-{seq}"),
        conversation: "room".to_owned(),
        seq,
        author: "bob".to_owned(),
        at: 900_000,
        text: Some(text.to_owned()),
        reply_to: None,
        mentions: Vec::new(),
    }
}

fn entry(key: &str, value: &[u8], revision: u64) -> Entry {
    Entry {
        key: key.to_owned(),
        value: value.to_vec(),
        revision,
    }
}

/// What is stored, in the order of the keys.
fn stored() -> Vec<Entry> {
    vec![
        entry("a/1", b"one", 5),
        entry("a/2", b"two", 6),
        entry("b", b"", 7),
    ]
}

impl Host for Server {
    fn as_of(&self) -> Result<u64, Ask> {
        Ok(17)
    }

    fn conversation(&self, id: &str) -> Result<Option<Conversation>, Ask> {
        Ok((id == "room").then(|| Conversation {
            id: id.to_owned(),
            kind: "group".to_owned(),
            title: "The Room".to_owned(),
            context: String::new(),
            members: 2,
        }))
    }

    fn members(&self, id: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Ask> {
        if id == "broken" {
            return Err(Ask::Failed("the projections cannot be read".to_owned()));
        }
        let all = ["ann", "bob"].map(str::to_owned);
        let behind = all
            .into_iter()
            .filter(|member| Some(member.as_str()) > after);
        Ok(behind.take(limit as usize).collect())
    }

    fn is_member(&self, _: &str, user: &str) -> Result<bool, Ask> {
        Ok(["ann", "bob"].contains(&user))
    }

    fn recent(&self, _: &str, _: Option<u64>, limit: u32) -> Result<Vec<Message>, Ask> {
        let all = [message(2, "second"), message(1, "first")];
        Ok(all.into_iter().take(limit as usize).collect())
    }

    fn unread(&self, _: &str, _: &str) -> Result<u32, Ask> {
        Err(Refusal::Denied("not asked for in the manifest".to_owned()).into())
    }

    fn presence(&self, _: &str) -> Result<Presence, Ask> {
        Ok(Presence::Away)
    }

    fn profile_attribute(&self, _: &str, _: &str) -> Result<Option<String>, Ask> {
        Ok(None)
    }

    fn is_blocked_between(&self, _: &str, _: &str) -> Result<bool, Ask> {
        Ok(false)
    }

    fn kv_get(&self, key: &str) -> Result<Option<Entry>, Ask> {
        Ok(stored().into_iter().find(|entry| entry.key == key))
    }

    fn kv_scan(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<Entry>, Ask> {
        let found = stored()
            .into_iter()
            .filter(|entry| entry.key.starts_with(prefix))
            .filter(|entry| Some(entry.key.as_str()) > after);
        Ok(found.take(limit as usize).collect())
    }

    fn bump(&self, name: &str, key: &str, _: u32, by: u32) -> Result<u32, Ask> {
        let mut rates = self.rates.lock().expect("no test panics with it");
        let count = rates.entry((name.to_owned(), key.to_owned())).or_default();
        *count += by;
        Ok(*count)
    }

    fn has_secret(&self, name: &str) -> bool {
        name == "token"
    }

    fn has_metric(&self, name: &str) -> bool {
        name != "odd"
    }

    fn admit(&self, staged: Staging<'_>) -> Result<(), Ask> {
        let forbidden = match staged {
            Staging::Effect(Effect::Badge { user, .. }) => user == "forbidden",
            Staging::Effect(Effect::Post(post)) => {
                post.to == PostTo::Conversation("forbidden".to_owned())
            }
            _ => false,
        };
        if forbidden {
            return Err(Refusal::Denied("not granted".to_owned()).into());
        }
        Ok(())
    }

    fn http(&self, request: Request) -> Answer {
        let answer = match request.headers.len() {
            0 => Err(HttpError::Timeout),
            _ => Ok(Response {
                status: 201,
                headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
                body: vec![0; 10],
            }),
        };
        self.requests
            .lock()
            .expect("no test panics with it")
            .push(request);
        Box::pin(ready(answer))
    }
}

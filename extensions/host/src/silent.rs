//! A server that knows nothing and grants nothing.

use crate::{
    Answer, Ask, Conversation, Entry, Host, HttpError, Message, Presence, Request, Staging,
};

/// In the place of a server where there is none: what is measured then is the sandbox, and what rests has nobody to ask.
pub(crate) struct Silent;

impl Host for Silent {
    fn as_of(&self) -> Result<u64, Ask> {
        Ok(0)
    }

    fn conversation(&self, _: &str) -> Result<Option<Conversation>, Ask> {
        Ok(None)
    }

    fn members(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, Ask> {
        Ok(Vec::new())
    }

    fn is_member(&self, _: &str, _: &str) -> Result<bool, Ask> {
        Ok(false)
    }

    fn recent(&self, _: &str, _: Option<u64>, _: u32) -> Result<Vec<Message>, Ask> {
        Ok(Vec::new())
    }

    fn unread(&self, _: &str, _: &str) -> Result<u32, Ask> {
        Ok(0)
    }

    fn presence(&self, _: &str) -> Result<Presence, Ask> {
        Ok(Presence::Offline)
    }

    fn profile_attribute(&self, _: &str, _: &str) -> Result<Option<String>, Ask> {
        Ok(None)
    }

    fn is_blocked_between(&self, _: &str, _: &str) -> Result<bool, Ask> {
        Ok(false)
    }

    fn kv_get(&self, _: &str) -> Result<Option<Entry>, Ask> {
        Ok(None)
    }

    fn kv_scan(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<Entry>, Ask> {
        Ok(Vec::new())
    }

    fn bump(&self, _: &str, _: &str, _: u32, by: u32) -> Result<u32, Ask> {
        Ok(by)
    }

    fn has_secret(&self, _: &str) -> bool {
        false
    }

    fn has_metric(&self, _: &str) -> bool {
        false
    }

    fn admit(&self, _: Staging<'_>) -> Result<(), Ask> {
        Ok(())
    }

    fn http(&self, _: Request) -> Answer {
        Box::pin(std::future::ready(Err(HttpError::Timeout)))
    }
}

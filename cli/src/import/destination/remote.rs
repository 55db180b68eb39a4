//! Deeds to a running server, batch by batch, over HTTP. One request is on its way at a time, which
//! keeps their order; what gets lost is sent again, and the server recognises what it has.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use prost::Message as _;
use tidings_protocol::{
    ErrorCode,
    codec::delimited,
    command, frame, id,
    import::{ImportAnswer, ImportCommand, ImportJoin, ImportLimits, ImportRequest},
};

use super::local::MAX_MEMBERS;
use crate::{
    backend::{Endpoint, Failed, TRIES, pause},
    import::deed::{Answered, Ask, Deed, Outcome},
};

/// Where imports are taken.
const PATH: &str = "/v1/import";

/// A running server.
pub(crate) struct Remote {
    endpoint: Endpoint,
    limits: ImportLimits,
}

impl Remote {
    /// Asks the server whether and what it takes.
    pub(crate) fn connect(endpoint: Endpoint) -> anyhow::Result<Remote> {
        let body = endpoint.get_when_ready(PATH)?;
        let limits = ImportLimits::decode(body).context("the server's limits cannot be read")?;
        if limits.commands == 0 || limits.body_bytes == 0 {
            bail!("the server takes no imports");
        }
        Ok(Remote { endpoint, limits })
    }

    fn post(&self, body: &[u8]) -> Result<Bytes, Failed> {
        self.endpoint
            .post(PATH, "application/x-protobuf", None, body)
    }

    pub(super) fn batch(&self) -> usize {
        self.limits.commands as usize
    }

    pub(super) fn max_members(&self, needs: u32) -> u32 {
        // Where the server allows less than is needed this is refused, and nothing is begun.
        self.limits.group_members.min(MAX_MEMBERS).max(needs)
    }

    pub(super) async fn carry_out(
        &self,
        deeds: &[Deed],
        tell: &dyn Fn(String),
    ) -> anyhow::Result<Vec<Answered>> {
        let commands: Vec<Vec<u8>> = deeds
            .iter()
            .map(|deed| command(deed).encode_to_vec())
            .collect();
        let mut answers: Vec<Answered> = Vec::with_capacity(deeds.len());
        let mut tries = 0;
        // How many were on their way when a request got lost: they may be in.
        let mut lost = 0;
        while answers.len() < commands.len() {
            let (body, count) = self.body(&commands[answers.len()..]);
            // The runtime has nothing else to do here.
            let (why, after) = match tokio::task::block_in_place(|| self.post(&body)) {
                Ok(answer) => {
                    let before = answers.len();
                    let failed = self.read(answer, count, lost, &mut answers)?;
                    if answers.len() > before {
                        tries = 0;
                    }
                    match failed {
                        None => continue,
                        Some(error) => {
                            lost = lost.max(before + count);
                            let after = Duration::from_millis(error.retry_after_ms.into());
                            (error.message, after)
                        }
                    }
                }
                Err(Failed::Busy(why, after)) => (why, after),
                Err(Failed::Lost(why)) => {
                    lost = lost.max(answers.len() + count);
                    (why, Duration::ZERO)
                }
                Err(Failed::Refused(why)) => bail!("the server refuses: {why}"),
            };
            tries += 1;
            if tries == TRIES {
                bail!("{why}");
            }
            let after = pause(tries).max(after);
            tell(format!(
                "{why}: trying again in {:.1} s",
                after.as_secs_f64()
            ));
            tokio::time::sleep(after).await;
        }
        Ok(answers)
    }

    /// As many commands as go into a request, and how many these are.
    fn body(&self, commands: &[Vec<u8>]) -> (Bytes, usize) {
        let mut body = BytesMut::new();
        let mut count = 0;
        for command in commands.iter().take(self.batch()) {
            let bytes = body.len() + command.len() + delimited::prefix(command.len()).len();
            // One alone that is too long is for the server to refuse.
            if count > 0 && bytes as u64 > self.limits.body_bytes {
                break;
            }
            delimited::write(command, &mut body);
            count += 1;
        }
        (body.freeze(), count)
    }

    /// Takes the answers of a request, up to one that says to try again, which it returns. Of the
    /// first `lost` commands an earlier try may be what has been recorded.
    fn read(
        &self,
        answer: Bytes,
        count: usize,
        lost: usize,
        answers: &mut Vec<Answered>,
    ) -> anyhow::Result<Option<frame::Error>> {
        let mut rest = BytesMut::from(answer);
        for _ in 0..count {
            let Some(answer) = delimited::read(&mut rest, usize::MAX)? else {
                bail!("the server's answer is cut short");
            };
            let answer = ImportAnswer::decode(answer).context("an answer cannot be read")?;
            let outcome = match (answer.accepted, answer.error) {
                (Some(accepted), None) => {
                    let before = accepted.position <= self.limits.position;
                    match accepted.duplicate && (before || answers.len() >= lost) {
                        true => Outcome::Known,
                        false => Outcome::Done,
                    }
                }
                (None, Some(error)) if error.retry => return Ok(Some(error)),
                (None, Some(error)) => match ErrorCode::from_name(&error.code) {
                    Some(ErrorCode::NotMember) => Outcome::NotMember,
                    Some(ErrorCode::CommandIdReused) => Outcome::IdReused,
                    _ => Outcome::Refused(error.message),
                },
                _ => bail!("an answer is neither yes nor no"),
            };
            let group = id::from_wire(&answer.conversation);
            answers.push(Answered { outcome, group });
        }
        Ok(None)
    }
}

/// A deed as it is sent.
fn command(deed: &Deed) -> ImportCommand {
    let request = match &deed.ask {
        Ask::CreateGroup { title, max_members } => {
            ImportRequest::CreateGroup(command::CreateGroup {
                title: title.clone(),
                members: Vec::new(),
                history_from_start: true,
                max_members: *max_members,
            })
        }
        Ask::AddMembers { group, users } => ImportRequest::AddMembers(command::AddMembers {
            conversation: id::to_wire(*group),
            users: users.clone(),
        }),
        Ask::Join { group } => ImportRequest::Join(ImportJoin {
            conversation: id::to_wire(*group),
        }),
        Ask::Leave { group } => ImportRequest::Leave(command::Leave {
            conversation: id::to_wire(*group),
        }),
        Ask::Post { group, text } => ImportRequest::PostMessage(command::PostMessage {
            conversation: id::to_wire(*group),
            text: text.clone(),
            reply_to: 0,
            mentions: Vec::new(),
        }),
    };
    ImportCommand {
        actor: deed.actor.clone(),
        source: deed.source.to_owned(),
        key: deed.key.clone(),
        happened_ms: deed.happened_ms,
        request: Some(request),
    }
}

#[cfg(test)]
mod tests;

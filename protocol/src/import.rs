//! Bringing conversations in from elsewhere: what `POST /v1/import` takes and answers.
//!
//! Not part of a session: an operator's tool sends a batch as the body of a request, each
//! [`ImportCommand`] preceded by its length as in [`codec::delimited`](crate::codec::delimited),
//! and gets as many [`ImportAnswer`]s back in the same order and form. The endpoint speaks Protobuf only.

use bytes::Bytes;
use prost::{Message, Oneof};
use serde::{Deserialize, Serialize};

use crate::{command, frame, id};

/// Something somebody did elsewhere, to be recorded as if it had been done here at that time.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportCommand {
    /// The user who did it.
    #[prost(string, tag = "1")]
    pub actor: String,
    /// Where it comes from, such as `irc`: 1 to 32 lower-case letters, digits, spaces and hyphens.
    #[prost(string, tag = "2")]
    pub source: String,
    /// Names it for ever within its source: the server derives the command id from these, so the same
    /// key again is executed at most once and gets the same answer, however long ago the first was.
    #[prost(string, repeated, tag = "3")]
    pub key: Vec<String>,
    /// When it happened, milliseconds since 1970 (UTC); absent for now.
    #[prost(uint64, optional, tag = "4")]
    pub happened_ms: Option<u64>,
    /// What they did.
    #[prost(oneof = "ImportRequest", tags = "10, 11, 12, 13, 14")]
    pub request: Option<ImportRequest>,
}

/// What can be imported.
#[derive(Clone, PartialEq, Oneof, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportRequest {
    /// Creates a group, owned by the actor.
    #[prost(message, tag = "10")]
    CreateGroup(command::CreateGroup),
    /// Adds members to a group.
    #[prost(message, tag = "11")]
    AddMembers(command::AddMembers),
    /// Joins a group without being asked in; does nothing for a member.
    #[prost(message, tag = "12")]
    Join(ImportJoin),
    /// Leaves a group, be it as the last owner.
    #[prost(message, tag = "13")]
    Leave(command::Leave),
    /// Posts a message.
    #[prost(message, tag = "14")]
    PostMessage(command::PostMessage),
}

/// Joins a group by oneself, which only imports can.
#[derive(Clone, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportJoin {
    /// The group.
    #[prost(bytes = "bytes", tag = "1")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
}

/// What became of an imported command: it was either accepted or refused.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportAnswer {
    /// It is durable.
    #[prost(message, optional, tag = "1")]
    pub accepted: Option<frame::Accepted>,
    /// It changed nothing. Where the error says `retry`, send it and all that follow it again.
    #[prost(message, optional, tag = "2")]
    pub error: Option<frame::Error>,
    /// The conversation it was for, also when refused: a group that exists already, made by the same
    /// key with other settings, can be written to.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(with = "id::text")]
    pub conversation: Bytes,
}

/// What a server takes: the answer to `GET /v1/import`.
#[derive(Clone, PartialEq, Eq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportLimits {
    /// Longest body, in bytes.
    #[prost(uint64, tag = "1")]
    pub body_bytes: u64,
    /// Most commands in a body.
    #[prost(uint32, tag = "2")]
    pub commands: u32,
    /// Most members a new group can have: `messages.group_members` of the server's configuration.
    #[prost(uint32, tag = "3")]
    pub group_members: u32,
    /// Where the log ends: what is accepted from now on has a higher position, and what is answered
    /// as a duplicate with a lower one was there before.
    #[prost(uint64, tag = "4")]
    pub position: u64,
}

//! Setting profiles, whoever asks: a backend over the API, or a tool that has the log open itself.
//!
//! What is wanted is checked and brought into one form ([`Wanted::check`]). What says nothing new is
//! recognised ([`plan`]), so that a job which sets everybody every night writes only what has changed.

use std::time::Duration;

use serde_json::{Map, Value};
use tidings_core::{
    content,
    domain::{Command, CommandId, UserCommand, UserId},
    log::Lane,
    node::Node,
    projections::{
        ReadError, Table,
        read::{self, ProfileSet, Text},
        rows,
    },
};
use tidings_protocol::ErrorCode;
use tidings_search::{
    attributes::Attributes,
    profile::{Profile, ProfileError},
};

use crate::translate::Failure;

/// How far ahead of this machine's clock a time may be, in milliseconds: a day, as for imports.
const AHEAD_MS: u64 = 24 * 3600 * 1000;

/// Profiles read at a time: nothing is folded meanwhile.
const CHUNK: usize = 256;

/// How long what was acknowledged before is waited for.
const CATCH_UP: Duration = Duration::from_secs(5);

/// What a user is to be found by, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who.
    pub user: UserId,
    /// All attributes, as JSON in the one form that what is the same has. `None` leaves them as they are.
    pub attributes: Option<String>,
    /// Whether people search leaves the user out. `None` leaves it as it is.
    pub hidden: Option<bool>,
    /// When that was so, milliseconds since 1970, where it is not now.
    pub at_ms: Option<u64>,
}

/// Why a profile cannot be set.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WantedError {
    /// There is nothing to set.
    #[error("neither attributes nor hidden is given")]
    Nothing,
    /// A time that has not come yet.
    #[error("at_ms is {at_ms}, it is {now_ms} now")]
    Ahead {
        /// As given.
        at_ms: u64,
        /// The time of this machine.
        now_ms: u64,
    },
    /// Attributes that do not fit what is declared.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

impl Wanted {
    /// Checks what is wanted against what is declared and the time it is.
    pub fn check(
        declared: &Attributes,
        now_ms: u64,
        user: UserId,
        attributes: Option<&Map<String, Value>>,
        hidden: Option<bool>,
        at_ms: Option<u64>,
    ) -> Result<Wanted, WantedError> {
        if attributes.is_none() && hidden.is_none() {
            return Err(WantedError::Nothing);
        }
        if let Some(at_ms) = at_ms.filter(|at_ms| *at_ms > now_ms.saturating_add(AHEAD_MS)) {
            return Err(WantedError::Ahead { at_ms, now_ms });
        }
        let attributes = match attributes {
            None => None,
            Some(attributes) => {
                let profile = Profile::from_json(declared, attributes)?;
                Some(Value::Object(profile.to_json(declared, true)).to_string())
            }
        };
        Ok(Wanted {
            user,
            attributes,
            hidden,
            at_ms,
        })
    }

    /// What to ask of the handler, given the profile there is. The attributes are not compared there, for
    /// what is kept is sealed: instead the place of those that were seen to be the same is named.
    pub(crate) fn command(&self, present: &Present) -> Command {
        Command::User(UserCommand::SetProfile {
            attributes: self.attributes.clone(),
            hidden: self.hidden,
            same_as: self.same_as(present),
        })
    }

    fn same_as(&self, present: &Present) -> Option<(u64, u32)> {
        let same = present
            .set
            .as_ref()
            .filter(|(_, text)| self.attributes.as_ref() == Some(text));
        same.map(|(set, _)| set.at)
    }

    /// Whether this changes anything.
    fn is_news(&self, present: &Present) -> bool {
        let hides = self.hidden.is_some_and(|hidden| hidden != present.hidden);
        hides || (self.attributes.is_some() && self.same_as(present).is_none())
    }
}

/// A profile as it is.
pub(crate) struct Present {
    /// With its text, where that can be read.
    pub(crate) set: Option<(ProfileSet, String)>,
    pub(crate) hidden: bool,
    erased: bool,
}

/// Profiles as they are, as far as the projections are.
pub(crate) async fn present(
    node: &Node,
    users: impl Iterator<Item = &UserId>,
) -> Result<Vec<Present>, Failure> {
    let views: Result<Vec<_>, ReadError> = {
        let rows = node.projections.read();
        users.map(|user| read::profile(&rows, user)).collect()
    };
    let mut views = views?;
    content::open_profiles(&*node.keys, &mut views).await?;
    let present = views.into_iter().map(|view| Present {
        set: view.set.and_then(
            |mut set| match std::mem::replace(&mut set.text, Text::Erased) {
                Text::Open(text) => Some((set, text)),
                Text::Sealed { .. } | Text::Retracted | Text::Erased => None,
            },
        ),
        hidden: view.hidden,
        erased: view.erased,
    });
    Ok(present.collect())
}

/// What is to be done about a profile that is wanted.
#[derive(Debug)]
pub enum Plan {
    /// Nothing: it is so already.
    Nothing,
    /// To submit this, by the user.
    Submit(Command),
    /// To refuse it.
    Refuse(Failure),
}

/// Compares profiles that are wanted with those there are: all that was acknowledged before counts, on
/// whichever node. With each comes the id that its command would have; where that was executed before, it is
/// submitted again, to be answered as it was then.
///
/// # Errors
/// Where the log cannot be asked, or this node is behind it.
pub async fn plan(node: &Node, wanted: &[(Wanted, CommandId)]) -> Result<Vec<Plan>, Failure> {
    let unavailable = |why: String| Failure::new(ErrorCode::Unavailable, why);
    let head = node.log.head(Lane::Journal).await;
    let head = head.map_err(|error| unavailable(error.to_string()))?;
    let reached = tokio::time::timeout(CATCH_UP, node.projections.reached(head.0)).await;
    reached.map_err(|_| {
        unavailable(format!(
            "the server has not come to position {head} yet: try again"
        ))
    })?;
    let mut plans = Vec::with_capacity(wanted.len());
    for wanted in wanted.chunks(CHUNK) {
        let users = wanted.iter().map(|(wanted, _)| &wanted.user);
        let present = present(node, users).await?;
        let rows = node.projections.read();
        for ((wanted, id), present) in wanted.iter().zip(present) {
            let executed = || {
                rows.get(Table::Commands, &rows::command(*id, &wanted.user))
                    .map_err(ReadError::from)
                    .map(|row| row.is_some())
            };
            plans.push(if present.erased {
                let message = format!("{} has been erased", wanted.user);
                Plan::Refuse(Failure::new(ErrorCode::Forbidden, message))
            } else if wanted.is_news(&present) || executed()? {
                Plan::Submit(wanted.command(&present))
            } else {
                Plan::Nothing
            });
        }
    }
    Ok(plans)
}

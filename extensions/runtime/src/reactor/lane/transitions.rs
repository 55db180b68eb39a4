//! People who came and went, for presence watchers.

use tidings_core::{domain::UserId, presence::record::State};
use tidings_extension_host::{CallError, Hook, HookError, input};

use super::{Lane, LaneError, telling::Told};
use crate::{reactor::Source, views::Involved};

impl Lane {
    /// Tells of those who came and went.
    pub(super) async fn transitions(&mut self) -> Result<(), LaneError> {
        let turn = self.shared.lanes.turn(&self.one.id);
        let _turn = turn.lock().await;
        let mut batched = self.batched()?;
        let mut failed = None;
        let all: Vec<UserId> = self.transitions.latest.lock().keys().cloned().collect();
        for user in all {
            let Some((now, since_ms)) = self.transitions.latest.lock().remove(&user) else {
                continue;
            };
            let before = self.transitions.were.lock().get(&user).copied();
            let before = before.unwrap_or_default();
            if before == now {
                continue;
            }
            let transition = input::Transition {
                user: user.to_string(),
                before: crate::views::presence(before),
                now: crate::views::presence(now),
                since: since_ms,
            };
            let source = Source {
                hook: Hook::PresenceWatcher,
                id: format!("{user} {now:?} {since_ms}").into_bytes(),
                at_ms: since_ms,
                by: Some(user.clone()),
                depth: 0,
                trace: None,
                history: None,
            };
            let involved = Involved {
                users: [user.clone()].into_iter().collect(),
                ..Involved::default()
            };
            let told = Told::Transition(transition);
            let called = self.invoke(&mut batched, &source, involved, 1, told).await;
            match called {
                Ok(Ok(())) => {
                    let mut were = self.transitions.were.lock();
                    match now {
                        State::Offline => drop(were.remove(&user)),
                        now => drop(were.insert(user, now)),
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(extension = %self.one.id, %user, %error, "a transition could not be dealt with");
                    if !matches!(error, CallError::Refused(HookError::Park { .. })) {
                        self.transitions.put_back(user, (now, since_ms));
                    }
                }
                Err(error) => {
                    self.transitions.put_back(user, (now, since_ms));
                    failed = Some(error);
                    break;
                }
            }
            if batched.is_full() {
                self.record(batched).await?;
                batched = self.batched()?;
            }
        }
        self.record(batched).await?;
        failed.map_or(Ok(()), Err)
    }
}

//! The chat on a screen.

mod app;
mod draft;
mod draw;
mod effects;
mod keys;
mod list;
mod message;
mod pending;
mod selected;
mod terminal;
mod thread;
mod typing;
mod wrap;

use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use tidings_protocol::ClientFrame;
use tidings_sdk::{Client, State, Update, Updates};
use tokio::{sync::mpsc, time::MissedTickBehavior};

use self::{
    app::{App, Effect, Outcome},
    effects::Effects,
    pending::Pending,
    terminal::Screen,
};
use super::target::Target;
use crate::say::say;

/// Seconds pass on the screen: retries, typing.
const TICK: Duration = Duration::from_secs(1);

/// Everything a chat on a screen needs.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) updates: Updates,
    pub(super) target: Target,
    pub(super) zone: TimeZone,
    pub(super) waiting: Vec<ClientFrame>,
    pub(super) place: String,
}

impl Session {
    /// Runs until the user ends it.
    pub(super) async fn run(self) -> anyhow::Result<bool> {
        let pending: Vec<_> = self.waiting.iter().filter_map(Pending::left).collect();
        let mut app = App::new(self.place, self.zone, pending);
        let (outcomes, mut done) = mpsc::unbounded_channel();
        let mut effects = Effects::new(self.client.clone(), outcomes);
        effects.find(self.target);

        let mut screen = Screen::take()?;
        let ended = talk(
            &mut screen,
            &mut app,
            &self.client,
            self.updates,
            &mut effects,
            &mut done,
        )
        .await;
        drop(screen);

        // What is nowhere else is not thrown away.
        for text in app.unsent() {
            say!("{}", super::text::harmless(&text));
        }
        let kept = app.kept();
        if kept > 0 {
            say!("{kept} waiting to be sent: run this again");
        }
        self.client.close().await;
        ended.map(|()| true)
    }
}

async fn talk(
    screen: &mut Screen,
    app: &mut App,
    client: &Client,
    mut updates: Updates,
    effects: &mut Effects,
    done: &mut mpsc::UnboundedReceiver<Outcome>,
) -> anyhow::Result<()> {
    let mut events = terminal::events();
    let mut terminated = terminated()?;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let look = |app: &mut App, what: &mut dyn FnMut(&mut App, &State, Instant)| {
        client.with_state(|state| what(app, state, Instant::now()));
    };
    loop {
        let mut failed = None;
        look(app, &mut |app, state, now| {
            let drawn = screen
                .terminal()
                .draw(|frame| draw::draw(frame, app, state, now));
            failed = drawn.err();
            app.drawn(state, now);
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        if effects.run(app).is_break() {
            return Ok(());
        }
        // What has come meanwhile is drawn at once.
        let mut first = true;
        loop {
            let took = tokio::select! {
                biased;
                Some(event) = events.recv() => {
                    let event = event?;
                    look(app, &mut |app, state, now| app.event(event.clone(), state, now));
                    true
                }
                Some(outcome) = done.recv() => {
                    let mut outcome = Some(outcome);
                    look(app, &mut |app, state, now| {
                        outcome.take().into_iter().for_each(|outcome| app.outcome(outcome, state, now));
                    });
                    true
                }
                update = updates.recv() => {
                    match update {
                        Some(Update::Stopped(error)) => return Err(error.into()),
                        Some(update) => look(app, &mut |app, state, now| app.update(update.clone(), state, now)),
                        None => return Ok(()),
                    }
                    true
                }
                _ = tick.tick() => {
                    app.pass(Instant::now());
                    true
                }
                () = &mut terminated => return Ok(()),
                () = std::future::ready(()), if !first => false,
            };
            if !took || app.effects.contains(&Effect::Quit) {
                break;
            }
            first = false;
        }
    }
}

/// Somebody wants this process to end. The terminal is given back then, too.
fn terminated() -> anyhow::Result<std::pin::Pin<Box<dyn Future<Output = ()>>>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        Ok(Box::pin(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        }))
    }
    #[cfg(not(unix))]
    Ok(Box::pin(std::future::pending()))
}

#[cfg(test)]
mod tests;

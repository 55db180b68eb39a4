//! What an operator is told of the connections to NATS: one line when it goes, one when it is back, and while it
//! is away one a minute at most, however often it is tried again. One that comes and goes all the time is told
//! of once a minute, too.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Event;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::clock::moment;

/// Shortest time between two lines about errors of the client's own, and between two about a loss.
const PAUSE: Duration = Duration::from_secs(60);

/// What has been said of the connections of a log, which come and go together.
#[derive(Clone, Default)]
pub(super) struct Link(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    /// Connections that are lost.
    lost: usize,
    /// When the last line of warning was written.
    last: Option<Instant>,
    /// When the last one was written that says that it goes.
    went: Option<Instant>,
    /// Whether it has been said that it is away.
    is_told: bool,
    /// Errors and losses since the last line, of which nothing was said.
    untold: u64,
}

/// How a line is written, with the number of errors that were passed over before it.
#[derive(Debug, PartialEq)]
enum Line {
    Warn(u64),
    /// It is back.
    Again(u64),
    Debug,
}

impl Link {
    /// Tells of what happens to one connection.
    pub(super) fn listener(
        &self,
    ) -> impl Fn(Event) -> std::future::Ready<()> + Send + Sync + 'static {
        let said = self.0.clone();
        let is_lost = Mutex::new(false);
        move |event| {
            let line = said.lock().line(&event, &mut is_lost.lock(), moment());
            match line {
                Line::Warn(0) => tracing::warn!(%event, "nats"),
                Line::Warn(untold) => tracing::warn!(%event, untold, "nats"),
                Line::Again(0) => tracing::info!(%event, "nats again"),
                Line::Again(untold) => tracing::info!(%event, untold, "nats again"),
                Line::Debug => tracing::debug!(%event, "nats"),
            }
            std::future::ready(())
        }
    }
}

impl Said {
    fn line(&mut self, event: &Event, is_lost: &mut bool, now: Instant) -> Line {
        match event {
            Event::Connected if std::mem::take(is_lost) => {
                self.lost -= 1;
                if self.lost == 0 && std::mem::take(&mut self.is_told) {
                    return Line::Again(std::mem::take(&mut self.untold));
                }
                Line::Debug
            }
            Event::Connected | Event::Draining | Event::Closed => Line::Debug,
            Event::Disconnected => {
                self.lost += usize::from(!std::mem::replace(is_lost, true));
                if self.lost != 1 {
                    return Line::Debug;
                }
                // Of its own: an error just before hides no loss.
                let line = self.warn(self.went, now);
                if line != Line::Debug {
                    self.went = Some(now);
                }
                line
            }
            Event::ClientError(_) => self.warn(self.last, now),
            Event::LameDuckMode | Event::SlowConsumer(_) | Event::ServerError(_) => Line::Warn(0),
        }
    }

    fn warn(&mut self, before: Option<Instant>, now: Instant) -> Line {
        if before.is_some_and(|before| now < before + PAUSE) {
            self.untold += 1;
            return Line::Debug;
        }
        self.last = Some(now);
        self.is_told |= self.lost > 0;
        Line::Warn(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use async_nats::ClientError;

    use super::*;

    fn refused() -> Event {
        Event::ClientError(ClientError::Other("connection refused".to_owned()))
    }

    #[test]
    fn an_outage_is_a_line_when_it_begins_one_a_minute_and_one_when_it_is_over() {
        let (mut said, start) = (Said::default(), moment());
        let (mut api, mut readers) = (false, false);
        assert_eq!(said.line(&Event::Connected, &mut api, start), Line::Debug);
        // Both connections go, and are tried again twice a second for ten minutes.
        let went = said.line(&Event::Disconnected, &mut api, start);
        assert_eq!(went, Line::Warn(0));
        let went = said.line(&Event::Disconnected, &mut readers, start);
        assert_eq!(went, Line::Debug);
        let mut lines = Vec::new();
        let mut errors = 0;
        for half in 1..=1_200 {
            let now = start + Duration::from_millis(500) * half;
            for is_lost in [&mut api, &mut readers] {
                errors += 1;
                match said.line(&refused(), is_lost, now) {
                    Line::Debug => {}
                    line => lines.push(line),
                }
            }
        }
        assert_eq!(lines.len(), 10, "{lines:?}");
        assert_eq!(lines[0], Line::Warn(2 * 119));
        // All of them are counted.
        let end = start + Duration::from_secs(601);
        let back = said.line(&Event::Connected, &mut api, end);
        assert_eq!(back, Line::Debug);
        let told: u64 = lines
            .iter()
            .map(|line| match line {
                Line::Warn(untold) => untold + 1,
                _ => 0,
            })
            .sum();
        let back = said.line(&Event::Connected, &mut readers, end);
        assert_eq!(back, Line::Again(errors - told));
        // The next outage is told of at once.
        let went = said.line(&Event::Disconnected, &mut readers, end);
        assert_eq!(went, Line::Warn(0));
    }

    #[test]
    fn one_that_comes_and_goes_is_told_of_once_a_minute() {
        let (mut said, start, mut lost) = (Said::default(), moment(), false);
        let mut lines = Vec::new();
        // Accepted and cut off at once, twice a second for ten minutes.
        for half in 0..1_200 {
            let now = start + Duration::from_millis(500) * half;
            for event in [Event::Disconnected, refused(), Event::Connected] {
                match said.line(&event, &mut lost, now) {
                    Line::Debug => {}
                    line => lines.push(line),
                }
            }
        }
        assert_eq!(lines.len(), 2 * 10, "{lines:?}");
        // The loss, and that it is back, one after the other: the last word is how it stands.
        for (n, line) in lines.iter().enumerate() {
            assert_eq!(matches!(line, Line::Again(_)), n % 2 == 1, "{lines:?}");
        }
        // Nothing is passed over: each loss and each error is in one line's number, or a line.
        let end = start + Duration::from_secs(600);
        let went = said.line(&Event::Disconnected, &mut lost, end);
        lines.push(went);
        let told = lines.iter().map(|line| match line {
            Line::Warn(untold) => untold + 1,
            Line::Again(untold) => *untold,
            Line::Debug => 0,
        });
        assert_eq!(told.sum::<u64>(), 2 * 1_200 + 1);
    }

    #[test]
    fn a_loss_of_which_nothing_was_said_is_told_if_it_lasts() {
        let (mut said, start, mut lost) = (Said::default(), moment(), false);
        let mut line = |event, seconds| {
            let now = start + Duration::from_secs(seconds);
            said.line(&event, &mut lost, now)
        };
        assert_eq!(line(Event::Disconnected, 0), Line::Warn(0));
        assert_eq!(line(Event::Connected, 1), Line::Again(0));
        assert_eq!(line(Event::Disconnected, 2), Line::Debug);
        assert_eq!(line(refused(), 59), Line::Debug);
        assert_eq!(line(refused(), 60), Line::Warn(2));
        assert_eq!(line(Event::Connected, 61), Line::Again(0));
    }

    #[test]
    fn an_error_without_an_outage_is_told() {
        let (mut said, start, mut lost) = (Said::default(), moment(), false);
        assert_eq!(said.line(&refused(), &mut lost, start), Line::Warn(0));
        assert_eq!(said.line(&refused(), &mut lost, start), Line::Debug);
        assert_eq!(
            said.line(&refused(), &mut lost, start + PAUSE),
            Line::Warn(1)
        );
        assert_eq!(
            said.line(&Event::SlowConsumer(1), &mut lost, start + PAUSE),
            Line::Warn(0)
        );
    }
}

//! Scores who repeats themselves and posts links. Whoever's score gets too high has their messages held for a while.
//!
//! What is posted is looked at afterwards (`reactor`), so nobody waits for it; the store remembers the scores, and a timer lets go
//! again. `moderation` only looks whether the author is muted.

wit_bindgen::generate!({
    path: "wit",
    world: "spam-score",
    generate_all,
});

use exports::tidings::extension as hooks;
use tidings::extension::context::Call;
use tidings::extension::drafts::Draft;
use tidings::extension::events::Event;
use tidings::extension::firings::Firing;
use tidings::extension::types::HookError;
use tidings::extension::{config, effects, kv_read, kv_write, metrics, timers};

struct SpamScore;

export!(SpamScore);

/// A point goes after this long.
const POINT_MS: u64 = 60_000;
/// What a link costs, and saying the same as before.
const LINK: u64 = 1;
const REPEATED: u64 = 2;

impl hooks::moderation::Guest for SpamScore {
    fn review(_call: &Call, draft: &Draft) -> Result<(), HookError> {
        if kv_read::get(&muted(&draft.author())).is_some() {
            draft.hold("you have sent much of the same: a moderator looks at it first");
        }
        Ok(())
    }
}

impl hooks::reactor::Guest for SpamScore {
    fn on_event(call: &Call, event: &Event) -> Result<(), HookError> {
        let Some(message) = event.message() else {
            return Ok(());
        };
        // Taken back or erased since.
        let Some(text) = message.text() else {
            return Ok(());
        };
        let author = message.author();
        let before = Score::read(&author);
        let this = digest(&text);
        let mut points = before.at(call.now());
        points += LINK * text.matches("http").count() as u64;
        if this == before.last {
            points += REPEATED;
        }
        Score { points, since: call.now(), last: this }.write(&author)?;
        if points >= number("threshold", 5) && kv_read::get(&muted(&author)).is_none() {
            effects::label(&message.conversation(), message.seq(), "spam").map_err(refused)?;
            mute(call, &author)?;
        }
        Ok(())
    }
}

impl hooks::timer::Guest for SpamScore {
    /// Lets go of who was muted, with a score to begin anew from.
    fn on_timer(_call: &Call, timer: &Firing) -> Result<(), HookError> {
        if let Some(user) = timer.subject() {
            kv_write::remove(&muted(&user), None).map_err(unwritten)?;
            kv_write::remove(&score(&user), None).map_err(unwritten)?;
        }
        Ok(())
    }
}

fn mute(call: &Call, user: &str) -> Result<(), HookError> {
    let until = call.now() + number("mute_minutes", 30) * 60_000;
    kv_write::set(&muted(user), b"", Some(user), None).map_err(unwritten)?;
    timers::at(&format!("unmute/{user}"), until, b"", Some(user)).map_err(refused)?;
    metrics::count("muted", 1);
    Ok(())
}

/// How somebody stood when they last wrote.
struct Score {
    points: u64,
    since: u64,
    last: u64,
}

impl Score {
    fn read(user: &str) -> Self {
        let stored = kv_read::get(&score(user)).and_then(|entry| String::from_utf8(entry.value).ok());
        let stored = stored.unwrap_or_default();
        let mut numbers = stored.split(' ').map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self { points: next(), since: next(), last: next() }
    }

    /// What is left of it by now.
    fn at(&self, now: u64) -> u64 {
        self.points.saturating_sub(now.saturating_sub(self.since) / POINT_MS)
    }

    /// About the user, so it goes when the user is erased.
    fn write(&self, user: &str) -> Result<(), HookError> {
        let value = format!("{} {} {}", self.points, self.since, self.last);
        kv_write::set(&score(user), value.as_bytes(), Some(user), None).map_err(unwritten)
    }
}

fn score(user: &str) -> String {
    format!("score/{user}")
}

fn muted(user: &str) -> String {
    format!("muted/{user}")
}

fn number(setting: &str, otherwise: u64) -> u64 {
    config::get(setting).and_then(|json| json.parse().ok()).unwrap_or(otherwise)
}

/// Tells texts apart without keeping them: FNV-1a of the words, so that spaces and capitals do not matter.
fn digest(text: &str) -> u64 {
    let words = text.split_whitespace().flat_map(|word| word.chars().flat_map(char::to_lowercase));
    words.fold(0xcbf2_9ce4_8422_2325, |hash, letter| {
        (hash ^ u64::from(letter)).wrapping_mul(0x100_0000_01b3)
    })
}

fn refused(refusal: tidings::extension::types::Refusal) -> HookError {
    HookError::Park(format!("{refusal:?}"))
}

fn unwritten(error: kv_write::WriteError) -> HookError {
    HookError::Park(format!("{error:?}"))
}

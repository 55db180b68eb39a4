//! What becomes of commands.

use std::sync::{Arc, Mutex};

use tidings_protocol::error::Remedy;
use tidings_protocol::{command, frame};

use super::*;
use crate::outbox::Memory;

fn backoff() -> Backoff {
    Backoff {
        first: Duration::from_millis(100),
        longest: Duration::from_secs(1),
    }
}

fn post(conversation: u128, text: &str) -> ClientFrame {
    let conversation = id::to_wire(Uuid::from_u128(conversation));
    let message = command::PostMessage {
        conversation,
        text: text.into(),
        ..Default::default()
    };
    ClientFrame {
        id: 0,
        command_id: id::to_wire(Uuid::now_v7()),
        request: Some(Request::PostMessage(message)),
    }
}

fn texts(frames: &[ClientFrame]) -> Vec<&str> {
    let text = |frame| match frame {
        &ClientFrame {
            request: Some(Request::PostMessage(ref message)),
            ..
        } => &*message.text,
        other => panic!("{other:?}"),
    };
    frames.iter().map(text).collect()
}

struct Fixture {
    commands: Commands,
    now: Instant,
    next_id: u64,
}

impl Fixture {
    async fn new(outbox: impl Outbox, pipeline: usize) -> Fixture {
        let commands = Commands::new(Box::new(outbox), pipeline, backoff())
            .await
            .unwrap();
        Fixture {
            commands,
            now: Instant::now(),
            next_id: 0,
        }
    }

    fn give(&mut self, frame: ClientFrame) -> oneshot::Receiver<Result<Accepted, Error>> {
        let (stored, _) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        self.commands.give(frame, stored, answer);
        self.commands.store();
        answered
    }

    fn send(&mut self) -> Vec<ClientFrame> {
        self.commands.take_due(self.now, &mut self.next_id)
    }

    fn accept(&mut self, frame: &ClientFrame, seq: u64) -> Option<Unclaimed> {
        let accepted = frame::Accepted {
            seq,
            ..Default::default()
        };
        self.commands
            .answer(frame.id, &Some(Outcome::Accepted(accepted)), self.now)
    }

    fn refuse(&mut self, frame: &ClientFrame, code: &str, retry: bool, retry_after_ms: u32) {
        let error = frame::Error {
            code: code.into(),
            message: String::new(),
            retry,
            retry_after_ms,
        };
        self.commands
            .answer(frame.id, &Some(Outcome::Error(error)), self.now);
    }
}

#[tokio::test]
async fn a_conversation_waits_for_its_own_answers_only() {
    let mut fixture = Fixture::new(Memory::default(), 1).await;
    let answers = [(1, "a1"), (1, "a2"), (2, "b1"), (1, "a3"), (2, "b2")]
        .map(|(conversation, text)| fixture.give(post(conversation, text)));
    let first = fixture.send();
    assert_eq!(texts(&first), ["a1", "b1"]);
    assert!(fixture.send().is_empty());
    fixture.accept(&first[1], 7);
    let second = fixture.send();
    assert_eq!(texts(&second), ["b2"]);
    fixture.accept(&first[0], 1);
    assert_eq!(texts(&fixture.send()), ["a2"]);
    let [_, _, b1, ..] = answers;
    assert_eq!(b1.await.unwrap().unwrap().seq, 7);
}

#[tokio::test]
async fn a_momentary_refusal_keeps_the_order() {
    let mut fixture = Fixture::new(Memory::default(), 1).await;
    let mut one = fixture.give(post(1, "a1"));
    fixture.give(post(1, "a2"));
    let first = fixture.send();
    fixture.refuse(&first[0], "rate_limited", true, 700);
    assert!(fixture.send().is_empty());
    assert_eq!(
        fixture.commands.deadline(),
        Some(fixture.now + Duration::from_millis(700))
    );
    assert!(one.try_recv().is_err());
    fixture.now += Duration::from_millis(700);
    let again = fixture.send();
    assert_eq!(texts(&again), ["a1"]);
    assert_eq!(again[0].command_id, first[0].command_id);
    fixture.accept(&again[0], 1);
    assert_eq!(texts(&fixture.send()), ["a2"]);
    assert_eq!(one.await.unwrap().unwrap().seq, 1);
}

#[tokio::test]
async fn every_error_does_what_the_catalogue_says() {
    for code in ErrorCode::ALL {
        let name = code.as_str();
        let glass = Glass::default();
        let mut fixture = Fixture::new(glass.clone(), 1).await;
        let (stored, _) = oneshot::channel();
        let (answer, mut answered) = oneshot::channel();
        fixture.commands.give(post(1, "a1"), stored, answer);
        fixture.commands.store();
        let job = fixture.commands.job().await.unwrap();
        fixture.commands.stored(job);
        let first = fixture.send();
        fixture.refuse(&first[0], name, code.retry(), 700);
        assert!(fixture.send().is_empty(), "{name}: not at once");
        fixture.now += Duration::from_millis(700);
        let again = fixture.send();
        match code.remedy() {
            Remedy::Retry => {
                assert_eq!(texts(&again), ["a1"], "{name}");
                assert_eq!(again[0].command_id, first[0].command_id, "{name}");
                assert!(answered.try_recv().is_err(), "{name}: nobody is told");
            }
            Remedy::NewToken
            | Remedy::Correct
            | Remedy::Tell
            | Remedy::Refresh
            | Remedy::Compare => {
                assert!(again.is_empty(), "{name}: never again");
                let error = answered.try_recv().unwrap().unwrap_err();
                assert_eq!(
                    (error.code(), error.retry()),
                    (Some(*code), false),
                    "{name}"
                );
                fixture.commands.store();
                let job = fixture.commands.job().await.unwrap();
                fixture.commands.stored(job);
                assert!(glass.clone().load().unwrap().is_empty(), "{name}: kept");
            }
        }
    }
}

#[tokio::test]
async fn a_rate_limit_holds_every_lane_and_other_refusals_their_own() {
    for (code, held) in [
        (ErrorCode::RateLimited, true),
        (ErrorCode::Unavailable, false),
        (ErrorCode::Internal, false),
    ] {
        let mut fixture = Fixture::new(Memory::default(), 1).await;
        fixture.give(post(1, "a1"));
        let first = fixture.send();
        fixture.refuse(&first[0], code.as_str(), true, 700);
        fixture.give(post(2, "b1"));
        assert_eq!(fixture.send().is_empty(), held, "{code:?}");
        assert_eq!(
            fixture.commands.deadline(),
            Some(fixture.now + Duration::from_millis(700))
        );
        fixture.now += Duration::from_millis(700);
        assert!(texts(&fixture.send()).contains(&"a1"), "{code:?}");
        assert_eq!(fixture.commands.deadline(), None, "{code:?}");
    }
}

#[tokio::test]
async fn a_command_at_which_the_server_keeps_failing_is_given_back() {
    let mut fixture = Fixture::new(Memory::default(), 1).await;
    let one = fixture.give(post(1, "a1"));
    fixture.give(post(1, "a2"));
    for _ in 0..INTERNAL_TRIES {
        let sent = fixture.send();
        assert_eq!(texts(&sent), ["a1"]);
        fixture.refuse(&sent[0], "internal", true, 0);
        fixture.now += Duration::from_secs(2);
    }
    assert_eq!(texts(&fixture.send()), ["a2"]);
    let error = one.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Internal));
}

#[tokio::test]
async fn a_final_refusal_lets_the_next_one_pass() {
    let mut fixture = Fixture::new(Memory::default(), 1).await;
    let one = fixture.give(post(1, "a1"));
    fixture.give(post(1, "a2"));
    let first = fixture.send();
    fixture.refuse(&first[0], "not_member", false, 0);
    assert_eq!(one.await.unwrap().unwrap_err().kind(), ErrorKind::Forbidden);
    assert_eq!(texts(&fixture.send()), ["a2"]);
}

#[tokio::test]
async fn after_an_interruption_the_unanswered_go_out_again_in_order() {
    let mut fixture = Fixture::new(Memory::default(), 3).await;
    for (conversation, text) in [(1, "a1"), (2, "b1"), (1, "a2"), (1, "a3"), (1, "a4")] {
        fixture.give(post(conversation, text));
    }
    let first = fixture.send();
    assert_eq!(texts(&first), ["a1", "b1", "a2", "a3"]);
    fixture.accept(&first[2], 2);
    assert_eq!(texts(&fixture.send()), ["a4"]);
    fixture.commands.disconnected();
    let again = fixture.send();
    assert_eq!(texts(&again), ["a1", "b1", "a3", "a4"]);
    assert_eq!(again[0].command_id, first[0].command_id);
    // The answers of the lost connection mean nothing any more.
    assert!(!fixture.commands.is_in_flight(first[0].id));
}

/// An outbox that the test can look into.
#[derive(Clone, Default)]
struct Glass(Arc<Mutex<Memory>>);

impl Outbox for Glass {
    fn load(&mut self) -> Result<Vec<ClientFrame>, OutboxError> {
        self.0.lock().unwrap().load()
    }
    fn put(&mut self, commands: &[ClientFrame]) -> Result<(), OutboxError> {
        self.0.lock().unwrap().put(commands)
    }
    fn remove(&mut self, command_ids: &[Uuid]) -> Result<(), OutboxError> {
        self.0.lock().unwrap().remove(command_ids)
    }
}

#[tokio::test]
async fn commands_are_sent_after_they_are_stored_and_kept_until_they_are_answered() {
    let glass = Glass::default();
    let mut fixture = Fixture::new(glass.clone(), 1).await;
    let (stored, is_stored) = oneshot::channel();
    let (answer, _) = oneshot::channel();
    fixture.commands.give(post(1, "a1"), stored, answer);
    fixture.commands.store();
    assert!(fixture.send().is_empty());
    let job = fixture.commands.job().await.unwrap();
    fixture.commands.stored(job);
    assert_eq!(is_stored.await.unwrap(), Ok(()));
    assert_eq!(texts(&glass.clone().load().unwrap()), ["a1"]);
    let sent = fixture.send();

    // Another run finds it and repeats it; nobody waits for it any more.
    let mut later = Fixture::new(glass.clone(), 1).await;
    let again = later.send();
    assert_eq!(again[0].command_id, sent[0].command_id);
    let unclaimed = later.accept(&again[0], 5).unwrap();
    assert_eq!(
        unclaimed.command_id,
        id::from_wire(&sent[0].command_id).unwrap()
    );
    assert_eq!(unclaimed.result.unwrap().seq, 5);
    later.commands.store();
    let job = later.commands.job().await.unwrap();
    later.commands.stored(job);
    assert!(glass.clone().load().unwrap().is_empty());
}

/// An outbox on a full disk.
struct Full;

impl Outbox for Full {
    fn load(&mut self) -> Result<Vec<ClientFrame>, OutboxError> {
        Ok(Vec::new())
    }
    fn put(&mut self, _: &[ClientFrame]) -> Result<(), OutboxError> {
        let source = std::io::ErrorKind::StorageFull.into();
        Err(OutboxError::Io {
            path: "outbox".into(),
            source,
        })
    }
    fn remove(&mut self, _: &[Uuid]) -> Result<(), OutboxError> {
        Ok(())
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_sent() {
    let mut fixture = Fixture::new(Full, 1).await;
    let (stored, is_stored) = oneshot::channel();
    let (answer, _) = oneshot::channel();
    fixture.commands.give(post(1, "a1"), stored, answer);
    fixture.commands.store();
    let job = fixture.commands.job().await.unwrap();
    fixture.commands.stored(job);
    assert_eq!(
        is_stored.await.unwrap().unwrap_err().kind(),
        ErrorKind::Storage
    );
    assert!(fixture.send().is_empty());
}

//! Bodies, read or refused as a whole.

use tidings_core::{domain::ConversationCommand, handler::ids::Ids};
use tidings_protocol::{
    command,
    import::{ImportJoin, ImportRequest},
};

use super::*;

fn join() -> ImportCommand {
    ImportCommand {
        actor: "irc:ann".to_owned(),
        source: "irc".to_owned(),
        key: vec!["#a 1".to_owned()],
        happened_ms: Some(1_000),
        request: Some(ImportRequest::Join(ImportJoin {
            conversation: Bytes::from_static(&[7; 16]),
        })),
    }
}

fn body(commands: &[ImportCommand]) -> BytesMut {
    let mut body = BytesMut::new();
    for command in commands {
        delimited::write(&command.encode_to_vec(), &mut body);
    }
    body
}

#[test]
fn a_body_is_read_as_it_was_written() {
    let commands = vec![join(), ImportCommand::default(), join()];
    assert_eq!(read(body(&commands).freeze()), Ok(commands));
    assert_eq!(read(Bytes::new()), Ok(Vec::new()));
}

#[test]
fn what_cannot_be_read_is_refused_as_a_whole_and_named() {
    let whole = body(&[join(), join()]).freeze();
    for end in 1..whole.len() {
        let cut = read(whole.slice(..end));
        // Only between the two is a cut not seen.
        assert_eq!(cut.is_err(), end != whole.len() / 2, "{end}: {cut:?}");
    }
    let mut bad = body(&[join()]);
    delimited::write(b"\x0a\xff", &mut bad);
    let error = read(bad.freeze()).unwrap_err();
    assert!(error.starts_with("command 2 is malformed"), "{error}");
    let mut long = BytesMut::new();
    delimited::write(&[], &mut long);
    let error = read(long.repeat(COMMANDS + 1).into()).unwrap_err();
    assert_eq!(error, "more than 5000 commands: send smaller batches");
    assert_eq!(
        read(long.repeat(COMMANDS).into()).map(|all| all.len()),
        Ok(COMMANDS)
    );
}

#[test]
fn a_key_gives_the_id_that_an_import_on_the_spot_gives() {
    let ids = Ids::new(&[1; 32]);
    let imported = translate::import(join(), &ids, 2_000).unwrap();
    assert_eq!(imported.id, ids.command("import irc", &[b"#a 1"]));
    assert_eq!(imported.happened_ms, Some(1_000));
    let create = ImportCommand {
        request: Some(ImportRequest::CreateGroup(command::CreateGroup::default())),
        ..join()
    };
    let created = translate::import(create, &ids, 2_000).unwrap();
    assert_eq!(created.conversation, ids.group(&created.actor, created.id));
    let leave = ImportCommand {
        request: Some(ImportRequest::Leave(command::Leave {
            conversation: Bytes::from_static(&[7; 16]),
        })),
        ..join()
    };
    let left = translate::import(leave, &ids, 2_000).unwrap().command;
    assert!(
        matches!(
            left,
            tidings_core::domain::Command::Conversation(
                _,
                ConversationCommand::Leave { force: true }
            )
        ),
        "{left:?}"
    );
}

#[test]
fn bad_commands_are_refused_with_the_reason() {
    let ids = Ids::new(&[1; 32]);
    let refused = |change: &dyn Fn(&mut ImportCommand)| {
        let mut command = join();
        change(&mut command);
        let failure = translate::import(command, &ids, 2_000).unwrap_err();
        (failure.code, failure.message)
    };
    let long = "x".repeat(33);
    for source in ["", "IRC", "irc/x", long.as_str()] {
        let (code, message) = refused(&|command| command.source = source.to_owned());
        assert_eq!(code, ErrorCode::Invalid);
        assert!(message.starts_with("source is"), "{message}");
    }
    let (code, _) = refused(&|command| command.actor.clear());
    assert_eq!(code, ErrorCode::Invalid);
    let (_, message) = refused(&|command| command.key.clear());
    assert!(message.starts_with("key is missing"), "{message}");
    let (_, message) = refused(&|command| command.happened_ms = Some(u64::MAX));
    assert!(message.contains("it is 2000 now"), "{message}");
    let (code, _) = refused(&|command| command.request = None);
    assert_eq!(code, ErrorCode::UnknownRequest);
    let (code, message) = refused(&|command| {
        command.request = Some(ImportRequest::Join(ImportJoin::default()));
    });
    assert_eq!(code, ErrorCode::Invalid);
    assert!(message.contains("conversation"), "{message}");
}

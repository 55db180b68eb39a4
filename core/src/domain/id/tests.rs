//! Ids, their ages, and the hash that recorded logs depend on.

use super::*;

#[test]
fn a_user_id_is_1_to_128_bytes_without_control_characters() {
    for text in [
        "a",
        "Ünïcode ☂",
        "with space",
        &"x".repeat(128),
        "a/b\\c\"d",
    ] {
        assert_eq!(&*UserId::new(text).expect(text), text);
    }
    assert_eq!(UserId::new(""), Err(UserIdError::Length(0)));
    assert_eq!(UserId::new(&"x".repeat(129)), Err(UserIdError::Length(129)));
    assert_eq!(UserId::new(&"é".repeat(65)), Err(UserIdError::Length(130)));
    for text in ["a\0b", "a\n", "\u{85}", "\u{7f}"] {
        assert_eq!(
            UserId::new(text),
            Err(UserIdError::Control(text.to_owned()))
        );
    }
}

/// A UUIDv7 of a time.
fn v7(ms: u64) -> CommandId {
    CommandId(uuid::Builder::from_unix_timestamp_millis(ms, &[7; 10]).into_uuid())
}

#[test]
fn a_clients_command_id_ages() {
    let now = 1_800_000_000_000;
    assert_eq!(v7(now).client_ms(), Some(now));
    assert!(!v7(now).is_too_old(now));
    assert!(!v7(now - COMMAND_MEMORY_MS).is_too_old(now));
    assert!(v7(now - COMMAND_MEMORY_MS - 1).is_too_old(now));
    assert!(v7(now + CLOCK_SKEW_MS).is_acceptable(now));
    assert!(!v7(now + CLOCK_SKEW_MS + 1).is_acceptable(now));
    assert!(v7(0).is_acceptable(now), "old is another answer");
    let end = (1 << 48) - 1;
    assert!(!v7(end).is_too_old(now) && !v7(end).is_acceptable(now));
}

#[test]
fn a_derived_command_id_does_not_age_and_no_client_uses_it() {
    let derived = CommandId(uuid::Builder::from_custom_bytes([1; 16]).into_uuid());
    let random = CommandId(uuid::Builder::from_random_bytes([1; 16]).into_uuid());
    for id in [
        derived,
        random,
        CommandId(Uuid::nil()),
        CommandId(Uuid::max()),
    ] {
        assert_eq!(id.client_ms(), None);
        assert!(!id.is_too_old(u64::MAX) && !id.is_acceptable(0));
    }
}

/// Shards are chosen by these: a recorded log is unreadable for writers once one of them changes.
#[test]
fn the_hash_of_a_stream_never_changes() {
    let conversation = |n| Stream::Conversation(ConversationId(Uuid::from_u128(n)));
    let user = |text: &str| Stream::User(UserId::new(text).expect("a user id"));
    let hashes = [
        (conversation(0), HASHES[0]),
        (conversation(1), HASHES[1]),
        (
            conversation(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210),
            HASHES[2],
        ),
        (conversation(u128::MAX), HASHES[3]),
        (user("a"), HASHES[4]),
        (user("ann"), HASHES[5]),
        (user("Ünïcode ☂"), HASHES[6]),
        (user(&"x".repeat(128)), HASHES[7]),
    ];
    for (stream, hash) in hashes {
        assert_eq!(stream.hash(), hash, "{stream:?}: {:#018x}", stream.hash());
    }
}

/// FNV-1a over the tag (1 or 2) and the bytes, high half folded into the low one; computed apart
/// from this program.
const HASHES: [u64; 8] = [
    0xff23_0907_9a3c_682b,
    0xff23_0a07_9a3c_68d8,
    0xe406_5aa5_6c7b_cff9,
    0xee46_e925_ab8a_5e39,
    0x0839_3307_bcc9_cd2b,
    0x6f8c_d98f_c71d_a1d7,
    0x695f_fc14_0bd2_efc7,
    0x5cd2_7a2a_d641_5f6f,
];

#[test]
fn streams_spread_over_shards() {
    let mut counts = [0_u32; 64];
    for n in 0..6_400_u128 {
        let id = ConversationId(Uuid::from_u128(n));
        counts[(Stream::Conversation(id).hash() % 64) as usize] += 1;
    }
    let (least, most) = (counts.iter().min().copied(), counts.iter().max().copied());
    assert!(least > Some(50) && most < Some(200), "{counts:?}");
}

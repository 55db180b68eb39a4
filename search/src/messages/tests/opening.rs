//! Opening, and going on.

use super::*;
use crate::people::PeopleIndex;

#[test]
fn it_goes_on_where_it_was() {
    let Opened { index, folder } = open();
    assert_eq!(index.position(), Position::default());
    assert!(index.is_empty());
    index.put(&message(1, 1, "lunch")).unwrap();
    index.commit(77, [5; 16]).unwrap();
    // Not committed: gone.
    index.put(&message(1, 2, "lunch")).unwrap();
    index.remove(conversation(1), 1).unwrap();
    let locked = MessageIndex::open(folder.path(), MIN_WRITER_MEMORY);
    assert!(matches!(locked, Err(OpenError::Locked)));
    drop(index);
    let index = MessageIndex::open(folder.path(), MIN_WRITER_MEMORY).unwrap();
    let position = Position {
        epoch: [5; 16],
        position: 77,
    };
    assert_eq!(index.position(), position);
    assert_eq!(index.len(), 1);
    let opened = Opened { index, folder };
    assert_eq!(opened.finds(words("lunch")), [1]);
    // What was written before opening is replaced.
    opened.put(&message(1, 1, "dinner"));
    opened.commit();
    assert!(opened.finds(words("lunch")).is_empty());
    assert_eq!(opened.finds(words("dinner")), [1]);
    assert_eq!(opened.index.len(), 1);
}

#[test]
fn what_is_no_such_index_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || MessageIndex::open(folder.path(), MIN_WRITER_MEMORY).map(drop);
    assert!(matches!(
        MessageIndex::open(folder.path(), 1_000),
        Err(OpenError::Memory(1_000))
    ));
    // An index of people.
    drop(PeopleIndex::open(folder.path(), &Default::default(), MIN_WRITER_MEMORY).unwrap());
    assert!(matches!(open(), Err(OpenError::Other)));

    // The fields are the same, and the documents are not.
    let folder = tempfile::tempdir().unwrap();
    let fields = Fields::new(Analyzer::default());
    let schema = fields.schema.clone();
    let mut other = crate::people::opening::open(
        folder.path(),
        schema,
        fields.fingerprint + 1,
        Analyzer::default(),
        MIN_WRITER_MEMORY,
    )
    .unwrap();
    crate::people::opening::commit(
        &mut other.writer,
        fields.fingerprint + 1,
        Position::default(),
    )
    .unwrap();
    drop(other);
    let open = MessageIndex::open(folder.path(), MIN_WRITER_MEMORY);
    assert!(matches!(open, Err(OpenError::Other)));

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("meta.json"), "{").unwrap();
    let open = MessageIndex::open(folder.path(), MIN_WRITER_MEMORY);
    assert!(matches!(open, Err(OpenError::Broken(_))));

    let file = tempfile::NamedTempFile::new().unwrap();
    let open = MessageIndex::open(file.path(), MIN_WRITER_MEMORY);
    assert!(matches!(open, Err(OpenError::Folder(_))));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let opened = open();
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    let user = "u".repeat(MAX_USER_BYTES + 1);
    let many = ["bob"; MAX_MEMBERS + 1];
    let put = |document: &Document<'_>| opened.index.put(document);
    assert!(matches!(
        put(&message(1, 1, &long)),
        Err(WriteError::Text(65_537))
    ));
    put(&message(1, 1, &long[1..])).unwrap();
    for author in ["", &user] {
        let refused = put(&Document {
            author,
            ..message(1, 2, "")
        });
        assert!(matches!(refused, Err(WriteError::User(_))));
        let refused = put(&Document {
            members: &["bob", author],
            ..message(1, 2, "")
        });
        assert!(matches!(refused, Err(WriteError::User(_))));
    }
    let refused = put(&Document {
        members: &many,
        ..message(1, 2, "")
    });
    assert!(matches!(refused, Err(WriteError::Members(33))));
    // A text without a word, and members twice.
    put(&Document {
        members: &many[1..],
        ..message(1, 3, "?!")
    })
    .unwrap();
    opened.commit();
    let answer = opened.ask(&MessageQuery::new(everything()), &viewer("bob"));
    assert_eq!(seqs(&answer), [3, 1]);
}

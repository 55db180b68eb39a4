//! The fields of the index, and the document made of a message.

use tantivy::schema::{BytesOptions, Field, NumericOptions, Schema};
use tantivy::{TantivyDocument, Term};

use super::Document;
use super::id::Conversation;
use crate::people::schema::{raw_terms, spread, words};
use crate::text::Analyzer;

/// Raised whenever documents are made differently, so that older indexes are made anew.
const FORMAT: u32 = 1;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) conversation: Conversation,
    pub(super) seq: u64,
}

impl Id {
    /// Messages of a conversation stand together, in their order.
    pub(super) fn bytes(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.conversation);
        bytes[16..].copy_from_slice(&self.seq.to_be_bytes());
        bytes
    }
}

/// All fields.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) schema: Schema,
    /// [`Id::bytes`], to replace and remove.
    pub(super) id: Field,
    /// The conversation, as a term and as a column.
    pub(super) conversation: Field,
    pub(super) seq: Field,
    pub(super) at: Field,
    /// The author, as a term and as a column.
    pub(super) author: Field,
    /// Everybody who is or was in the conversation, if they are few.
    pub(super) member: Field,
    pub(super) words: Field,
    pub(super) analyzer: Analyzer,
    pub(super) fingerprint: u64,
}

pub(super) const CONVERSATION: &str = "conversation";
pub(super) const SEQ: &str = "seq";
pub(super) const AT: &str = "at";
pub(super) const AUTHOR: &str = "author";

impl Fields {
    pub(super) fn new(analyzer: Analyzer) -> Fields {
        let mut schema = Schema::builder();
        let column = NumericOptions::default().set_fast();
        let id = schema.add_bytes_field("id", BytesOptions::default().set_indexed());
        let conversation = schema.add_bytes_field(
            CONVERSATION,
            BytesOptions::default().set_indexed().set_fast(),
        );
        let seq = schema.add_u64_field(SEQ, column.clone());
        let at = schema.add_i64_field(AT, column);
        let author = schema.add_text_field(AUTHOR, raw_terms().set_fast("raw"));
        let member = schema.add_text_field("member", raw_terms());
        let words = schema.add_text_field("words", words());
        let described = format!("messages, format {FORMAT}{}", analyzer.fingerprint());
        Fields {
            schema: schema.build(),
            id,
            conversation,
            seq,
            at,
            author,
            member,
            words,
            analyzer,
            fingerprint: spread(described.bytes()),
        }
    }

    /// What the index keeps of a message.
    pub(super) fn document(&self, message: &Document<'_>) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_bytes(self.id, &message.id().bytes());
        document.add_bytes(self.conversation, &message.conversation);
        document.add_u64(self.seq, message.seq);
        document.add_i64(self.at, message.at_ms);
        document.add_text(self.author, message.author);
        for member in message.members {
            document.add_text(self.member, member);
        }
        document.add_text(self.words, message.text);
        document
    }

    /// The term of one message.
    pub(super) fn id_term(&self, id: &Id) -> Term {
        Term::from_field_bytes(self.id, &id.bytes())
    }

    /// The term of a conversation.
    pub(super) fn conversation_term(&self, conversation: &Conversation) -> Term {
        Term::from_field_bytes(self.conversation, conversation)
    }
}

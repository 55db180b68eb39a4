//! `drafts`: what a moderator looks at, and its verdict.

use wasmtime::component::Resource;

use crate::bindings::tidings::extension::drafts::{Draft, DraftKind, Host, HostDraft};
use crate::bindings::tidings::extension::types;
use crate::call::text::{name, reason, sized};
use crate::call::{State, Stop, Subject};
use crate::host::Refusal;
use crate::input;
use crate::limits::LABELS;

type Told = wasmtime::Result<Result<(), types::Refusal>>;

impl State {
    fn draft(&mut self) -> wasmtime::Result<&input::Draft> {
        self.enter()?;
        self.the_draft()
    }

    fn the_draft(&self) -> wasmtime::Result<&input::Draft> {
        match &self.subject {
            Subject::Draft(draft) => Ok(draft),
            _ => Err(Stop::Handle("draft").into()),
        }
    }
}

impl From<input::DraftKind> for DraftKind {
    fn from(kind: input::DraftKind) -> Self {
        match kind {
            input::DraftKind::Message => Self::Message,
            input::DraftKind::Edit => Self::Edit,
            input::DraftKind::Name => Self::Name,
            input::DraftKind::Profile => Self::Profile,
        }
    }
}

impl Host for State {}

impl HostDraft for State {
    fn id(&mut self, _: Resource<Draft>) -> wasmtime::Result<String> {
        let id = self.draft()?.id.clone();
        self.give(id.len())?;
        Ok(id)
    }

    fn kind(&mut self, _: Resource<Draft>) -> wasmtime::Result<DraftKind> {
        Ok(self.draft()?.kind.into())
    }

    fn author(&mut self, _: Resource<Draft>) -> wasmtime::Result<String> {
        let author = self.draft()?.author.clone();
        self.give(author.len())?;
        Ok(author)
    }

    fn conversation(&mut self, _: Resource<Draft>) -> wasmtime::Result<Option<String>> {
        let place = self.draft()?.place.as_ref();
        let conversation = place.map(|place| place.conversation.clone());
        self.give(conversation.as_ref().map_or(0, String::len))?;
        Ok(conversation)
    }

    fn conversation_kind(&mut self, _: Resource<Draft>) -> wasmtime::Result<Option<String>> {
        Ok(self.draft()?.place.as_ref().map(|place| place.kind.clone()))
    }

    fn member_count(&mut self, _: Resource<Draft>) -> wasmtime::Result<u32> {
        Ok(self
            .draft()?
            .place
            .as_ref()
            .map_or(0, |place| place.members))
    }

    fn is_first_contact(&mut self, _: Resource<Draft>) -> wasmtime::Result<bool> {
        Ok(self.draft()?.first_contact)
    }

    fn text(&mut self, _: Resource<Draft>) -> wasmtime::Result<String> {
        let bytes = self.draft()?.text.len();
        self.give(bytes)?;
        Ok(self.the_draft()?.text.clone())
    }

    fn reply_to(&mut self, _: Resource<Draft>) -> wasmtime::Result<Option<u64>> {
        Ok(self.draft()?.reply_to)
    }

    fn mentions(&mut self, _: Resource<Draft>) -> wasmtime::Result<Vec<String>> {
        let mentions = self.draft()?.mentions.clone();
        self.given_all(&mentions)
    }

    fn attribute_names(&mut self, _: Resource<Draft>) -> wasmtime::Result<Vec<String>> {
        let attributes = self.draft()?.attributes.iter();
        let names: Vec<String> = attributes.map(|(name, _)| name.clone()).collect();
        self.given_all(&names)
    }

    fn attribute_texts(
        &mut self,
        _: Resource<Draft>,
        name: String,
    ) -> wasmtime::Result<Vec<String>> {
        let mut attributes = self.draft()?.attributes.iter();
        let found = attributes.find(|(has, _)| *has == name);
        let texts = found.map(|(_, texts)| texts.clone()).unwrap_or_default();
        self.given_all(&texts)
    }

    fn detail(&mut self, _: Resource<Draft>, key: String) -> wasmtime::Result<Option<String>> {
        let mut details = self.draft()?.details.iter();
        let found = details.find(|(has, _)| *has == key);
        let detail = found.map(|(_, detail)| detail.clone());
        self.give(detail.as_ref().map_or(0, String::len))?;
        Ok(detail)
    }

    fn reject(&mut self, _: Resource<Draft>, why: String) -> wasmtime::Result<()> {
        self.draft()?;
        self.said.reject.get_or_insert_with(|| reason(why));
        Ok(())
    }

    fn hold(&mut self, _: Resource<Draft>, why: String) -> wasmtime::Result<()> {
        self.draft()?;
        self.said.hold.get_or_insert_with(|| reason(why));
        Ok(())
    }

    fn replace_text(&mut self, _: Resource<Draft>, text: String) -> Told {
        let draft = self.draft()?;
        let (kind, limit) = (draft.kind, draft.text_limit);
        // Counted already.
        crate::call::state::told((|| {
            if kind == input::DraftKind::Profile {
                return Err(Refusal::invalid("a profile has no one text to replace").into());
            }
            sized("the text", &text, 1, limit)?;
            self.said.text = Some(text);
            Ok(())
        })())
    }

    fn add_label(&mut self, _: Resource<Draft>, label: String) -> Told {
        let kind = self.draft()?.kind;
        crate::call::state::told((|| {
            use input::DraftKind::{Edit, Message};
            if !matches!(kind, Message | Edit) {
                return Err(Refusal::invalid("labels are for messages and edits").into());
            }
            name("the label", &label, b"-")?;
            if self.said.labels.contains(&label) {
                return Ok(());
            }
            if self.said.labels.len() >= LABELS {
                return Err(Refusal::exhausted(format!("{LABELS} labels")).into());
            }
            self.said.labels.push(label);
            Ok(())
        })())
    }

    fn drop(&mut self, _: Resource<Draft>) -> wasmtime::Result<()> {
        Ok(())
    }
}

//! A word filter as somebody would write it. What a verdict costs is measured on it.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "moderation-extension",
});

use exports::tidings::extension::moderation::{Call, Draft, Guest, HookError};

#[global_allocator]
static ARENA: arena::Arena = arena::Arena::new();

struct Words;

export!(Words);

const REFUSED: [&str; 4] = ["casino", "crypto", "telegram", "whatsapp"];

impl Guest for Words {
    fn review(_: &Call, draft: &Draft) -> Result<(), HookError> {
        let text = draft.text().to_lowercase();
        let mut words = text.split(|letter: char| !letter.is_alphanumeric());
        if words.any(|word| REFUSED.contains(&word)) {
            draft.reject("this word is not wanted here");
        }
        Ok(())
    }
}

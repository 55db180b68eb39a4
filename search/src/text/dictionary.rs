//! The dictionary of Chinese: jieba's, which is of simplified characters above all.

use std::sync::OnceLock;

use jieba_rs::Jieba;

/// Which dictionary, and how it is used: of an index that was made with another one nothing can be asked.
/// Raised with jieba.
pub(super) const VERSION: &str = "chinese words 1, jieba-rs 0.11.0;";

/// The dictionary. It is loaded when it is first needed, which takes a moment, and stays.
pub(super) fn get() -> &'static Jieba {
    static DICTIONARY: OnceLock<Jieba> = OnceLock::new();
    DICTIONARY.get_or_init(Jieba::new)
}

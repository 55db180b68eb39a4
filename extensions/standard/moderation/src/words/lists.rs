//! The built-in lists: short and mild, as a beginning for operators, who add their own terms and leave languages out.
//!
//! They were written by hand for this project and copied from nowhere; each term was then tried against spelling
//! dictionaries of English, German, French, Spanish, Portuguese, Italian, Swedish, Polish and Turkish, and dropped or
//! given exceptions where an everyday word of any of them would have been found. `low` is what is said in anger and heard everywhere, `medium` what
//! many would not like to read, `high` what insults or solicits. Slurs against groups of people are left to operators.

mod de;
mod en;
mod es;
mod fr;
mod ja;
mod ko;
mod pl;
mod pt;
mod tr;
mod zh;

/// Terms of one language, folded.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// Which language.
    pub language: &'static str,
    /// Whether it is written in a script of East Asia, and otherwise in Latin.
    pub east_asian: bool,
    /// Terms heard everywhere.
    pub low: &'static [&'static str],
    /// Terms many would not like to read.
    pub medium: &'static [&'static str],
    /// Terms that insult or solicit.
    pub high: &'static [&'static str],
    /// What looks like one of them and is not meant.
    pub except: &'static [&'static str],
}

/// All there are.
pub const LISTS: [List; 10] = [
    de::LIST,
    en::LIST,
    es::LIST,
    fr::LIST,
    ja::LIST,
    ko::LIST,
    pl::LIST,
    pt::LIST,
    tr::LIST,
    zh::LIST,
];

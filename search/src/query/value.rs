//! Values of attributes in the query language.

use super::{Filter, How, MAX_WITHIN_M, Words, suggest};
use crate::{
    attributes::Kind,
    profile::{MAX_KEYWORD_BYTES, Value, dates},
    text,
};

/// A value as written, without quotation marks.
pub(crate) struct Item {
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

/// What is wrong with a value.
pub(crate) struct ValueError {
    pub(crate) message: String,
    /// With which part of it, in bytes, if not the whole.
    pub(crate) part: Option<(usize, usize)>,
}

impl From<String> for ValueError {
    fn from(message: String) -> ValueError {
        ValueError {
            message,
            part: None,
        }
    }
}

/// Reads a value of any kind but places.
pub(super) fn read(
    attribute: &str,
    kind: Kind,
    item: Item,
    now_ms: i64,
) -> Result<Filter, ValueError> {
    let attribute = attribute.to_owned();
    let is = |value| Filter::Is {
        attribute: attribute.clone(),
        value,
    };
    match kind {
        Kind::Text => words(attribute, item),
        Kind::Keyword => {
            keyword(&attribute, &item)?;
            Ok(is(Value::Keyword(item.text)))
        }
        Kind::Boolean => boolean(&item.text)
            .map(Value::Boolean)
            .map(is)
            .map_err(ValueError::from),
        Kind::Number => {
            let ends = ends(&item.text, |text| {
                let number = number(text).ok_or_else(|| {
                    format!(
                        "`{}` is not a number; a range is written `25..35`, `25..` or `..35`",
                        short(text)
                    )
                })?;
                Ok((number, number))
            })?;
            Ok(ends.filter(attribute, Value::Number))
        }
        Kind::Date => {
            let ends = ends(&item.text, |text| covered(text, now_ms))?;
            Ok(ends.filter(attribute, Value::Date))
        }
        Kind::GeoPoint => Err(format!("`{attribute}` is a place").into()),
    }
}

fn words(attribute: String, item: Item) -> Result<Filter, ValueError> {
    let star = item.text.find('*').filter(|_| !item.quoted);
    let (words, how) = match star {
        _ if item.quoted => (item.text, How::Phrase),
        None => (item.text, How::Words),
        Some(star) if star > 0 && star + 1 == item.text.len() => {
            (item.text[..star].to_owned(), How::Prefix)
        }
        Some(star) => {
            return Err(ValueError {
                message: "`*` stands only at the end of a word, for whatever begins so".to_owned(),
                part: Some((star, 1)),
            });
        }
    };
    let words = Words {
        words,
        how,
        attribute: Some(attribute),
    };
    if super::parse::count(&words.words, words.how) == 0 {
        return Err("there is no letter or digit here to look for"
            .to_owned()
            .into());
    }
    Ok(Filter::Text(words))
}

fn keyword(attribute: &str, item: &Item) -> Result<(), ValueError> {
    if let Some(star) = item.text.find('*').filter(|_| !item.quoted) {
        return Err(ValueError {
            message: format!(
                "`{attribute}` is a keyword, which is found whole: quote a `*` that belongs to it"
            ),
            part: Some((star, 1)),
        });
    }
    if text::fold(&item.text).is_empty() {
        return Err("the keyword is empty".to_owned().into());
    }
    if item.text.len() > MAX_KEYWORD_BYTES {
        return Err(format!("keywords have at most {MAX_KEYWORD_BYTES} bytes").into());
    }
    Ok(())
}

fn boolean(text: &str) -> Result<bool, String> {
    const WORDS: [&str; 4] = ["yes", "no", "true", "false"];
    let lower = text.to_lowercase();
    match lower.as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(match suggest::nearest(&lower, &WORDS) {
            Some(meant) => format!("`yes` or `no` has to stand here, did you mean `{meant}`?"),
            None => "`yes` or `no` has to stand here".to_owned(),
        }),
    }
}

/// The ends of a range, both in it.
pub(crate) struct Ends<V> {
    pub(crate) from: Option<V>,
    pub(crate) to: Option<V>,
    /// Whether it was written as one value that covers just that.
    single: bool,
}

impl<V: Clone> Ends<V> {
    fn filter(self, attribute: String, value: impl Fn(V) -> Value) -> Filter {
        match self.from.clone().filter(|_| self.single) {
            Some(only) => Filter::Is {
                attribute,
                value: value(only),
            },
            None => Filter::Range {
                attribute,
                from: self.from.map(&value),
                to: self.to.map(&value),
            },
        }
    }
}

/// Reads a day, month, year or moment, or a range of them, in milliseconds since 1970.
pub(crate) fn dates(text: &str, now_ms: i64) -> Result<Ends<i64>, ValueError> {
    ends(text, |text| covered(text, now_ms))
}

/// What a date covers, from and to.
pub(crate) fn covered(text: &str, now_ms: i64) -> Result<(i64, i64), String> {
    date(text, now_ms).ok_or_else(|| {
        format!(
            "`{}` is not a date: `2026`, `2026-11`, `2026-11-22`, `2026-11-22T18:30:00Z`, or `-7d`, \
             `-12h`, `-2w` for so long ago",
            short(text)
        )
    })
}

/// A value, or a range of them. `read` answers what the text covers, from and to.
fn ends<V: PartialOrd + Clone>(
    text: &str,
    read: impl Fn(&str) -> Result<(V, V), String>,
) -> Result<Ends<V>, ValueError> {
    let part = |part: &str, at: usize| {
        read(part).map_err(|message| ValueError {
            message,
            part: Some((at, part.len())),
        })
    };
    let mut single = false;
    let (from, to) = if let Some(least) = text.strip_prefix(">=") {
        (Some(part(least, 2)?.0), None)
    } else if let Some(most) = text.strip_prefix("<=") {
        (None, Some(part(most, 2)?.1))
    } else if text.starts_with(['<', '>']) {
        return Err(
            "ranges hold both their ends: write `>=`, `<=` or `from..to`"
                .to_owned()
                .into(),
        );
    } else if let Some((from, to)) = text.split_once("..") {
        let behind = text.len() - to.len();
        if from.is_empty() && to.is_empty() {
            return Err("a range needs a beginning or an end".to_owned().into());
        }
        let from = if from.is_empty() {
            None
        } else {
            Some(part(from, 0)?.0)
        };
        let to = if to.is_empty() {
            None
        } else {
            Some(part(to, behind)?.1)
        };
        (from, to)
    } else {
        let (from, to) = part(text, 0)?;
        single = from == to;
        (Some(from), Some(to))
    };
    if let (Some(from), Some(to)) = (&from, &to)
        && from > to
    {
        return Err("the range ends before it begins".to_owned().into());
    }
    Ok(Ends { from, to, single })
}

/// Whether two ends of a range are the wrong way round.
pub(super) fn descends(from: &Value, to: &Value) -> bool {
    match (from, to) {
        (Value::Number(from), Value::Number(to)) => from > to,
        (Value::Date(from), Value::Date(to)) => from > to,
        _ => false,
    }
}

/// A finite number in digits.
fn number(text: &str) -> Option<f64> {
    let digits = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-' | b'e' | b'E'));
    let number: f64 = text.parse().ok().filter(|_| digits)?;
    number.is_finite().then_some(number)
}

/// What a date covers, from and to, also one that is counted back from now.
fn date(text: &str, now_ms: i64) -> Option<(i64, i64)> {
    let Some(ago) = text.strip_prefix('-') else {
        return dates::span(text);
    };
    let unit = ago.chars().next_back()?;
    let ms: i64 = match unit {
        'h' => 3_600_000,
        'd' => 86_400_000,
        'w' => 7 * 86_400_000,
        _ => return None,
    };
    let digits = &ago[..ago.len() - 1];
    let count: i64 = digits
        .parse()
        .ok()
        .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let moment = now_ms.checked_sub(count.checked_mul(ms)?)?;
    dates::RANGE.contains(&moment).then_some((moment, moment))
}

/// Degrees up to a limit in either direction.
pub(super) fn degrees(text: &str, most: f64) -> Option<f64> {
    number(text.trim()).filter(|degrees| degrees.abs() <= most)
}

/// A distance in `m`, `km` or `mi`.
pub(super) fn metres(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let number_of = text.trim_end_matches(char::is_alphabetic);
    let unit = &text[number_of.len()..];
    let each = match unit.to_lowercase().as_str() {
        "m" => 1.0,
        "km" => 1000.0,
        "mi" => 1609.344,
        "" => return Err("the distance has a unit: `m`, `km` or `mi`, as in `30km`".to_owned()),
        _ => {
            return Err(format!(
                "`{}` is not a unit of distance here: `m`, `km` or `mi`, as in `30km`",
                short(unit)
            ));
        }
    };
    let number = number(number_of.trim())
        .ok_or_else(|| "the distance is a number and a unit, as in `30km`".to_owned())?;
    let within_m = number * each;
    if !(within_m > 0.0 && within_m <= MAX_WITHIN_M) {
        return Err("the distance is more than 0 and at most 20037 km".to_owned());
    }
    Ok(within_m)
}

pub(crate) fn short(text: &str) -> String {
    text.chars().take(32).collect()
}

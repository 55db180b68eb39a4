//! The files of an import: read twice, to be checked and to be sent.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::File,
    io::{self, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use tidings_core::domain::UserId;
use tidings_gateway::search::profiles::Wanted;
use tidings_search::attributes::Attributes;

use super::{
    csv::Records,
    lines::{Lines, Piece},
    rows::{self, Columns, Row},
};

/// Wrong lines that are printed; the rest are counted.
const PRINTED: u64 = 20;

/// A file, by what its name ends with.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    is_csv: bool,
}

impl Source {
    /// Refuses what cannot be read before anything else is done.
    pub(super) fn new(path: &Path) -> anyhow::Result<Source> {
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        let is_csv = match ending.to_str() {
            Some("csv") => true,
            Some("jsonl" | "ndjson") => false,
            _ => bail!(
                "{}: its name is to end with .jsonl (an object of JSON a line) or .csv",
                path.display()
            ),
        };
        let source = Source {
            path: path.to_owned(),
            is_csv,
        };
        let kind = source.open().and_then(|file| file.metadata());
        let kind = kind.with_context(|| format!("cannot read {}", path.display()))?;
        // It is read twice.
        if !kind.is_file() {
            bail!("{} is not a file", path.display());
        }
        Ok(source)
    }

    pub(super) fn name(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// Its lines from the beginning, with what each is to set.
    pub(super) fn wanted(&self, declared: Attributes, now_ms: u64) -> io::Result<WantedLines> {
        let reader = BufReader::with_capacity(1 << 16, self.open()?);
        let rows = match self.is_csv {
            true => Rows::Csv(Records::new(reader), None),
            false => Rows::Json(Lines::new(reader)),
        };
        Ok(WantedLines {
            rows,
            declared,
            now_ms,
        })
    }
}

enum Rows {
    Json(Lines<BufReader<File>>),
    Csv(Records<BufReader<File>>, Option<Columns>),
}

/// What the lines of a file are to set.
pub(super) struct WantedLines {
    rows: Rows,
    declared: Attributes,
    now_ms: u64,
}

impl WantedLines {
    /// The next. After one that is wrong there may be others, unless nothing can be told without it.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece<Of>>> {
        let row = match &mut self.rows {
            Rows::Json(lines) => lines
                .next()?
                .map(|(line, text)| (line, text.and_then(|text| rows::of_json(&text)))),
            Rows::Csv(records, columns) => loop {
                let Some((line, cells)) = records.next()? else {
                    break None;
                };
                match columns {
                    Some(columns) => {
                        break Some((line, cells.and_then(|cells| columns.row(cells))));
                    }
                    None => match cells.and_then(|header| Columns::of(&header, &self.declared)) {
                        Ok(found) => *columns = Some(found),
                        // What follows is not to be understood without.
                        Err(wrong) => {
                            records.end();
                            break Some((line, Err(wrong)));
                        }
                    },
                }
            },
        };
        Ok(row.map(|(line, row)| (line, row.and_then(|row| self.wanted(row)))))
    }

    fn wanted(&self, row: Row) -> Result<Of, String> {
        let Row {
            user,
            attributes,
            hidden,
            at_ms,
        } = row;
        let user = UserId::new(&user).map_err(|error| error.to_string())?;
        let attributes = attributes.as_ref();
        let of = user.clone();
        let wanted = Wanted::check(&self.declared, self.now_ms, user, attributes, hidden, at_ms);
        Ok(Of {
            user: of,
            wanted: wanted.map_err(|error| error.to_string()),
        })
    }
}

/// Whom a line is about, and what it is to set for them or why it cannot.
pub(super) struct Of {
    user: UserId,
    pub(super) wanted: Result<Wanted, String>,
}

/// What was found wrong, or refused: the first are printed.
pub(super) struct Wrong<'a> {
    count: u64,
    tell: &'a dyn Fn(String),
}

impl<'a> Wrong<'a> {
    pub(super) fn new(tell: &'a dyn Fn(String)) -> Wrong<'a> {
        Wrong { count: 0, tell }
    }

    pub(super) fn add(&mut self, source: &Source, line: u64, message: &str) {
        self.count += 1;
        if self.count <= PRINTED {
            let message = crate::chat::text::one_line(message);
            (self.tell)(format!("{}:{line}: {message}", source.name()));
        }
    }

    /// How many there were, having said that there are more than were printed.
    pub(super) fn end(self) -> u64 {
        if let Some(more @ 1..) = self.count.checked_sub(PRINTED) {
            (self.tell)(format!("and {more} more"));
        }
        self.count
    }
}

/// What a first reading has found.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Profiles, right and wrong.
    pub(super) profiles: u64,
    pub(super) wrong: u64,
}

/// Reads all files and says what is wrong with them. Of each user some 50 bytes are held, to know who is
/// there twice.
pub(super) fn check(
    sources: &[Source],
    declared: &Attributes,
    now_ms: u64,
    tell: &dyn Fn(String),
    step: &dyn Fn(),
) -> anyhow::Result<Checked> {
    let mut wrong = Wrong::new(tell);
    let mut seen: HashMap<[u8; 16], (u32, u64)> = HashMap::new();
    let mut profiles = 0;
    for (nth, source) in sources.iter().enumerate() {
        let unreadable = || format!("cannot read {}", source.name());
        let mut any = false;
        let mut lines = source
            .wanted(declared.clone(), now_ms)
            .with_context(unreadable)?;
        while let Some((line, read)) = lines.next().with_context(unreadable)? {
            any = true;
            profiles += 1;
            step();
            let Of { user, wanted } = match read {
                Ok(of) => of,
                Err(message) => {
                    wrong.add(source, line, &message);
                    continue;
                }
            };
            let mut message = wanted.err();
            // Also of a line that is wrong: it will be mended, and then there are two.
            match seen.entry(digest(&user)) {
                Entry::Vacant(new) => {
                    new.insert((nth as u32, line));
                }
                Entry::Occupied(first) => {
                    let (nth, first) = *first.get();
                    let twice = format!(
                        "{:?} is in {}:{first} already: which one is to hold?",
                        &*user,
                        sources[nth as usize].name()
                    );
                    message = Some(match message {
                        Some(message) => format!("{message}; and {twice}"),
                        None => twice,
                    });
                }
            }
            if let Some(message) = message {
                wrong.add(source, line, &message);
            }
        }
        if !any {
            wrong.add(source, 1, "there is no profile in this file");
        }
    }
    Ok(Checked {
        profiles,
        wrong: wrong.end(),
    })
}

fn digest(user: &str) -> [u8; 16] {
    let digest = ring::digest::digest(&ring::digest::SHA256, user.as_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&digest.as_ref()[..16]);
    first
}

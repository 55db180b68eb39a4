//! What `docs/search.md` says is so.

use std::{fs, path::Path};

use super::*;

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/search.md");
    fs::read_to_string(path).expect("the document is there")
}

/// The code in the first and the second column of the table below a line.
fn table<'a>(document: &'a str, above: &str) -> Vec<(&'a str, &'a str)> {
    let at = document.find(above).expect("the table is there");
    let rows = document[at..]
        .lines()
        .skip_while(|line| !line.starts_with("| `"));
    let rows = rows.take_while(|line| line.starts_with("| `"));
    let cells = rows.map(|row| {
        let mut cells = row.trim_matches('|').split(" | ").map(str::trim);
        let query = code(cells.next().expect("a query"));
        (query, cells.next().expect("a meaning"))
    });
    cells.collect()
}

/// What is between marks of code, of which there are as many on either side.
fn code(cell: &str) -> &str {
    let marks = cell.len() - cell.trim_start_matches('`').len();
    cell[marks..cell.len() - marks].trim()
}

#[test]
fn every_form_of_the_document_is_read() {
    let document = document();
    let rows = table(&document, "| Query | Finds who |");
    assert!(rows.len() > 25, "{rows:?}");
    for (query, meaning) in rows {
        let filter = good(query);
        assert_eq!(good(&filter.to_string()), filter);
        // Other ways to write it stand in the meaning.
        for code in meaning
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|code| code.contains(':'))
        {
            good(code);
        }
    }
    assert_eq!(good("age:>=25"), good("age:25.."));
    assert_eq!(good("age:<=35"), good("age:..35"));
    assert_eq!(
        good("near:52.52,13.40,30km"),
        good("location:52.52,13.40,30km")
    );
    good("\"http://example.org\"");
}

#[test]
fn every_error_of_the_document_is_told() {
    let document = document();
    let rows = table(&document, "| Query | Message |");
    assert!(rows.len() > 8, "{rows:?}");
    for (query, told) in rows {
        let error = read(query).expect_err(query);
        let told = code(told);
        assert!(
            error.message.contains(told),
            "{query}: {} / {told}",
            error.message
        );
    }
    let query = "rock ctiy:berlin";
    let drawn = read(query).expect_err("it is wrong").render(query);
    let block = document
        .split("```text\n")
        .nth(1)
        .and_then(|rest| rest.split('…').next());
    assert!(drawn.starts_with(block.expect("a drawing")), "{drawn}");
}

#[test]
fn the_filter_of_the_document_is_one() {
    let document = document();
    let block = document
        .split("```json\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let filter: Filter = serde_json::from_str(block.expect("a filter")).expect("it is read");
    assert_eq!(check_filter(&filter, &attributes(), false), Ok(()));
    assert_eq!(
        filter.to_string(),
        "about:\"rock climbing\" (city:Berlin OR location:52.52,13.4,30000m) age:25..35 -verified:no \
         has:photo"
    );
}

#[test]
fn words_compare_as_the_document_says() {
    use crate::text::{Analyzer, fold};

    let terms = |text: &str| Analyzer::default().terms(text);
    for (one, other) in [
        ("strasse", "Straße"),
        ("lodz", "Łódź"),
        ("cafe", "ＣＡＦÉ"),
        ("ё", "е"),
    ] {
        assert_eq!(fold(one), fold(other));
        assert_eq!(terms(one), terms(other));
    }
    for (one, other) in [("か", "が"), ("ü", "ue"), ("国", "國"), ("か", "カ")] {
        assert_ne!(fold(one), fold(other));
    }
    assert_eq!(terms("escalade"), terms("l'escalade"));
}

//! The checks of the fuzz targets on the seeds, and on a few thousand random changes to them. What a fuzzer has
//! found goes into `fuzz/seeds` and is tried here from then on.

use std::{fs, path::Path};

use fastrand::Rng;
use tidings_fuzz_properties::{TARGETS, Target, meter::unmeasured, mutate};

/// Tries the seeds of a target and so many changes to them, which take a second or less.
fn replay(name: &str, changes: usize) {
    let named = TARGETS.iter().find(|target| target.name == name);
    let Target { check, .. } = named.expect("the target exists");
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths: Vec<_> = fs::read_dir(fuzz.join("seeds").join(name))
        .expect("the target has seeds")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    let read = |path| fs::read(path).expect("a seed is readable");
    let seeds: Vec<Vec<u8>> = paths.iter().map(read).collect();
    for (path, seed) in paths.iter().zip(&seeds) {
        println!("{}", path.display());
        check(seed, unmeasured);
    }
    let dictionary = fuzz.join("dictionaries").join(format!("{name}.dict"));
    let words = words(&fs::read_to_string(dictionary).expect("the target has a dictionary"));
    let mut random = Rng::with_seed(7);
    for _ in 0..changes {
        let input = mutate::change(&seeds, &words, &mut random);
        println!("{:?}", String::from_utf8_lossy(&input));
        check(&input, unmeasured);
    }
}

/// The words of a dictionary of libFuzzer's: one in quotation marks a line, in which `\"`, `\\` and `\xAB` stand for
/// a byte.
fn words(dictionary: &str) -> Vec<Vec<u8>> {
    let lines = dictionary.lines().filter(|line| line.starts_with('"'));
    lines
        .map(|line| {
            let inner = line
                .strip_prefix('"')
                .and_then(|line| line.strip_suffix('"'));
            let mut rest = inner.expect("a word ends with a quotation mark").bytes();
            let mut word = Vec::new();
            while let Some(byte) = rest.next() {
                word.push(match byte {
                    b'\\' => match rest.next().expect("something is escaped") {
                        b'x' => {
                            let digits = [rest.next(), rest.next()]
                                .map(|digit| char::from(digit.expect("two digits")).to_digit(16));
                            let [high, low] = digits.map(|digit| digit.expect("two digits"));
                            (high * 16 + low) as u8
                        }
                        other => other,
                    },
                    other => other,
                });
            }
            word
        })
        .collect()
}

#[test]
fn words_are_read() {
    let text = "# why\n\"id\"\n\n\"\\x00\\xfFa\\\"\\\\\"\n";
    assert_eq!(words(text), [b"id".to_vec(), b"\0\xffa\"\\".to_vec()]);
}

#[test]
fn frames_in_json_hold() {
    replay("frame_json", 4_000);
}

#[test]
fn frames_in_protobuf_hold() {
    replay("frame_protobuf", 4_000);
}

#[test]
fn stored_events_hold() {
    replay("stored_event", 8_000);
}

#[test]
fn tokens_hold() {
    replay("token", 2_000);
}

#[test]
fn key_sets_hold() {
    replay("key_set", 2_000);
}

#[test]
fn people_queries_hold() {
    replay("people_query", 4_000);
}

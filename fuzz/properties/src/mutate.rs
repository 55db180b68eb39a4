//! Random changes to an input: far less cunning than a fuzzer's, for tests that take seconds.

use fastrand::Rng;

/// One of the seeds with a few changes.
pub fn change(seeds: &[Vec<u8>], words: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut input = pick(seeds, random);
    for _ in 0..random.usize(1..6) {
        let at = random.usize(0..=input.len());
        let end = (at + random.usize(1..16)).min(input.len());
        match random.u8(0..7) {
            0 if at < input.len() => input[at] ^= 1 << random.u8(0..8),
            1 if at < input.len() => input[at] = random.u8(..),
            2 => input.insert(at, random.u8(..)),
            3 => drop(input.drain(at..end)),
            4 => {
                let part = input[at..end].to_vec();
                insert(&mut input, at, &part);
            }
            5 => {
                let other = pick(seeds, random);
                let from = random.usize(0..=other.len());
                let to = random.usize(from..=other.len());
                insert(&mut input, at, &other[from..to]);
            }
            _ => insert(&mut input, at, &pick(words, random)),
        }
    }
    input
}

fn pick(all: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    match all.len() {
        0 => Vec::new(),
        len => all[random.usize(0..len)].clone(),
    }
}

fn insert(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    input.splice(at..at, part.iter().copied());
}

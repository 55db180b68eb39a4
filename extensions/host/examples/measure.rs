//! Prints what a verdict of a component costs, in fresh instances on either engine and in kept ones: of a word filter, or of the
//! component that is named, `measure [COMPONENT [CALLS [TEXT]]]`.

use std::time::Duration;

use tidings_extension_host::measure::{Spread, in_turns, reviewing, verdicts};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let component = match arguments.next() {
        Some(file) => std::fs::read(file)?,
        None => include_bytes!("../../guests/built/words.wasm").to_vec(),
    };
    let calls = arguments.next().map_or(Ok(20_000), |calls| calls.parse())?;
    let text = arguments.next();
    let text = text.as_deref().unwrap_or("shall we meet at eight?");
    let found = verdicts(&component, text, calls)?;
    let kept = reviewing(&component, text, true)?.kept_warm();
    let kept = in_turns(&mut [&mut || kept.once()], 1_000, calls)?[0];
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    for (name, Spread { p50, p99 }) in [
        ("tuned", found.tuned),
        ("plain", found.plain),
        ("kept", kept),
    ] {
        println!(
            "{name}: p50 {:.1} us, p99 {:.1} us",
            micros(p50),
            micros(p99)
        );
    }
    let ratio = micros(found.tuned.p50) / micros(found.plain.p50);
    println!("tuned p50 is {ratio:.2} times plain");
    Ok(())
}

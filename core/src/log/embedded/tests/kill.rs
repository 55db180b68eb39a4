//! A process that is killed while it appends.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

const DIR: &str = "TIDINGS_TEST_LOG";

/// Not a test: what the process to be killed does. It appends and says what was acknowledged.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let log = Embedded::open_or_create(Path::new(&dir), &small()).unwrap();
    for n in log.stats().records.. {
        let position = append(&log, payload(n + 1));
        println!("acknowledged {position}");
    }
}

fn payload(position: u64) -> Vec<u8> {
    vec![position as u8; (position * 997 % 9000) as usize]
}

#[test]
fn what_was_acknowledged_survives_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                concat!(module_path!(), "::child")
                    .split_once("::")
                    .unwrap()
                    .1,
            ])
            .args(["--ignored", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut seen = 0;
        let mut line = String::new();
        while seen < 20 * round {
            line.clear();
            assert_ne!(
                output.read_line(&mut line).unwrap(),
                0,
                "the child has ended by itself"
            );
            if let Some((_, position)) = line.trim().split_once("acknowledged ") {
                acknowledged = position.parse().unwrap();
                seen += 1;
            }
        }
        child.kill().unwrap();
        // What it still said before it died counts, too, but for a line cut short.
        for line in output.lines().map_while(Result::ok) {
            if let Some((_, position)) = line.split_once("acknowledged ")
                && let Ok(position) = position.parse::<u64>()
            {
                acknowledged = acknowledged.max(position);
            }
        }
        child.wait().unwrap();

        let report = verify(dir.path(), &mut |_| ()).unwrap();
        assert!(
            report.records >= acknowledged,
            "{report:?} after {acknowledged}"
        );
        assert!(
            report.records <= acknowledged + 1,
            "{report:?} after {acknowledged}"
        );
        let log = Embedded::open(dir.path(), &small()).unwrap();
        for record in read_all(&log) {
            assert!(
                record.payload == payload(record.position.0),
                "{}",
                record.position
            );
        }
    }
}

//! Fuzzing the decoders: builds the programs in `fuzz/targets` with coverage counters, and runs each for a while.
//!
//! The stable compiler has the counters, though not the sanitizers: what is found is what panics, overflows, takes
//! too long or too much memory, or breaks what `fuzz/properties` says.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, output, run as run_in_view};

/// How long each target runs, where nothing is said.
const SECONDS: u64 = 600;

/// What libFuzzer needs to see of a run. `--target` keeps them from build scripts, which do not link with it.
const FLAGS: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// A token may have 8 KiB; longer inputs find little and are slow.
const LONGEST_INPUT: &str = "-max_len=10000";

/// Seconds that one input may take.
const SLOWEST_INPUT: &str = "-timeout=5";

/// Megabytes that the process may take: what an input may is in `fuzz/properties`.
const MOST_MEMORY: &str = "-rss_limit_mb=1024";

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Wish {
    target: Option<String>,
    seconds: u64,
}

pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<ExitCode> {
    let wish = parse(arguments)?;
    let fuzz = workspace.root.join("fuzz");
    let names = names(&fuzz.join("targets/src/bin"))?;
    let chosen: Vec<String> = match wish.target {
        None => names,
        Some(name) if names.contains(&name) => vec![name],
        Some(name) => bail!("no such fuzz target: `{name}` ({})", names.join(", ")),
    };
    let programs = build(workspace, &fuzz)?;
    let mut lines = Vec::new();
    let mut found = false;
    for name in &chosen {
        println!("{name}: {} seconds", wish.seconds);
        let ran = fuzz_one(workspace, &fuzz, &programs, name, wish.seconds)?;
        if let Some(finding) = &ran.finding {
            found = true;
            println!("{finding}");
        }
        println!("{}", ran.line);
        lines.push(ran.line);
    }
    println!("\n==> summary\n{}", lines.join("\n"));
    Ok(match found {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

fn parse(arguments: &[&str]) -> Result<Wish> {
    let mut wish = Wish {
        target: None,
        seconds: SECONDS,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            "--seconds" => {
                let value = arguments.next().context("`--seconds` needs a value")?;
                let Ok(seconds @ 1..) = value.parse() else {
                    bail!("`--seconds` needs a number from 1, not `{value}`");
                };
                wish.seconds = seconds;
            }
            option if option.starts_with('-') => bail!("no such option: `{option}` (--seconds)"),
            name if wish.target.is_none() => wish.target = Some(name.to_owned()),
            name => bail!("one target or all of them, not `{name}` as well"),
        }
    }
    Ok(wish)
}

/// Every target there is, by its file.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if let Some(name) = path.file_stem() {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Builds the programs with the versions that the product is built with; the folder they are in.
fn build(workspace: &Workspace, fuzz: &Path) -> Result<PathBuf> {
    let host = host(workspace)?;
    let lock = fuzz.join("targets/Cargo.lock");
    let read = |path: &Path| fs::read_to_string(path).with_context(|| path.display().to_string());
    let merged = merge(&read(&workspace.root.join("Cargo.lock"))?, &read(&lock)?);
    fs::write(&lock, merged)?;
    let folder = workspace.target.join("fuzz");
    run_in_view(
        workspace
            .cargo()
            .args(["build", "--release", "--bins", "--target", &host])
            .arg("--manifest-path")
            .arg(fuzz.join("targets/Cargo.toml"))
            .arg("--target-dir")
            .arg(&folder)
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}")),
    )?;
    Ok(folder.join(host).join("release"))
}

fn host(workspace: &Workspace) -> Result<String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = output(workspace.command(compiler).arg("-vV"))?;
    let line = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc does not say its host")?.to_owned())
}

/// The workspace's lock file and from the targets' own what only they depend on. Cargo then drops what they do not.
fn merge(ours: &str, theirs: &str) -> String {
    const ENTRY: &str = "\n[[package]]\n";
    let name = |entry: &str| entry.lines().next().unwrap_or_default().to_owned();
    let known: Vec<String> = ours.split(ENTRY).skip(1).map(name).collect();
    let mut merged = ours.trim_end().to_owned() + "\n";
    for entry in theirs.split(ENTRY).skip(1) {
        if !known.contains(&name(entry)) {
            merged += ENTRY;
            merged += entry.trim_end();
            merged.push('\n');
        }
    }
    merged
}

/// How a target did.
struct Ran {
    line: String,
    finding: Option<String>,
}

fn fuzz_one(
    workspace: &Workspace,
    fuzz: &Path,
    programs: &Path,
    name: &str,
    seconds: u64,
) -> Result<Ran> {
    let folder = |kind: &str| -> Result<PathBuf> {
        let folder = workspace.target.join("fuzz").join(kind).join(name);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(folder)
    };
    let (corpus, findings) = (folder("corpus")?, folder("findings")?);
    let log = corpus.with_extension("log");
    let program = programs.join(name);
    let printed = File::create(&log).with_context(|| log.display().to_string())?;
    let mut command = workspace.command(&program);
    command
        .arg(&corpus)
        .arg(fuzz.join("seeds").join(name))
        .arg(format!(
            "-dict={}",
            fuzz.join(format!("dictionaries/{name}.dict")).display()
        ))
        .arg(format!("-max_total_time={seconds}"))
        .args([
            LONGEST_INPUT,
            SLOWEST_INPUT,
            MOST_MEMORY,
            "-print_final_stats=1",
        ])
        .arg(format!("-artifact_prefix={}/", findings.display()))
        // What was wrong is said before the trace, which whoever tries it again can have.
        .env("RUST_BACKTRACE", "0")
        .stdout(printed.try_clone()?)
        .stderr(printed);
    let status = command
        .status()
        .with_context(|| format!("could not start {}", program.display()))?;
    let told = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let mut line = format!("{name:>16} {}", summary(&told));
    let finding = (!status.success()).then(|| {
        line += "  FINDING";
        said(&told, &program, status.to_string())
    });
    Ok(Ran { line, finding })
}

/// Inputs tried and code reached, from what libFuzzer printed.
fn summary(told: &str) -> String {
    let stat = |name: &str| {
        let value = told.lines().find_map(|line| line.strip_prefix(name));
        value.map_or("?", str::trim).to_owned()
    };
    let progress = told.lines().rev().find(|line| line.contains(" cov: "));
    let after = |word: &str| {
        let mut words = progress.unwrap_or_default().split_whitespace();
        words.find(|found| *found == word);
        words.next().unwrap_or("?").to_owned()
    };
    format!(
        "{:>10} executions, {:>6} a second, coverage {} edges, {} features, corpus {}, {} MB at most",
        stat("stat::number_of_executed_units:"),
        stat("stat::average_exec_per_sec:"),
        after("cov:"),
        after("ft:"),
        after("corp:"),
        stat("stat::peak_rss_mb:"),
    )
}

/// What was found and how to see it again.
fn said(told: &str, program: &Path, status: String) -> String {
    // Progress is of no interest now; panics stand before libFuzzer's own report.
    let report: Vec<&str> = told
        .lines()
        .filter(|line| !line.starts_with('#') || line.contains("ERROR"))
        .filter(|line| !line.starts_with("INFO:") && !line.starts_with("stat::"))
        .collect();
    let from = report.len().saturating_sub(40);
    let input = told
        .lines()
        .find_map(|line| line.split_once("Test unit written to "))
        .map(|(_, path)| path.trim());
    let again = match input {
        Some(input) => format!("again: {} {input}", program.display()),
        None => "no input was written".to_owned(),
    };
    format!("{}\n{status}\n{again}", report[from..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood() {
        let wish = |target: Option<&str>, seconds| Wish {
            target: target.map(str::to_owned),
            seconds,
        };
        assert_eq!(parse(&[]).unwrap(), wish(None, 600));
        let asked = parse(&["token", "--seconds", "7"]).unwrap();
        assert_eq!(asked, wish(Some("token"), 7));
        for (arguments, named) in [
            (&["--seconds"][..], "`--seconds`"),
            (&["--seconds", "0"], "`0`"),
            (&["--minutes", "7"], "`--minutes`"),
            (&["token", "key_set"], "`key_set`"),
        ] {
            let error = parse(arguments).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn what_is_shared_has_the_versions_of_the_product() {
        let ours = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"2\"\n";
        let theirs = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1\"\n\n\
                      [[package]]\nname = \"b\"\nversion = \"1\"\n";
        let merged = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"2\"\n\n\
                      [[package]]\nname = \"b\"\nversion = \"1\"\n";
        assert_eq!(merge(ours, theirs), merged);
        assert_eq!(merge(ours, merged), merged);
    }

    #[test]
    fn what_libfuzzer_prints_is_summed_up() {
        let told = "#2\tINITED cov: 5 ft: 6 corp: 1/1b exec/s: 0 rss: 40Mb\n\
                    #900\tDONE   cov: 1234 ft: 5678 corp: 90/12Kb lim: 10 exec/s: 450 rss: 41Mb\n\
                    stat::number_of_executed_units: 900\n\
                    stat::average_exec_per_sec:     450\n\
                    stat::peak_rss_mb:              41\n";
        let line = summary(told);
        for part in [
            "900 executions",
            "450 a second",
            "1234 edges",
            "5678 features",
            "90/12Kb",
            "41 MB",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        let crash = "#7\tNEW    cov: 1 ft: 1\nthread panicked at a.rs:1\nSUMMARY: libFuzzer: deadly signal\n\
                     artifact_prefix='f/'; Test unit written to f/crash-1\n";
        let said = said(crash, Path::new("t/token"), "signal 6".to_owned());
        assert!(
            said.contains("a.rs:1") && said.ends_with("again: t/token f/crash-1"),
            "{said}"
        );
    }
}

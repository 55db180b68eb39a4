//! What tools print. It may go nowhere: whoever reads may stop reading, such as `head`, and a disk may be
//! full. A tool does what it was asked for all the same, and the result it ends with is that of its work;
//! that something could not be written is remembered until then.

use std::{
    fmt,
    io::{self, Write as _},
    ops::ControlFlow,
};

use parking_lot::Mutex;

/// Why a line could not be written. What comes after it is not written either.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line.
macro_rules! say {
    ($($what:tt)*) => {
        $crate::say::line(format_args!($($what)*))
    };
}

pub(crate) use say;

/// Prints a line.
pub(crate) fn line(line: fmt::Arguments<'_>) {
    write(format_args!("{line}\n"));
}

/// Prints the question that an answer is read to. False where nobody sees it.
pub(crate) fn question(text: &str) -> bool {
    write(format_args!("{text}"));
    go_on().is_continue()
}

/// For tools that do nothing but print: nothing is left to do where that goes nowhere.
pub(crate) fn go_on() -> ControlFlow<()> {
    match *FAILED.lock() {
        None => ControlFlow::Continue(()),
        Some(_) => ControlFlow::Break(()),
    }
}

/// What could not be printed, at the end. That nobody wanted to read it is no error.
pub(crate) fn unsaid() -> io::Result<()> {
    match FAILED.lock().take() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn write(text: fmt::Arguments<'_>) {
    let mut failed = FAILED.lock();
    if failed.is_none() {
        let mut out = io::stdout().lock();
        *failed = out.write_fmt(text).and_then(|()| out.flush()).err();
    }
}

//! What tools print. Whoever reads may stop reading, such as `head`: then there is nothing left to do.

use std::{
    fmt,
    io::{self, Write as _},
};

/// Prints a line.
macro_rules! say {
    ($($what:tt)*) => {
        $crate::say::line(format_args!($($what)*))
    };
}

pub(crate) use say;

/// Prints a line, or ends the program where nobody reads it.
pub(crate) fn line(line: fmt::Arguments<'_>) {
    if writeln!(io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

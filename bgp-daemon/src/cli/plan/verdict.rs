//! The exit code of a comparison.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::outlook::Exceeded;

/// Exit code if anything would change.
const DIFFERENT: u8 = 2;
/// Exit code if a limit is exceeded.
pub(in crate::cli) const TOO_MUCH: u8 = 3;

/// The exit code of a comparison.
pub(super) fn verdict(is_different: bool, exceeded: &[Exceeded]) -> ExitCode {
    match (is_different, exceeded) {
        (_, [_, ..]) => ExitCode::from(TOO_MUCH),
        (true, []) => ExitCode::from(DIFFERENT),
        (false, []) => ExitCode::SUCCESS,
    }
}

/// Prints the exceeded limits on standard error.
pub(in crate::cli) fn complain(exceeded: &[Exceeded]) -> io::Result<()> {
    for limit in exceeded {
        writeln!(io::stderr(), "too much: {limit}")?;
    }
    Ok(())
}

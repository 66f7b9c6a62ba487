//! What a comparison ends with.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::outlook::Exceeded;

/// Exit code where something would change.
const DIFFERENT: u8 = 2;
/// Exit code where that is too much.
pub(in crate::cli) const TOO_MUCH: u8 = 3;

/// The exit code of a comparison.
pub(super) fn verdict(is_different: bool, exceeded: &[Exceeded]) -> ExitCode {
    match (is_different, exceeded) {
        (_, [_, ..]) => ExitCode::from(TOO_MUCH),
        (true, []) => ExitCode::from(DIFFERENT),
        (false, []) => ExitCode::SUCCESS,
    }
}

/// Says on standard error which limits a change is beyond.
pub(in crate::cli) fn complain(exceeded: &[Exceeded]) -> io::Result<()> {
    for limit in exceeded {
        writeln!(io::stderr(), "too much: {limit}")?;
    }
    Ok(())
}

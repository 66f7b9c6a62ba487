//! `man-pages`: a page of the manual for each command. Hidden: packages are made with it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};

/// Arguments of `man-pages`.
#[derive(Clone, Debug, Args)]
pub struct ManPagesArgs {
    /// Existing folder for the pages
    folder: PathBuf,
}

/// Runs `man-pages` for the commands of `program`.
///
/// # Errors
///
/// A page cannot be written.
pub fn execute(args: &ManPagesArgs, program: Command) -> anyhow::Result<ExitCode> {
    let folder = &args.folder;
    clap_mangen::generate_to(program, folder)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

//! `completion`: the completion of this program's commands for a shell.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

/// Arguments of `completion`.
#[derive(Clone, Debug, Args)]
pub struct CompletionArgs {
    /// Whose completion
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs `completion` for the commands of `program`.
///
/// # Errors
///
/// The output cannot be written.
pub fn execute(
    args: &CompletionArgs,
    mut program: Command,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let name = program.get_name().to_owned();
    // Panics if its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    out.write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

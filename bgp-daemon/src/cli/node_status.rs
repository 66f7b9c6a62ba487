//! `node status`: the table that `calicoctl node status` prints, or one JSON document.
//!
//! Reads the control sockets like any other client; knows nothing of the daemon but what they say. Everything that is read
//! from the machine comes in through [`Surroundings`], everything printed goes to one writer, so tests see all of it.

mod json;
mod probe;
mod table;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use self::probe::Node;
pub use self::probe::{RunningRule, Surroundings};
use super::run_dir::RunDirArgs;

/// Arguments of `node status`.
#[derive(Clone, Debug, Args)]
pub struct NodeStatusArgs {
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    run_dir: RunDirArgs,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// As calicoctl prints it
    #[default]
    Table,
    /// One document with all details and problems
    Json,
}

/// Runs `bgp-daemon node status`.
///
/// # Errors
///
/// What calicoctl would print on standard error.
pub fn execute(args: &NodeStatusArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let surroundings =
        Surroundings::of_this_machine(&args.run_dir.run_dir, RunningRule::ProcessOrSocket)?;
    print(&surroundings, args.output, out)
}

/// Prints the status found in `surroundings`.
///
/// # Errors
///
/// Nothing runs, or a daemon does not answer as one should.
pub fn print(
    surroundings: &Surroundings,
    output: Output,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let node = Node::probe(surroundings);
    match output {
        Output::Table => table::print(node, out)?,
        Output::Json => json::print(node, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

//! `node status`: the table of `calicoctl node status`, or one JSON document.
//!
//! Reads the control sockets like any other client, and knows nothing else of the daemon. All inputs from the machine come
//! through [`Surroundings`], and all output goes to one writer, so tests control both.

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
/// The message that calicoctl prints on standard error.
pub fn execute(args: &NodeStatusArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let surroundings =
        Surroundings::of_this_machine(&args.run_dir.run_dir, RunningRule::ProcessOrSocket)?;
    print(&surroundings, args.output, out)
}

/// Prints the status found in `surroundings`.
///
/// # Errors
///
/// Nothing runs, or a daemon gives no proper answer.
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

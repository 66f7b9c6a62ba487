//! The binary under the name `calicoctl`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::node_status::{self, Output, RunningRule, Surroundings};
use super::resource::args::{CompatibilityArgs, DatastoreArgs, LogLevelArgs};
use super::run_dir::RunDirArgs;
use super::{apply, create, delete, get, patch, replace, validate};
use crate::control::VERSION;

/// Arguments of `calicoctl`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "calicoctl",
    version = VERSION,
    about = "Shows and changes Calico resources"
)]
pub struct CalicoctlArgs {
    #[command(flatten)]
    compatibility: CompatibilityArgs,
    #[command(flatten)]
    log_level: LogLevelArgs,
    #[command(flatten)]
    datastore: DatastoreArgs,
    /// What to do.
    #[command(subcommand)]
    command: CalicoctlCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum CalicoctlCommand {
    /// Adds resources that do not exist
    Create(create::CreateArgs),
    /// Adds resources, or puts them in the place of those of the same names
    Apply(apply::ApplyArgs),
    /// Puts resources in the place of those of the same names
    Replace(replace::ReplaceArgs),
    /// Removes resources
    Delete(delete::DeleteArgs),
    /// Prints resources
    Get(get::GetArgs),
    /// Changes some fields of a resource
    Patch(patch::PatchArgs),
    /// Says whether resources could be written
    Validate(validate::ValidateArgs),
    /// Commands about this node
    #[command(subcommand)]
    Node(CalicoctlNodeCommand),
    /// Prints the version of this program
    Version,
}

#[derive(Clone, Debug, Subcommand)]
enum CalicoctlNodeCommand {
    /// Shows whether calico/node runs here, and its BGP sessions
    Status(StatusArgs),
}

#[derive(Clone, Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    run_dir: RunDirArgs,
}

/// Runs `calicoctl`.
///
/// # Errors
///
/// The message for standard error.
pub fn execute(args: &CalicoctlArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    args.log_level.check()?;
    let datastore = args.datastore.datastore.clone();
    match &args.command {
        CalicoctlCommand::Create(args) => create::execute(args, datastore, out),
        CalicoctlCommand::Apply(args) => apply::execute(args, datastore, out),
        CalicoctlCommand::Replace(args) => replace::execute(args, datastore, out),
        CalicoctlCommand::Delete(args) => delete::execute(args, datastore, out),
        CalicoctlCommand::Get(args) => get::execute(args, datastore, out),
        CalicoctlCommand::Patch(args) => patch::execute(args, datastore, out),
        CalicoctlCommand::Validate(args) => validate::execute(args, out),
        CalicoctlCommand::Node(CalicoctlNodeCommand::Status(args)) => status(args, out),
        CalicoctlCommand::Version => {
            writeln!(out, "Client Version:    {VERSION}")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn status(args: &StatusArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if effective_uid()? != 0 {
        writeln!(out, "Need super user privileges: Operation not permitted")?;
        return Ok(ExitCode::FAILURE);
    }
    let surroundings = Surroundings::of_this_machine(&args.run_dir.run_dir, RunningRule::Process)?;
    node_status::print(&surroundings, Output::Table, out)
}

/// From `/proc`, where the second number of the line `Uid:` is the effective one.
fn effective_uid() -> io::Result<u32> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|numbers| numbers.split_whitespace().nth(1)?.parse().ok())
        .ok_or_else(|| io::Error::other("/proc/self/status has no effective user ID"))
}

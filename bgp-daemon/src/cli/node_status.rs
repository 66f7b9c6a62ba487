//! `node status`: the table that `calicoctl node status` prints, or one JSON document.
//!
//! Reads the control sockets like any other client; knows nothing of the daemon but what they say. Everything that is read
//! from the machine comes in through [`Surroundings`], everything printed goes to one writer, so tests see all of it.

mod json;
mod table;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use bgp_core::types::Family;
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::processes::Processes;
use super::run_dir::RunDirArgs;
use crate::control::client::{self, ClientError, Connection, DialError};

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

/// What the command reads from the machine.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Holds the control sockets.
    pub run_dir: PathBuf,
    /// The processes.
    pub processes: Processes,
    /// When a part of calico/node counts as running.
    pub rule: RunningRule,
}

/// When a part of calico/node counts as running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunningRule {
    /// Its process is found: what calicoctl does.
    Process,
    /// Its process is found, or its socket can be dialled.
    ProcessOrSocket,
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

impl Surroundings {
    /// Those of this machine.
    ///
    /// # Errors
    ///
    /// The processes cannot be listed.
    pub fn of_this_machine(run_dir: &Path, rule: RunningRule) -> anyhow::Result<Self> {
        Ok(Self {
            run_dir: run_dir.to_owned(),
            processes: Processes::scan(Path::new("/proc")).context("cannot list processes")?,
            rule,
        })
    }
}

/// What was found out about the node before anything is asked.
#[derive(Debug)]
struct Node {
    /// Felix, or something that stands for it.
    running: Running,
    daemons: [Daemon; 2],
}

/// Whether something runs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Running {
    Yes,
    No,
    /// This user cannot tell, for this reason.
    Uncertain(String),
}

impl Running {
    /// `null` when this user cannot tell.
    fn to_json(&self) -> Value {
        match self {
            Self::Yes => true.into(),
            Self::No => false.into(),
            Self::Uncertain(_) => Value::Null,
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        match self {
            Self::Yes => Ok(()),
            Self::No => bail!("Calico process is not running."),
            Self::Uncertain(why) => bail!("cannot tell whether Calico is running: {why}"),
        }
    }
}

/// The daemon of one family.
#[derive(Debug)]
struct Daemon {
    family: Family,
    running: Running,
    connection: Result<Connection, DialError>,
}

impl Node {
    /// Dials each socket once, and keeps the connection for the questions that follow.
    fn probe(surroundings: &Surroundings) -> Self {
        let daemons = Family::ALL.map(|family| Daemon::probe(surroundings, family));
        let running = if surroundings.processes.felix() {
            Running::Yes
        } else {
            let dialled = daemons.iter().any(|daemon| daemon.connection.is_ok());
            let uncertain = daemons.iter().find_map(Daemon::uncertain);
            surroundings.rule.judge(dialled, uncertain)
        };
        Self { running, daemons }
    }
}

impl Daemon {
    fn probe(surroundings: &Surroundings, family: Family) -> Self {
        let paths = client::candidates(&surroundings.run_dir, family);
        let connection = Connection::dial(&paths, client::LINE_DEADLINE);
        let mut daemon = Self {
            family,
            running: Running::Yes,
            connection,
        };
        let names = [process_name(family)];
        if !surroundings.processes.any_position_equals(&names) {
            let dialled = daemon.connection.is_ok();
            daemon.running = surroundings.rule.judge(dialled, daemon.uncertain());
        }
        daemon
    }

    fn uncertain(&self) -> Option<String> {
        let error = self.connection.as_ref().err()?;
        error.uncertain().map(|why| why.to_string())
    }
}

impl RunningRule {
    /// Of something that is not among the processes.
    fn judge(self, dialled: bool, uncertain: Option<String>) -> Running {
        match (self, uncertain) {
            (Self::Process, _) => Running::No,
            (Self::ProcessOrSocket, _) if dialled => Running::Yes,
            (Self::ProcessOrSocket, Some(why)) => Running::Uncertain(why),
            (Self::ProcessOrSocket, None) => Running::No,
        }
    }
}

const fn process_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4Unicast => "bird",
        Family::Ipv6Unicast => "bird6",
    }
}

/// The number that calicoctl calls a family by.
const fn ip_version(family: Family) -> u8 {
    match family {
        Family::Ipv4Unicast => 4,
        Family::Ipv6Unicast => 6,
    }
}

fn command_error(error: ClientError) -> anyhow::Error {
    anyhow::anyhow!("error executing command: {error}")
}

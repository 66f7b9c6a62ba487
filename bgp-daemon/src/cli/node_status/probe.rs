//! What is found out about the node before anything is asked: its processes, and which sockets can be dialled.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bgp_core::types::Family;
use serde_json::Value;

use crate::cli::processes::Processes;
use crate::control::client::{self, ClientError, Connection, DialError};

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
pub(super) struct Node {
    /// Felix, or what counts as Felix by the [`RunningRule`].
    pub(super) running: Running,
    pub(super) daemons: [Daemon; 2],
}

/// Whether something runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Running {
    Yes,
    No,
    /// This user cannot tell, for this reason.
    Uncertain(String),
}

impl Running {
    /// `null` when this user cannot tell.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Yes => true.into(),
            Self::No => false.into(),
            Self::Uncertain(_) => Value::Null,
        }
    }

    /// Fails in calicoctl's words.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match self {
            Self::Yes => Ok(()),
            Self::No => bail!("Calico process is not running."),
            Self::Uncertain(why) => bail!("cannot tell whether Calico is running: {why}"),
        }
    }
}

/// The daemon of one family.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) family: Family,
    pub(super) running: Running,
    pub(super) connection: Result<Connection, DialError>,
}

impl Node {
    /// Dials each socket once, and keeps the connection for the questions that follow.
    pub(super) fn probe(surroundings: &Surroundings) -> Self {
        let daemons = Family::ALL.map(|family| Daemon::probe(surroundings, family));
        let running = if surroundings.processes.felix() {
            Running::Yes
        } else {
            let dialled = daemons.iter().any(|daemon| daemon.connection.is_ok());
            let uncertain = daemons.iter().find_map(Daemon::uncertain);
            surroundings.rule.decide(dialled, uncertain)
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
            daemon.running = surroundings.rule.decide(dialled, daemon.uncertain());
        }
        daemon
    }

    fn uncertain(&self) -> Option<String> {
        let error = self.connection.as_ref().err()?;
        error.uncertain().map(|why| why.to_string())
    }
}

impl RunningRule {
    /// Whether something that is not among the processes runs.
    fn decide(self, dialled: bool, uncertain: Option<String>) -> Running {
        match (self, uncertain) {
            (Self::Process, _) => Running::No,
            (Self::ProcessOrSocket, _) if dialled => Running::Yes,
            (Self::ProcessOrSocket, Some(why)) => Running::Uncertain(why),
            (Self::ProcessOrSocket, None) => Running::No,
        }
    }
}

pub(super) const fn process_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4Unicast => "bird",
        Family::Ipv6Unicast => "bird6",
    }
}

/// The number that calicoctl calls a family by.
pub(super) const fn ip_version(family: Family) -> u8 {
    match family {
        Family::Ipv4Unicast => 4,
        Family::Ipv6Unicast => 6,
    }
}

pub(super) fn command_error(error: ClientError) -> anyhow::Error {
    anyhow::anyhow!("error executing command: {error}")
}

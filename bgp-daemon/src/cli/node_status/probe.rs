//! Facts about the node that are gathered before any question: its processes, and which sockets accept connections.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bgp_core::types::Family;
use serde_json::Value;

use crate::cli::processes::Processes;
use crate::control::client::{self, ClientError, ControlConnection, DialError};

/// The command's inputs from the machine.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Directory of the control sockets.
    pub run_dir: PathBuf,
    /// The processes.
    pub processes: Processes,
    /// When a part of calico/node counts as running.
    pub rule: RunningRule,
}

/// When a part of calico/node counts as running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunningRule {
    /// Its process exists: the rule of calicoctl.
    Process,
    /// Its process exists, or its socket accepts connections.
    ProcessOrSocket,
}

impl Surroundings {
    /// The inputs from this machine.
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

/// Facts about the node, gathered before any question.
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
    /// Unknown, because this user lacks permission.
    Uncertain(String),
}

impl Running {
    /// `null` if unknown.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Yes => true.into(),
            Self::No => false.into(),
            Self::Uncertain(_) => Value::Null,
        }
    }

    /// Fails with the message of calicoctl.
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
    pub(super) connection: Result<ControlConnection, DialError>,
}

impl Node {
    /// Connects to each socket once, and keeps the connection for the following questions.
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
        let connection = ControlConnection::dial(&paths, client::LINE_DEADLINE);
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
    /// Whether a part without a process runs.
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

/// The number of a family in calicoctl.
pub(super) const fn ip_version(family: Family) -> u8 {
    match family {
        Family::Ipv4Unicast => 4,
        Family::Ipv6Unicast => 6,
    }
}

pub(super) fn command_error(error: ClientError) -> anyhow::Error {
    anyhow::anyhow!("error executing command: {error}")
}

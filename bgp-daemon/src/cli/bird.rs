//! The binary under the names `bird`, `bird6` and `confd`, as started by calico/node's service scripts.
//!
//! One process, called `bird`, serves both families. Readers also look for a process called `bird6`: under that name the binary
//! only waits for its end. BIRD's configuration comes from the datastore instead of a file, so a file argument is accepted and
//! not read. The liveness probe expects a running service `confd`: under that name the binary waits as well.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use bgp_core::types::Family;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use super::run::{self, RunArgs};
use crate::control::VERSION;
use crate::datastore::DatastoreSpec;
use crate::log::{self, LogArgs};
use crate::privileges;

/// Arguments of `bird` and `bird6`.
#[derive(Clone, Debug, Parser)]
#[command(name = "bird", version = VERSION, about = "Speaks BGP for this node")]
pub struct BirdArgs {
    /// Peers still hold our routes from before: graceful restart recovery
    #[arg(short = 'R')]
    recover: bool,
    /// Control socket; bird6.ctl, for the other family, lies beside it
    #[arg(short, value_name = "SOCKET")]
    socket: Option<PathBuf>,
    /// Stays in the foreground, as it always does
    #[arg(short)]
    debug: bool,
    /// Accepted and not read
    #[arg(short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only checks the configuration file, of which nothing is read
    #[arg(short)]
    parse_only: bool,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    run: RunArgs,
    /// Where resources come from
    #[arg(long, env = "BGP_DAEMON_DATASTORE", value_name = "SPEC")]
    datastore: Option<DatastoreSpec>,
}

/// Runs `bird` or, for IPv6, `bird6`.
///
/// # Errors
///
/// Why it cannot start, or why it ended.
pub fn execute(mut args: BirdArgs, family: Family) -> anyhow::Result<ExitCode> {
    if args.parse_only {
        return Ok(ExitCode::SUCCESS);
    }
    match family {
        Family::Ipv4Unicast => {
            args.run.recover = args.recover;
            if let Some(socket) = &args.socket {
                args.run.run_dir.run_dir = directory_of(socket)?;
                args.run.socket = Some(socket.clone());
            }
            let datastore = DatastoreSpec::or_of_environment(args.datastore)?;
            run::execute(args.run, datastore, &args.log)
        }
        Family::Ipv6Unicast => stand_by("bird6", &args.log),
    }
}

/// Arguments of `confd`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "confd",
    version,
    about = "Does nothing: bird reads the datastore itself"
)]
pub struct ConfdArgs {
    #[command(flatten)]
    log: LogArgs,
}

/// Runs `confd`.
///
/// # Errors
///
/// Why it cannot start.
pub fn stand_in(args: &ConfdArgs) -> anyhow::Result<ExitCode> {
    stand_by("confd", &args.log)
}

fn directory_of(socket: &std::path::Path) -> anyhow::Result<PathBuf> {
    let absolute = std::path::absolute(socket)?;
    let directory = absolute.parent().context("a socket is in a directory")?;
    Ok(directory.to_owned())
}

/// Waits for the signals that end a daemon. Other signals that BIRD handles have no effect.
fn stand_by(name: &str, log: &LogArgs) -> anyhow::Result<ExitCode> {
    privileges::confine_bystander().context("cannot give up privileges")?;
    let _log = log::init(log)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut reconfigure = signal(SignalKind::hangup())?;
        let mut dump = signal(SignalKind::user_defined1())?;
        tracing::info!("bird does all the work; this process only has the name {name}");
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
                _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
                _ = reconfigure.recv() => {}
                _ = dump.recv() => {}
            }
        }
    })
}

//! `run`: the speaker itself.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use bgp_core::types::Family;
use clap::Args;
use clap::builder::FalseyValueParser;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use super::dump::dump;
use super::node_name::NodeArgs;
use super::run_dir::RunDirArgs;
use crate::agent::node_status::{self, StoreSink};
use crate::agent::{self, AgentConfig};
use crate::control::client;
use crate::control::server::{Request, Server};
use crate::datastore::{self, DatastoreSpec, Interest, Settings};
use crate::log::LogLevel;
use crate::plan::Environment;

/// Arguments of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Which node this is.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Where the control sockets are.
    #[command(flatten)]
    pub run_dir: RunDirArgs,
    /// The control socket for IPv4, if it is elsewhere; set by `bird -s`.
    #[arg(skip)]
    pub socket: Option<PathBuf>,
    /// Leaves the kernel's routes and interfaces alone
    #[arg(long, env = "BGP_DAEMON_NO_KERNEL", value_parser = FalseyValueParser::new())]
    pub no_kernel: bool,
    /// TCP port to listen on, instead of the one that the resources say
    #[arg(long, env = "BGP_DAEMON_LISTEN_PORT", value_name = "PORT")]
    pub listen_port: Option<u16>,
    /// Whether this is a restart after which peers still hold our routes (RFC 4724); set by `bird -R`.
    #[arg(skip = true)]
    pub recover: bool,
}

/// Questions on the control sockets that wait for the speaker; beyond it, clients wait.
const REQUESTS: usize = 64;

/// Runs the speaker until it is told to end.
///
/// # Errors
///
/// Why it cannot start, or why it ended.
pub fn execute(args: RunArgs, datastore: DatastoreSpec, log: LogLevel) -> anyhow::Result<ExitCode> {
    let node = args.node.name(|name| std::env::var(name).ok())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(run(node, args, datastore, log));
    // What hangs on a file system is not waited for.
    runtime.shutdown_background();
    done?;
    Ok(ExitCode::SUCCESS)
}

async fn run(
    node: String,
    args: RunArgs,
    datastore: DatastoreSpec,
    log: LogLevel,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    // First of all: a signal that nobody waits for ends the process.
    let mut signals = Signals::new()?;
    let settings = Settings::from_env();
    let environment = Environment::from_env();
    let followed = datastore::watch(&datastore, interest(&node, &environment), &settings);
    let snapshots = tokio::select! {
        snapshots = followed => snapshots?,
        // A server may be away for long.
        () = end(&mut signals.terminate, &mut signals.interrupt) => return Ok(()),
    };
    let (requests, inbox) = mpsc::channel(REQUESTS);
    // The sockets serve for as long as the sessions are being ended.
    let (servers, ended) = (TaskTracker::new(), CancellationToken::new());
    for family in Family::ALL {
        let usual = || args.run_dir.run_dir.join(client::socket_name(family));
        let path = match (&args.socket, family) {
            (Some(socket), Family::Ipv4Unicast) => socket.clone(),
            _ => usual(),
        };
        let server = Server::bind(&path, family, requests.clone())?;
        servers.spawn(server.run(ended.clone()));
    }
    let sink = StoreSink::new(datastore, settings);
    tokio::spawn(node_status::report(
        node.clone(),
        snapshots.clone(),
        requests.clone(),
        sink,
        stop.clone(),
    ));
    tokio::spawn(obey_signals(signals, requests, stop.clone()));
    let config = AgentConfig {
        environment,
        listen_port: args.listen_port,
        kernel: !args.no_kernel,
        recover: args.recover,
        node,
        log,
    };
    info!(node = config.node, "starting");
    let done = agent::run(config, snapshots, inbox, stop.clone()).await;
    stop.cancel();
    ended.cancel();
    servers.close();
    servers.wait().await;
    Ok(done?)
}

/// What the speaker of a node wants of a datastore.
pub(super) fn interest(node: &str, environment: &Environment) -> Interest {
    Interest {
        node: node.to_owned(),
        namespace: environment.namespace.clone(),
        use_pod_cidr: environment.use_pod_cidr,
        services: environment.advertise_cluster_ips.is_some(),
    }
}

/// The signals that a service gets.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    dump: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            dump: signal(SignalKind::user_defined1())?,
        })
    }
}

/// Waits for a signal that ends the speaker.
async fn end(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// SIGTERM and SIGINT end the speaker. SIGHUP means "read your configuration again" to BIRD; the datastore is followed anyway.
/// SIGUSR1 writes what the speaker does into the log.
async fn obey_signals(
    mut signals: Signals,
    requests: mpsc::Sender<Request>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = end(&mut signals.terminate, &mut signals.interrupt) => break,
            _ = signals.hang_up.recv() => info!("SIGHUP: the datastore is followed as it changes, nothing to do"),
            _ = signals.dump.recv() => dump(&requests).await,
        }
    }
    stop.cancel();
}

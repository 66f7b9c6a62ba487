//! `run`: runs the speaker.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use bgp_core::types::Family;
use clap::Args;
use clap::builder::FalseyValueParser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::cluster::ClusterArgs;
use super::dump::dump;
use super::memory;
use super::node_name::NodeArgs;
use super::run_dir::RunDirArgs;
pub(super) use crate::agent::interest;
use crate::agent::node_status::{self, StoreSink};
use crate::agent::{self, AgentConfig, Views, recovery};
use crate::api::metrics::config::{Aliases, MeshMetrics, MetricsConfig};
use crate::api::{self, Questions};
use crate::cluster_report::{self, Reports};
use crate::control::client;
use crate::control::request::Request;
use crate::control::server::Server;
use crate::datastore::{self, DatastoreSpec, Settings};
use crate::doctor::online::{Doctor, DoctorSettings};
use crate::log::{self, LogArgs};
use crate::occupant::Occupants;
use crate::plan::{BGP_PORT, Environment, OnStop};
use crate::privileges::{self, Group};
use crate::resources::parse_duration;
use crate::service_manager::ServiceManager;
use crate::sockets::BindError;
use crate::takeover::{self, TakeOver};
use bgp_speaker::tasks::Tasks;
use bgp_speaker::unnumbered::DiscoverySocket;

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
    /// Which kind of cluster this is.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Leaves the kernel's routes and interfaces alone
    #[arg(long, env = "BGP_DAEMON_NO_KERNEL", value_parser = FalseyValueParser::new())]
    pub no_kernel: bool,
    /// TCP port to listen on, instead of the one that the resources say
    #[arg(long, env = "BGP_DAEMON_LISTEN_PORT", value_name = "PORT")]
    pub listen_port: Option<u16>,
    /// Takes over the sessions of a process that runs with the same run directory, and hands them over to the next one
    #[arg(long, env = "BGP_DAEMON_TAKE_OVER", value_parser = FalseyValueParser::new())]
    pub take_over: bool,
    /// What peers are told when the speaker ends, whatever annotations say
    #[arg(long, env = "BGP_DAEMON_ON_STOP", value_name = "WHAT")]
    pub on_stop: Option<OnStop>,
    /// Drains the node while its Kubernetes Node has a taint with this key, as the annotation bgp-daemon.io/drain does
    #[arg(long, env = "BGP_DAEMON_DRAIN_ON_TAINT", value_name = "KEY")]
    pub drain_on_taint: Option<String>,
    /// How long service addresses of a drained node are announced with GRACEFUL_SHUTDOWN before they are withdrawn
    #[arg(
        long,
        env = "BGP_DAEMON_DRAIN_AFTER",
        value_name = "DURATION",
        default_value = "60s",
        value_parser = parse_duration
    )]
    pub drain_after: Duration,
    /// Mebibytes that routes may take up; beyond, the peer that holds most is stopped; 0: no limit
    /// [default: half of the memory of the container or machine]
    #[arg(long, env = "BGP_DAEMON_MEMORY_LIMIT", value_name = "MEBIBYTES")]
    pub memory_limit: Option<usize>,
    /// Group that may use the control sockets, by name or number [default: that of the process]
    #[arg(long, env = "BGP_DAEMON_SOCKET_GROUP", value_name = "GROUP")]
    pub socket_group: Option<Group>,
    /// Also serves probes, metrics and the status over HTTP at this address; may be given several times
    #[arg(
        long,
        env = "BGP_DAEMON_HTTP_LISTEN",
        value_name = "ADDR:PORT",
        value_delimiter = ','
    )]
    pub http_listen: Vec<SocketAddr>,
    /// Whether each session of the node-to-node mesh has metrics of its own
    #[arg(
        long,
        env = "BGP_DAEMON_METRICS_MESH",
        value_name = "HOW",
        default_value = "auto"
    )]
    pub metrics_mesh: MeshMetrics,
    /// Also tells metrics under the names of another exporter
    #[arg(long, env = "BGP_DAEMON_METRICS_ALIASES", value_name = "WHOSE")]
    pub metrics_aliases: Option<Aliases>,
    /// Writes no Events on the Node when sessions fall or come back
    #[arg(long, env = "BGP_DAEMON_NO_EVENTS", value_parser = FalseyValueParser::new())]
    pub no_events: bool,
    /// Writes no SpeakerStatus object for the node
    #[arg(long, env = "BGP_DAEMON_NO_SPEAKER_STATUS", value_parser = FalseyValueParser::new())]
    pub no_speaker_status: bool,
    /// Whether this is a restart after which peers still hold our routes (RFC 4724); set by `bird -R`.
    #[arg(skip = true)]
    pub recover: bool,
}

impl RunArgs {
    fn reports(&self) -> Reports {
        Reports {
            events: !self.no_events,
            status: !self.no_speaker_status,
        }
    }

    fn metrics(&self) -> MetricsConfig {
        MetricsConfig {
            mesh: self.metrics_mesh,
            aliases: self.metrics_aliases,
        }
    }
}

/// Limit of the time for a stop: less than the half minute that Kubernetes gives a container.
const STOP_WITHIN: Duration = Duration::from_secs(8);
/// How long clients of the control sockets are awaited after that.
const SOCKETS_CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Requests of the control sockets waiting for the speaker; beyond this number, clients wait.
const REQUESTS: usize = 64;

/// Runs the speaker until it is told to end. Must be called while the process is single-threaded.
///
/// # Errors
///
/// Why it cannot start, or why it ended.
pub fn execute(args: RunArgs, datastore: DatastoreSpec, log: &LogArgs) -> anyhow::Result<ExitCode> {
    let node = args.node.name(|name| std::env::var(name).ok())?;
    allow_open_files();
    let mut occupants = Occupants::default();
    occupants.note(args.listen_port.unwrap_or(BGP_PORT));
    // With CAP_NET_RAW, which is not kept.
    let discovery = DiscoverySocket::open(None).ok();
    privileges::confine_speaker(args.socket_group).context("cannot give up privileges")?;
    let log = log::init(log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let views = Views::new(&node);
    let config = AgentConfig {
        environment: Environment {
            drain_on_taint: args.drain_on_taint.clone(),
            ..args.cluster.environment()
        },
        listen_port: args.listen_port,
        kernel: !args.no_kernel,
        recover: args.recover,
        peers_file: Some(args.run_dir.run_dir.join(recovery::FILE_NAME)),
        take_over: args.take_over.then(|| TakeOver::new(&args.run_dir.run_dir)),
        on_stop: args.on_stop,
        drain_after: args.drain_after,
        memory_limit: memory::limit(args.memory_limit),
        node,
        log: log.level.clone(),
        discovery,
        occupants,
        views,
    };
    let take_over = config.take_over.clone();
    let done = runtime.block_on(run(config, args, datastore, Tasks::default()));
    if take_over.is_some_and(|it| it.handed_over.is_cancelled()) {
        // The successor has the sockets and replaces the files: nothing is closed or removed here.
        drop(log);
        std::process::exit(0);
    }
    // A thread that hangs in a file system is not awaited.
    runtime.shutdown_background();
    done
}

async fn run(
    config: AgentConfig,
    args: RunArgs,
    datastore: DatastoreSpec,
    tasks: Tasks,
) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    // The sockets serve as long as sessions are being ended.
    let ended = CancellationToken::new();
    // First of all: an unhandled signal would end the process.
    let mut signals = Signals::new()?;
    let settings = Settings::from_env();
    let doctor = doctor(&config, &datastore, &settings);
    let questions = serve_api(&config, &args, doctor, &tasks, &ended)?;
    if let Some(manager) = ServiceManager::of_environment() {
        let informed = manager.keep_informed(questions.clone(), stop.clone());
        tasks.job("signs to the service manager", informed);
    }
    let interest = interest(&config.node, &config.environment);
    let followed = datastore::watch(&datastore, interest, &settings, &tasks);
    let snapshots = tokio::select! {
        snapshots = followed => snapshots?,
        // A server may be unreachable for a long time.
        () = end(&mut signals.terminate, &mut signals.interrupt) => {
            stop.cancel();
            close_sockets(&tasks, &ended).await;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let (requests, inbox) = mpsc::channel(REQUESTS);
    for family in Family::ALL {
        let usual = || args.run_dir.run_dir.join(client::socket_name(family));
        let path = match (&args.socket, family) {
            (Some(socket), Family::Ipv4Unicast) => socket.clone(),
            _ => usual(),
        };
        let name = format!("control socket {}", path.display());
        let (group, requests) = (args.socket_group, requests.clone());
        let bind = move || Server::bind(&path, group, family, requests.clone());
        serve_when_free(name, &args, &tasks, &ended, bind, Server::run)?;
    }
    if let Some(cluster) = datastore::told_cluster(&datastore, &settings).await {
        let (node, stop) = (config.node.clone(), stop.clone());
        let told = cluster_report::report(node, questions, cluster, args.reports(), stop);
        tasks.job("Events and SpeakerStatus", told);
    }
    let sink = StoreSink::new(datastore, settings);
    let report = node_status::report(
        config.node.clone(),
        snapshots.clone(),
        requests.clone(),
        sink,
        stop.clone(),
    );
    tasks.job("node status objects", report);
    tasks.job("signals", handle_signals(signals, requests, stop.clone()));
    let handed_over = serve_successors(&config, &tasks, &stop, &ended);
    info!(node = config.node, "starting");
    let done = tokio::select! {
        done = agent::run(config, snapshots, inbox, stop.clone(), tasks.clone()) => done.map_err(anyhow::Error::from),
        () = handed_over.cancelled() => return Ok(ExitCode::SUCCESS),
        () = overdue(&stop) => Err(anyhow!("not all has ended {} s after the order to stop", STOP_WITHIN.as_secs())),
    };
    let Err(error) = done else {
        stop.cancel();
        close_sockets(&tasks, &ended).await;
        return Ok(ExitCode::SUCCESS);
    };
    error!("{error:#}; the process ends");
    tasks.cancel();
    Ok(ExitCode::FAILURE)
}

/// A doctor that examines this process on request.
fn doctor(config: &AgentConfig, datastore: &DatastoreSpec, settings: &Settings) -> Doctor {
    let started_with = DoctorSettings {
        environment: config.environment.clone(),
        datastore: datastore.clone(),
        settings: settings.clone(),
        listen_port: config.listen_port,
        kernel: config.kernel,
        occupants: config.occupants.clone(),
    };
    Doctor::new(config.views.subscribe(), started_with)
}

/// Serves the HTTP API, before anything else is available.
fn serve_api(
    config: &AgentConfig,
    args: &RunArgs,
    doctor: Doctor,
    tasks: &Tasks,
    ended: &CancellationToken,
) -> anyhow::Result<Questions> {
    let views = &config.views;
    let shared = api::server::Shared::new(views.subscribe(), doctor, args.metrics());
    let path = args.run_dir.run_dir.join(api::server::SOCKET_NAME);
    let name = format!("API socket {}", path.display());
    let (group, api) = (args.socket_group, shared.clone());
    let bind = move || api::server::Server::unix(&path, group, &api);
    serve_when_free(name, args, tasks, ended, bind, api::server::Server::run)?;
    for address in &args.http_listen {
        let server = api::server::Server::tcp(*address, views.alarms().clone(), &shared);
        tasks.service(format!("HTTP API at {address}"), server.run(ended.clone()));
    }
    Ok(shared.questions())
}

/// Serves processes that want to take over, if there may be any. The token is cancelled when one has everything.
fn serve_successors(
    config: &AgentConfig,
    tasks: &Tasks,
    stop: &CancellationToken,
    ended: &CancellationToken,
) -> CancellationToken {
    let Some(take_over) = config.take_over.clone() else {
        return CancellationToken::new();
    };
    let handed_over = take_over.handed_over.clone();
    let views = config.views.subscribe();
    let (stop, ended) = (stop.clone(), ended.clone());
    tasks.service("takeover socket", async move {
        ended
            .run_until_cancelled(take_over.serve(views, stop))
            .await;
    });
    handed_over
}

/// Serves a socket. With `--take-over`, the process that runs has it until it has handed over.
fn serve_when_free<S, R>(
    name: String,
    args: &RunArgs,
    tasks: &Tasks,
    ended: &CancellationToken,
    bind: impl Fn() -> Result<S, BindError> + Send + Sync + 'static,
    run: impl FnOnce(S, CancellationToken) -> R + Send + 'static,
) -> Result<(), BindError>
where
    S: Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let ended = ended.clone();
    match bind() {
        Err(BindError::Served(_)) if args.take_over => {
            let late = async move {
                match ended.run_until_cancelled(takeover::when_free(bind)).await {
                    Some(Ok(server)) => run(server, ended).await,
                    Some(Err(error)) => error!("{error}"),
                    None => {}
                }
            };
            tasks.service(name, late);
        }
        bound => tasks.service(name, run(bound?, ended)),
    }
    Ok(())
}

async fn close_sockets(tasks: &Tasks, ended: &CancellationToken) {
    tasks.close();
    ended.cancel();
    // A hanging task must not keep the process.
    tokio::time::timeout(SOCKETS_CLOSE_WITHIN, tasks.ended())
        .await
        .ok();
}

/// Raises the limit of open files as far as allowed: each connection of a peer needs one, and the usual soft limit is low.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, highest) {
        warn!(%error, "the limit of open files stays as it is");
    }
}

/// Ends when a stop takes too long.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(STOP_WITHIN).await;
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

/// SIGTERM and SIGINT end the speaker. SIGHUP makes BIRD read its configuration again; here the datastore is watched anyway.
/// SIGUSR1 writes the state of the speaker into the log.
async fn handle_signals(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogLevel;

    /// The datastore, local workloads, three sockets, status objects, signals.
    const TASKS: usize = 7;

    async fn run_in(folder: PathBuf, tasks: Tasks) -> ExitCode {
        let run_dir = folder.join("run");
        let args = RunArgs {
            node: NodeArgs { node: None },
            run_dir: RunDirArgs { run_dir },
            socket: None,
            cluster: ClusterArgs::default(),
            no_kernel: true,
            listen_port: Some(0),
            socket_group: None,
            http_listen: Vec::new(),
            metrics_mesh: MeshMetrics::Auto,
            metrics_aliases: None,
            no_events: false,
            no_speaker_status: false,
            take_over: false,
            on_stop: None,
            drain_on_taint: None,
            drain_after: Duration::from_secs(60),
            recover: false,
            memory_limit: None,
        };
        let config = AgentConfig {
            environment: Environment::default(),
            listen_port: Some(0),
            kernel: false,
            recover: false,
            peers_file: None,
            take_over: None,
            on_stop: None,
            discovery: None,
            drain_after: Duration::from_secs(60),
            memory_limit: None,
            node: "node".into(),
            log: LogLevel::default(),
            occupants: Occupants::default(),
            views: Views::new("node"),
        };
        let datastore = DatastoreSpec::Folder(folder);
        let code = run(config, args, datastore, tasks).await;
        code.expect("it starts")
    }

    #[tokio::test]
    async fn the_end_of_any_task_ends_the_process() {
        for place in 0..TASKS {
            let folder = tempfile::tempdir().expect("a folder");
            let tasks = Tasks::default();
            let running = tokio::spawn(run_in(folder.path().to_owned(), tasks.clone()));
            while tasks.names().len() < TASKS {
                tokio::task::yield_now().await;
            }
            let names = tasks.names();
            tasks.fail(&names[place]);
            let code = running.await.expect("no panic");
            assert_eq!(code, ExitCode::FAILURE, "{}", names[place]);
        }
    }
}

//! The node's agent: brings plan, speaker, kernel and control sockets together.
//!
//! | module       | what it is                                                            |
//! |--------------|-----------------------------------------------------------------------|
//! | `settings`   | pure: a peer of the plan to the settings of a session                 |
//! | `transition` | pure: the steps from one plan to the next                             |
//! | `kernel_rules` | pure: what of a plan is about the kernel                            |
//! | `ending`     | what peers are told at the end                                        |
//! | `recovery`   | whom a start waits for, and who was up before                         |
//! | `local_kind` | the kinds of local routes                                             |
//! | `answers`    | questions on the control sockets                                      |
//! | `workloads`  | local workloads that peer, as Felix writes them down                  |
//! | `node_status`| CalicoNodeStatus objects of this node                                 |
//!
//! Input: snapshots of the datastore, questions, signals. Whatever changes, the way is the same: resources -> plan -> what
//! differs from the last plan -> the speaker. Nothing here knows where resources come from.

mod answers;
mod clock;
mod ending;
mod kernel_rules;
mod local_kind;
pub mod node_status;
pub mod recovery;
mod settings;
mod transition;
mod workloads;

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bgp_core::policy::Policy;
use bgp_core::rib::RibConfig;
use bgp_core::session::Stop;
use bgp_core::types::RouterId;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::control::model::{Phase, ProblemSnapshot};
use crate::control::server::Request;
use crate::datastore::Snapshot;
use crate::log::LogLevel;
use crate::occupant::Occupants;
use crate::plan::{Environment, OnStop, Plan, plan};
use crate::resources::{LogSeverity, Problem};
use bgp_speaker::alarms::Alarms;
use bgp_speaker::forwarding::{Forwarding, Mailbox, Prepared};
use bgp_speaker::kernel::KernelConfig;
use bgp_speaker::pool::Pool;
use bgp_speaker::tasks::{Failure, Tasks};
use bgp_speaker::{Ended, Speaker, SpeakerConfig, SpeakerError};
use clock::{elapsed_secs, timestamp};
use kernel_rules::RulesInForce;
use recovery::Register;
use workloads::LocalWorkloads;

/// The start waits so long for a look at the routes in the kernel, which takes a second for a million of them.
const KERNEL_SEEN_WITHIN: Duration = Duration::from_secs(5);

/// How long after an effect its cause is told at the latest.
const CAUSE_WITHIN: Duration = Duration::from_millis(200);

/// Interval between tries to listen where another program does, such as the daemon whose place we take.
const LISTEN_RETRY: Duration = Duration::from_secs(5);

/// What an agent is started with.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Name of this node.
    pub node: String,
    /// Calico's settings from the environment.
    pub environment: Environment,
    /// Listen here instead of where the plan says.
    pub listen_port: Option<u16>,
    /// Write routes to the kernel, and learn from it.
    pub kernel: bool,
    /// Routes of an earlier run may still be in use, here and at the peers (RFC 4724 §4.1).
    pub recover: bool,
    /// Where it is kept which peers are up, for the next run; `None`: nowhere.
    pub peers_file: Option<PathBuf>,
    /// What peers are told at the end; `None`: what the resources say.
    pub on_stop: Option<OnStop>,
    /// Octets that routes may take up in memory; beyond, the peer that holds most is stopped.
    pub memory_limit: Option<usize>,
    /// The log, to follow what the resources say of it.
    pub log: LogLevel,
    /// Who listens where others want to.
    pub occupants: Occupants,
}

/// Why an agent cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The kernel's routes are out of reach.
    #[error("cannot open netlink sockets: {0}")]
    Kernel(#[from] io::Error),
    /// A task has ended, and nobody had asked it to.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The speaker ends.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The speaker does not do as told.
    #[error(transparent)]
    Speaker(#[from] SpeakerError),
    /// Nobody brings resources any more.
    #[error("the datastore has ended")]
    Datastore,
}

/// A running agent.
struct Agent {
    config: AgentConfig,
    tasks: Tasks,
    alarms: Alarms,
    speaker: Option<Running>,
    problems: Vec<Problem>,
    log_severity: LogSeverity,
    boot: Timestamp,
    reconfigured: Timestamp,
    leftovers: Option<oneshot::Receiver<()>>,
    /// The node is about to go, or has gone: it is cordoned, or not in the datastore.
    leaving: bool,
    workloads: watch::Receiver<LocalWorkloads>,
}

/// What exists from the first plan with a router ID on.
struct Running {
    speaker: Speaker,
    forwarding: Option<Forwarding>,
    rules: RulesInForce,
    plan: Plan,
    policies: Pool<Policy>,
    /// Where to listen, and the same again once all of it is done.
    wanted: Vec<SocketAddr>,
    listening: Vec<SocketAddr>,
    disabled: BTreeSet<Arc<str>>,
    /// The peers have spoken, or have been waited for long enough.
    recovered: CancellationToken,
    /// Sessions are about to end because we end them.
    ending: CancellationToken,
}

/// Runs until told to stop, then leaves the peers as they and [`AgentConfig::on_stop`] want it. Routes stay in the kernel.
///
/// # Errors
///
/// What keeps it from running at all, or a task that ended by itself; a resource never does. Sessions are closed without a
/// NOTIFICATION then, as after a crash: peers with graceful restart keep the routes (RFC 4724 §4.2).
pub async fn run(
    config: AgentConfig,
    snapshots: watch::Receiver<Snapshot>,
    mut requests: mpsc::Receiver<Request>,
    stop: CancellationToken,
    tasks: Tasks,
) -> Result<(), AgentError> {
    let mut agent = Agent::new(config, tasks).await;
    let served = agent.serve(snapshots, &mut requests, &stop).await;
    if let Err(error) = served {
        return Err(agent.cause_of(error).await);
    }
    info!(leaving = agent.leaving, "stopping");
    let status = agent.status_in(Phase::ShuttingDown);
    let goodbye = agent.end();
    tokio::pin!(goodbye);
    loop {
        tokio::select! {
            () = &mut goodbye => return Ok(()),
            Some(request) = requests.recv() => answers::answer_while_ending(request, &status),
        }
    }
}

async fn finished(told: &mut Option<oneshot::Receiver<()>>) {
    match told {
        Some(receiver) => {
            // However it ends, there is nothing to wait for any more.
            receiver.await.ok();
            *told = None;
        }
        None => std::future::pending().await,
    }
}

impl Agent {
    async fn new(config: AgentConfig, tasks: Tasks) -> Self {
        let now = Timestamp::now();
        let folder = config.environment.endpoint_status_dir();
        Self {
            config,
            workloads: workloads::watch(folder, &tasks).await,
            tasks,
            alarms: Alarms::default(),
            speaker: None,
            problems: Vec::new(),
            log_severity: LogSeverity::Info,
            boot: now,
            reconfigured: now,
            leftovers: None,
            leaving: false,
        }
    }

    /// Follows the resources and answers questions until told to stop.
    async fn serve(
        &mut self,
        mut snapshots: watch::Receiver<Snapshot>,
        requests: &mut mpsc::Receiver<Request>,
        stop: &CancellationToken,
    ) -> Result<(), AgentError> {
        // Before any question is answered: a readiness probe that sees no sessions takes the node for ready.
        let first = snapshots.borrow_and_update().clone();
        self.follow(&first).await?;
        let mut retry = tokio::time::interval(LISTEN_RETRY);
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let failed = self.failed();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                failure = failed => return Err(failure.into()),
                changed = snapshots.changed() => {
                    changed.map_err(|_| AgentError::Datastore)?;
                    let snapshot = snapshots.borrow_and_update().clone();
                    self.follow(&snapshot).await?;
                }
                Ok(()) = self.workloads.changed() => {
                    let snapshot = snapshots.borrow().clone();
                    self.follow(&snapshot).await?;
                }
                Some(request) = requests.recv() => self.answer(request, &snapshots).await,
                _ = retry.tick(), if self.wants_to_listen() => self.retry_listening().await?,
                () = finished(&mut self.leftovers) => self.finish_recovery(),
            }
        }
    }

    /// What is wrong: with the resources, and with what runs.
    fn wrongs(&self) -> Vec<ProblemSnapshot> {
        let of_speaker = self
            .speaker
            .as_ref()
            .map(|running| running.speaker.alarms().list());
        let alarms = self
            .alarms
            .list()
            .into_iter()
            .chain(of_speaker.into_iter().flatten());
        let alarms = alarms.map(|alarm| ProblemSnapshot {
            reason: format!("{}: {}", alarm.object, alarm.reason),
            object: alarm.object,
        });
        let of_resources = self.problems.iter().map(|problem| ProblemSnapshot {
            object: problem.object.clone(),
            reason: problem.to_string(),
        });
        of_resources.chain(alarms).collect()
    }

    /// Waits for a task to fail.
    fn failed(&self) -> impl Future<Output = Failure> + use<> {
        let (tasks, speaker) = (self.tasks.clone(), self.speaker.as_ref());
        let closed = speaker.map(|running| running.speaker.closed());
        async move {
            match closed {
                Some(closed) => tokio::select! {
                    failure = closed => failure,
                    failure = tasks.failed() => failure,
                },
                None => tasks.failed().await,
            }
        }
    }

    /// A task that others need ends before they notice.
    async fn cause_of(&self, error: AgentError) -> AgentError {
        match error {
            AgentError::Ended(_) | AgentError::Speaker(_) | AgentError::Datastore => {
                let failed = tokio::time::timeout(CAUSE_WITHIN, self.failed()).await;
                failed.map_or(error, AgentError::Failed)
            }
            AgentError::Kernel(_) | AgentError::Failed(_) => error,
        }
    }

    /// Makes the speaker what the resources say.
    async fn follow(&mut self, snapshot: &Snapshot) -> Result<(), AgentError> {
        let mut environment = self.config.environment.clone();
        let local = self.workloads.borrow_and_update().clone();
        environment.workloads = local.workloads;
        let mut plan = plan(&snapshot.set, &self.config.node, &environment);
        plan.problems.extend(local.problems);
        if std::mem::replace(&mut self.log_severity, plan.log_severity) != plan.log_severity {
            self.config.log.follow(plan.log_severity);
        }
        self.note_problems(snapshot, &plan);
        self.leaving = plan.leaving || !plan.node_exists;
        // What is missing is a problem of the plan. Nothing changes until it is there.
        let Some(router_id) = plan.router_id.filter(|_| plan.node_exists) else {
            return Ok(());
        };
        let needs_new_speaker = self
            .speaker
            .as_ref()
            .is_some_and(|running| running.plan.router_id != plan.router_id);
        let mut disabled = BTreeSet::new();
        if needs_new_speaker && let Some(old) = self.speaker.take() {
            info!("the router ID has changed: starting all sessions anew");
            disabled.clone_from(&old.disabled);
            old.end(|_| Stop::ConfigChange).await;
            disabled.retain(|name| plan.peers.iter().any(|peer| *peer.name == **name));
        }
        match &mut self.speaker {
            Some(running) => running.move_to(&mut self.config, plan).await?,
            None => self.start(router_id, plan, disabled).await?,
        }
        self.reconfigured = Timestamp::now();
        Ok(())
    }

    fn wants_to_listen(&self) -> bool {
        let running = self.speaker.as_ref();
        running.is_some_and(|running| running.listening != running.wanted)
    }

    async fn retry_listening(&mut self) -> Result<(), SpeakerError> {
        match &mut self.speaker {
            Some(running) => running.listen(&mut self.config.occupants).await,
            None => Ok(()),
        }
    }

    fn note_problems(&mut self, snapshot: &Snapshot, plan: &Plan) {
        let problems: Vec<Problem> = snapshot
            .problems
            .iter()
            .chain(&plan.problems)
            .map(|problem| snapshot.located(problem.clone()))
            .collect();
        for problem in problems
            .iter()
            .filter(|problem| !self.problems.contains(problem))
        {
            warn!("{problem}");
        }
        self.problems = problems;
    }

    /// Starts a speaker, in which the peers that an operator switched off stay so.
    async fn start(
        &mut self,
        router_id: RouterId,
        plan: Plan,
        disabled: BTreeSet<Arc<str>>,
    ) -> Result<(), AgentError> {
        let rib = RibConfig {
            resolve_next_hops: self.config.kernel,
            use_unresolved: self.config.kernel,
            forwarding: self.config.kernel,
            memory_limit: self.config.memory_limit,
            ..RibConfig::new(router_id)
        };
        let mailbox = Arc::new(Mailbox::default());
        let sink = self.config.kernel.then(|| mailbox.sink());
        let config = SpeakerConfig::new(plan.local_as, router_id).with_rib(rib);
        let speaker = Speaker::start(config, sink);
        let recover = self.config.recover && self.reconfigured == self.boot;
        speaker.set_restarting(recover);
        let (mut forwarding, mut prepared, mut leftovers) = (None, None, false);
        if self.config.kernel {
            let (handle, task, found) = self.forward(&speaker, mailbox).await?;
            (forwarding, prepared, leftovers) = (Some(handle), Some(task), found);
        }
        let register = self.config.peers_file.clone().map(|file| Register {
            file,
            node: self.config.node.clone(),
        });
        let earlier = recover && leftovers;
        let awaited = match earlier {
            true => recovery::wait_for_peers(&speaker, &plan, register.as_ref()).await?,
            false => BTreeSet::new(),
        };
        let mut running = Running {
            speaker,
            forwarding,
            rules: RulesInForce::default(),
            plan: plan.clone(),
            policies: Pool::default(),
            wanted: Vec::new(),
            listening: Vec::new(),
            disabled,
            recovered: CancellationToken::new(),
            ending: CancellationToken::new(),
        };
        running.move_to(&mut self.config, plan).await?;
        if let Some(forwarding) = running.forwarding.as_ref().filter(|_| !earlier) {
            // Nothing of an earlier run is in use: there is nobody to wait for.
            self.leftovers = None;
            forwarding.finish_recovery().await?;
        }
        running.speaker.set_restarting(false);
        // Not before decisions wait: what is learned from the kernel would win while the peers are silent, and take the routes
        // of the last run away.
        if let Some(prepared) = prepared {
            prepared.start(&running.speaker);
        }
        if let Some(register) = register {
            let established = running.speaker.established();
            let (recovered, ending) = (running.recovered.clone(), running.ending.clone());
            let keep = register.keep(established, awaited, recovered, ending, self.alarms.clone());
            running.speaker.tasks().service("peers that are up", keep);
        }
        self.speaker = Some(running);
        Ok(())
    }

    /// Opens the kernel's table; also tells whether routes of an earlier run are in the kernel.
    async fn forward(
        &mut self,
        speaker: &Speaker,
        mailbox: Arc<Mailbox>,
    ) -> Result<(Forwarding, Prepared, bool), AgentError> {
        let (forwarding, prepared, deferral) =
            Forwarding::prepare(speaker, mailbox, KernelConfig::default())?;
        self.leftovers = Some(deferral);
        let status = tokio::time::timeout(KERNEL_SEEN_WITHIN, prepared.status()).await;
        // Where the kernel does not answer, there may be some.
        let leftovers = match status {
            Ok(status) => status?.unclaimed > 0,
            Err(_) => true,
        };
        Ok((forwarding, prepared, leftovers))
    }

    /// The peers have spoken. Routes of the last run that nobody announced again may go, but those of peers that say nothing
    /// when they are done, or are late, are waited for a little longer.
    fn finish_recovery(&self) {
        info!("recovery after the start is over");
        let Some(running) = &self.speaker else {
            return;
        };
        running.recovered.cancel();
        if let Some(forwarding) = running.forwarding.clone() {
            let (inquirer, boot) = (running.speaker.inquirer(), self.boot);
            let tasks = running.speaker.tasks();
            tasks.job(
                "recovery",
                recovery::sweep_leftovers(inquirer, forwarding, boot),
            );
        }
    }
}

impl Running {
    /// Takes the steps from the old plan to the new one.
    async fn move_to(&mut self, config: &mut AgentConfig, plan: Plan) -> Result<(), SpeakerError> {
        if let Some(forwarding) = &self.forwarding {
            forwarding.follow(self.rules.follow(&plan)).await?;
        }
        self.wanted = settings::listen_addresses(&plan, config.listen_port);
        self.listen(&mut config.occupants).await?;
        let speaker = self.speaker.config();
        let (desired, unspeakable) = transition::desired(&plan, speaker, &mut self.policies);
        let wrong = unspeakable.into_iter().map(|(peer, error)| {
            let reason = format!("cannot speak to it: {error}");
            (format!("peer {peer}"), reason)
        });
        self.speaker.alarms().only("peer", &wrong.collect());
        let report = self.speaker.apply(desired).await?;
        for name in &report.removed {
            self.disabled.remove(name);
        }
        let restarted = report.restarted.iter().map(|(name, _)| name);
        for name in report.added.iter().chain(restarted) {
            if self.disabled.contains(name) {
                self.speaker.disable_peer(name, Stop::Shutdown(None)).await;
            }
        }
        self.plan = plan;
        self.policies.forget_unused();
        Ok(())
    }

    /// Listens where it wants to. What cannot be listened on is tried again later, and is a problem meanwhile.
    async fn listen(&mut self, occupants: &mut Occupants) -> Result<(), SpeakerError> {
        if self.listening == self.wanted {
            return Ok(());
        }
        let wrong = match self.speaker.listen(self.wanted.clone()).await {
            Ok(_) => {
                self.listening.clone_from(&self.wanted);
                None
            }
            Err(SpeakerError::Listen(error)) => {
                self.listening.clear();
                let occupant = occupants.at(error.address());
                let occupant = occupant.filter(|_| error.is_in_use());
                Some(occupant.map_or_else(|| error.to_string(), |by| format!("{error}: {by}")))
            }
            Err(other) => return Err(other),
        };
        let alarms = self.speaker.alarms();
        alarms.set("listen", "BGP port", wrong.as_deref());
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! The agent: starts the speaker of its node, and applies the resources to it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::rib::RibConfig;
use bgp_core::session::Stop;
use bgp_core::types::RouterId;
use jiff::Timestamp;
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config::{AgentConfig, AgentError};
use super::drain::DrainTimer;
use super::interfaces;
use super::neighbours::Neighbours;
use super::recovery::{self, Register};
use super::running::Running;
use super::view::RunningView;
use super::workloads::{self, LocalWorkloads};
use crate::control::model::ProblemSnapshot;
use crate::datastore::Snapshot;
use crate::desired::Earlier;
use crate::desired::kernel_rules::RulesInForce;
use crate::plan::{Plan, Planner, is_drained};
use crate::resources::{LogSeverity, Problem};
use bgp_speaker::forwarding::{Forwarding, Mailbox, Prepared, State};
use bgp_speaker::handover::HandoverError;
use bgp_speaker::kernel::KernelConfig;
use bgp_speaker::pool::Pool;
use bgp_speaker::tasks::{Failure, Tasks};
use bgp_speaker::{Ended, Environment, Flushing, Shutdown, Speaker, SpeakerConfig, SpeakerError};

/// How long the start waits for the list of kernel routes, which takes a second for a million routes.
const KERNEL_SEEN_WITHIN: Duration = Duration::from_secs(5);

/// Interval between looks at whether the list of kernel routes is there.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How often a takeover is tried: a session may come up or end at the wrong moment.
const TRIES: u32 = 3;

/// How long a measurement waits for a peer to take an UPDATE.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// How long after the effect of a failure its cause may be reported.
const CAUSE_WITHIN: Duration = Duration::from_millis(200);

/// A running agent.
pub(super) struct Agent {
    pub(super) config: AgentConfig,
    pub(super) tasks: Tasks,
    /// `None` until there is a plan with a router ID.
    pub(super) speaker: Option<Running>,
    /// Problems of the resources and the plan.
    pub(super) problems: Vec<Problem>,
    /// The resources of the last plan.
    pub(super) resources: Option<Snapshot>,
    pub(super) log_severity: LogSeverity,
    pub(super) boot: Timestamp,
    /// When the last plan took effect.
    pub(super) reconfigured: Timestamp,
    /// Fires once the peers have sent their routes; `None` if routes of an earlier run no longer matter.
    pub(super) leftovers: Option<oneshot::Receiver<()>>,
    /// The node is leaving: it is cordoned, or not in the datastore.
    pub(super) leaving: bool,
    pub(super) workloads: watch::Receiver<LocalWorkloads>,
    pub(super) drain: DrainTimer,
    pub(super) neighbours: Neighbours,
    pub(super) planner: Planner,
}

impl Agent {
    /// An agent without a speaker. The first plan with a router ID starts one.
    pub(super) async fn new(config: AgentConfig, tasks: Tasks) -> Self {
        let now = Timestamp::now();
        let folder = config.environment.endpoint_status_dir();
        Self {
            workloads: workloads::watch(folder, &tasks).await,
            tasks,
            speaker: None,
            problems: Vec::new(),
            resources: None,
            log_severity: LogSeverity::Info,
            boot: now,
            reconfigured: now,
            leftovers: None,
            leaving: false,
            drain: DrainTimer::default(),
            planner: Planner::default(),
            neighbours: Neighbours::new(config.discovery.clone()),
            config,
        }
    }

    /// The problems of the resources, and the active alarms.
    pub(super) fn all_problems(&self) -> Vec<ProblemSnapshot> {
        let of_speaker = self
            .speaker
            .as_ref()
            .map(|running| running.speaker.alarms().list());
        let alarms = self
            .config
            .views
            .alarms()
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
    pub(super) fn failed(&self) -> impl Future<Output = Failure> + use<> {
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

    /// The cause of an error: the failed task on which others depend.
    pub(super) async fn cause_of(&self, error: AgentError) -> AgentError {
        match error {
            AgentError::Ended(_) | AgentError::Speaker(_) | AgentError::Datastore => {
                let failed = tokio::time::timeout(CAUSE_WITHIN, self.failed()).await;
                failed.map_or(error, AgentError::Failed)
            }
            AgentError::Kernel(_) | AgentError::Failed(_) => error,
        }
    }

    /// Applies the resources to the speaker.
    pub(super) async fn follow(&mut self, snapshot: &Snapshot) -> Result<(), AgentError> {
        self.time_drain(snapshot);
        if snapshot.set.bfd_configurations().next().is_some() {
            let config = &mut self.config;
            let environment = &config.environment;
            let found =
                interfaces::of_own_addresses(&snapshot.set, &config.node, environment).await;
            config.environment.interfaces = found;
        }
        let mut environment = self.config.environment.clone();
        let local = self.workloads.borrow_and_update().clone();
        environment.workloads = local.workloads;
        self.neighbours.take(&mut environment);
        let began = Instant::now();
        let mut plan = self
            .planner
            .plan(&snapshot.set, &self.config.node, &environment);
        if !plan.searches.is_empty() && self.expect_found().await {
            self.neighbours.take(&mut environment);
            plan = self
                .planner
                .plan(&snapshot.set, &self.config.node, &environment);
        }
        let meters = self.config.views.meters();
        meters.plan().observe(began.elapsed().as_secs_f64());
        plan.problems.extend(local.problems);
        let alarms = self.config.views.alarms();
        self.neighbours.look(&plan, &self.tasks, alarms);
        let plan = Arc::new(plan);
        if std::mem::replace(&mut self.log_severity, plan.log_severity) != plan.log_severity {
            self.config.log.follow(plan.log_severity);
        }
        self.note_problems(snapshot, &plan);
        self.resources = Some(Arc::clone(snapshot));
        self.leaving = plan.leaving || !plan.node_exists;
        // Anything missing is a problem of the plan. Nothing changes until it is present.
        let Some(router_id) = plan.router_id.filter(|_| plan.node_exists) else {
            self.publish();
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
            Some(running) => {
                let change = running.speaker.routes().begin_change().await?;
                running.move_to(&mut self.config, plan).await?;
                self.measure(change, snapshot);
            }
            None => self.start(router_id, plan, disabled).await?,
        }
        self.reconfigured = Timestamp::now();
        self.publish();
        Ok(())
    }

    /// Sees whether the node is drained, and for how long.
    fn time_drain(&mut self, snapshot: &Snapshot) {
        let config = &mut self.config;
        let drained = is_drained(&snapshot.set, &config.node, &config.environment);
        let (old, after, starting) = (self.drain, config.drain_after, self.speaker.is_none());
        self.drain = old.next(drained, starting, Instant::now(), after);
        config.environment.drain_is_over = self.drain == DrainTimer::Over;
        if self.drain == old {
            return;
        }
        match self.drain {
            DrainTimer::Until(_) => info!("draining: service addresses are withdrawn in {after:?}"),
            DrainTimer::Over => info!("drained: service addresses are withdrawn"),
            DrainTimer::Off => info!("the drain is undone: service addresses are announced again"),
        }
    }

    /// Measures how long it takes until peers have received a change.
    fn measure(&self, change: Flushing, snapshot: &Snapshot) {
        let Some(noticed) = snapshot.noticed else {
            return;
        };
        let meters = self.config.views.meters().clone();
        self.tasks.errand("latency of a change", async move {
            let told = match tokio::time::timeout(TOLD_WITHIN, change.flushed()).await {
                Ok(Ok(told)) => told,
                Ok(Err(_)) => None,
                Err(_) => Some(Instant::now()),
            };
            if let Some(told) = told {
                let took = told.saturating_duration_since(noticed);
                meters.change_to_update().observe(took.as_secs_f64());
            }
        });
    }

    /// The speaker's part of the view.
    pub(super) fn running(&self) -> Option<RunningView> {
        self.speaker.as_ref().map(|running| RunningView {
            plan: Arc::clone(&running.plan),
            environment: Arc::new(self.config.environment.clone()),
            speaker: running.speaker.clone(),
            forwarding: running.forwarding.clone(),
            disabled: Arc::new(running.disabled.clone()),
            recovering: self.leftovers.is_some(),
        })
    }

    /// Publishes the current view.
    pub(super) fn publish(&self) {
        let running = self.running();
        let mut environment = self.config.environment.clone();
        environment
            .workloads
            .clone_from(&self.workloads.borrow().workloads);
        self.neighbours.put(&mut environment);
        self.config.views.change(|view| {
            view.environment = environment;
            view.reconfigured = self.reconfigured;
            view.resources.clone_from(&self.resources);
            view.problems.clone_from(&self.problems);
            view.running = running;
        });
    }

    pub(super) fn wants_to_listen(&self) -> bool {
        let running = self.speaker.as_ref();
        running.is_some_and(|running| running.listening != running.wanted)
    }

    pub(super) async fn retry_listening(&mut self) -> Result<(), SpeakerError> {
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

    /// Asks the process from which this one takes over what it has found; returns whether there is one to ask.
    async fn expect_found(&mut self) -> bool {
        match self.config.take_over.as_ref().filter(|_| self.is_new()) {
            Some(take_over) => {
                let found = take_over.ask_found().await;
                self.neighbours.expect(found);
                true
            }
            None => false,
        }
    }

    /// Whether no plan has taken effect yet.
    fn is_new(&self) -> bool {
        self.reconfigured == self.boot
    }

    /// Starts a speaker, or takes over that of a process that runs.
    async fn start(
        &mut self,
        router_id: RouterId,
        plan: Arc<Plan>,
        disabled: BTreeSet<Arc<str>>,
    ) -> Result<(), AgentError> {
        if let Some(take_over) = self.config.take_over.clone().filter(|_| self.is_new()) {
            for _ in 0..TRIES {
                let Some(stream) = take_over.knock().await else {
                    break;
                };
                let started = self.start_from(router_id, &plan, disabled.clone(), Some(stream));
                match started.await? {
                    Ok(()) => return Ok(()),
                    Err(error) => warn!("cannot take over from the process that runs: {error}"),
                }
            }
            take_over.send_away().await;
        }
        let started = self.start_from(router_id, &plan, disabled, None).await?;
        started.map_err(|_| Ended.into())
    }

    /// Starts a speaker; peers that an operator disabled stay disabled. With a connection to a process that runs, takes over from
    /// it; if that fails, nothing has changed.
    async fn start_from(
        &mut self,
        router_id: RouterId,
        plan: &Arc<Plan>,
        disabled: BTreeSet<Arc<str>>,
        predecessor: Option<UnixStream>,
    ) -> Result<Result<(), HandoverError>, AgentError> {
        let mailbox = Arc::new(Mailbox::default());
        let sink = self.config.kernel.then(|| mailbox.sink());
        let config = SpeakerConfig::new(plan.local_as, router_id);
        let config = config.with_rib(self.rib_config(router_id));
        let mut environment = Environment::default().with_taking_over(predecessor.is_some());
        environment.forwarding = sink;
        let speaker = Speaker::start_in(config, environment);
        let recover = self.config.recover && self.is_new() && predecessor.is_none();
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
            true => recovery::wait_for_peers(&speaker, plan, register.as_ref()).await?,
            false => BTreeSet::new(),
        };
        let mut running = Running {
            speaker,
            forwarding,
            rules: RulesInForce::default(),
            plan: Arc::clone(plan),
            policies: Pool::default(),
            earlier: Earlier::default(),
            ranges: None,
            wanted: Vec::new(),
            listening: Vec::new(),
            disabled,
            recovered: CancellationToken::new(),
            ending: CancellationToken::new(),
            taking_over: predecessor.is_some(),
        };
        running.move_to(&mut self.config, Arc::clone(plan)).await?;
        let is_taken_over = predecessor.is_some();
        if let Some(predecessor) = predecessor
            && let Err(error) = self.take_from(&mut running, predecessor).await?
        {
            return Ok(Err(error));
        }
        let forwarding = running.forwarding.as_ref();
        if let Some(forwarding) = forwarding.filter(|_| !earlier && !is_taken_over) {
            // No routes of an earlier run are in use: no peer is awaited.
            self.leftovers = None;
            forwarding.finish_recovery().await?;
        }
        running.speaker.set_restarting(false);
        // Only after decisions are deferred: otherwise routes learned from the kernel would win while the peers are silent, and
        // replace those of the last run.
        if let Some(prepared) = prepared {
            prepared.start(&running.speaker);
        }
        if is_taken_over {
            self.go_on(&running).await?;
        }
        if let Some(register) = register {
            self.record_peers(&running, register, awaited);
        }
        self.neighbours
            .follow(&running.speaker, running.forwarding.as_ref());
        self.speaker = Some(running);
        Ok(Ok(()))
    }

    fn rib_config(&self, router_id: RouterId) -> RibConfig {
        let mut rib = RibConfig::new(router_id);
        rib.resolve_next_hops = self.config.kernel;
        rib.use_unresolved = self.config.kernel;
        rib.forwarding = self.config.kernel;
        rib.memory_limit = self.config.memory_limit;
        rib
    }

    /// Takes everything over from a process that runs.
    async fn take_from(
        &mut self,
        running: &mut Running,
        predecessor: UnixStream,
    ) -> Result<Result<(), HandoverError>, AgentError> {
        let speaker = &running.speaker;
        match speaker.take_over(predecessor, &self.config.node).await {
            Ok(taken) => info!(
                "took {} sessions over, and ended {}",
                taken.sessions, taken.ended
            ),
            Err(error) => {
                // No session is up: nobody is told anything.
                speaker.shutdown(Shutdown::KeepRoutes).await;
                return Ok(Err(error));
            }
        }
        running.taking_over = false;
        running.listen(&mut self.config.occupants).await?;
        Ok(Ok(()))
    }

    /// Keeps the record of the peers that are up.
    fn record_peers(&self, running: &Running, register: Register, awaited: BTreeSet<Arc<str>>) {
        let established = running.speaker.established();
        let (recovered, ending) = (running.recovered.clone(), running.ending.clone());
        let keep = register.keep(
            established,
            awaited,
            recovered,
            ending,
            self.config.views.alarms().clone(),
        );
        running.speaker.tasks().service("peers that are up", keep);
    }

    /// Lets a speaker that was taken over decide, once it knows what is learned from the kernel.
    async fn go_on(&self, running: &Running) -> Result<(), AgentError> {
        let give_up = Instant::now() + KERNEL_SEEN_WITHIN;
        if let Some(forwarding) = &running.forwarding {
            while !forwarding.look(State::is_synced).await? && Instant::now() < give_up {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        Ok(running.speaker.go_on().await?)
    }

    /// Opens the kernel's table; returns also whether routes of an earlier run are in the kernel.
    async fn forward(
        &mut self,
        speaker: &Speaker,
        mailbox: Arc<Mailbox>,
    ) -> Result<(Forwarding, Prepared, bool), AgentError> {
        let (forwarding, prepared, deferral) =
            Forwarding::prepare(speaker, mailbox, KernelConfig::default())?;
        self.leftovers = Some(deferral);
        let status = tokio::time::timeout(KERNEL_SEEN_WITHIN, prepared.status()).await;
        // If the kernel does not answer, assume that there are some.
        let leftovers = match status {
            Ok(status) => status?.unclaimed > 0,
            Err(_) => true,
        };
        Ok((forwarding, prepared, leftovers))
    }

    /// The peers have sent their routes. Routes of the last run that were not announced again may be removed, after a further
    /// wait for peers that are late or send no End-of-RIB.
    pub(super) fn finish_recovery(&self) {
        info!("recovery after the start is over");
        self.publish();
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

//! The published state of a running agent: its plan, and handles on its speaker. Reading it blocks nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use bgp_speaker::Speaker;
use bgp_speaker::alarms::{Alarm, Alarms};
use bgp_speaker::forwarding::Forwarding;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::datastore::Snapshot;
use crate::meters::Meters;
use crate::plan::{Environment, Plan};
use crate::resources::Problem;

/// The agent's state after the last change of its plan, its speaker, or the peers that operators disabled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct View {
    /// Name of the node.
    pub node: String,
    /// When the process started.
    pub boot: Timestamp,
    /// When a plan last took effect.
    pub reconfigured: Timestamp,
    /// The resources of the last plan; `None` before any were read.
    pub resources: Option<Snapshot>,
    /// The other inputs of the last plan, including workloads.
    pub environment: Environment,
    /// Problems of the resources, with locations in files.
    pub problems: Vec<Problem>,
    /// `None` until a plan has a router ID.
    pub running: Option<RunningView>,
    /// The process is ending.
    pub stopping: bool,
    /// Alarms of the process, without those of its speaker.
    pub alarms: Alarms,
    /// Measurements.
    pub meters: Meters,
}

/// A running speaker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunningView {
    /// The plan in force.
    pub plan: Arc<Plan>,
    /// The settings, other than resources, that the plan was made of.
    pub environment: Arc<Environment>,
    /// A handle on the speaker.
    pub speaker: Speaker,
    /// A handle on the forwarding task; `None` if the kernel is not used.
    pub forwarding: Option<Forwarding>,
    /// Names of the peers that an operator disabled.
    pub disabled: Arc<BTreeSet<Arc<str>>>,
    /// Routes of an earlier run may still be in use: decisions wait for the peers that were up (RFC 4724 §4.1).
    pub recovering: bool,
}

impl View {
    /// All active alarms of the process and its speaker.
    pub fn all_alarms(&self) -> Vec<Alarm> {
        let mut alarms = self.alarms.list();
        if let Some(running) = &self.running {
            alarms.extend(running.speaker.alarms().list());
        }
        alarms
    }
}

/// Publishes an agent's [`View`]s. Clones share them.
#[derive(Clone, Debug)]
pub struct Views {
    latest: watch::Sender<Arc<View>>,
    alarms: Alarms,
    meters: Meters,
}

impl Views {
    /// Creates the first view for a node.
    pub fn new(node: &str) -> Self {
        let (now, alarms, meters) = (Timestamp::now(), Alarms::default(), Meters::default());
        let view = View {
            node: node.to_owned(),
            boot: now,
            reconfigured: now,
            resources: None,
            environment: Environment::default(),
            problems: Vec::new(),
            running: None,
            stopping: false,
            alarms: alarms.clone(),
            meters: meters.clone(),
        };
        Self {
            latest: watch::Sender::new(Arc::new(view)),
            alarms,
            meters,
        }
    }

    /// The alarms of the process.
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// The measurements of the process.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Subscribes to the views; the current one is available at once.
    pub fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.latest.subscribe()
    }

    /// Publishes a changed view.
    pub(super) fn change(&self, change: impl FnOnce(&mut View)) {
        self.latest.send_modify(|latest| {
            change(Arc::make_mut(latest));
        });
    }
}

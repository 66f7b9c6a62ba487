//! What others may look at of a running agent: its plan, and handles on its speaker. Asking holds nothing up.

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

/// An agent as it was when its plan, its speaker, or what operators switched off last changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct View {
    /// Name of the node.
    pub node: String,
    /// When the process started.
    pub boot: Timestamp,
    /// When a plan last took effect.
    pub reconfigured: Timestamp,
    /// The resources that the last plan was made of; `None` before any were read.
    pub resources: Option<Snapshot>,
    /// What the last plan was made of beside them: workloads too.
    pub environment: Environment,
    /// What is wrong with the resources, with places in files.
    pub problems: Vec<Problem>,
    /// `None` until a plan has a router ID.
    pub running: Option<RunningView>,
    /// The process ends.
    pub stopping: bool,
    /// What is wrong with the process, apart from its speaker.
    pub alarms: Alarms,
    /// What is measured as it happens.
    pub meters: Meters,
}

/// A running speaker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunningView {
    /// What it is to be.
    pub plan: Arc<Plan>,
    /// The settings beside the resources that the plan was made of.
    pub environment: Arc<Environment>,
    /// Handle on it.
    pub speaker: Speaker,
    /// Handle on what it has in the kernel; `None` if the kernel is left alone.
    pub forwarding: Option<Forwarding>,
    /// Names of the peers that an operator has switched off.
    pub disabled: Arc<BTreeSet<Arc<str>>>,
    /// Routes of an earlier run may still be in use: decisions wait for the peers that were up (RFC 4724 §4.1).
    pub recovering: bool,
}

impl View {
    /// All alarms that last: of the process and of its speaker.
    pub fn all_alarms(&self) -> Vec<Alarm> {
        let mut alarms = self.alarms.list();
        if let Some(running) = &self.running {
            alarms.extend(running.speaker.alarms().list());
        }
        alarms
    }
}

/// Where an agent publishes its [`View`]s. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Views {
    latest: watch::Sender<Arc<View>>,
    alarms: Alarms,
    meters: Meters,
}

impl Views {
    /// For the agent of a node, before anything is known.
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

    /// What is measured as it happens.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Follows the views; the last one is there at once.
    pub fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.latest.subscribe()
    }

    /// Publishes another one.
    pub(super) fn change(&self, change: impl FnOnce(&mut View)) {
        self.latest.send_modify(|latest| {
            change(Arc::make_mut(latest));
        });
    }
}

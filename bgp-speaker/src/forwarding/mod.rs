//! Between the RIB and the kernel: which routes go into the kernel's table, and what the RIB learns from the kernel.
//!
//! Input: routes and next hops of the RIB (through a [`Mailbox`]), the owner's [`ForwardingPlan`], and events of the kernel.
//! Output: changes for the kernel; resolved next hops and learned routes for the RIB. The task keeps the last route of each
//! prefix, so that a new plan or a moved next hop can be applied to the existing routes.

mod default_gateway;
mod due;
mod learning;
mod mailbox;
mod rules;
mod state;
mod task;
mod view;
mod wanted;

use std::io;
use std::sync::Arc;

use bgp_core::types::Family;
use tokio::sync::{mpsc, oneshot, watch};

use crate::event::Ended;
use crate::kernel::{Counters, Kernel, KernelConfig, KernelCounts, KernelStatus};
use crate::speaker::Speaker;
use task::{Request, Task};

pub use default_gateway::DefaultGateway;
pub use mailbox::Mailbox;
pub use rules::{ForwardingPlan, ForwardingRules, Install, InstallAll};
pub use state::State;
pub use task::REMOTE_METRIC;
pub use view::{Gateway, NextHops};

/// Requests waiting for the task; beyond this number, callers wait.
const REQUESTS: usize = 16;

/// A handle on the forwarding task of a speaker. When the last one is dropped, the task ends; routes stay in the kernel.
#[derive(Clone, Debug)]
pub struct Forwarding {
    requests: mpsc::Sender<Request>,
    counters: Counters,
    gateways: watch::Receiver<Option<Vec<DefaultGateway>>>,
}

/// A forwarding task that is not running yet. The kernel task has already started reading.
pub struct Prepared {
    task: Task,
    kernel: Kernel,
}

impl Forwarding {
    /// Opens the kernel's table for a speaker that was started with the sink of this mailbox, in the network namespace of the
    /// speaker unless `config` names another one. The receiver fires when the RIB has ended its deferral after the start.
    ///
    /// # Errors
    ///
    /// The netlink sockets cannot be opened.
    pub fn prepare(
        speaker: &Speaker,
        mailbox: Arc<Mailbox>,
        mut config: KernelConfig,
    ) -> io::Result<(Self, Prepared, oneshot::Receiver<()>)> {
        config.namespace = config.namespace.or_else(|| speaker.namespace().cloned());
        let (kernel, events) = Kernel::start(config, speaker.tasks(), speaker.alarms())?;
        let (requests, inbox) = mpsc::channel(REQUESTS);
        let (ended, deferral) = oneshot::channel();
        let (sender, gateways) = watch::channel(None);
        let task = Task {
            kernel: kernel.clone(),
            events,
            mailbox,
            requests: inbox,
            routes: speaker.routes(),
            gateways: sender,
            deferral_ended: Some(ended),
        };
        let forwarding = Self {
            requests,
            counters: kernel.counters(),
            gateways,
        };
        Ok((forwarding, Prepared { task, kernel }, deferral))
    }

    /// Replaces the plan.
    ///
    /// # Errors
    ///
    /// The task has ended.
    pub async fn follow(&self, plan: ForwardingPlan) -> Result<(), Ended> {
        self.ask(Request::Plan(Box::new(plan))).await
    }

    /// How many routes of a family are in the kernel, refused by it, or pending. Reads counters only; no task is asked.
    pub fn kernel_counts(&self, family: Family) -> KernelCounts {
        self.counters.read(family)
    }

    /// Follows the gateways of the default routes of other programs: of each family those of the route with the best
    /// metric. `None` until the kernel has been read.
    pub fn default_gateways(&self) -> watch::Receiver<Option<Vec<DefaultGateway>>> {
        self.gateways.clone()
    }

    /// Removes the routes of the last run that were not announced again.
    ///
    /// # Errors
    ///
    /// The task has ended.
    pub async fn finish_recovery(&self) -> Result<(), Ended> {
        self.ask(Request::FinishRecovery).await
    }

    /// Leaves the kernel as it is, and ends the task.
    ///
    /// # Errors
    ///
    /// The task has already ended.
    pub async fn stop(&self) -> Result<(), Ended> {
        let (done, stopped) = oneshot::channel();
        self.ask(Request::Stop(done)).await?;
        stopped.await.map_err(|_| Ended)
    }

    /// Runs a function on the state of the task. The task is blocked while the function runs.
    ///
    /// # Errors
    ///
    /// The task has ended.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        let question: task::StateQuery = Box::new(move |state| {
            // The caller may be gone.
            reply.send(look(state)).ok();
        });
        self.ask(Request::Look(question)).await?;
        answer.await.map_err(|_| Ended)
    }

    async fn ask(&self, request: Request) -> Result<(), Ended> {
        self.requests.send(request).await.map_err(|_| Ended)
    }
}

impl Prepared {
    /// The status of the kernel's table.
    ///
    /// # Errors
    ///
    /// The kernel task has ended.
    pub async fn status(&self) -> Result<KernelStatus, Ended> {
        self.kernel.status().await.map_err(|_| Ended)
    }

    /// Starts the task as one of the speaker's tasks.
    pub fn start(self, speaker: &Speaker) {
        speaker.tasks().service("forwarding", self.task.run());
    }
}

#[cfg(test)]
mod tests;

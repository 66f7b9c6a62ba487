//! Between the RIB and the kernel: which routes go into the kernel's table, and what the kernel tells the RIB.
//!
//! Input: routes and next hops of the RIB (through a [`Mailbox`]), the owner's [`ForwardingPlan`], events of the kernel. Output: changes
//! for the kernel; next hops, and routes learned from the kernel, for the RIB. The task holds the last route of each prefix, so that a
//! change of the plan or of the way to a next hop is applied to the routes at hand.

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
use tokio::sync::{mpsc, oneshot};

use crate::event::Ended;
use crate::kernel::{Counters, Kernel, KernelConfig, KernelCounts, KernelStatus};
use crate::speaker::Speaker;
use task::{Request, Task};

pub use mailbox::Mailbox;
pub use rules::{ForwardingPlan, ForwardingRules, Install, InstallAll};
pub use state::State;
pub use task::REMOTE_METRIC;
pub use view::{Gateway, NextHops};

/// Requests that may wait for the task; beyond them, callers wait.
const REQUESTS: usize = 16;

/// A handle on the forwarding task of a speaker. When the last one is dropped, the task ends; routes stay in the kernel.
#[derive(Clone, Debug)]
pub struct Forwarding {
    requests: mpsc::Sender<Request>,
    counters: Counters,
}

/// A forwarding task that does not run yet. The kernel is read already.
pub struct Prepared {
    task: Task,
    kernel: Kernel,
}

impl Forwarding {
    /// Opens the kernel's table, in the network namespace of the speaker unless another one is configured, for a speaker that was started with the sink of this mailbox. The receiver is told when the RIB has
    /// decided on everything that it waited for after the start.
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
        let task = Task {
            kernel: kernel.clone(),
            events,
            mailbox,
            requests: inbox,
            routes: speaker.routes(),
            deferral_ended: Some(ended),
        };
        let forwarding = Self {
            requests,
            counters: kernel.counters(),
        };
        Ok((forwarding, Prepared { task, kernel }, deferral))
    }

    /// Follows another plan.
    ///
    /// # Errors
    ///
    /// The task has ended.
    pub async fn follow(&self, plan: ForwardingPlan) -> Result<(), Ended> {
        self.ask(Request::Plan(Box::new(plan))).await
    }

    /// How many routes of a family are in the kernel, refused by it, or on their way to it. Asks nobody, and costs nothing.
    pub fn kernel_counts(&self, family: Family) -> KernelCounts {
        self.counters.read(family)
    }

    /// Removes the routes of the last run that nobody announced again.
    ///
    /// # Errors
    ///
    /// The task has ended.
    pub async fn finish_recovery(&self) -> Result<(), Ended> {
        self.ask(Request::FinishRecovery).await
    }

    /// Leaves the kernel as it is from now on, and ends the task.
    ///
    /// # Errors
    ///
    /// The task has ended before.
    pub async fn stop(&self) -> Result<(), Ended> {
        let (done, stopped) = oneshot::channel();
        self.ask(Request::Stop(done)).await?;
        stopped.await.map_err(|_| Ended)
    }

    /// Lets a function look at the state of the task, and holds the task up for as long as the function runs.
    ///
    /// # Errors
    ///
    /// The task has ended.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        let question: task::Question = Box::new(move |state| {
            // Whoever asked may have gone.
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
    /// The state of the kernel's table.
    ///
    /// # Errors
    ///
    /// The kernel task has ended.
    pub async fn status(&self) -> Result<KernelStatus, Ended> {
        self.kernel.status().await.map_err(|_| Ended)
    }

    /// Runs the task as one of the speaker's.
    pub fn start(self, speaker: &Speaker) {
        speaker.tasks().service("forwarding", self.task.run());
    }
}

#[cfg(test)]
mod tests;

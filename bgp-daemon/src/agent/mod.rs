//! The node's agent: joins plan, speaker, kernel and control sockets.
//!
//! | module        | content                                                 |
//! |---------------|---------------------------------------------------------|
//! | `node_agent`  | follows the resources                                   |
//! | `running`     | the speaker, from start to end                          |
//! | `ending`      | how sessions end at a stop                              |
//! | `successor`   | a process that takes over                               |
//! | `recovery`    | which peers a start waits for, and which were up before |
//! | `answers`     | queries of the control sockets                          |
//! | `neighbours`  | peers that are found: in ranges, as gateways, on links  |
//! | `view`        | the state shared with the API and `doctor`              |
//! | `workloads`   | local workloads that peer, as Felix reports them        |
//! | `node_status` | CalicoNodeStatus objects of this node                   |
//!
//! Input: snapshots of the datastore, questions, signals. Every change takes the same path: resources -> plan -> difference to
//! the last plan -> speaker. The agent does not know where resources come from.

mod answers;
mod config;
mod drain;
mod ending;
mod interfaces;
mod neighbours;
mod node_agent;
pub mod node_status;
pub mod recovery;
mod running;
mod successor;
mod view;
mod workloads;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::control::model::Phase;
use crate::control::request::Request;
use crate::datastore::Snapshot;
pub(crate) use answers::protocols;
use bgp_speaker::tasks::Tasks;
pub use config::{AgentConfig, AgentError, interest};
use node_agent::Agent;
pub use view::{RunningView, View, Views};

/// Interval between attempts to listen on a port that another program has, such as the replaced daemon.
const LISTEN_RETRY: Duration = Duration::from_secs(5);

/// Runs until told to stop, and then ends the sessions as [`AgentConfig::on_stop`] and the peers' capabilities require. Routes
/// stay in the kernel.
///
/// # Errors
///
/// The agent cannot run at all, or a task ended by itself; a resource is never the cause. Sessions are then closed without a
/// NOTIFICATION, as after a crash: peers with graceful restart keep the routes (RFC 4724 §4.2).
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
    agent.config.views.change(|view| {
        view.stopping = true;
        view.running = None;
    });
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
            // However it ended, nothing is left to wait for.
            receiver.await.ok();
            *told = None;
        }
        None => std::future::pending().await,
    }
}

impl Agent {
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
                () = self.neighbours.changed() => {
                    let snapshot = snapshots.borrow().clone();
                    self.follow(&snapshot).await?;
                }
                Ok(()) = self.workloads.changed() => {
                    let snapshot = snapshots.borrow().clone();
                    self.follow(&snapshot).await?;
                }
                Some(request) = requests.recv() => self.answer(request, &snapshots).await,
                _ = retry.tick(), if self.wants_to_listen() => self.retry_listening().await?,
                () = finished(&mut self.leftovers) => self.finish_recovery(),
                () = self.drain.elapsed() => {
                    let snapshot = snapshots.borrow().clone();
                    self.follow(&snapshot).await?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

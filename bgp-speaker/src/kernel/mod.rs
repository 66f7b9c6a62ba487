//! Linux routes and interfaces through netlink.
//!
//! One task keeps a kernel table in step with the routes that the speaker wants. Input: [`RouteChange`]s on a bounded channel,
//! and the kernel's reports. Output: [`KernelEvent`]s on a bounded channel, and routes in the table, each with the speaker's own
//! protocol number (12, as BIRD).
//!
//! - Routes of other programs are never changed. If one has the same destination and metric as ours, ours is reported as
//!   rejected, and installed when the other route is gone.
//! - A change of an installed route leaves no gap. If the metric is equal, the route is replaced in place; otherwise the new
//!   route is added before the old one is removed.
//! - Routes of our protocol number that exist at the start are kept, and restored if another program removes them, until
//!   [`Kernel::finish_recovery`]; those that are not wanted by then are removed. All routes stay on exit, so that traffic flows
//!   while the speaker restarts.
//! - If another program deletes or alters one of our routes, it is restored within a second or two; a stray route with our number is
//!   removed. When events are lost (`ENOBUFS`), the table is read again.
//! - When netlink fails, its sockets are opened again and everything is read again, without end. A failure, refused routes and a
//!   missing capability are alarms while they last.
//!
//! `table` and `entry` (wanted against present routes), `links`, `outbox` and [`resolve`] are pure; `netlink` holds the messages
//! and sockets; [`query`] answers single questions; `pace` schedules readings and retries, `report` raises alarms; `task` joins
//! them.

mod capability;
mod config;
mod counts;
mod entry;
mod event;
mod interface;
mod links;
mod netlink;
mod operation;
mod outbox;
mod pace;
pub mod query;
mod report;
pub mod resolve;
mod route;
mod state;
mod table;
mod task;

use std::io;
use tokio::sync::{mpsc, oneshot};

use crate::alarms::Alarms;
use crate::tasks::Tasks;
pub(crate) use counts::Counters;
pub(crate) use task::KernelCommand;

pub use config::KernelConfig;
pub use counts::KernelCounts;
pub use event::{KernelEvent, KernelStatus};
pub use interface::{Interface, InterfaceAddress, LinkKind};
pub use route::{
    Device, ForeignHop, ForeignKind, ForeignRoute, Hop, InstallError, KernelRoute, RouteChange,
    RouteKind,
};

/// Sends to the kernel task. When the last clone is dropped, the task carries out its commands and ends; routes stay.
#[derive(Debug, Clone)]
pub struct Kernel {
    commands: mpsc::Sender<KernelCommand>,
    counters: Counters,
}

/// The kernel task has ended; the log has the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kernel route task has ended")]
pub struct KernelStopped;

/// Room for one command.
#[derive(Debug)]
pub(crate) struct Room(mpsc::OwnedPermit<KernelCommand>);

impl Room {
    /// As [`Kernel::change`].
    pub(crate) fn change(self, change: RouteChange) {
        self.0.send(KernelCommand::Change(change));
    }

    /// As [`Kernel::finish_recovery`].
    pub(crate) fn finish_recovery(self) {
        self.0.send(KernelCommand::FinishRecovery);
    }
}

impl Kernel {
    /// Opens the netlink sockets and spawns the task, in the configured network namespace or in that of the calling thread.
    ///
    /// The first events describe the present state, followed by [`KernelEvent::Synced`].
    ///
    /// # Errors
    /// A netlink socket cannot be opened. Later failures, and a missing CAP_NET_ADMIN, are alarms.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(
        config: KernelConfig,
        tasks: &Tasks,
        alarms: &Alarms,
    ) -> io::Result<(Self, mpsc::Receiver<KernelEvent>)> {
        let (commands, inbox) = mpsc::channel(config.queue);
        let (events, receiver) = mpsc::channel(config.queue);
        let sockets = task::Sockets::open(config.namespace.as_ref())?;
        let task = task::Task::new(config, inbox, events, alarms.clone());
        let counters = task.counters();
        tasks.service("kernel", task.run(sockets));
        Ok((Self { commands, counters }, receiver))
    }

    /// Sends one change; waits while the channel is full. A removal has no effect if no route was wanted before: a route that is
    /// present anyway is a leftover of the last run.
    ///
    /// # Errors
    /// The task has ended.
    pub async fn change(&self, change: RouteChange) -> Result<(), KernelStopped> {
        self.send(KernelCommand::Change(change)).await
    }

    /// Ends recovery: leftovers of the last run that no change has claimed are removed.
    ///
    /// # Errors
    /// The task has ended.
    pub async fn finish_recovery(&self) -> Result<(), KernelStopped> {
        self.send(KernelCommand::FinishRecovery).await
    }

    /// The status after every earlier command has been carried out or rejected.
    ///
    /// # Errors
    /// The task has ended.
    pub async fn status(&self) -> Result<KernelStatus, KernelStopped> {
        let (reply, answer) = oneshot::channel();
        self.send(KernelCommand::Status(reply)).await?;
        answer.await.map_err(|_| KernelStopped)
    }

    /// The counters of routes.
    pub(crate) fn counters(&self) -> Counters {
        self.counters.clone()
    }

    /// Waits for room for a command.
    ///
    /// # Errors
    /// The task has ended.
    pub(crate) async fn room(&self) -> Result<Room, KernelStopped> {
        let permit = self.commands.clone().reserve_owned().await;
        permit.map(Room).map_err(|_| KernelStopped)
    }

    /// Room for a command, if there is any now.
    pub(crate) fn try_room(&self) -> Option<Room> {
        self.commands.clone().try_reserve_owned().ok().map(Room)
    }

    /// A handle without a task, and the commands that are sent to it.
    #[cfg(test)]
    pub(crate) fn without_task(queue: usize) -> (Self, mpsc::Receiver<KernelCommand>) {
        let (commands, inbox) = mpsc::channel(queue);
        let counters = Counters::default();
        (Self { commands, counters }, inbox)
    }

    async fn send(&self, command: KernelCommand) -> Result<(), KernelStopped> {
        self.commands.send(command).await.map_err(|_| KernelStopped)
    }
}

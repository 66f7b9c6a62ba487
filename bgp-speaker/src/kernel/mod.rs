//! Linux routes and interfaces through netlink.
//!
//! One task keeps a kernel table in step with what the speaker wants. Input: [`RouteChange`]s on a bounded channel, and
//! what the kernel reports. Output: [`KernelEvent`]s on a bounded channel, and routes in the table, each written with
//! the speaker's own protocol number (12, BIRD's).
//!
//! - Routes of other programs are never changed. Where one of them has the same destination and metric, it stays, ours
//!   is reported as rejected, and goes in when the other goes.
//! - A change of an installed route leaves no gap: replaced in place when the metric is equal, else the new one is added
//!   before the old one is removed.
//! - Routes of our protocol number found at start are kept, and put back where somebody removes them, until
//!   [`Kernel::finish_recovery`]; those not wanted by then are removed. On exit everything stays, so that traffic flows on while the speaker restarts.
//! - A route of ours that somebody deletes or alters is put back, a stray one with our number removed, within a second
//!   or two. When events are lost (`ENOBUFS`) the table is read anew.
//! - When netlink fails, its sockets are opened anew and everything is read again, for ever. That, routes that are refused,
//!   and a missing capability are alarms while they last.
//!
//! `table` and `entry` (wanted against present), `links`, `outbox` and [`resolve`] are pure; `netlink` holds the messages and sockets;
//! [`look`] answers single questions; `pace` says when to read and to try again, `report` what is wrong; `task` joins them.

mod capability;
mod config;
mod counts;
mod entry;
mod event;
mod interface;
mod links;
pub mod look;
mod netlink;
mod operation;
mod outbox;
mod pace;
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
pub(crate) use task::Command;

pub use config::KernelConfig;
pub use counts::KernelCounts;
pub use event::{KernelEvent, KernelStatus};
pub use interface::{Interface, InterfaceAddress, LinkKind};
pub use route::{
    Device, ForeignHop, ForeignKind, ForeignRoute, Hop, InstallError, KernelRoute, RouteChange,
    RouteKind,
};

/// Sends to the kernel task. When the last clone is dropped, the task does what it was told and ends; routes stay.
#[derive(Debug, Clone)]
pub struct Kernel {
    commands: mpsc::Sender<Command>,
    counters: Counters,
}

/// The kernel task has ended; the log says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kernel route task has ended")]
pub struct KernelStopped;

/// Room for one command.
#[derive(Debug)]
pub(crate) struct Room(mpsc::OwnedPermit<Command>);

impl Room {
    /// As [`Kernel::change`].
    pub(crate) fn change(self, change: RouteChange) {
        self.0.send(Command::Change(change));
    }

    /// As [`Kernel::finish_recovery`].
    pub(crate) fn finish_recovery(self) {
        self.0.send(Command::FinishRecovery);
    }
}

impl Kernel {
    /// Opens the netlink sockets and spawns the task, in the configured network namespace, or in that of the calling thread.
    ///
    /// The first events describe everything present, then comes [`KernelEvent::Synced`].
    ///
    /// # Errors
    /// When a netlink socket cannot be opened now. Whatever fails later, and a missing CAP_NET_ADMIN, is an alarm.
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

    /// Hands over one change; waits while the channel is full. A removal where no route was wanted before changes nothing: what
    /// stands there is a leftover of the last run.
    ///
    /// # Errors
    /// When the task has ended.
    pub async fn change(&self, change: RouteChange) -> Result<(), KernelStopped> {
        self.send(Command::Change(change)).await
    }

    /// Ends the time in which leftovers of the last run are kept: what was not claimed by a change goes.
    ///
    /// # Errors
    /// When the task has ended.
    pub async fn finish_recovery(&self) -> Result<(), KernelStopped> {
        self.send(Command::FinishRecovery).await
    }

    /// The state once every earlier command has been carried out or rejected.
    ///
    /// # Errors
    /// When the task has ended.
    pub async fn status(&self) -> Result<KernelStatus, KernelStopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Status(reply)).await?;
        answer.await.map_err(|_| KernelStopped)
    }

    /// The counters of routes.
    pub(crate) fn counters(&self) -> Counters {
        self.counters.clone()
    }

    /// Waits for room for a command.
    ///
    /// # Errors
    /// When the task has ended.
    pub(crate) async fn room(&self) -> Result<Room, KernelStopped> {
        let permit = self.commands.clone().reserve_owned().await;
        permit.map(Room).map_err(|_| KernelStopped)
    }

    /// Room for a command, if there is any now.
    pub(crate) fn try_room(&self) -> Option<Room> {
        self.commands.clone().try_reserve_owned().ok().map(Room)
    }

    /// One without a task, and what the task would be asked to do.
    #[cfg(test)]
    pub(crate) fn without_task(queue: usize) -> (Self, mpsc::Receiver<Command>) {
        let (commands, inbox) = mpsc::channel(queue);
        let counters = Counters::default();
        (Self { commands, counters }, inbox)
    }

    async fn send(&self, command: Command) -> Result<(), KernelStopped> {
        self.commands.send(command).await.map_err(|_| KernelStopped)
    }
}

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
//! `pace` says when to read and to try again, `report` what is wrong; `task` joins them.

mod capability;
mod entry;
mod links;
mod netlink;
mod outbox;
mod pace;
mod report;
pub mod resolve;
mod route;
mod table;
mod task;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::{mpsc, oneshot};

use crate::alarms::Alarms;
use crate::tasks::Tasks;

pub use route::{
    Device, ForeignHop, ForeignKind, ForeignRoute, Hop, InstallError, KernelRoute, RouteChange,
    RouteKind,
};

/// Which routes are ours, and the pace of the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelConfig {
    /// Routing table to write to and learn from.
    pub table: u32,
    /// `RTPROT_*` number that marks our routes. Every route of the table with this number belongs to us.
    pub protocol: u8,
    /// How often the table is read in full though nothing asked for it: the net under lost or unexpected events.
    pub scan_interval: Duration,
    /// Length of the channels in each direction. A full command channel makes the speaker wait; a full event channel
    /// makes the task collect changes (the newest state of each object once) until there is room.
    pub queue: usize,
}

impl Default for KernelConfig {
    fn default() -> Self {
        Self {
            table: 254,
            protocol: 12,
            scan_interval: Duration::from_secs(60),
            queue: 1024,
        }
    }
}

/// What the kernel looks like, one object at a time. Each event carries the full present state of its object, so a
/// receiver replaces what it knew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelEvent {
    /// An interface, its state or one of its addresses changed; `None`: it is gone.
    Interface {
        /// Interface index.
        index: u32,
        /// Its state.
        interface: Option<Interface>,
    },
    /// The interfaces that are directly connected to a prefix; empty: none any more.
    Direct {
        /// Prefix of an interface address.
        prefix: IpNet,
        /// Index and name of each interface that has it, by index.
        interfaces: Vec<(u32, Arc<str>)>,
    },
    /// The routes that others have for a prefix, by metric; empty: none any more.
    Routes {
        /// Destination.
        prefix: IpNet,
        /// Unicast, blackhole, unreachable and prohibit routes, without those of the kernel itself and ours.
        routes: Vec<ForeignRoute>,
    },
    /// Everything present at start has been told.
    Synced,
    /// A wanted route is not in the kernel.
    RouteRejected {
        /// Destination.
        prefix: IpNet,
        /// The reason.
        error: InstallError,
    },
    /// A prefix that was rejected no longer is: its route went in, or is no longer wanted.
    RejectionCleared {
        /// Destination.
        prefix: IpNet,
    },
}

/// A network interface with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Interface index.
    pub index: u32,
    /// Interface name.
    pub name: Arc<str>,
    /// Administratively up.
    pub up: bool,
    /// The link has a carrier.
    pub carrier: bool,
    /// What it links.
    pub kind: LinkKind,
    /// Octets in a packet.
    pub mtu: u32,
    /// Its addresses, sorted, without IPv6 addresses still in duplicate detection.
    pub addresses: Vec<InterfaceAddress>,
}

/// What an interface links, by its flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LinkKind {
    /// This machine with itself.
    Loopback,
    /// Two ends.
    PointToPoint,
    /// Any number, who can all be addressed at once.
    Broadcast,
    /// Any number, who cannot.
    #[default]
    Other,
}

/// One address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceAddress {
    /// The own address.
    pub address: IpAddr,
    /// The prefix on the link: the network of the address, or of the other end of a point-to-point link.
    pub prefix: IpNet,
}

/// Numbers for status and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelStatus {
    /// Routes that the speaker wants.
    pub wanted: usize,
    /// Of those, in the kernel.
    pub installed: usize,
    /// Of those, rejected.
    pub rejected: usize,
    /// Routes of our protocol number in the table that nobody asked for: left by the last run, kept until recovery ends.
    pub unclaimed: usize,
    /// Times that the whole table was read.
    pub scans: u64,
    /// Times that the kernel lost events for us.
    pub overruns: u64,
}

/// Sends to the kernel task. When the last clone is dropped, the task does what it was told and ends; routes stay.
#[derive(Debug, Clone)]
pub struct Kernel {
    commands: mpsc::Sender<Command>,
}

/// The kernel task has ended; the log says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kernel route task has ended")]
pub struct KernelStopped;

/// What the task is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// A wanted route changes.
    Change(RouteChange),
    /// Leftovers of the last run may go.
    FinishRecovery,
    /// Answer when every earlier command has been carried out or rejected.
    Status(oneshot::Sender<KernelStatus>),
}

impl Kernel {
    /// Opens the netlink sockets and spawns the task, in the network namespace of the calling thread.
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
        let sockets = task::Sockets::open()?;
        let task = task::Task::new(config, inbox, events, alarms.clone());
        tasks.service("kernel", task.run(sockets));
        Ok((Self { commands }, receiver))
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

    /// One without a task, and what the task would be asked to do.
    #[cfg(test)]
    pub(crate) fn without_task(queue: usize) -> (Self, mpsc::Receiver<Command>) {
        let (commands, inbox) = mpsc::channel(queue);
        (Self { commands }, inbox)
    }

    async fn send(&self, command: Command) -> Result<(), KernelStopped> {
        self.commands.send(command).await.map_err(|_| KernelStopped)
    }
}

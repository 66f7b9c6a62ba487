//! What the thread of BFD is told.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::handover::Given;
use super::spec::BfdSpec;
use super::status::BfdStatus;

/// A neighbour that watches its path, by a number that is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WatcherId(pub(super) u64);

/// A neighbour that watches its path.
#[derive(Debug)]
pub(super) struct Watcher {
    /// Of the peer.
    pub(super) name: Arc<str>,
    /// A link-local one has its interface as scope.
    pub(super) remote: SocketAddr,
    /// `None` leaves the choice to the kernel.
    pub(super) source: Option<IpAddr>,
    pub(super) spec: BfdSpec,
    /// An operator holds it down.
    pub(super) held: bool,
    pub(super) status: watch::Sender<BfdStatus>,
    /// So often the path was found dead since it is watched.
    pub(super) failures: u64,
}

/// What the thread is told. Whoever waits for `done` knows that what the peer is to be told has been sent.
#[derive(Debug)]
pub(super) enum Command {
    Open(WatcherId, Box<Watcher>),
    /// Other settings, for a path as long as before.
    Change(WatcherId, BfdSpec),
    /// An operator holds the session down, or no longer does.
    Hold(WatcherId, bool, oneshot::Sender<()>),
    /// Another process takes over: reply with all paths, and do nothing until the receiver fires or its sender is gone.
    HandOver(oneshot::Sender<Given>, oneshot::Receiver<()>),
    /// Everybody who watches a path of another process has been opened.
    AllOpen,
    /// Nobody watches any more. In silence, the peer finds out by itself; otherwise it is told that this is no failure.
    End {
        watcher: WatcherId,
        silent: bool,
        done: oneshot::Sender<()>,
    },
}

//! What a neighbour and the table exchange: news for the table, which may have no room for it at the moment, and UPDATEs from there.

use bgp_core::rib::Input;
use bgp_core::types::PeerId;
use tokio::sync::mpsc;

use crate::table::{self, Batch, News, ToNeighbour};

/// Weight of the news for the table that may wait here before reading stops.
const MAX_WAITING: usize = 1024;
/// Outbox entries taken at a time.
const OUTBOX_SLICE: usize = 64;
/// Weight of news for the table after which it gets the chance to begin: whom a task wakes waits for its turn on the same thread.
const LONG_BATCH: usize = 64;
/// So many octets of routes are written before the table is told. Few beside what it lets be on the way.
const REPORTED_AT_ONCE: usize = 64 * 1024;

/// A neighbour's end of the way to and from the table.
pub(super) struct Exchange {
    peer: PeerId,
    table: table::Sender,
    waiting: Batch,
    /// What the table has for the session that is up.
    outbox: mpsc::UnboundedReceiver<ToNeighbour>,
    /// Octets of routes that were written in this session and not reported.
    unreported: usize,
    /// The table waits for a report, however few they are.
    report_asked: bool,
    /// The table has just been given a long batch.
    gave_much: bool,
}

/// What an exchange is ready for.
pub(super) enum Exchanged {
    /// The table has room for what waits.
    Room(table::Reserved),
    /// The table has something for the session.
    Received(Vec<ToNeighbour>),
}

impl Exchange {
    pub(super) fn new(peer: PeerId, table: table::Sender) -> Self {
        Self {
            peer,
            table,
            waiting: Batch::default(),
            outbox: mpsc::unbounded_channel().1,
            unreported: 0,
            report_asked: false,
            gave_much: false,
        }
    }

    /// So much waits for the table that the peer is to wait.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.weight() >= MAX_WAITING
    }

    /// Waits until the table has room for what waits, or, if the session is up, something for it.
    pub(super) async fn ready(&mut self, is_up: bool) -> Exchanged {
        let waiting = self.waiting.weight();
        let mut received = Vec::new();
        tokio::select! {
            Ok(room) = self.table.clone().reserve(waiting), if waiting > 0 => Exchanged::Room(room),
            1.. = self.outbox.recv_many(&mut received, OUTBOX_SLICE), if is_up => Exchanged::Received(received),
            else => std::future::pending().await,
        }
    }

    /// Tells the table, once there is room.
    pub(super) fn tell(&mut self, input: Input) {
        self.waiting.push(News::Input(input));
    }

    /// A session is about to come up. What is left in the old outbox was meant for an earlier one.
    pub(super) fn renew_outbox(&mut self) {
        let (sender, outbox) = mpsc::unbounded_channel();
        self.outbox = outbox;
        (self.unreported, self.report_asked) = (0, false);
        self.waiting.push(News::Outbox(self.peer, Some(sender)));
    }

    /// Octets of routes were written; more are `pending`.
    pub(super) fn note_written(&mut self, octets: usize, pending: bool) {
        self.unreported += octets;
        if self.unreported >= REPORTED_AT_ONCE || self.report_asked && !pending {
            self.report();
        }
    }

    /// The table asks for a report once nothing is `pending`.
    pub(super) fn ask_report(&mut self, pending: bool) {
        self.report_asked = pending;
        if !pending {
            self.report();
        }
    }

    fn report(&mut self) {
        self.report_asked = false;
        let octets = std::mem::take(&mut self.unreported);
        self.tell(Input::Written {
            peer: self.peer,
            octets,
        });
    }

    /// Octets of routes that were written, and of which the table does not know yet.
    pub(super) fn unreported(&self) -> usize {
        self.unreported
    }

    /// Gives the table what waits for it, if it has room.
    pub(super) fn offer(&mut self) {
        let waiting = self.waiting.weight();
        if waiting > 0
            && let Some(room) = self.table.try_reserve(waiting)
        {
            self.give(room);
        }
    }

    /// Gives the table what waits for it.
    pub(super) fn give(&mut self, room: table::Reserved) {
        self.gave_much |= self.waiting.weight() >= LONG_BATCH;
        room.send(std::mem::take(&mut self.waiting));
    }

    /// Whether a long batch was given since this was last asked.
    pub(super) fn gave_much(&mut self) -> bool {
        std::mem::take(&mut self.gave_much)
    }

    /// The last words of a removed neighbour.
    pub(super) async fn end(&mut self) {
        let mut last = std::mem::take(&mut self.waiting);
        last.push(News::Outbox(self.peer, None));
        last.push(News::Input(Input::Remove(self.peer)));
        // The table only goes away when everything ends.
        if let Ok(room) = self.table.clone().reserve(last.weight()).await {
            room.send(last);
        }
    }
}

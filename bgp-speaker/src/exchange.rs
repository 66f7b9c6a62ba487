//! The exchange between a neighbour and the table: inputs for the table, which may lack room for them, and UPDATEs from the
//! table.

use bgp_core::rib::Input;
use bgp_core::types::PeerId;
use tokio::sync::mpsc;

use crate::table::{self, Batch, TableInput, ToNeighbour};

/// Weight of the waiting inputs at which reading from the peer stops.
const MAX_WAITING: usize = 1024;
/// Outbox entries taken at a time.
const OUTBOX_SLICE: usize = 64;
/// Weight of inputs after which the table gets a chance to run: a task that is woken waits for its turn on the same thread.
const LONG_BATCH: usize = 64;
/// Octets of routes written before the table is informed; small compared with the octets that it allows in flight.
const REPORTED_AT_ONCE: usize = 64 * 1024;

/// A neighbour's end of the channels to and from the table.
pub(super) struct Exchange {
    peer: PeerId,
    table: table::Sender,
    waiting: Batch,
    /// Output of the table for the current session.
    outbox: mpsc::UnboundedReceiver<ToNeighbour>,
    /// Octets of routes that were written in this session and not yet reported.
    unreported: usize,
    /// The table waits for a report, however small.
    report_asked: bool,
    /// The table has just been given a long batch.
    gave_much: bool,
}

/// What an exchange is ready for.
pub(super) enum Exchanged {
    /// The table has room for the waiting inputs.
    Room(table::Reserved),
    /// The table has output for the session.
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

    /// Whether so much is waiting for the table that reading from the peer must stop.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.weight() >= MAX_WAITING
    }

    /// Waits until the table has room for the waiting inputs or, if the session is up, has output for it.
    pub(super) async fn ready(&mut self, is_up: bool) -> Exchanged {
        let waiting = self.waiting.weight();
        let mut received = Vec::new();
        tokio::select! {
            Ok(room) = self.table.clone().reserve(waiting), if waiting > 0 => Exchanged::Room(room),
            1.. = self.outbox.recv_many(&mut received, OUTBOX_SLICE), if is_up => Exchanged::Received(received),
            else => std::future::pending().await,
        }
    }

    /// Queues an input for the table, sent once there is room.
    pub(super) fn tell(&mut self, input: Input) {
        self.waiting.push(TableInput::Input(input));
    }

    /// Called before a session comes up. Whatever is left in the old outbox was meant for an earlier session.
    pub(super) fn renew_outbox(&mut self) {
        let (sender, outbox) = mpsc::unbounded_channel();
        self.outbox = outbox;
        (self.unreported, self.report_asked) = (0, false);
        self.waiting
            .push(TableInput::Outbox(self.peer, Some(sender)));
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

    /// Octets of routes that were written and not yet reported to the table.
    pub(super) fn unreported(&self) -> usize {
        self.unreported
    }

    /// Whether nothing is waiting for the table.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.weight() == 0
    }

    /// What the table has for the session at this moment.
    pub(super) fn take_all(&mut self) -> Vec<ToNeighbour> {
        let mut received = Vec::new();
        while let Ok(piece) = self.outbox.try_recv() {
            received.push(piece);
        }
        received
    }

    /// Sends the waiting inputs to the table, if it has room.
    pub(super) fn offer(&mut self) {
        let waiting = self.waiting.weight();
        if waiting > 0
            && let Some(room) = self.table.try_reserve(waiting)
        {
            self.give(room);
        }
    }

    /// Sends the waiting inputs to the table.
    pub(super) fn give(&mut self, room: table::Reserved) {
        self.gave_much |= self.waiting.weight() >= LONG_BATCH;
        room.send(std::mem::take(&mut self.waiting));
    }

    /// Whether a long batch was sent since the last call.
    pub(super) fn gave_much(&mut self) -> bool {
        std::mem::take(&mut self.gave_much)
    }

    /// Sends the last inputs of a removed neighbour.
    pub(super) async fn end(&mut self) {
        let mut last = std::mem::take(&mut self.waiting);
        last.push(TableInput::Outbox(self.peer, None));
        last.push(TableInput::Input(Input::Remove(self.peer)));
        // The table only ends together with the whole speaker.
        if let Ok(room) = self.table.clone().reserve(last.weight()).await {
            room.send(last);
        }
    }
}

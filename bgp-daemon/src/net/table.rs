//! The task that owns the RIB.
//!
//! Input: batches of [`rib::Input`] from the neighbours and from the owner, and questions, over one bounded channel: who sends
//! more than it can take waits. Output: UPDATEs into the outbox of each neighbour, routes and next hops to the owner. It never
//! waits for a neighbour: what is on the way to one is bounded by the RIB itself, by octets that were not reported as written.

use std::time::Instant;

use bgp_core::rib::{self, Rib};
use bgp_core::session::Stop;
use bgp_core::speaker::MAX_PREFIXES_IDLE;
use bgp_core::types::PeerId;
use bytes::Bytes;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc;

use super::neighbour::Command;
use super::{ForwardingEvent, ForwardingSink};

/// Messages waiting for the table; beyond it, senders wait.
pub(super) const CHANNEL_LEN: usize = 256;
/// Outputs handed out before new inputs are looked at.
const OUTPUT_SLICE: usize = 512;

/// While it works on so much, the table leaves its thread of the runtime to others: whom a task wakes stays on the thread that
/// it is on, so that the table and a neighbour that has much to say would take turns on one.
const LONG_BATCH: usize = 256;

/// A question about the routes.
pub(super) type Question = Box<dyn FnOnce(&Rib) + Send>;

/// What the table is told, in batches.
pub(super) type Message = Vec<News>;

/// One thing that the table is told.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are UPDATEs, and a box would cost each an allocation"
)]
pub(super) enum News {
    /// Something for the RIB.
    Input(rib::Input),
    /// A neighbour's session is about to come up: what is sent to it goes there from now on, so that nothing meant for an
    /// earlier session reaches it. Without a limit of its own: it never holds more than the RIB lets be in flight.
    Outbox(PeerId, mpsc::UnboundedSender<Bytes>),
    /// Where a neighbour takes commands; `None` when it is gone.
    Commands(PeerId, Option<mpsc::Sender<Command>>),
    /// A question; answered from what is known now, without waiting for the RIB to be idle.
    Ask(Question),
}

/// The ways to a neighbour's task.
#[derive(Debug, Default)]
struct Attachment {
    outbox: Option<mpsc::UnboundedSender<Bytes>>,
    commands: Option<mpsc::Sender<Command>>,
}

/// The RIB and the ways out of it.
pub(super) struct Table {
    rib: Rib,
    inbox: mpsc::Receiver<Message>,
    attached: Vec<Attachment>,
    forwarding: Option<ForwardingSink>,
}

impl Table {
    pub(super) fn new(
        rib: Rib,
        inbox: mpsc::Receiver<Message>,
        forwarding: Option<ForwardingSink>,
    ) -> Self {
        Self {
            rib,
            inbox,
            attached: Vec::new(),
            forwarding,
        }
    }

    /// Runs until every sender is gone.
    pub(super) async fn run(mut self) {
        let several_threads = Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread;
        let mut messages = Vec::new();
        let mut busy = false;
        loop {
            let deadline = self.rib.poll_timeout();
            tokio::select! {
                biased;
                count = self.inbox.recv_many(&mut messages, CHANNEL_LEN) => {
                    if count == 0 {
                        return;
                    }
                }
                () = std::future::ready(()), if busy => tokio::task::yield_now().await,
                () = super::sleep_until(deadline) => self.rib.handle_timeout(Instant::now()),
            }
            let long = messages.iter().map(Vec::len).sum::<usize>() >= LONG_BATCH;
            let mut work = || self.work(&mut messages);
            busy = match long && several_threads {
                true => tokio::task::block_in_place(work),
                false => work(),
            };
        }
    }

    /// Takes in what has come and hands out what follows from it; tells whether there may be more of that.
    fn work(&mut self, messages: &mut Vec<Message>) -> bool {
        let now = Instant::now();
        for news in messages.drain(..).flatten() {
            self.take(now, news);
        }
        self.hand_out()
    }

    fn take(&mut self, now: Instant, news: News) {
        match news {
            News::Input(input) => self.rib.handle(now, input),
            News::Outbox(peer, outbox) => self.attachment(peer).outbox = Some(outbox),
            News::Commands(peer, commands) => {
                *self.attachment(peer) = Attachment {
                    outbox: None,
                    commands,
                }
            }
            News::Ask(question) => question(&self.rib),
        }
    }

    fn attachment(&mut self, peer: PeerId) -> &mut Attachment {
        let place = peer.0 as usize;
        if place >= self.attached.len() {
            self.attached.resize_with(place + 1, Attachment::default);
        }
        &mut self.attached[place]
    }

    /// Performs a bounded number of outputs; tells whether there may be more.
    fn hand_out(&mut self) -> bool {
        for _ in 0..OUTPUT_SLICE {
            let Some(output) = self.rib.poll_output() else {
                return false;
            };
            self.perform(output);
        }
        true
    }

    fn perform(&mut self, output: rib::Output) {
        match output {
            rib::Output::Send { peer, messages } => {
                if let Some(outbox) = &self.attachment(peer).outbox {
                    // A neighbour whose task has ended is about to be detached.
                    outbox.send(messages).ok();
                }
            }
            rib::Output::TooManyPrefixes {
                peer,
                family,
                limit,
            } => {
                let stop = Stop::MaxPrefixes {
                    family,
                    limit,
                    idle: MAX_PREFIXES_IDLE,
                };
                if let Some(commands) = &self.attachment(peer).commands {
                    commands.try_send(Command::Stop(stop)).ok();
                }
            }
            rib::Output::Forward { prefix, route } => {
                self.forward(ForwardingEvent::Route { prefix, route })
            }
            rib::Output::Resolve(address) => self.forward(ForwardingEvent::Resolve(address)),
            rib::Output::DeferralEnded => self.forward(ForwardingEvent::DeferralEnded),
        }
    }

    fn forward(&self, event: ForwardingEvent) {
        if let Some(sink) = &self.forwarding {
            sink(event);
        }
    }
}

//! The task that owns the RIB.
//!
//! Input: batches of [`rib::Input`] from the neighbours and the owner, and questions, over one channel. Senders wait when the
//! channel is full. Output: UPDATEs to the outbox of each neighbour, routes and next hops to the owner. The task never waits for
//! a neighbour: the RIB itself limits the octets in flight, counting those that were not yet reported as written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bgp_core::handover::Malformed;
use bgp_core::rib::{
    self, Cursor, HandoverCursor, LocalRoute, PeerUp, Query, Rib, Selection, Synced, Unusable, View,
};
use bgp_core::session::Stop;
use bgp_core::speaker::MAX_PREFIXES_IDLE;
use bgp_core::types::{PeerId, family_of};
use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::event::{Ended, ForwardingEvent, ForwardingSink};
use crate::flush::{self, Flushes};
use crate::opaque::{Backlog, Sending};
use crate::tap::{DecisionEvent, Subscriber};
use crate::tasks::{work_aside, work_on};
use crate::timer::{now, sleep_until};
use crate::watch::hub::{Hub, WatchRequest};

/// Weight of the inputs that may wait for the table: about 2 MiB of UPDATEs. Beyond it, senders wait.
const ROOM: usize = 1 << 14;
/// Octets of an UPDATE per unit of weight; most UPDATEs are shorter.
const UNIT: usize = 128;
/// Weight of the inputs that are processed before their outputs are handled.
const INPUT_SLICE: usize = 1 << 13;
/// Octets of a chunk for another process.
const CHUNK: usize = 256 << 10;
/// Slices of the RIB's work that are done before new inputs are processed.
const WORK_SLICES: usize = 8;

/// A question about the routes.
pub(super) type RibQuery = Box<dyn FnOnce(&Rib) + Send>;

/// One message to the table.
pub(super) enum TableInput {
    /// An input for the RIB.
    Input(rib::Input),
    /// A neighbour's session is about to come up: output goes to this outbox from now on, so that no output for an earlier
    /// session reaches it. `None` when the neighbour is gone. The channel needs no limit of its own: it never holds more than the
    /// octets that the RIB allows in flight, one order to stop, and one report for each reason of unusable routes.
    Outbox(PeerId, Option<mpsc::UnboundedSender<ToNeighbour>>),
    /// Sets the complete local routes of an owner.
    Sync(Box<Sync>),
    /// Routes for a peer, of a family that is not routed here.
    Opaque(Box<Sending>),
    /// A watcher starts or continues.
    Watch(WatchRequest),
    /// Follow a change until its UPDATEs are handed to TCP.
    Flush(flush::FlushRequest),
    /// Stand still, and send everything to another process.
    HandOver(HandOver),
    /// Take over from another process, step by step.
    TakeOver(TakeOver, oneshot::Sender<Result<(), Malformed>>),
    /// A question, answered at once, even if the RIB still has work.
    Ask(RibQuery),
}

/// How the routes go to another process.
pub(super) struct HandOver {
    /// Chunks of [`Rib::hand_over`]; closed after the last one.
    pub(super) chunks: mpsc::Sender<Vec<u8>>,
    /// The table stands still until this fires or its sender is gone.
    pub(super) thawed: oneshot::Receiver<()>,
}

/// A step of a takeover.
pub(super) enum TakeOver {
    /// The own numbers of the other process's peers, and the sessions that go on.
    Begin(BTreeMap<PeerId, (PeerId, Option<PeerUp>)>),
    /// Routes.
    Chunk(BytesMut),
    /// All routes are there.
    Finish,
    /// Decide.
    GoOn,
}

/// All local routes that the owner with this number wants.
pub(super) struct Sync {
    pub(super) id: u32,
    pub(super) wanted: Vec<(IpNet, LocalRoute)>,
    pub(super) reply: oneshot::Sender<Synced>,
}

/// Output of the table for a neighbour's session.
#[derive(Debug)]
pub(super) enum ToNeighbour {
    /// UPDATEs.
    Routes(Bytes),
    /// Report once everything is written.
    Report,
    /// Stop the session.
    Stop(Stop),
    /// The first route of the session that is unusable for this reason.
    Unusable(IpNet, Unusable),
}

/// Sends to the table.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    inbox: mpsc::UnboundedSender<Message>,
    room: Arc<Semaphore>,
    frozen: Arc<AtomicBool>,
}

/// Messages that belong together.
#[derive(Default)]
pub(super) struct Batch {
    news: Vec<TableInput>,
    weight: usize,
}

impl Batch {
    pub(super) fn push(&mut self, news: TableInput) {
        self.weight += news.weight();
        self.news.push(news);
    }

    /// The share of [`ROOM`] that it takes.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }
}

impl FromIterator<TableInput> for Batch {
    fn from_iter<I: IntoIterator<Item = TableInput>>(news: I) -> Self {
        let mut batch = Self::default();
        news.into_iter().for_each(|news| batch.push(news));
        batch
    }
}

impl TableInput {
    /// One unit for each message, and more for a long UPDATE, which may hold hundreds of prefixes: roughly the cost of processing
    /// it.
    fn weight(&self) -> usize {
        match self {
            Self::Input(rib::Input::Update { update, .. }) => 1 + update.bytes().len() / UNIT,
            Self::Sync(sync) => 1 + sync.wanted.len(),
            Self::Opaque(sending) => 1 + sending.routes.octets() / UNIT,
            Self::TakeOver(TakeOver::Chunk(chunk), _) => 1 + chunk.len() / UNIT,
            Self::Input(_)
            | Self::Outbox(..)
            | Self::Watch(_)
            | Self::Flush(_)
            | Self::HandOver(_)
            | Self::TakeOver(..)
            | Self::Ask(_) => 1,
        }
    }
}

/// A batch, and the room that it holds until it is processed.
struct Message {
    news: Vec<TableInput>,
    room: OwnedSemaphorePermit,
}

/// Room for a batch.
#[must_use = "others wait for it"]
pub(super) struct Reserved {
    inbox: mpsc::UnboundedSender<Message>,
    room: OwnedSemaphorePermit,
}

impl Sender {
    /// Room of this weight, if available now.
    pub(super) fn try_reserve(&self, weight: usize) -> Option<Reserved> {
        let room = Arc::clone(&self.room);
        let room = room.try_acquire_many_owned(permits(weight)).ok()?;
        let inbox = self.inbox.clone();
        Some(Reserved { inbox, room })
    }

    /// Waits for room of this weight.
    ///
    /// # Errors
    ///
    /// The table has ended.
    pub(super) async fn reserve(self, weight: usize) -> Result<Reserved, Ended> {
        let Self { inbox, room, .. } = self;
        let room = room.acquire_many_owned(permits(weight)).await;
        let room = room.map_err(|_| Ended)?;
        Ok(Reserved { inbox, room })
    }

    /// Waits for room, and sends.
    ///
    /// # Errors
    ///
    /// The table has ended.
    pub(super) async fn send(
        &self,
        news: impl IntoIterator<Item = TableInput>,
    ) -> Result<(), Ended> {
        let batch: Batch = news.into_iter().collect();
        let reserved = self.clone().reserve(batch.weight()).await?;
        reserved.send(batch);
        Ok(())
    }

    /// From now on the table processes nothing and sends nothing. A flag, because a message would wait behind others.
    pub(super) fn freeze(&self) {
        self.frozen.store(true, Ordering::Relaxed);
    }
}

impl Reserved {
    pub(super) fn send(self, batch: Batch) {
        let Self { inbox, room } = self;
        let Batch { news, .. } = batch;
        // The table only ends together with the whole speaker.
        inbox.send(Message { news, room }).ok();
    }
}

/// A batch that exceeds the limit waits until all room is free.
fn permits(weight: usize) -> u32 {
    u32::try_from(weight.min(ROOM)).unwrap_or(u32::MAX)
}

/// The RIB and its outputs.
pub(super) struct Table {
    rib: Rib,
    inbox: mpsc::UnboundedReceiver<Message>,
    room: Arc<Semaphore>,
    /// By peer number: each neighbour has the smallest free number.
    outboxes: Vec<Option<mpsc::UnboundedSender<ToNeighbour>>>,
    forwarding: Option<ForwardingSink>,
    /// A subscriber that wants decisions.
    subscriber: Option<Arc<dyn Subscriber>>,
    watchers: Hub,
    opaque: Backlog,
    flushes: Flushes,
    frozen: Arc<AtomicBool>,
    handing_over: Option<HandOver>,
}

impl Drop for Table {
    fn drop(&mut self) {
        self.room.close();
    }
}

impl Table {
    /// A table, and a sender to it.
    pub(super) fn new(
        mut rib: Rib,
        forwarding: Option<ForwardingSink>,
        subscriber: Option<Arc<dyn Subscriber>>,
    ) -> (Self, Sender) {
        let (sender, inbox) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(ROOM));
        let frozen = Arc::new(AtomicBool::new(false));
        let sender = Sender {
            inbox: sender,
            room: Arc::clone(&room),
            frozen: Arc::clone(&frozen),
        };
        let subscriber = subscriber.filter(|subscriber| subscriber.wants_decisions());
        let watchers = Hub::new(&mut rib, subscriber.is_some());
        let table = Self {
            rib,
            inbox,
            room,
            outboxes: Vec::new(),
            forwarding,
            subscriber,
            watchers,
            opaque: Backlog::default(),
            flushes: Flushes::default(),
            frozen,
            handing_over: None,
        };
        (table, sender)
    }

    /// Runs until every sender is gone.
    pub(super) async fn run(mut self) {
        let mut busy = false;
        loop {
            let deadline = self.rib.poll_timeout().filter(|_| !self.is_frozen());
            let mut slice = Vec::new();
            tokio::select! {
                biased;
                message = self.inbox.recv() => match message {
                    Some(message) => slice.push(message),
                    None => return,
                },
                () = std::future::ready(()), if busy => tokio::task::yield_now().await,
                () = sleep_until(deadline) => self.rib.handle_timeout(now()),
            }
            // Even with work left.
            if deadline.is_some_and(|deadline| deadline <= now()) {
                self.rib.handle_timeout(now());
            }
            let count = self.fill(&mut slice);
            // Work left from earlier inputs counts as long work too.
            let pieces = if busy { usize::MAX } else { count };
            busy = work_on(pieces, || self.work(slice));
            if let Some(handover) = self.handing_over.take() {
                self.hand_over(handover).await;
            }
        }
    }

    /// Sends everything to another process, and stands still until it is known who goes on. Inputs wait meanwhile.
    async fn hand_over(&mut self, HandOver { chunks, thawed }: HandOver) {
        while let Some(output) = self.rib.next_output() {
            self.perform(output);
        }
        let mut cursor = HandoverCursor::default();
        let mut next = || work_aside(|| self.rib.hand_over(now(), &mut cursor, CHUNK));
        while let Some(chunk) = next() {
            if chunks.send(chunk).await.is_err() {
                break;
            }
        }
        drop(chunks);
        thawed.await.ok();
    }

    fn take_over(&mut self, now: Instant, step: TakeOver) -> Result<(), Malformed> {
        match step {
            TakeOver::Begin(peers) => self.rib.begin_take_over(peers),
            TakeOver::Chunk(chunk) => return self.rib.take_over(now, &chunk),
            TakeOver::Finish => self.rib.finish_take_over(now),
            TakeOver::GoOn => self.rib.go_on(now),
        }
        Ok(())
    }

    /// Adds waiting messages to a slice; returns its weight.
    fn fill(&mut self, slice: &mut Vec<Message>) -> usize {
        let weight = |message: &Message| message.room.num_permits();
        let mut count = slice.iter().map(weight).sum();
        while count < INPUT_SLICE
            && let Ok(message) = self.inbox.try_recv()
        {
            count += weight(&message);
            slice.push(message);
        }
        count
    }

    /// Processes a slice and hands out its outputs; returns whether more may be left.
    fn work(&mut self, slice: Vec<Message>) -> bool {
        let now = now();
        for news in slice.into_iter().flat_map(|message| message.news) {
            self.take(now, news);
        }
        self.opaque.work(&mut self.rib);
        let more = self.hand_out();
        if !more {
            for peer in self.flushes.decided(&self.rib) {
                self.tell(peer, ToNeighbour::Report);
            }
        }
        self.watchers.answer(&mut self.rib);
        more
    }

    fn take(&mut self, now: Instant, news: TableInput) {
        match news {
            TableInput::Input(_) | TableInput::Sync(_) | TableInput::Opaque(_)
                if self.is_frozen() => {}
            TableInput::Input(input) => self.input(now, input),
            TableInput::Outbox(peer, outbox) => *self.outbox(peer) = outbox,
            TableInput::Sync(sync) => self.sync(now, *sync),
            TableInput::Opaque(sending) => self.opaque.push(*sending),
            TableInput::Watch(request) => self.watchers.handle(&mut self.rib, request),
            TableInput::Flush(question) => self.flushes.ask(question),
            TableInput::HandOver(handover) => self.handing_over = Some(handover),
            TableInput::TakeOver(step, reply) => {
                // Whoever asked may have gone.
                reply.send(self.take_over(now, step)).ok();
            }
            TableInput::Ask(question) => question(&self.rib),
        }
    }

    fn input(&mut self, now: Instant, input: rib::Input) {
        let peer = flush::peer_of(&input);
        self.rib.handle(now, input);
        if let Some(peer) = peer {
            self.flushes.note(&self.rib, peer);
        }
    }

    fn sync(&mut self, now: Instant, sync: Sync) {
        let (inputs, synced) = self.rib.difference(sync.id, sync.wanted);
        for input in inputs {
            self.rib.handle(now, input);
        }
        // Whoever asked may have gone.
        sync.reply.send(synced).ok();
    }

    fn outbox(&mut self, peer: PeerId) -> &mut Option<mpsc::UnboundedSender<ToNeighbour>> {
        let place = peer.0 as usize;
        if place >= self.outboxes.len() {
            self.outboxes.resize_with(place + 1, || None);
        }
        &mut self.outboxes[place]
    }

    fn tell(&mut self, peer: PeerId, what: ToNeighbour) {
        if let Some(outbox) = self.outbox(peer) {
            // After the end of a session, its output is obsolete.
            outbox.send(what).ok();
        }
    }

    /// Carries out all outputs, whose number is proportional to the inputs and the work behind them, and does a bounded amount of
    /// work; returns whether more may be left. If outputs were limited but inputs were not, a peer whose every UPDATE causes an
    /// output could keep the RIB from its work.
    fn hand_out(&mut self) -> bool {
        let mut more = true;
        for _ in 0..WORK_SLICES {
            while let Some(output) = self.rib.next_output() {
                if self.is_frozen() {
                    return false;
                }
                self.perform(output);
            }
            if !more {
                return false;
            }
            more = self.rib.work();
        }
        true
    }

    fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }

    fn perform(&mut self, output: rib::Output) {
        match output {
            rib::Output::Send { peer, messages } => {
                self.tell(peer, ToNeighbour::Routes(messages));
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
                self.tell(peer, ToNeighbour::Stop(stop));
            }
            rib::Output::OutOfResources(peer) => {
                let idle = MAX_PREFIXES_IDLE;
                self.tell(peer, ToNeighbour::Stop(Stop::OutOfResources { idle }));
            }
            rib::Output::Forward { prefix, route } => {
                self.forward(ForwardingEvent::Route { prefix, route })
            }
            rib::Output::Resolve(address) => self.forward(ForwardingEvent::Resolve(address)),
            rib::Output::Forget(address) => self.forward(ForwardingEvent::Forget(address)),
            rib::Output::Changed(prefix) => {
                self.show_decision(prefix);
                self.watchers.changed(prefix);
            }
            rib::Output::ToldAnew(peer) => self.watchers.told_anew(peer),
            rib::Output::Unusable { peer, prefix, why } => {
                self.tell(peer, ToNeighbour::Unusable(prefix, why));
            }
            rib::Output::DeferralEnded => self.forward(ForwardingEvent::DeferralEnded),
            // Outputs that this speaker never requested.
            _ => {}
        }
    }

    fn show_decision(&self, prefix: IpNet) {
        let Some(subscriber) = &self.subscriber else {
            return;
        };
        let mut query = Query::new(View::Best, family_of(prefix));
        query.selection = Selection::Exactly(prefix);
        let best = self.rib.ask(&query, Cursor::START, 1).routes;
        let (best, at) = (best.first(), now());
        subscriber.decision(&DecisionEvent { prefix, best, at });
    }

    fn forward(&self, event: ForwardingEvent) {
        if let Some(sink) = &self.forwarding {
            sink(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use bgp_core::rib::{Input, RibConfig};
    use bgp_core::types::RouterId;

    use super::*;

    /// A message with an immediate effect.
    fn waiting_for_nobody() -> Vec<TableInput> {
        let now = Instant::now();
        vec![TableInput::Input(Input::Defer {
            expected: Vec::new(),
            up_by: now,
            until: now,
        })]
    }

    async fn ask(sender: &Sender) {
        let (reply, answer) = oneshot::channel();
        let question: RibQuery = Box::new(|_| reply.send(()).expect("it is awaited"));
        let asked = sender.send(vec![TableInput::Ask(question)]).await;
        asked.expect("the table runs");
        answer.await.expect("the table runs");
    }

    #[tokio::test]
    async fn a_frozen_table_tells_nobody_of_anything() {
        let (told, mut heard) = mpsc::unbounded_channel();
        let sink: ForwardingSink = Box::new(move |event| told.send(event).expect("it is heard"));
        let rib = Rib::new(RibConfig::new(RouterId::from_bits(1)), Instant::now(), 7);
        let (table, sender) = Table::new(rib, Some(sink), None);
        tokio::spawn(table.run());
        let sent = sender.send(waiting_for_nobody()).await;
        sent.expect("the table runs");
        assert_eq!(heard.recv().await, Some(ForwardingEvent::DeferralEnded));
        sender.freeze();
        let sent = sender.send(waiting_for_nobody()).await;
        sent.expect("the table runs");
        // The outputs of one message are handed out before the next message is processed.
        ask(&sender).await;
        ask(&sender).await;
        assert!(heard.try_recv().is_err());
    }
}

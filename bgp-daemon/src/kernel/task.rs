//! The task that joins the speaker, the pure tables and the netlink sockets.
//!
//! One turn does at most one batch of operations, so that commands, events and answers keep flowing during a large
//! change. Full readings are put off a little after the event that asks for them and happen at most once a second,
//! so that a storm of events costs little; while a route is rejected they repeat with growing pauses, as new tries.

use std::io;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::links::Links;
use super::netlink::link::{
    encode_address_dump, encode_link_dump, link_index, parse_address, parse_link,
};
use super::netlink::message::{
    DELADDR, DELLINK, DELROUTE, Message, NEWADDR, NEWLINK, NEWROUTE, REPLACE,
};
use super::netlink::route::{self, AF_INET, AF_INET6, Mark};
use super::netlink::socket::{Monitor, Requests, is_overrun, is_overrun_message};
use super::outbox::{Key, Outbox};
use super::table::{Certainty, Table};
use super::{Command, KernelConfig, KernelEvent, KernelStatus};

/// All state of the kernel side.
pub(crate) struct Task {
    mark: Mark,
    requests: Requests,
    monitor: Monitor,
    inbox: mpsc::Receiver<Command>,
    events: mpsc::Sender<KernelEvent>,
    state: State,
    /// Asked for the state; answered when nothing is left to do.
    askers: Vec<oneshot::Sender<KernelStatus>>,
}

/// What is known, apart from sockets and channels.
struct State {
    table_number: u32,
    own_port: u32,
    links: Links,
    table: Table,
    outbox: Outbox,
    readings: Readings,
    overruns: u64,
}

/// When the kernel is to be read in full.
struct Readings {
    due: Instant,
    last: Instant,
    /// Pause before the next try of what is rejected.
    retry: Duration,
    interval: Duration,
    count: u64,
}

impl Task {
    /// Opens the sockets.
    pub(crate) fn new(
        config: KernelConfig,
        inbox: mpsc::Receiver<Command>,
        events: mpsc::Sender<KernelEvent>,
    ) -> io::Result<Self> {
        // The monitor first: a change between its start and the first reading is then seen twice, not never.
        let monitor = Monitor::open()?;
        let requests = Requests::open()?;
        let state = State {
            table_number: config.table,
            own_port: requests.port(),
            links: Links::default(),
            table: Table::new(config.protocol),
            outbox: Outbox::default(),
            readings: Readings::new(config.scan_interval),
            overruns: 0,
        };
        let mark = Mark {
            table: config.table,
            protocol: config.protocol,
        };
        Ok(Self {
            mark,
            requests,
            monitor,
            inbox,
            events,
            state,
            askers: Vec::new(),
        })
    }

    /// Runs until the speaker lets go of its end, or netlink fails.
    pub(crate) async fn run(mut self) {
        match self.serve().await {
            Ok(()) => debug!("kernel route task ends, routes stay"),
            Err(error) => error!(%error, "kernel route task ends: netlink failed"),
        }
    }

    async fn serve(&mut self) -> io::Result<()> {
        self.read_all().await?;
        self.state.outbox.push(Key::Synced);
        let mut open = true;
        while open || self.state.can_work() {
            open = self.turn(open).await?;
        }
        Ok(())
    }

    /// One batch if there is work, then whatever comes first. Answers whether commands can still come.
    async fn turn(&mut self, mut open: bool) -> io::Result<bool> {
        if self.state.readings.due <= Instant::now() {
            self.read_all().await?;
        }
        if self.state.can_work() {
            self.carry_out().await?;
        }
        if !self.state.table.has_work() {
            self.answer();
        }
        let mut commands = Vec::new();
        let state = &mut self.state;
        tokio::select! {
            count = self.inbox.recv_many(&mut commands, COMMANDS_PER_TURN), if open => open = count > 0,
            received = self.monitor.receive(), if !state.outbox.is_full() => match received {
                Ok(messages) => messages.for_each(|message| state.hear(&message)),
                Err(error) => state.lost_events(error)?,
            },
            permit = self.events.reserve(), if !state.outbox.is_empty() => match permit {
                Ok(permit) => {
                    if let Some(event) = state.next_event() {
                        permit.send(event);
                    }
                }
                Err(_) => state.outbox = Outbox::default(), // nobody listens
            },
            () = tokio::time::sleep_until(state.readings.due) => {}
            () = std::future::ready(()), if state.can_work() => {}
        }
        commands.into_iter().for_each(|command| self.obey(command));
        self.hear_all()?;
        self.tell_what_fits();
        Ok(open)
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Change(change) => self.state.table.want(change, &self.state.links),
            Command::FinishRecovery => {
                info!(
                    unclaimed = self.state.table.status().unclaimed,
                    "recovery of kernel routes ends"
                );
                self.state.table.finish_recovery();
            }
            Command::Status(asker) => self.askers.push(asker),
        }
    }

    /// One batch of operations.
    async fn carry_out(&mut self) -> io::Result<()> {
        let state = &mut self.state;
        let operations = state.table.operations(BATCH, &state.links);
        let results = match self.requests.apply(&operations, self.mark).await {
            Ok(results) => results,
            Err(error) => {
                // It is not known how far the kernel came: look.
                state.lost_events(error)?;
                return self.read_all().await;
            }
        };
        for (operation, result) in operations.into_iter().zip(results) {
            debug!(prefix = %operation.prefix, action = ?operation.action, ?result, "kernel route");
            let certainty = state.table.finished(operation, result);
            state.ask_reading(certainty);
        }
        state.collect_changes();
        Ok(())
    }

    /// Takes in what the monitor already holds, within limits.
    fn hear_all(&mut self) -> io::Result<()> {
        for _ in 0..DATAGRAMS_PER_TURN {
            if self.state.outbox.is_full() {
                break;
            }
            match self.monitor.try_receive() {
                Ok(Some(messages)) => messages.for_each(|message| self.state.hear(&message)),
                Ok(None) => break,
                Err(error) => self.state.lost_events(error)?,
            }
        }
        self.state.collect_changes();
        Ok(())
    }

    /// Reads links, addresses and routes in full.
    async fn read_all(&mut self) -> io::Result<()> {
        let first = self.state.readings.count == 0;
        let mut consistent = false;
        for tries_left in (0..READING_TRIES).rev() {
            consistent = self.read_once(first && tries_left == 0).await?;
            if consistent {
                break;
            }
        }
        let state = &mut self.state;
        let rejected = state.table.has_rejected();
        state.readings.done(rejected);
        if !consistent {
            state.readings.ask();
        }
        state.collect_changes();
        Ok(())
    }

    /// Reads everything once; takes it over if the kernel calls it consistent, or if there is nothing better yet. Later
    /// a list that changes on every try is left to the events and to the next reading.
    async fn read_once(&mut self, anyway: bool) -> io::Result<bool> {
        let (mut links, mut addresses, mut routes) = (Vec::new(), Vec::new(), Vec::new());
        let requests = &mut self.requests;
        let mut consistent = requests
            .dump(encode_link_dump, |message| {
                links.extend(parse_link(message.payload))
            })
            .await?;
        consistent &= requests
            .dump(encode_address_dump, |message| {
                addresses.extend(parse_address(message.payload))
            })
            .await?;
        let (table, known) = (self.mark.table, &mut self.state.table);
        for family in [AF_INET, AF_INET6] {
            let encode =
                |writer: &mut _, sequence| route::encode_dump(writer, family, table, sequence);
            // Without IPv6 in the kernel the question about it is answered with routes of every family.
            let read = |message: &Message<'_>| {
                let of_family = message.payload.first() == Some(&family);
                let parsed = route::parse(message.payload, table).filter(|_| of_family);
                routes.extend(parsed.map(|route| known.share(route)));
            };
            consistent &= requests.dump(encode, read).await?;
        }
        if consistent || anyway {
            let state = &mut self.state;
            let changed = state.links.replace_all(links, addresses);
            state.outbox.extend(changed);
            state.table.observe_all(routes, &state.links);
        }
        Ok(consistent)
    }

    fn answer(&mut self) {
        if self.askers.is_empty() {
            return;
        }
        let mut status = self.state.table.status();
        status.scans = self.state.readings.count;
        status.overruns = self.state.overruns;
        for asker in self.askers.drain(..) {
            let _ = asker.send(status); // gone meanwhile: no matter
        }
    }

    /// Fills the event channel as far as it goes without waiting.
    fn tell_what_fits(&mut self) {
        while !self.state.outbox.is_empty() {
            let Ok(permit) = self.events.try_reserve() else {
                break;
            };
            if let Some(event) = self.state.next_event() {
                permit.send(event);
            }
        }
    }
}

impl State {
    /// Operations wait, and there is room for what they may lead to.
    fn can_work(&self) -> bool {
        self.table.has_work() && !self.outbox.is_full()
    }

    /// One event of the kernel.
    fn hear(&mut self, message: &Message<'_>) {
        if is_overrun_message(message) {
            self.readings.ask();
        }
        match message.kind {
            NEWROUTE | DELROUTE if message.port != self.own_port => self.hear_route(message),
            NEWLINK | DELLINK => self.hear_link(message),
            NEWADDR | DELADDR => self.hear_address(message),
            _ => {}
        }
    }

    fn hear_route(&mut self, message: &Message<'_>) {
        let Some(route) = route::parse(message.payload, self.table_number) else {
            return;
        };
        let route = self.table.share(route);
        let certainty = match message.kind {
            NEWROUTE => self.table.added(route, message.flags & REPLACE != 0),
            _ => self.table.removed(route),
        };
        self.ask_reading(certainty);
        self.retry_soon();
    }

    /// The kernel drops the IPv4 routes of an interface that goes down without a word, so that asks for a reading.
    fn hear_link(&mut self, message: &Message<'_>) {
        let Some(index) = link_index(message.payload) else {
            return;
        };
        let before = self.links.interface(index).map(|i| (i.up, i.name.clone()));
        let changed = match (message.kind, parse_link(message.payload)) {
            (NEWLINK, Some(link)) => self.links.set(link),
            (DELLINK, Some(link)) => self.links.remove(link.index),
            _ => return,
        };
        let after = self.links.interface(index).map(|i| (i.up, i.name.clone()));
        self.outbox.extend(changed);
        if before == after {
            return;
        }
        if before.is_some() {
            self.outbox.extend(
                self.table
                    .foreign_through(index)
                    .into_iter()
                    .map(Key::Routes),
            );
            self.readings.ask();
        }
        self.retry_soon();
    }

    /// Routes with a removed address as source or gateway go without a word too.
    fn hear_address(&mut self, message: &Message<'_>) {
        let Some((index, address)) = parse_address(message.payload) else {
            return;
        };
        let changed = match message.kind {
            NEWADDR => self.links.add_address(index, address),
            _ => self.links.remove_address(index, &address),
        };
        if !changed.is_empty() && message.kind == DELADDR {
            self.readings.ask();
        }
        self.outbox.extend(changed);
        self.retry_soon();
    }

    /// Something changed that may let a rejected route in.
    fn retry_soon(&mut self) {
        if self.table.has_rejected() {
            self.readings.ask();
        }
    }

    /// # Errors
    /// Any error other than a lost message is passed on.
    fn lost_events(&mut self, error: io::Error) -> io::Result<()> {
        if !is_overrun(&error) {
            return Err(error);
        }
        warn!("netlink messages were lost, the kernel is read anew");
        self.overruns += 1;
        self.readings.ask();
        Ok(())
    }

    fn ask_reading(&mut self, certainty: Certainty) {
        if certainty == Certainty::ReadAgain {
            self.readings.ask();
        }
    }

    fn collect_changes(&mut self) {
        self.outbox.extend(self.table.take_changes());
    }

    /// The event for the key that waited longest, from the present state.
    fn next_event(&mut self) -> Option<KernelEvent> {
        Some(match self.outbox.pop()? {
            Key::Interface(index) => KernelEvent::Interface {
                index,
                interface: self.links.interface(index).cloned(),
            },
            Key::Direct(prefix) => KernelEvent::Direct {
                prefix,
                interfaces: self.links.direct(&prefix),
            },
            Key::Routes(prefix) => KernelEvent::Routes {
                prefix,
                routes: self.table.foreign(&prefix, &self.links),
            },
            Key::Verdict(prefix) => match self.table.rejection(&prefix) {
                Some(error) => KernelEvent::RouteRejected {
                    prefix,
                    error: error.clone(),
                },
                None => KernelEvent::RejectionCleared { prefix },
            },
            Key::Synced => KernelEvent::Synced,
        })
    }
}

impl Readings {
    fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self {
            due: now + interval,
            last: now,
            retry: FIRST_RETRY,
            interval,
            count: 0,
        }
    }

    /// Something happened that only a reading makes clear.
    fn ask(&mut self) {
        let soon = (Instant::now() + SETTLE).max(self.last + SPACING);
        self.due = self.due.min(soon);
    }

    /// A reading is complete.
    fn done(&mut self, rejected: bool) {
        self.count += 1;
        self.last = Instant::now();
        self.retry = if rejected {
            (self.retry * 2).min(self.interval)
        } else {
            FIRST_RETRY
        };
        self.due = self.last + if rejected { self.retry } else { self.interval };
    }
}

/// Operations in one datagram, well below the default limit of a socket's send buffer with 16 next hops each.
const BATCH: usize = 128;
const COMMANDS_PER_TURN: usize = 1024;
const DATAGRAMS_PER_TURN: usize = 1024;
const READING_TRIES: usize = 4;
/// Wait after an event that asks for a reading: others usually follow.
const SETTLE: Duration = Duration::from_millis(100);
/// Least time between readings.
const SPACING: Duration = Duration::from_secs(1);
/// Half of the pause before the first new try of a rejected route.
const FIRST_RETRY: Duration = Duration::from_secs(1);

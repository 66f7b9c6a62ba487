//! The task that joins the speaker, the pure tables and the netlink sockets.
//!
//! One turn carries out at most one batch of operations, so that commands, events and answers keep flowing during a large change.
//!
//! After any failure in netlink, including a missing answer, the sockets are opened again after a pause and everything is read
//! again, without end. The wanted routes are kept meanwhile, and commands are accepted.

use std::io;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::config::KernelConfig;
use super::counts::Counters;
use super::event::{KernelEvent, KernelStatus};
use super::netlink::link::{encode_address_dump, encode_link_dump, parse_address, parse_link};
use super::netlink::message::Message;
use super::netlink::route::{self, AF_INET, AF_INET6, Mark};
use super::netlink::socket::{Monitor, Requests};
use super::outbox::Key;
use super::pace::Pauses;
use super::report::Report;
use super::route::RouteChange;
use super::state::State;
use crate::alarms::Alarms;
use crate::namespace::{Namespace, make_in};
use crate::tasks::work_on;

/// A command to the task.
#[derive(Debug)]
pub(crate) enum KernelCommand {
    /// A wanted route changed.
    Change(RouteChange),
    /// Leftovers of the last run may be removed.
    FinishRecovery,
    /// Answer after every earlier command has been carried out or rejected.
    Status(oneshot::Sender<KernelStatus>),
}

/// The kernel task.
pub(crate) struct Task {
    mark: Mark,
    namespace: Option<Namespace>,
    inbox: mpsc::Receiver<KernelCommand>,
    events: mpsc::Sender<KernelEvent>,
    state: State,
    /// Callers waiting for the status until no work is left.
    askers: Vec<oneshot::Sender<KernelStatus>>,
    report: Report,
}

/// The sockets of one network namespace.
pub(crate) struct Sockets {
    requests: Requests,
    monitor: Monitor,
}

impl Sockets {
    /// Opens both.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(crate) fn open(namespace: Option<&Namespace>) -> io::Result<Self> {
        let runtime = Handle::current();
        make_in(namespace, move || {
            let _guard = runtime.enter();
            Self::open_here()
        })
    }

    fn open_here() -> io::Result<Self> {
        // The monitor first: a change before the first reading is then seen twice, rather than never.
        let monitor = Monitor::open()?;
        let requests = Requests::open()?;
        Ok(Self { requests, monitor })
    }
}

impl Task {
    /// The counters of routes.
    pub(crate) fn counters(&self) -> Counters {
        self.state.table.counters()
    }

    pub(crate) fn new(
        config: KernelConfig,
        inbox: mpsc::Receiver<KernelCommand>,
        events: mpsc::Sender<KernelEvent>,
        alarms: Alarms,
    ) -> Self {
        let state = State::new(&config);
        let mark = Mark {
            table: config.table,
            protocol: config.protocol,
        };
        Self {
            mark,
            namespace: config.namespace,
            inbox,
            events,
            state,
            askers: Vec::new(),
            report: Report::new(alarms),
        }
    }

    /// Runs until the speaker drops its end.
    pub(crate) async fn run(mut self, sockets: Sockets) {
        let mut pauses = Pauses::default();
        let mut opened = Ok(sockets);
        loop {
            let served = match opened {
                Ok(sockets) => self.serve(sockets).await,
                Err(error) => Err(error),
            };
            let Err(error) = served else {
                return debug!("kernel route task ends, routes stay");
            };
            self.report.out_of_reach(&error);
            if !self.pause_until(pauses.next()).await {
                return warn!("kernel route task ends while netlink fails, routes stay");
            }
            opened = Sockets::open(self.namespace.as_ref());
        }
    }

    /// Returns when all commands are done and no more can come.
    ///
    /// # Errors
    /// Netlink fails.
    async fn serve(&mut self, mut sockets: Sockets) -> io::Result<()> {
        let Sockets { requests, monitor } = &mut sockets;
        self.state.own_port = requests.port();
        let first = self.state.readings.count == 0;
        self.read_all(requests).await?;
        if first {
            self.state.outbox.push(Key::Synced);
        }
        self.report.within_reach();
        let mut open = true;
        while open || self.state.can_work() {
            open = self.turn(open, requests, monitor).await?;
        }
        Ok(())
    }

    /// Waits and accepts commands meanwhile. Returns whether commands can still come.
    async fn pause_until(&mut self, end: Instant) -> bool {
        loop {
            let (mut commands, state) = (Vec::new(), &mut self.state);
            tokio::select! {
                count = self.inbox.recv_many(&mut commands, COMMANDS_PER_TURN) => if count == 0 {
                    return false;
                },
                permit = self.events.reserve(), if !state.outbox.is_empty() => state.tell(permit),
                () = tokio::time::sleep_until(end) => return true,
            }
            commands
                .into_iter()
                .for_each(|command| self.handle(command));
            self.collect_changes();
        }
    }

    /// One batch if there is work, then the first event. Returns whether commands can still come.
    async fn turn(
        &mut self,
        mut open: bool,
        requests: &mut Requests,
        monitor: &mut Monitor,
    ) -> io::Result<bool> {
        if self.state.readings.due <= Instant::now() {
            self.read_all(requests).await?;
        }
        if self.state.can_work() {
            self.carry_out(requests).await?;
        }
        self.report.tell_if_due(&self.state.table);
        if !self.state.table.has_work() {
            self.answer();
        }
        let (mut commands, state) = (Vec::new(), &mut self.state);
        let due = self.report.due().min(state.readings.due);
        tokio::select! {
            count = self.inbox.recv_many(&mut commands, COMMANDS_PER_TURN), if open => open = count > 0,
            received = monitor.receive(), if !state.outbox.is_full() => match received {
                Ok(messages) => messages.for_each(|message| state.hear(&message)),
                Err(error) => state.lost_events(error)?,
            },
            permit = self.events.reserve(), if !state.outbox.is_empty() => state.tell(permit),
            () = tokio::time::sleep_until(due) => {}
            () = std::future::ready(()), if state.can_work() => {}
        }
        commands
            .into_iter()
            .for_each(|command| self.handle(command));
        self.hear_all(monitor)?;
        self.tell_what_fits();
        Ok(open)
    }

    fn handle(&mut self, command: KernelCommand) {
        match command {
            KernelCommand::Change(change) => self.state.table.want(change, &self.state.links),
            KernelCommand::FinishRecovery => {
                info!(
                    unclaimed = self.state.table.status().unclaimed,
                    "recovery of kernel routes ends"
                );
                self.state.table.finish_recovery();
            }
            KernelCommand::Status(asker) => self.askers.push(asker),
        }
    }

    /// One batch of operations.
    async fn carry_out(&mut self, requests: &mut Requests) -> io::Result<()> {
        let state = &mut self.state;
        let operations = state.table.operations(BATCH, &state.links);
        let results = match requests.apply(&operations, self.mark).await {
            Ok(results) => results,
            Err(error) => {
                // Which operations the kernel carried out is unknown: read the table.
                state.lost_events(error)?;
                return self.read_all(requests).await;
            }
        };
        for (operation, result) in operations.into_iter().zip(results) {
            debug!(prefix = %operation.prefix, action = ?operation.action, ?result, "kernel route");
            let certainty = state.table.finished(operation, result);
            state.ask_reading(certainty);
        }
        self.collect_changes();
        Ok(())
    }

    /// Takes in the events that have already arrived, within limits.
    fn hear_all(&mut self, monitor: &mut Monitor) -> io::Result<()> {
        for _ in 0..DATAGRAMS_PER_TURN {
            if self.state.outbox.is_full() {
                break;
            }
            match monitor.try_receive() {
                Ok(Some(messages)) => messages.for_each(|message| self.state.hear(&message)),
                Ok(None) => break,
                Err(error) => self.state.lost_events(error)?,
            }
        }
        self.collect_changes();
        Ok(())
    }

    /// Reads links, addresses and routes in full.
    async fn read_all(&mut self, requests: &mut Requests) -> io::Result<()> {
        self.state.overruns.log();
        let first = self.state.readings.count == 0;
        let mut consistent = false;
        for tries_left in (0..READING_TRIES).rev() {
            consistent = self.read_once(requests, first && tries_left == 0).await?;
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
        self.collect_changes();
        self.report.ask();
        Ok(())
    }

    /// Reads everything once. The result is taken over if the kernel says that it is consistent, or if there is none yet. Later,
    /// a list that changes on every attempt is left to the events and to the next reading.
    async fn read_once(&mut self, requests: &mut Requests, anyway: bool) -> io::Result<bool> {
        let (mut links, mut addresses, mut routes) = (Vec::new(), Vec::new(), Vec::new());
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
            // A kernel without IPv6 answers the question about it with routes of all families.
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
            work_on(routes.len(), || {
                state.table.observe_all(routes, &state.links)
            });
        }
        Ok(consistent)
    }

    fn answer(&mut self) {
        if self.askers.is_empty() {
            return;
        }
        let mut status = self.state.table.status();
        status.scans = self.state.readings.count;
        status.overruns = self.state.overruns.count;
        for asker in self.askers.drain(..) {
            let _ = asker.send(status); // the caller may be gone
        }
    }

    /// Fills the event channel without waiting.
    fn tell_what_fits(&mut self) {
        while !self.state.outbox.is_empty() {
            let Ok(permit) = self.events.try_reserve() else {
                break;
            };
            self.state.tell(Ok(permit));
        }
    }

    fn collect_changes(&mut self) {
        let changes = self.state.table.take_changes();
        if changes.iter().any(|key| matches!(key, Key::Verdict(_))) {
            self.report.ask();
        }
        self.state.outbox.extend(changes);
    }
}

/// Operations in one datagram, well below the default send buffer of a socket with 16 next hops each.
const BATCH: usize = 128;
const COMMANDS_PER_TURN: usize = 1024;
const DATAGRAMS_PER_TURN: usize = 1024;
const READING_TRIES: usize = 4;

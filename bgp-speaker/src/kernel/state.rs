//! The kernel task's state, without its sockets and channels: takes in messages, and makes events.

use std::io;

use tokio::sync::mpsc::Permit;
use tokio::sync::mpsc::error::SendError;
use tracing::warn;

use super::config::KernelConfig;
use super::event::KernelEvent;
use super::links::Links;
use super::netlink::link::{link_index, parse_address, parse_link};
use super::netlink::message::{
    DELADDR, DELLINK, DELROUTE, Message, NEWADDR, NEWLINK, NEWROUTE, REPLACE,
};
use super::netlink::route;
use super::netlink::socket::{is_overrun, is_overrun_message};
use super::outbox::{Key, Outbox};
use super::pace::Readings;
use super::table::{Certainty, KernelTable};

/// The state, without sockets and channels.
pub(super) struct State {
    pub(super) table_number: u32,
    pub(super) own_port: u32,
    pub(super) links: Links,
    pub(super) table: KernelTable,
    pub(super) outbox: Outbox,
    pub(super) readings: Readings,
    pub(super) overruns: Overruns,
}

/// How often events were lost.
#[derive(Default)]
pub(super) struct Overruns {
    pub(super) count: u64,
    pub(super) logged: u64,
}

impl Overruns {
    /// One log line for all losses since the last line.
    pub(super) fn log(&mut self) {
        let times = self.count - std::mem::replace(&mut self.logged, self.count);
        if times > 0 {
            warn!(times, "netlink messages were lost, the kernel is read anew");
        }
    }
}

impl State {
    pub(super) fn new(config: &KernelConfig) -> Self {
        Self {
            table_number: config.table,
            own_port: 0,
            links: Links::default(),
            table: KernelTable::new(config.protocol),
            outbox: Outbox::default(),
            readings: Readings::new(config.scan_interval),
            overruns: Overruns::default(),
        }
    }

    /// Whether operations are waiting and there is room for their events.
    pub(super) fn can_work(&self) -> bool {
        self.table.has_work() && !self.outbox.is_full()
    }

    /// Takes in one event of the kernel.
    pub(super) fn hear(&mut self, message: &Message<'_>) {
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

    /// When an interface goes down, the kernel drops its IPv4 routes without an event, so a reading is needed.
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

    /// Routes with a removed address as source or gateway disappear without an event, too.
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

    /// A change may allow a rejected route.
    fn retry_soon(&mut self) {
        if self.table.has_rejected() {
            self.readings.ask();
        }
    }

    /// # Errors
    /// Any error other than a lost message is passed on.
    pub(super) fn lost_events(&mut self, error: io::Error) -> io::Result<()> {
        if !is_overrun(&error) {
            return Err(error);
        }
        self.overruns.count += 1;
        self.readings.ask();
        Ok(())
    }

    pub(super) fn ask_reading(&mut self, certainty: Certainty) {
        if certainty == Certainty::ReadAgain {
            self.readings.ask();
        }
    }

    /// Sends one event; drops all if there is no receiver.
    pub(super) fn tell(&mut self, permit: Result<Permit<'_, KernelEvent>, SendError<()>>) {
        match permit {
            Ok(permit) => {
                if let Some(event) = self.next_event() {
                    permit.send(event);
                }
            }
            Err(_) => self.outbox = Outbox::default(),
        }
    }

    /// The event of the oldest key, made from the current state.
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

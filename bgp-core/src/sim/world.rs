//! The world of a simulation: virtual time, machines, connections, and one queue of events in the order of time and, at the
//! same time, of their making. Nothing else decides what happens next.
//!
//! Speakers are driven as the law of the crate says: one input, then all outputs, then the next event. What they do is
//! watched from outside at each step ([`check`](super::check), [`tap`](super::tap)); the first violation ends the simulation.

mod operate;
mod speak;
mod transport;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::fault::Action;
use super::link::Connection;
use super::network::{Network, peer_id};
use super::node::Node;
use super::random::Random;
use super::script::{Scenario, Weather};
use super::trace::{Trace, Violation};
use super::{Report, check};
use crate::speaker::Speaker;

/// Virtual time that a network has to settle once the faults are over.
const PATIENCE: Duration = Duration::from_secs(2000);
/// Whether the network rests is looked at after so many events.
const PATROL: u64 = 8;
/// Events of one phase; many times what the largest network needs.
const MOST_EVENTS: u64 = 3_000_000;

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum Event {
    /// A speaker wanted to be called.
    Wake(usize),
    /// An attempt to connect arrives.
    Syn { dial: u64, from: usize, to: usize },
    /// It was refused.
    Refused { dial: u64, from: usize, to: usize },
    /// The next segment that a side of a connection sent arrives.
    Segment { conn: u64, side: usize },
    /// A reader takes what a side of a connection sent.
    Read { conn: u64, side: usize },
    /// The network took octets of a side.
    Written {
        conn: u64,
        side: usize,
        octets: usize,
    },
    /// The other side has read octets.
    Acknowledged {
        conn: u64,
        side: usize,
        octets: usize,
    },
    /// A side that was closed has had time enough to deliver.
    Linger { conn: u64, side: usize },
    /// The way to a next hop was looked up.
    Resolved { node: usize, address: IpAddr },
    /// Something of the script.
    Action(Action),
}

impl Event {
    /// Whether the network is not at rest before it has happened.
    fn is_motion(&self) -> bool {
        match self {
            Self::Syn { .. } | Self::Refused { .. } | Self::Resolved { .. } | Self::Action(_) => {
                true
            }
            // Connections know themselves whether they are at rest.
            Self::Segment { .. }
            | Self::Read { .. }
            | Self::Written { .. }
            | Self::Acknowledged { .. } => false,
            Self::Wake(_) | Self::Linger { .. } => false,
        }
    }
}

#[derive(Debug)]
struct Scheduled {
    at: Instant,
    sequence: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.sequence == other.sequence
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// How a link is at the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct LinkState {
    /// What these sides send does not arrive.
    pub(super) stalled: [bool; 2],
    /// Attempts to connect are refused.
    pub(super) refusing: bool,
    /// Segments until one is corrupted.
    pub(super) corrupt_in: Option<usize>,
    /// Octets were corrupted since the connections were made.
    pub(super) tainted: bool,
    pub(super) latency: Duration,
}

/// Everything there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) network: Network,
    pub(super) nodes: Vec<Node>,
    pub(super) links: Vec<LinkState>,
    pub(super) connections: BTreeMap<u64, Connection>,
    /// Attempts to connect that are under way, by who dials whom.
    pub(super) dials: BTreeMap<(usize, usize), u64>,
    pub(super) now: Instant,
    pub(super) random: Random,
    pub(super) trace: Trace,
    /// NOTIFICATIONs and losses of sessions are to be expected.
    faulty: bool,
    /// A corrupted message may have been taken for good: what is configured bounds nothing.
    tainted: bool,
    weather: Weather,
    /// The table of the speaker of each so-manyth event is checked.
    look_every: u64,
    epoch: Instant,
    queue: BinaryHeap<Reverse<Scheduled>>,
    sequence: u64,
    /// Events in the queue that the network does not rest before.
    in_motion: usize,
    next_number: u64,
    seed: u64,
    report: Report,
}

impl World {
    pub(super) fn new(scenario: &Scenario, epoch: Instant, record: bool) -> Self {
        let mut random = Random::new(scenario.seed ^ 0x5eed);
        let network = scenario.network.clone();
        let latency = |random: &mut Random| {
            scenario.weather.latency / 4 + random.time_up_to(scenario.weather.latency)
        };
        let links = network.links.iter().map(|_| LinkState {
            latency: latency(&mut random),
            ..LinkState::default()
        });
        Self {
            links: links.collect(),
            nodes: network.nodes.iter().map(|_| Node::default()).collect(),
            connections: BTreeMap::new(),
            dials: BTreeMap::new(),
            now: epoch,
            trace: Trace::new(record),
            faulty: scenario.faulty,
            tainted: false,
            weather: scenario.weather.clone(),
            look_every: scenario.look_every,
            epoch,
            queue: BinaryHeap::new(),
            sequence: 0,
            in_motion: 0,
            next_number: 0,
            seed: random.number(),
            report: Report::of(&network),
            random,
            network,
        }
    }

    /// Lives through a script; tells what it was like.
    pub(super) fn run(&mut self, scenario: &Scenario) -> Result<Report, Violation> {
        for phase in &scenario.phases {
            for (offset, action) in phase {
                self.schedule(*offset, Event::Action(action.clone()));
            }
            self.settle(
                phase
                    .iter()
                    .map(|(offset, _)| *offset)
                    .max()
                    .unwrap_or_default(),
            )?;
            check::settled(&self.network, &self.nodes, self.now)?;
        }
        if scenario.ends_in_silence {
            self.stay_silent()?;
        }
        self.report.trace_hash = self.trace.hash();
        self.report.virtual_time = self.elapsed();
        Ok(self.report.clone())
    }

    /// Virtual time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.epoch
    }

    pub(super) fn schedule(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.in_motion += usize::from(event.is_motion());
        self.queue.push(Reverse(Scheduled {
            at: self.now + after,
            sequence: self.sequence,
            event,
        }));
    }

    /// A number that was not used before.
    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Until the script, which takes so long, is over and the network rests.
    fn settle(&mut self, script: Duration) -> Result<(), Violation> {
        let deadline = self.now + script + PATIENCE;
        for event in 0..MOST_EVENTS {
            let patrol = event % PATROL == 0 || self.queue.is_empty();
            if patrol && self.in_motion == 0 && self.is_at_rest() {
                return Ok(());
            }
            if self.now > deadline {
                break;
            }
            self.step()?;
        }
        Err(Violation::new("convergence", self.describe_unrest()))
    }

    /// Nothing but KEEPALIVEs for longer than the hold time, and no session is lost.
    fn stay_silent(&mut self) -> Result<(), Violation> {
        let hold_time = self
            .network
            .links
            .iter()
            .map(|link| link.ends[0].hold_time.min(link.ends[1].hold_time))
            .max();
        let until = self.now + Duration::from_secs(u64::from(hold_time.unwrap_or(0)) * 5 / 4);
        let updates = self.updates_sent();
        while self
            .queue
            .peek()
            .is_some_and(|Reverse(next)| next.at <= until)
        {
            self.step()?;
        }
        if self.updates_sent() != updates {
            return Err(Violation::new(
                "silence",
                "an UPDATE was sent although nothing had changed",
            ));
        }
        let lost = |node: &Node| node.sessions.values().any(|view| view.up.is_none());
        match self.nodes.iter().position(lost) {
            Some(node) => Err(Violation::new(
                "silence",
                format!("node {node} lost a session in silence"),
            )),
            None => Ok(()),
        }
    }

    fn updates_sent(&self) -> usize {
        self.nodes
            .iter()
            .flat_map(|node| node.sessions.values())
            .map(|view| view.tap.updates)
            .sum()
    }

    fn step(&mut self) -> Result<(), Violation> {
        let Some(Reverse(Scheduled { at, event, .. })) = self.queue.pop() else {
            return Err(Violation::new(
                "timers",
                "nobody waits for anything any more",
            ));
        };
        self.in_motion -= usize::from(event.is_motion());
        self.now = at;
        self.report.events += 1;
        match event {
            Event::Wake(node) => self.wake(node),
            Event::Syn { dial, from, to } => self.arrive_syn(dial, from, to),
            Event::Refused { dial, from, to } => self.arrive_refusal(dial, from, to),
            Event::Segment { conn, side } => self.arrive_segment(conn, side),
            Event::Read { conn, side } => self.read(conn, side),
            Event::Written { conn, side, octets } => self.written(conn, side, octets),
            Event::Acknowledged { conn, side, octets } => {
                self.acknowledged(conn, side, octets);
                Ok(())
            }
            Event::Linger { conn, side } => {
                self.linger(conn, side);
                Ok(())
            }
            Event::Resolved { node, address } => self.resolved(node, address),
            Event::Action(action) => self.operate(action),
        }
    }

    /// Whether all sessions are up, all routes are told, and nobody waits for anything but KEEPALIVEs.
    fn is_at_rest(&self) -> bool {
        let is_up = |node: &Node, peer: usize| {
            node.sessions
                .get(&peer)
                .is_some_and(|view| view.up.is_some())
        };
        let complete = self.network.links.iter().all(|link| {
            let [one, other] = link.nodes();
            is_up(&self.nodes[one], other) && is_up(&self.nodes[other], one)
        });
        let idle = |node: &Node| {
            node.speaker
                .as_ref()
                .is_some_and(|speaker| speaker.rib().poll_timeout().is_none())
        };
        complete
            && self.connections.len() == self.network.links.len()
            && self.connections.values().all(Connection::is_at_rest)
            && self.nodes.iter().all(|node| !node.deferring && idle(node))
            && !self.links.iter().any(|link| link.tainted)
    }

    /// Who and what keeps the network from its rest.
    fn describe_unrest(&self) -> String {
        let mut text = format!("no rest: {} events in motion", self.in_motion);
        for (place, node) in self.nodes.iter().enumerate() {
            let rib = node.speaker.as_ref().map(Speaker::rib);
            if node.deferring || rib.is_some_and(|rib| rib.poll_timeout().is_some()) {
                text += &format!("; node {place} waits (deferring: {})", node.deferring);
            }
            for (peer, view) in node.sessions.iter().filter(|(_, view)| view.up.is_none()) {
                let speaker = node.speaker.as_ref();
                let session = speaker.and_then(|speaker| speaker.session(peer_id(*peer)));
                let state = session.map(|session| session.state());
                text += &format!(
                    "; node {place} to {peer}: {state:?}, removed: {}",
                    view.removed
                );
            }
        }
        for (conn, connection) in &self.connections {
            let of_link = |other: &Connection| other.link == connection.link;
            let alone = self
                .connections
                .values()
                .filter(|other| of_link(other))
                .count()
                == 1;
            if !alone || !connection.is_at_rest() {
                text += &format!("; {conn} of {:?}: {:?}", connection.nodes, connection.sides);
            }
        }
        text
    }

    fn wake(&mut self, node: usize) -> Result<(), Violation> {
        if self.nodes[node].wake_at != Some(self.now) {
            return Ok(());
        }
        self.nodes[node].wake_at = None;
        let now = self.now;
        self.with_speaker(node, |speaker| speaker.handle_timeout(now))?;
        match self.nodes[node]
            .speaker
            .as_ref()
            .and_then(Speaker::poll_timeout)
        {
            Some(at) if at <= now => Err(Violation::new(
                "timers",
                format!("node {node} is still due after its timeout"),
            )),
            _ => Ok(()),
        }
    }
}

//! The state of a simulation: machines, connections, virtual time, and one queue of events, ordered by time and then by creation.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::super::fault::Action;
use super::super::link::SimConnection;
use super::super::network::Network;
use super::super::node::Node;
use super::super::random::Random;
use super::super::report::Report;
use super::super::script::{Scenario, Weather};
use super::super::trace::Trace;

/// A scheduled event.
#[derive(Debug)]
pub(super) enum Event {
    /// A deadline of a speaker.
    Wake(usize),
    /// An attempt to connect arrives.
    Syn { dial: u64, from: usize, to: usize },
    /// The attempt was refused.
    Refused { dial: u64, from: usize, to: usize },
    /// The next segment from a side of a connection arrives.
    Segment { conn: u64, side: usize },
    /// A reader takes octets from a side of a connection.
    Read { conn: u64, side: usize },
    /// The network took octets from a side.
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
    /// The time for delivery after a close is over.
    Linger { conn: u64, side: usize },
    /// A next hop was resolved.
    Resolved { node: usize, address: IpAddr },
    /// An event of the script.
    Action(Action),
}

impl Event {
    /// Whether the network is not at rest before this event.
    pub(super) fn is_motion(&self) -> bool {
        match self {
            Self::Syn { .. } | Self::Refused { .. } | Self::Resolved { .. } | Self::Action(_) => {
                true
            }
            // Connections track this themselves.
            Self::Segment { .. }
            | Self::Read { .. }
            | Self::Written { .. }
            | Self::Acknowledged { .. } => false,
            Self::Wake(_) | Self::Linger { .. } => false,
        }
    }
}

#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) at: Instant,
    sequence: u64,
    pub(super) event: Event,
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

/// The current state of a link.
#[derive(Clone, Debug, Default)]
pub(super) struct LinkState {
    /// Segments from these sides do not arrive.
    pub(super) stalled: [bool; 2],
    /// Attempts to connect are refused.
    pub(super) refusing: bool,
    /// Segments until one is corrupted.
    pub(super) corrupt_in: Option<usize>,
    /// Octets were corrupted since the connections were made.
    pub(super) tainted: bool,
    pub(super) latency: Duration,
}

/// The world.
#[derive(Debug)]
pub(super) struct World {
    pub(super) network: Network,
    pub(super) nodes: Vec<Node>,
    pub(super) links: Vec<LinkState>,
    pub(super) connections: BTreeMap<u64, SimConnection>,
    /// Attempts to connect in progress, by source and target.
    pub(super) dials: BTreeMap<(usize, usize), u64>,
    pub(super) now: Instant,
    pub(super) random: Random,
    pub(super) trace: Trace,
    /// NOTIFICATIONs and lost sessions are expected.
    pub(super) faulty: bool,
    /// A corrupted message may have been accepted: timers may exceed the configuration.
    pub(super) tainted: bool,
    pub(super) weather: Weather,
    /// The speaker's table is checked once per this many events.
    pub(super) look_every: u64,
    pub(super) epoch: Instant,
    pub(super) queue: BinaryHeap<Reverse<Scheduled>>,
    pub(super) sequence: u64,
    /// Queued events before which the network is not at rest.
    pub(super) in_motion: usize,
    pub(super) next_number: u64,
    pub(super) seed: u64,
    pub(super) report: Report,
}

impl World {
    pub(super) fn latency_of(&mut self, link: usize) -> Duration {
        self.links[link].latency + self.random.time_up_to(self.weather.jitter)
    }

    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        self.trace.line(self.now - self.epoch, text);
    }

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

    /// A new number.
    pub(super) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(super) fn updates_sent(&self) -> usize {
        self.nodes
            .iter()
            .flat_map(|node| node.sessions.values())
            .map(|view| view.tap.updates)
            .sum()
    }
}

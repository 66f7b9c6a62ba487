//! The world of a simulation: virtual time, machines, connections, and one queue of events, ordered by time and then by creation.
//! Nothing else determines the order.
//!
//! Speakers are driven by the law of the crate: one input, then all outputs, then the next event. Each step is observed from
//! outside ([`check`](super::check), [`tap`](super::tap)); the first violation ends the simulation.

mod operate;
mod speak;
mod state;
mod transport;
mod wires;

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::check;
use super::link::SimConnection;
use super::network::peer_id;
use super::node::Node;
use super::report::{Failure, Report};
use super::script::Scenario;
use super::trace::Violation;
use crate::speaker::SansIoSpeaker;

use operate::operate;
use speak::{resolved, with_speaker};
use state::{Event, Scheduled, World};
use transport::{arrive_refusal, arrive_segment, arrive_syn, read, written};
use wires::{acknowledged, linger};

/// Virtual time for a network to settle after the faults.
const PATIENCE: Duration = Duration::from_secs(2000);
/// Events between two checks whether the network is at rest.
const PATROL: u64 = 8;
/// Limit of the events of one phase; many times the need of the largest network.
const MOST_EVENTS: u64 = 3_000_000;

/// Runs a scenario.
pub(super) fn run(
    scenario: &Scenario,
    epoch: Instant,
    record: bool,
) -> Result<Report, Box<Failure>> {
    let mut world = World::new(scenario, epoch, record);
    live(&mut world, scenario).map_err(|violation| {
        Box::new(Failure {
            seed: scenario.seed,
            at: world.elapsed(),
            checker: violation.checker,
            text: violation.text,
            trace: world.trace.lines(),
        })
    })
}

/// Runs a script; returns the statistics.
fn live(world: &mut World, scenario: &Scenario) -> Result<Report, Violation> {
    for phase in &scenario.phases {
        for (offset, action) in phase {
            world.schedule(*offset, Event::Action(action.clone()));
        }
        settle(
            world,
            phase
                .iter()
                .map(|(offset, _)| *offset)
                .max()
                .unwrap_or_default(),
        )?;
        check::settled(&world.network, &world.nodes, world.now)?;
    }
    if scenario.ends_in_silence {
        stay_silent(world)?;
    }
    world.report.trace_hash = world.trace.hash();
    world.report.virtual_time = world.elapsed();
    Ok(world.report.clone())
}

/// Runs until the script, of this duration, is over and the network is at rest.
fn settle(world: &mut World, script: Duration) -> Result<(), Violation> {
    let deadline = world.now + script + PATIENCE;
    for event in 0..MOST_EVENTS {
        let patrol = event % PATROL == 0 || world.queue.is_empty();
        if patrol && world.in_motion == 0 && is_at_rest(world) {
            return Ok(());
        }
        if world.now > deadline {
            break;
        }
        step(world)?;
    }
    Err(Violation::new("convergence", describe_unrest(world)))
}

/// Only KEEPALIVEs for longer than the hold time, and no session is lost.
fn stay_silent(world: &mut World) -> Result<(), Violation> {
    let hold_time = world
        .network
        .links
        .iter()
        .map(|link| link.ends[0].hold_time.min(link.ends[1].hold_time))
        .max();
    let until = world.now + Duration::from_secs(u64::from(hold_time.unwrap_or(0)) * 5 / 4);
    let updates = world.updates_sent();
    while world
        .queue
        .peek()
        .is_some_and(|Reverse(next)| next.at <= until)
    {
        step(world)?;
    }
    if world.updates_sent() != updates {
        return Err(Violation::new(
            "silence",
            "an UPDATE was sent although nothing had changed",
        ));
    }
    let lost = |node: &Node| node.sessions.values().any(|view| view.up.is_none());
    match world.nodes.iter().position(lost) {
        Some(node) => Err(Violation::new(
            "silence",
            format!("node {node} lost a session in silence"),
        )),
        None => Ok(()),
    }
}

fn step(world: &mut World) -> Result<(), Violation> {
    let Some(Reverse(Scheduled { at, event, .. })) = world.queue.pop() else {
        return Err(Violation::new(
            "timers",
            "nobody waits for anything any more",
        ));
    };
    world.in_motion -= usize::from(event.is_motion());
    world.now = at;
    world.report.events += 1;
    match event {
        Event::Wake(node) => wake(world, node),
        Event::Syn { dial, from, to } => arrive_syn(world, dial, from, to),
        Event::Refused { dial, from, to } => arrive_refusal(world, dial, from, to),
        Event::Segment { conn, side } => arrive_segment(world, conn, side),
        Event::Read { conn, side } => read(world, conn, side),
        Event::Written { conn, side, octets } => written(world, conn, side, octets),
        Event::Acknowledged { conn, side, octets } => {
            acknowledged(world, conn, side, octets);
            Ok(())
        }
        Event::Linger { conn, side } => {
            linger(world, conn, side);
            Ok(())
        }
        Event::Resolved { node, address } => resolved(world, node, address),
        Event::Action(action) => operate(world, action),
    }
}

/// Whether all sessions are up, all routes were sent, and nothing but KEEPALIVEs is pending.
fn is_at_rest(world: &World) -> bool {
    let is_up = |node: &Node, peer: usize| {
        node.sessions
            .get(&peer)
            .is_some_and(|view| view.up.is_some())
    };
    let complete = world.network.links.iter().all(|link| {
        let [one, other] = link.nodes();
        is_up(&world.nodes[one], other) && is_up(&world.nodes[other], one)
    });
    let idle = |node: &Node| {
        node.speaker
            .as_ref()
            .is_some_and(|speaker| speaker.rib().poll_timeout().is_none())
    };
    complete
        && world.connections.len() == world.network.links.len()
        && world.connections.values().all(SimConnection::is_at_rest)
        && world.nodes.iter().all(|node| !node.deferring && idle(node))
        && !world.links.iter().any(|link| link.tainted)
}

/// Why the network is not at rest.
fn describe_unrest(world: &World) -> String {
    let mut text = format!("no rest: {} events in motion", world.in_motion);
    for (place, node) in world.nodes.iter().enumerate() {
        let rib = node.speaker.as_ref().map(SansIoSpeaker::rib);
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
    for (conn, connection) in &world.connections {
        let of_link = |other: &SimConnection| other.link == connection.link;
        let alone = world
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

fn wake(world: &mut World, node: usize) -> Result<(), Violation> {
    if world.nodes[node].wake_at != Some(world.now) {
        return Ok(());
    }
    world.nodes[node].wake_at = None;
    let now = world.now;
    with_speaker(world, node, |speaker| speaker.handle_timeout(now))?;
    match world.nodes[node]
        .speaker
        .as_ref()
        .and_then(SansIoSpeaker::poll_timeout)
    {
        Some(at) if at <= now => Err(Violation::new(
            "timers",
            format!("node {node} is still due after its timeout"),
        )),
        _ => Ok(()),
    }
}

//! Outputs of speakers, and the checks after each of their steps.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use super::super::check;
use super::super::link::Side;
use super::super::network::{node_of, peer_id};
use super::super::node::{DEFERRAL, SessionView};
use super::super::tap::is_harmless;
use super::super::trace::Violation;
use super::state::{Event, World};
use super::wires::{close, dial, write};
use crate::rib::Resolution;
use crate::session::{ConnId, Down, DownReason};
use crate::speaker::{Output, SansIoSpeaker};
use crate::wire::Notification;

/// Limit of the outputs of one step; many times the need of the largest table.
const MOST_OUTPUTS: usize = 1_000_000;

/// Passes one input to a speaker, carries out its outputs, and checks it. No effect if it is not running.
pub(super) fn with_speaker(
    world: &mut World,
    node: usize,
    act: impl FnOnce(&mut SansIoSpeaker),
) -> Result<(), Violation> {
    let Some(speaker) = &mut world.nodes[node].speaker else {
        return Ok(());
    };
    act(speaker);
    drain(world, node)?;
    note_deadline(world, node)?;
    check_table(world, node)
}

fn drain(world: &mut World, node: usize) -> Result<(), Violation> {
    for _ in 0..MOST_OUTPUTS {
        let Some(output) = world.nodes[node]
            .speaker
            .as_mut()
            .and_then(SansIoSpeaker::poll_output)
        else {
            return Ok(());
        };
        perform(world, node, output)?;
    }
    Err(Violation::new(
        "bounded work",
        format!("node {node} never stops to want things done"),
    ))
}

fn perform(world: &mut World, node: usize, output: Output) -> Result<(), Violation> {
    let at = u64::try_from(world.elapsed().as_micros()).unwrap_or(u64::MAX);
    world.trace.mix(&[at, node as u64]);
    match output {
        Output::Connect(peer) => dial(world, node, node_of(peer)),
        Output::CancelConnect(peer) => {
            world.dials.remove(&(node, node_of(peer)));
        }
        Output::Transmit { peer, conn, bytes } => {
            transmit(world, node, node_of(peer), conn, &bytes)?
        }
        Output::Close { conn, .. } => close(world, node, conn)?,
        Output::Up(peer, negotiated) => {
            let now = world.now;
            world.report.sessions += 1;
            world.note(|| format!("node {node}: session with {} is up", node_of(peer)));
            if let Some(view) = world.nodes[node].sessions.get_mut(&node_of(peer)) {
                view.up(now, &negotiated);
            }
        }
        Output::Down(peer, down) => session_down(world, node, node_of(peer), &down)?,
        Output::Forward { prefix, route } => {
            let installed = &mut world.nodes[node].installed;
            match route {
                Some(route) => installed.insert(prefix, route),
                None => installed.remove(&prefix),
            };
        }
        Output::Resolve(address) => {
            let after = world.random.time_up_to(Duration::from_millis(20));
            world.schedule(after, Event::Resolved { node, address });
        }
        // A late answer must be harmless.
        Output::Forget(_) => {}
        // No such family is configured here.
        Output::Opaque(..) | Output::OpaqueRefresh(..) => {}
        Output::DeferralEnded => {
            world.nodes[node].deferring = false;
            world.note(|| format!("node {node}: deferral ended"));
        }
    }
    Ok(())
}

fn transmit(
    world: &mut World,
    node: usize,
    peer: usize,
    conn: ConnId,
    bytes: &Bytes,
) -> Result<(), Violation> {
    world.trace.mix_octets(bytes);
    world.note(|| format!("node {node} -> {peer} on {}: {}", conn.0, brief(bytes)));
    let Some(view) = world.nodes[node].sessions.get_mut(&peer) else {
        return Err(Violation::new(
            "wire",
            format!("node {node} sends to a stranger"),
        ));
    };
    let last_words = view
        .tap
        .watch(bytes)
        .map_err(|violation| violation.within(format!("node {node} to {peer}")))?;
    if let Some(notification) = last_words {
        check_last_words(world, node, peer, conn, &notification)?;
    }
    let open = world
        .connections
        .get(&conn.0)
        .is_some_and(|known| known.sides[known.side_of(node)] == Side::Open);
    if !open {
        return Err(Violation::new(
            "closed",
            format!("node {node} sends on connection {} that is closed", conn.0),
        ));
    }
    write(world, conn.0, node, bytes);
    Ok(())
}

/// Without faults, no NOTIFICATION is sent except after a collision, and then on the right connection.
fn check_last_words(
    world: &World,
    node: usize,
    peer: usize,
    conn: ConnId,
    notification: &Notification,
) -> Result<(), Violation> {
    if is_harmless(notification) {
        return check_collision(world, node, peer, conn);
    }
    if world.faulty {
        return Ok(());
    }
    let text = format!("node {node} to {peer}: {notification} without a fault");
    Err(Violation::new("notification", text))
}

/// RFC 4271 §6.8: next to an Established session, any connection may close. Otherwise the one opened by the side with the lower
/// identity closes, or the earlier one of two opened by the same side.
fn check_collision(world: &World, node: usize, peer: usize, conn: ConnId) -> Result<(), Violation> {
    let up = |view: &SessionView| view.up.is_some();
    let Some(closed) = world.connections.get(&conn.0) else {
        return Ok(());
    };
    if world.nodes[node].sessions.get(&peer).is_some_and(up) || world.tainted {
        return Ok(());
    }
    let identity = |node: usize| {
        let spec = &world.network.nodes[node];
        (spec.router_id, spec.asn)
    };
    let [opener, other] = closed.nodes;
    let repeated = world
        .connections
        .range(conn.0 + 1..)
        .any(|(_, newer)| newer.nodes == closed.nodes);
    if identity(opener) < identity(other) || repeated {
        return Ok(());
    }
    let text = format!("node {node} closes {} to {peer}, which wins", conn.0);
    Err(Violation::new("collision", text))
}

fn session_down(world: &mut World, node: usize, peer: usize, down: &Down) -> Result<(), Violation> {
    world.note(|| format!("node {node}: session with {peer} is down: {}", down.reason));
    world.report.losses += 1;
    let collided = match &down.reason {
        DownReason::Sent(notification) | DownReason::Received(notification) => {
            is_harmless(notification)
        }
        DownReason::Closed(_)
        | DownReason::Left
        | DownReason::Replaced
        | DownReason::SendHoldTimer => false,
    };
    if !world.faulty && !collided {
        return Err(Violation::new(
            "session",
            format!("node {node} lost {peer} without a fault: {}", down.reason),
        ));
    }
    let now = world.now;
    let Some(view) = world.nodes[node].sessions.get_mut(&peer) else {
        return Ok(());
    };
    if down.reason == DownReason::Replaced && !view.restarts_gracefully {
        let text = format!("node {node} gave up its session with {peer} for a new connection");
        return Err(Violation::new("collision", text));
    }
    view.down(now, down.keep_stale);
    Ok(())
}

/// Schedules the next deadline, and checks that it is plausible.
fn note_deadline(world: &mut World, node: usize) -> Result<(), Violation> {
    let Some(at) = world.nodes[node]
        .speaker
        .as_ref()
        .and_then(SansIoSpeaker::poll_timeout)
    else {
        return Ok(());
    };
    if at < world.now {
        return Err(Violation::new(
            "timers",
            format!("node {node} has a deadline {:?} ago", world.now - at),
        ));
    }
    let (after, longest) = (at - world.now, longest_timer(world));
    if after > longest && !world.tainted {
        return Err(Violation::new(
            "timers",
            format!("node {node} waits {after:?}, longer than {longest:?}"),
        ));
    }
    let planned = &mut world.nodes[node].wake_at;
    if planned.is_none_or(|planned| planned > at) {
        *planned = Some(at);
        world.schedule(after, Event::Wake(node));
    }
    Ok(())
}

/// No timer of a speaker is longer.
fn longest_timer(world: &World) -> Duration {
    let terms = &world.network.terms;
    let restart_time = Duration::from_secs(terms.restart_time.unwrap_or(0).into());
    // The hold timer of OpenSent (RFC 4271 §8.2.2) and the send hold timer (RFC 9687 §3) do not depend on settings here.
    let fixed = Duration::from_secs(480);
    fixed
        .max(DEFERRAL)
        .max(restart_time)
        .max(terms.idle_hold.1)
        .max(terms.connect_retry_time)
}

/// Checks the table of a speaker, as often as the scenario says.
fn check_table(world: &World, node: usize) -> Result<(), Violation> {
    if !world.report.events.is_multiple_of(world.look_every) {
        return Ok(());
    }
    check::table(
        &world.network,
        &world.nodes[node],
        node,
        world.now,
        world.tainted,
    )
    .map(|_| ())
}

pub(super) fn resolved(world: &mut World, node: usize, address: IpAddr) -> Result<(), Violation> {
    let metric = world.network.metric(node, address);
    let resolution = Resolution::Reachable {
        metric,
        interface: None,
    };
    let now = world.now;
    with_speaker(world, node, |speaker| {
        speaker.handle_next_hop(now, address, resolution)
    })
}

pub(super) fn tell_closed(
    world: &mut World,
    node: usize,
    peer: usize,
    conn: u64,
    error: Option<&str>,
) -> Result<(), Violation> {
    let now = world.now;
    world.note(|| format!("node {node}: connection {conn} with {peer} is lost: {error:?}"));
    with_speaker(world, node, |speaker| {
        speaker.handle_closed(now, peer_id(peer), ConnId(conn), error)
    })
}

/// The types of the messages, for traces.
fn brief(octets: &Bytes) -> String {
    let mut rest = &octets[..];
    let mut names = Vec::new();
    while let Some(&[high, low, kind]) = rest.get(16..19) {
        let length = usize::from(u16::from_be_bytes([high, low])).clamp(19, rest.len());
        names.push(match kind {
            1 => "OPEN".to_owned(),
            2 => format!("UPDATE({length})"),
            3 => format!("NOTIFICATION({:?})", &rest[19..length]),
            4 => "KEEPALIVE".to_owned(),
            _ => format!("type {kind}"),
        });
        rest = &rest[length..];
    }
    names.join(" ")
}

//! Operations and faults.

use super::super::fault::Action;
use super::super::link::{Segment, Side, SimConnection};
use super::super::network::peer_id;
use super::super::node::local_route;
use super::super::trace::Violation;
use super::speak::with_speaker;
use super::state::World;
use super::transport::deliver;
use super::wires::{send_segment, shut};
use crate::session::Stop;

type Step = Result<(), Violation>;

pub(super) fn operate(world: &mut World, action: Action) -> Step {
    world.note(|| format!("* {action:?}"));
    let now = world.now;
    match action {
        Action::Announce(node, prefix, route) => {
            let local = local_route(&route);
            world.nodes[node].local.insert(prefix, route);
            with_speaker(world, node, |speaker| speaker.announce(now, prefix, local))
        }
        Action::Withdraw(node, prefix) => {
            world.nodes[node].local.remove(&prefix);
            with_speaker(world, node, |speaker| speaker.withdraw(now, prefix, 0))
        }
        Action::Configure {
            link,
            side,
            import,
            export,
        } => {
            let end = &mut world.network.links[link].ends[side];
            (end.import, end.export) = (import, export);
            configure(world, link, side)
        }
        Action::HoldTime { link, side, secs } => {
            world.network.links[link].ends[side].hold_time = secs;
            configure(world, link, side)
        }
        Action::Remove { link, side } => remove(world, link, side),
        Action::Add { link, side } => {
            let (node, peer) = ends(world, link, side);
            if let Some(view) = world.nodes[node].sessions.get_mut(&peer) {
                view.removed = false;
            }
            configure(world, link, side)
        }
        Action::Stop { link, side, why } => {
            let (node, peer) = ends(world, link, side);
            with_speaker(world, node, |speaker| speaker.stop(now, peer_id(peer), why))
        }
        Action::Start { link, side } => {
            let (node, peer) = ends(world, link, side);
            with_speaker(world, node, |speaker| speaker.start(now, peer_id(peer)))
        }
        Action::Heal(link) => heal(world, link),
        Action::Leave(node) => leave(world, node),
        Action::Boot { node, graceful } => boot(world, node, graceful),
        Action::Stall { .. }
        | Action::Refuse(_)
        | Action::Admit(_)
        | Action::Break(_)
        | Action::Corrupt(_)
        | Action::Crash(_)
        | Action::PowerLoss(_)
        | Action::ReadSlowly(_)
        | Action::ReadFast(_) => {
            harm(world, action);
            Ok(())
        }
    }
}

/// Faults that no speaker notices at once.
fn harm(world: &mut World, action: Action) {
    match action {
        Action::Stall { link, side } => world.links[link].stalled[side] = true,
        Action::Refuse(link) => world.links[link].refusing = true,
        Action::Admit(link) => world.links[link].refusing = false,
        Action::Break(link) => break_link(world, link),
        Action::Corrupt(link) => {
            let segments = world.random.within(0..=6);
            world.links[link].corrupt_in = Some(segments);
        }
        Action::Crash(node) => crash(world, node),
        Action::PowerLoss(node) => lose_power(world, node),
        Action::ReadSlowly(node) => world.nodes[node].slow = true,
        Action::ReadFast(node) => world.nodes[node].slow = false,
        Action::Announce(..)
        | Action::Withdraw(..)
        | Action::Configure { .. }
        | Action::HoldTime { .. }
        | Action::Remove { .. }
        | Action::Add { .. }
        | Action::Stop { .. }
        | Action::Start { .. }
        | Action::Heal(_)
        | Action::Leave(_)
        | Action::Boot { .. } => {}
    }
}

/// The node of a side, and its neighbour.
fn ends(world: &World, link: usize, side: usize) -> (usize, usize) {
    let nodes = world.network.links[link].nodes();
    (nodes[side], nodes[1 - side])
}

/// Applies the current configuration of a neighbour to a speaker, unless the neighbour is removed.
fn configure(world: &mut World, link: usize, side: usize) -> Step {
    let (node, peer) = ends(world, link, side);
    if world.nodes[node]
        .sessions
        .get(&peer)
        .is_none_or(|view| view.removed)
    {
        return Ok(());
    }
    world.nodes[node].configure(&world.network, world.now, node, peer);
    with_speaker(world, node, |_| ())
}

fn remove(world: &mut World, link: usize, side: usize) -> Step {
    let (node, peer) = ends(world, link, side);
    if let Some(view) = world.nodes[node].sessions.get_mut(&peer) {
        view.removed = true;
    }
    let now = world.now;
    with_speaker(world, node, |speaker| speaker.remove(now, peer_id(peer)))
}

/// All held segments arrive, in order.
fn heal(world: &mut World, link: usize) -> Step {
    world.links[link].stalled = [false; 2];
    for conn in connections_where(world, |connection| connection.link == link) {
        for side in [0, 1] {
            let delayed = world
                .connections
                .get_mut(&conn)
                .map(|known| std::mem::take(&mut known.pipes[side].delayed));
            for _ in 0..delayed.unwrap_or(0) {
                deliver(world, conn, side)?;
            }
        }
    }
    Ok(())
}

fn connections_where(world: &World, wanted: impl Fn(&SimConnection) -> bool) -> Vec<u64> {
    world
        .connections
        .iter()
        .filter(|(_, connection)| wanted(connection))
        .map(|(conn, _)| *conn)
        .collect()
}

/// Both sides are notified of the loss of the connections, at different times.
fn break_link(world: &mut World, link: usize) {
    world.links[link].tainted = false;
    world.links[link].corrupt_in = None;
    for conn in connections_where(world, |connection| connection.link == link) {
        for side in [0, 1] {
            if let Some(connection) = world.connections.get_mut(&conn) {
                // Octets in flight are lost with the connection.
                connection.pipes[side].queue.clear();
                send_segment(world, conn, side, Segment::Reset);
            }
        }
    }
}

fn crash(world: &mut World, node: usize) {
    stop_process(world, node);
    for conn in connections_where(world, |connection| connection.nodes.contains(&node)) {
        let Some(connection) = world.connections.get_mut(&conn) else {
            continue;
        };
        let side = connection.side_of(node);
        if connection.sides[side] == Side::Closed {
            continue;
        }
        let last = if world.random.chance(50) {
            Segment::Fin
        } else {
            Segment::Reset
        };
        send_segment(world, conn, side, last);
        shut(world, conn, side);
    }
}

fn lose_power(world: &mut World, node: usize) {
    stop_process(world, node);
    world.nodes[node].unpowered = true;
    for conn in connections_where(world, |connection| connection.nodes.contains(&node)) {
        if let Some(connection) = world.connections.get(&conn) {
            let side = connection.side_of(node);
            shut(world, conn, side);
        }
    }
}

fn stop_process(world: &mut World, node: usize) {
    let stopped = &mut world.nodes[node];
    stopped.speaker = None;
    stopped.deferring = false;
    stopped.wake_at = None;
    stopped.installed.clear();
    for view in stopped.sessions.values_mut() {
        view.up = None;
        view.tap.down();
    }
    world.dials.retain(|(from, _), _| *from != node);
}

fn leave(world: &mut World, node: usize) -> Step {
    let (now, peers) = (
        world.now,
        world.network.neighbours(node).collect::<Vec<_>>(),
    );
    with_speaker(world, node, |speaker| {
        for peer in peers {
            speaker.stop(now, peer_id(peer), Stop::Restart);
        }
    })?;
    crash(world, node);
    Ok(())
}

/// Starts a process; no effect if it is running.
fn boot(world: &mut World, node: usize, graceful: bool) -> Step {
    if world.nodes[node].speaker.is_some() {
        return Ok(());
    }
    let seed = world.seed ^ world.number();
    world.nodes[node].boot(&world.network, node, world.now, seed, graceful);
    for peer in world.network.neighbours(node).collect::<Vec<_>>() {
        world.nodes[node].configure(&world.network, world.now, node, peer);
    }
    refuse_leftovers(world, node);
    with_speaker(world, node, |_| ())
}

/// Segments for the previous process of a machine, and their retransmissions, are answered with a reset.
fn refuse_leftovers(world: &mut World, node: usize) {
    for conn in connections_where(world, |connection| connection.nodes.contains(&node)) {
        let Some(connection) = world.connections.get(&conn) else {
            continue;
        };
        let side = connection.side_of(node);
        if connection.sides[side] == Side::Closed && connection.pipes[1 - side].outstanding > 0 {
            send_segment(world, conn, side, Segment::Reset);
        }
    }
}

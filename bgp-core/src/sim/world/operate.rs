//! Work of operators, and faults.

use super::super::fault::Action;
use super::super::link::{Connection, Segment, Side};
use super::super::network::peer_id;
use super::super::node::local_route;
use super::super::trace::Violation;
use super::World;
use crate::session::Stop;

type Step = Result<(), Violation>;

impl World {
    pub(super) fn operate(&mut self, action: Action) -> Step {
        self.note(|| format!("* {action:?}"));
        let now = self.now;
        match action {
            Action::Announce(node, prefix, route) => {
                let local = local_route(&route);
                self.nodes[node].local.insert(prefix, route);
                self.with_speaker(node, |speaker| speaker.announce(now, prefix, local))
            }
            Action::Withdraw(node, prefix) => {
                self.nodes[node].local.remove(&prefix);
                self.with_speaker(node, |speaker| speaker.withdraw(now, prefix, 0))
            }
            Action::Configure {
                link,
                side,
                import,
                export,
            } => {
                let end = &mut self.network.links[link].ends[side];
                (end.import, end.export) = (import, export);
                self.configure(link, side)
            }
            Action::HoldTime { link, side, secs } => {
                self.network.links[link].ends[side].hold_time = secs;
                self.configure(link, side)
            }
            Action::Remove { link, side } => self.remove(link, side),
            Action::Add { link, side } => {
                let (node, peer) = self.ends(link, side);
                if let Some(view) = self.nodes[node].sessions.get_mut(&peer) {
                    view.removed = false;
                }
                self.configure(link, side)
            }
            Action::Stop { link, side, why } => {
                let (node, peer) = self.ends(link, side);
                self.with_speaker(node, |speaker| speaker.stop(now, peer_id(peer), why))
            }
            Action::Start { link, side } => {
                let (node, peer) = self.ends(link, side);
                self.with_speaker(node, |speaker| speaker.start(now, peer_id(peer)))
            }
            Action::Heal(link) => self.heal(link),
            Action::Leave(node) => self.leave(node),
            Action::Boot { node, graceful } => self.boot(node, graceful),
            Action::Stall { .. }
            | Action::Refuse(_)
            | Action::Admit(_)
            | Action::Break(_)
            | Action::Corrupt(_)
            | Action::Crash(_)
            | Action::PowerLoss(_)
            | Action::ReadSlowly(_)
            | Action::ReadFast(_) => {
                self.harm(action);
                Ok(())
            }
        }
    }

    /// Faults that no speaker hears of at once.
    fn harm(&mut self, action: Action) {
        match action {
            Action::Stall { link, side } => self.links[link].stalled[side] = true,
            Action::Refuse(link) => self.links[link].refusing = true,
            Action::Admit(link) => self.links[link].refusing = false,
            Action::Break(link) => self.break_link(link),
            Action::Corrupt(link) => {
                let segments = self.random.within(0..=6);
                self.links[link].corrupt_in = Some(segments);
            }
            Action::Crash(node) => self.crash(node),
            Action::PowerLoss(node) => self.lose_power(node),
            Action::ReadSlowly(node) => self.nodes[node].slow = true,
            Action::ReadFast(node) => self.nodes[node].slow = false,
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
    fn ends(&self, link: usize, side: usize) -> (usize, usize) {
        let nodes = self.network.links[link].nodes();
        (nodes[side], nodes[1 - side])
    }

    /// Gives a speaker the present configuration of a neighbour, unless that is removed.
    fn configure(&mut self, link: usize, side: usize) -> Step {
        let (node, peer) = self.ends(link, side);
        if self.nodes[node]
            .sessions
            .get(&peer)
            .is_none_or(|view| view.removed)
        {
            return Ok(());
        }
        self.nodes[node].configure(&self.network, self.now, node, peer);
        self.with_speaker(node, |_| ())
    }

    fn remove(&mut self, link: usize, side: usize) -> Step {
        let (node, peer) = self.ends(link, side);
        if let Some(view) = self.nodes[node].sessions.get_mut(&peer) {
            view.removed = true;
        }
        let now = self.now;
        self.with_speaker(node, |speaker| speaker.remove(now, peer_id(peer)))
    }

    /// All that was held back arrives, in order.
    fn heal(&mut self, link: usize) -> Step {
        self.links[link].stalled = [false; 2];
        for conn in self.connections_where(|connection| connection.link == link) {
            for side in [0, 1] {
                let delayed = self
                    .connections
                    .get_mut(&conn)
                    .map(|known| std::mem::take(&mut known.pipes[side].delayed));
                for _ in 0..delayed.unwrap_or(0) {
                    self.deliver(conn, side)?;
                }
            }
        }
        Ok(())
    }

    fn connections_where(&self, wanted: impl Fn(&Connection) -> bool) -> Vec<u64> {
        self.connections
            .iter()
            .filter(|(_, connection)| wanted(connection))
            .map(|(conn, _)| *conn)
            .collect()
    }

    /// Both sides are told that the connections are lost, at different times.
    fn break_link(&mut self, link: usize) {
        self.links[link].tainted = false;
        self.links[link].corrupt_in = None;
        for conn in self.connections_where(|connection| connection.link == link) {
            for side in [0, 1] {
                if let Some(connection) = self.connections.get_mut(&conn) {
                    // What is under way is lost with the connection.
                    connection.pipes[side].queue.clear();
                    self.send_segment(conn, side, Segment::Reset);
                }
            }
        }
    }

    fn crash(&mut self, node: usize) {
        self.stop_process(node);
        for conn in self.connections_where(|connection| connection.nodes.contains(&node)) {
            let Some(connection) = self.connections.get_mut(&conn) else {
                continue;
            };
            let side = connection.side_of(node);
            if connection.sides[side] == Side::Closed {
                continue;
            }
            let last = if self.random.chance(50) {
                Segment::Fin
            } else {
                Segment::Reset
            };
            self.send_segment(conn, side, last);
            self.shut(conn, side);
        }
    }

    fn lose_power(&mut self, node: usize) {
        self.stop_process(node);
        self.nodes[node].unpowered = true;
        for conn in self.connections_where(|connection| connection.nodes.contains(&node)) {
            if let Some(connection) = self.connections.get(&conn) {
                let side = connection.side_of(node);
                self.shut(conn, side);
            }
        }
    }

    fn stop_process(&mut self, node: usize) {
        let stopped = &mut self.nodes[node];
        stopped.speaker = None;
        stopped.deferring = false;
        stopped.wake_at = None;
        stopped.installed.clear();
        for view in stopped.sessions.values_mut() {
            view.up = None;
            view.tap.down();
        }
        self.dials.retain(|(from, _), _| *from != node);
    }

    fn leave(&mut self, node: usize) -> Step {
        let (now, peers) = (self.now, self.network.neighbours(node).collect::<Vec<_>>());
        self.with_speaker(node, |speaker| {
            for peer in peers {
                speaker.stop(now, peer_id(peer), Stop::Restart);
            }
        })?;
        self.crash(node);
        Ok(())
    }

    /// No effect on one that runs.
    fn boot(&mut self, node: usize, graceful: bool) -> Step {
        if self.nodes[node].speaker.is_some() {
            return Ok(());
        }
        let seed = self.seed ^ self.number();
        self.nodes[node].boot(&self.network, node, self.now, seed, graceful);
        for peer in self.network.neighbours(node).collect::<Vec<_>>() {
            self.nodes[node].configure(&self.network, self.now, node, peer);
        }
        self.refuse_leftovers(node);
        self.with_speaker(node, |_| ())
    }

    /// What a neighbour has sent to the former life of a machine, and sends again, is answered with a reset.
    fn refuse_leftovers(&mut self, node: usize) {
        for conn in self.connections_where(|connection| connection.nodes.contains(&node)) {
            let Some(connection) = self.connections.get(&conn) else {
                continue;
            };
            let side = connection.side_of(node);
            if connection.sides[side] == Side::Closed && connection.pipes[1 - side].outstanding > 0
            {
                self.send_segment(conn, side, Segment::Reset);
            }
        }
    }
}

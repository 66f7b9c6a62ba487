//! What the watch over the path to a peer means to its session (RFC 5882).

use std::time::{Duration, Instant};

use bgp_core::session::{Session, State, Stop};

use crate::bfd::{BfdSpec, BfdStatus, Watchdog};
use crate::command::NeighbourCommand;
use crate::timer::{now, sleep_until};

/// Ends a session whose path is dead, and lets one that needs BFD wait for it.
pub(crate) struct PathRule {
    watchdog: Watchdog,
    /// The owner has stopped the session, and not started it again.
    stopped: bool,
    /// The session waits for BFD.
    blocked: bool,
    /// After a restart, the session waits for BFD until then.
    patient_until: Option<Instant>,
    /// When a session last ended.
    ended_at: Option<Instant>,
}

/// How long a session waits for BFD after a restart. The peer notices our first packet at once, and answers; one that has no BFD
/// does not lose more than this.
const PATIENCE: Duration = Duration::from_secs(3);

impl PathRule {
    /// With `bfd_first`, a session that is watched comes up after BFD if that does not take long. BFD ended with our earlier
    /// process: a peer that has not noticed yet would otherwise take our first packet for the failure of a session that is up
    /// again, and end it (BIRD 2.0.12 does). A peer that had no session with that process may not know the path before BGP is up:
    /// FRR 8.4 watches another one from then on, which looks like a failure of the first.
    pub(crate) fn new(watchdog: Watchdog, bfd_first: bool) -> Self {
        let is_patient = bfd_first && watchdog.watches();
        let mut rule = Self {
            stopped: false,
            blocked: false,
            patient_until: is_patient.then(|| now() + PATIENCE),
            ended_at: None,
            watchdog,
        };
        rule.blocked = rule.blocks();
        rule
    }

    /// Waits until the path is otherwise than before; for ever if nobody watches.
    pub(crate) async fn changed(&mut self) {
        tokio::select! {
            () = self.watchdog.changed() => {}
            () = sleep_until(self.patient_until) => {}
        }
    }

    /// Whether BGP has to wait for BFD.
    fn blocks(&mut self) -> bool {
        let is_patient = self.patient_until.is_some_and(|until| now() < until);
        if !is_patient || self.watchdog.lets_bgp_up() {
            self.patient_until = None;
        }
        self.watchdog.blocks_bgp() || self.patient_until.is_some()
    }

    /// BFD says that somebody holds the session down before BGP says that it ends, so that the peer takes the silence that follows
    /// for no failure (RFC 5882 §8). Not before a graceful restart: some peers drop the routes then.
    pub(crate) async fn announce(&mut self, command: &NeighbourCommand, session: &Session) {
        match command {
            NeighbourCommand::Remove(why, _) => {
                let negotiated = || session.status().negotiated;
                let restarts = *why == Stop::Restart
                    && negotiated().is_some_and(|agreed| agreed.graceful_restart.is_some());
                self.watchdog.end(restarts).await;
            }
            NeighbourCommand::Stop(why) if stays_down(why) => self.watchdog.hold(true).await,
            NeighbourCommand::Start => self.watchdog.hold(false).await,
            _ => {}
        }
    }

    /// The session has ended.
    pub(crate) fn ended(&mut self) {
        self.ended_at = Some(now());
    }

    /// The path is otherwise than before. One that is dead ends a session that is up; any other session may be that of a peer which
    /// restarts, whose routes stay (RFC 5882 §4.3.2). A peer that was back before its silence was noticed has restarted, too: its BFD
    /// ended with its process, and has not worked since the session before this one ended.
    pub(crate) fn apply(&mut self, session: &mut Session) {
        let failure = self.watchdog.take_failure();
        let is_of_before = |worked_at| self.ended_at.is_some_and(|ended| worked_at <= ended);
        let concerns = failure.is_some_and(|worked_at| !is_of_before(worked_at));
        if concerns && session.state() == State::Established {
            let why = match self.watchdog.is_strict() {
                true => Stop::BfdRequired,
                false => Stop::BfdDown,
            };
            session.stop(now(), why);
        }
        self.wait(session);
    }

    /// A session that is up goes on; any other one is stopped, or started again.
    fn wait(&mut self, session: &mut Session) {
        let blocks = self.blocks();
        let was_blocked = std::mem::replace(&mut self.blocked, blocks);
        if blocks && session.state() != State::Established {
            session.stop(now(), Stop::BfdRequired);
        } else if was_blocked && !blocks {
            self.start_unless_stopped(session);
        }
    }

    fn start_unless_stopped(&self, session: &mut Session) {
        if !self.stopped && !self.blocked {
            session.start(now());
        }
    }

    /// The owner starts the session.
    pub(crate) fn start(&mut self, session: &mut Session) {
        self.stopped = false;
        self.start_unless_stopped(session);
    }

    /// The owner stops the session, which comes up again by itself or not.
    pub(crate) fn stop(&mut self, session: &mut Session, why: Stop) {
        self.stopped |= stays_down(&why);
        session.stop(now(), why);
        self.wait(session);
    }

    /// Other settings of the watch; `None`: nobody watches.
    pub(crate) fn configure(&mut self, session: &mut Session, spec: Option<BfdSpec>) {
        self.watchdog.configure(spec);
        self.wait(session);
    }

    pub(crate) fn status(&self) -> Option<BfdStatus> {
        self.watchdog.status()
    }
}

/// Whether a session stays down after the owner has stopped it, until the owner starts it.
fn stays_down(why: &Stop) -> bool {
    !matches!(
        why,
        Stop::Reset(_) | Stop::MaxPrefixes { .. } | Stop::OutOfResources { .. } | Stop::BfdDown
    )
}

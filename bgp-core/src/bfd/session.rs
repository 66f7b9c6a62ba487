//! One session: the state machine of RFC 5880 §6.2 with its two timers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::Config;
use super::interval::Interval;
use super::output::{Cause, Change, Output, PeerView, Status, Timer};
use super::packet::{Diagnostic, Discriminator, Packet, State};
use super::timing::{Negotiation, Timing};
use crate::random::Random;

/// One session. See the [module](super) for how to drive it.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) config: Config,
    pub(super) local: Discriminator,
    pub(super) random: Random,
    pub(super) state: State,
    pub(super) diagnostic: Diagnostic,
    pub(super) negotiation: Negotiation,
    /// `None` until the peer is heard, and again when it is not for the detection time (RFC 5880 §6.8.1).
    pub(super) peer: Option<PeerView>,
    /// Whether the peer's last packet had the C bit.
    pub(super) peer_is_independent: bool,
    pub(super) heard: Option<Instant>,
    /// When the peer last said that it hears us: it was Init or Up.
    pub(super) worked_at: Option<Instant>,
    pub(super) sent: Option<Instant>,
    /// The interval for which the next packet is planned; `None` while there are to be no periodic packets.
    pub(super) pace: Option<Interval>,
    pub(super) next: Option<Instant>,
    pub(super) outputs: VecDeque<Output>,
}

impl Session {
    /// A session that is Down, with its first packet due at once. `local` is for nobody else on this system, and another number
    /// after each start; `seed` is where the jitter comes from.
    pub fn new(now: Instant, config: Config, local: Discriminator, seed: u64) -> Self {
        let mut session = Self {
            negotiation: Negotiation::new(wanted(&config, State::Down, false)),
            config,
            local,
            random: Random::new(seed),
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            peer: None,
            peer_is_independent: false,
            heard: None,
            worked_at: None,
            sent: None,
            pace: None,
            next: None,
            outputs: VecDeque::new(),
        };
        session.pace = session.transmit_interval();
        session.next = Some(now);
        session
    }

    /// Other settings from now on. While the session is up, intervals change by a Poll Sequence (RFC 5880 §6.8.3).
    pub fn set_config(&mut self, now: Instant, config: Config) {
        self.config = config;
        self.negotiate(now);
        self.plan(now);
    }

    /// Holds the session down, and tells the peer that this says nothing of the path (RFC 5880 §6.8.16).
    pub fn disable(&mut self, now: Instant) {
        if self.state != State::AdminDown {
            self.enter(
                now,
                State::AdminDown,
                Diagnostic::ADMIN_DOWN,
                Cause::AdminDown,
            );
            self.transmit(now, false);
        }
    }

    /// Lets a session come up again that was held down.
    pub fn enable(&mut self, now: Instant) {
        if self.state == State::AdminDown {
            self.enter(now, State::Down, Diagnostic::NONE, Cause::AdminDown);
            self.transmit(now, false);
        }
    }

    /// A packet came for this session (RFC 5880 §6.8.6): with our discriminator, or with none from the address of the peer. One for
    /// another session has no effect.
    pub fn handle_packet(&mut self, now: Instant, packet: &Packet) {
        if packet
            .your_discriminator
            .is_some_and(|number| number != self.local)
        {
            return;
        }
        let was_silent = self.was_silent(now);
        self.peer = Some(PeerView::of(packet));
        self.peer_is_independent = packet.control_plane_independent;
        self.heard = Some(now);
        if matches!(packet.state, State::Init | State::Up) {
            self.worked_at = Some(now);
        }
        self.negotiate(now);
        if packet.is_final {
            self.negotiation.confirm(now);
        }
        if self.state == State::AdminDown {
            return self.plan(now);
        }
        let next = next_state(self.state, packet.state);
        if let Some((state, diagnostic, cause)) = next {
            let is_own = was_silent && cause == Cause::PeerDown;
            let cause = if is_own { Cause::OwnSilence } else { cause };
            self.enter(now, state, diagnostic, cause);
        }
        // One packet says both.
        if next.is_some() || packet.poll {
            self.transmit(now, packet.poll);
        }
        self.plan(now);
    }

    /// Does what is due. Harmless when nothing is. Whoever reads packets late hands them in first: the detection time is judged here.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.detects_at().is_some_and(|at| at <= now) {
            (self.peer, self.heard) = (None, None);
            self.negotiate(now);
            if matches!(self.state, State::Init | State::Up) {
                let diagnostic = Diagnostic::DETECTION_TIME_EXPIRED;
                self.enter(now, State::Down, diagnostic, Cause::DetectionTimeExpired);
                self.transmit(now, false);
            }
            self.plan(now);
        }
        if self.next.is_some_and(|at| at <= now) {
            // A Poll Sequence may have waited for the end of another one.
            self.negotiate(now);
            self.transmit(now, false);
            self.plan(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let transmit = self.next.map(|at| (at, Timer::Transmit));
        let detect = self.detects_at().map(|at| (at, Timer::Detect));
        transmit.into_iter().chain(detect).min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// How the session is.
    pub fn status(&self) -> Status {
        Status {
            state: self.state,
            diagnostic: self.diagnostic,
            local: self.local,
            peer: self.peer,
            transmit_interval: self.transmit_interval(),
            detection_time: self.detection_time(),
            polling: !self.negotiation.is_confirmed(),
        }
    }

    fn enter(&mut self, now: Instant, state: State, diagnostic: Diagnostic, cause: Cause) {
        let old = std::mem::replace(&mut self.state, state);
        self.diagnostic = diagnostic;
        self.negotiate(now);
        self.plan(now);
        self.outputs.push_back(Output::Changed(Change {
            old,
            new: state,
            cause,
            control_plane_independent: self.config.control_plane_independent
                && self.peer_is_independent,
            worked_at: self.worked_at,
        }));
    }

    /// Whether we have sent nothing for the detection time of the peer, which then had reason to find the path dead.
    fn was_silent(&self, now: Instant) -> bool {
        let due = self.sent.zip(self.transmit_interval());
        due.is_some_and(|(sent, interval)| {
            let detection = Duration::from(interval) * u32::from(self.config.multiplier.get());
            now.saturating_duration_since(sent) >= detection
        })
    }

    pub(super) fn negotiate(&mut self, now: Instant) {
        let wanted = wanted(&self.config, self.state, self.peer.is_some());
        self.negotiation.want(now, wanted, self.state == State::Up);
    }

    /// RFC 5880 §6.8.2: the slower of what we want and what the peer can take, until it has said that: as we want. `None` while it
    /// wants none, or asked for Demand mode (RFC 5880 §6.8.7).
    pub(super) fn transmit_interval(&self) -> Option<Interval> {
        let own = self.negotiation.in_use().min_tx;
        let Some(peer) = self.peer else {
            return Some(own);
        };
        let both_up = self.state == State::Up && peer.state == State::Up;
        let on_demand = peer.demand && both_up && !self.negotiation.is_polling();
        let is_wanted = !peer.required_min_rx.is_zero() && !on_demand;
        is_wanted.then(|| own.max(peer.required_min_rx))
    }

    /// RFC 5880 §6.8.4; `None` while the peer is not heard.
    fn detection_time(&self) -> Option<Duration> {
        let peer = self.peer?;
        let interval = self.negotiation.in_use().min_rx.max(peer.desired_min_tx);
        Some(Duration::from(interval) * u32::from(peer.multiplier.get()))
    }

    fn detects_at(&self) -> Option<Instant> {
        self.heard?.checked_add(self.detection_time()?)
    }

    /// Plans the next packet anew if the interval has changed.
    pub(super) fn plan(&mut self, now: Instant) {
        let pace = self.transmit_interval();
        if pace != self.pace {
            self.pace = pace;
            let since = self.sent.unwrap_or(now);
            self.next = self.after(since).map(|at| at.max(now));
        }
    }

    /// When a packet follows one of that instant.
    fn after(&mut self, sent: Instant) -> Option<Instant> {
        let pace = Duration::from(self.pace?);
        sent.checked_add(self.shorten(pace))
    }

    /// RFC 5880 §6.8.7: by up to a quarter, and by at least a tenth if no packet may be lost.
    fn shorten(&mut self, interval: Duration) -> Duration {
        let least = if self.config.multiplier.get() == 1 {
            100
        } else {
            0
        };
        let thousandths = least + self.random.next() % (251 - least);
        interval - interval / 1000 * u32::try_from(thousandths).unwrap_or_default()
    }

    /// An answer to a Poll comes in addition to the periodic packets, and is no part of a Poll Sequence of ours.
    fn transmit(&mut self, now: Instant, is_final: bool) {
        let announced = self.negotiation.announced();
        self.outputs.push_back(Output::Transmit(Packet {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.negotiation.is_polling() && !is_final,
            is_final,
            control_plane_independent: self.config.control_plane_independent,
            demand: false,
            multiplier: self.config.multiplier,
            my_discriminator: self.local,
            your_discriminator: self.peer.map(|peer| peer.discriminator),
            desired_min_tx: announced.min_tx,
            required_min_rx: announced.min_rx,
            required_min_echo_rx: Interval::ZERO,
        }));
        if !is_final {
            self.sent = Some(now);
            self.next = self.after(now);
        }
    }
}

/// Our intervals in a state. Whoever is heard is answered once a second, so that a packet that is lost delays nothing for long.
fn wanted(config: &Config, state: State, is_heard: bool) -> Timing {
    let min_tx = match state {
        State::Up => config.desired_min_tx,
        State::AdminDown | State::Down | State::Init if is_heard => Interval::SECOND,
        State::AdminDown | State::Down | State::Init => config.idle_tx.max(Interval::SECOND),
    };
    Timing {
        min_tx,
        min_rx: config.required_min_rx,
    }
}

/// Where a packet in that state of the peer leads, from any state but AdminDown (RFC 5880 §6.8.6); `None`: nowhere.
fn next_state(own: State, peer: State) -> Option<(State, Diagnostic, Cause)> {
    let down = |cause| Some((State::Down, Diagnostic::NEIGHBOR_DOWN, cause));
    let agree = |state| Some((state, Diagnostic::NONE, Cause::Handshake));
    match (own, peer) {
        (State::Init | State::Up, State::AdminDown) => down(Cause::PeerAdminDown),
        (State::Down, State::Down) => agree(State::Init),
        (State::Down, State::Init) | (State::Init, State::Init | State::Up) => agree(State::Up),
        (State::Up, State::Down) => down(Cause::PeerDown),
        (State::AdminDown, _)
        | (State::Down, State::AdminDown | State::Up)
        | (State::Init, State::Down)
        | (State::Up, State::Init | State::Up) => None,
    }
}

//! A session as a value, which another process continues before the peer misses a packet.

use std::num::{NonZeroU8, NonZeroU32};
use std::time::{Duration, Instant};

use super::config::Config;
use super::interval::Interval;
use super::output::PeerView;
use super::packet::{Diagnostic, Discriminator, State};
use super::session::Session;
use super::timing::{Negotiation, Timing};
use crate::handover::{Malformed, Reader, Writer};

/// A session, with durations in the place of instants.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handover {
    /// By this number the peer knows it.
    pub local: Discriminator,
    /// The state.
    pub state: State,
    /// Why it last left a state.
    pub diagnostic: Diagnostic,
    /// What the peer last said.
    pub peer: Option<PeerView>,
    /// Since the peer was heard.
    pub heard: Option<Duration>,
    /// Since a packet was sent.
    pub sent: Option<Duration>,
    /// Until the next packet.
    pub next: Option<Duration>,
    /// The intervals to send and to receive: wanted, announced, in use.
    pub intervals: [[Interval; 2]; 3],
    /// Since the announced intervals wait for the peer's answer.
    pub polling: Option<Duration>,
    /// For how long answers to the last Poll Sequence can still come.
    pub answers: Option<Duration>,
}

impl Session {
    /// The session as a value. It does not change: until the successor has taken over, it can go on.
    pub fn hand_over(&self, now: Instant) -> Handover {
        let ago = |at: Instant| now.saturating_duration_since(at);
        let left = |at: Instant| at.saturating_duration_since(now);
        let negotiation = &self.negotiation;
        let timings = [
            negotiation.wanted,
            negotiation.announced,
            negotiation.in_use,
        ];
        Handover {
            local: self.local,
            state: self.state,
            diagnostic: self.diagnostic,
            peer: self.peer,
            heard: self.heard.map(ago),
            sent: self.sent.map(ago),
            next: self.next.map(left),
            intervals: timings.map(|timing| [timing.min_tx, timing.min_rx]),
            polling: negotiation.polling_since.map(ago),
            answers: negotiation.answers_until.map(left),
        }
    }

    /// Continues a session. Other settings than before come into force by a Poll Sequence.
    pub fn take_over(now: Instant, config: Config, seed: u64, session: &Handover) -> Self {
        let before = |ago| now.checked_sub(ago).unwrap_or(now);
        let after = |left| now.checked_add(left).unwrap_or(now);
        let [wanted, announced, in_use] = session
            .intervals
            .map(|[min_tx, min_rx]| Timing { min_tx, min_rx });
        let mut taken = Self::new(now, config, session.local, seed);
        taken.state = session.state;
        taken.diagnostic = session.diagnostic;
        taken.peer = session.peer;
        taken.peer_is_independent = session
            .peer
            .is_some_and(|peer| peer.control_plane_independent);
        taken.heard = session.heard.map(before).filter(|_| session.peer.is_some());
        taken.worked_at = taken.heard.filter(|_| taken.state == State::Up);
        taken.sent = session.sent.map(before);
        taken.negotiation = Negotiation {
            wanted,
            announced,
            in_use,
            polling_since: session.polling.map(before),
            answers_until: session.answers.map(after),
        };
        taken.pace = taken.transmit_interval();
        taken.next = session.next.map(after);
        taken.negotiate(now);
        taken.plan(now);
        taken
    }
}

impl Handover {
    /// Appends the octets.
    pub fn encode(&self, out: &mut Writer) {
        out.u32(self.local.0.get());
        out.u8(self.state as u8);
        out.u8(self.diagnostic.0);
        out.option(self.peer, |out, peer| {
            out.u32(peer.discriminator.0.get());
            out.u8(peer.state as u8);
            out.u8(peer.diagnostic.0);
            out.u32(peer.desired_min_tx.as_micros());
            out.u32(peer.required_min_rx.as_micros());
            out.u8(peer.multiplier.get());
            out.flag(peer.demand);
            out.flag(peer.control_plane_independent);
        });
        for time in [self.heard, self.sent, self.next] {
            out.option(time, Writer::duration);
        }
        for interval in self.intervals.as_flattened() {
            out.u32(interval.as_micros());
        }
        for time in [self.polling, self.answers] {
            out.option(time, Writer::duration);
        }
    }

    /// Reads what [`Handover::encode`] appended.
    ///
    /// # Errors
    ///
    /// The octets are of another form.
    pub fn decode(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (local, state) = (discriminator(input)?, state(input)?);
        let diagnostic = Diagnostic(input.u8()?);
        let peer = input.option(peer)?;
        let [heard, sent, next] = [(); 3].map(|()| input.option(Reader::duration));
        let (heard, sent, next) = (heard?, sent?, next?);
        let mut intervals = [[Interval::ZERO; 2]; 3];
        for interval in intervals.as_flattened_mut() {
            *interval = Interval::from_micros(input.u32()?);
        }
        Ok(Self {
            local,
            state,
            diagnostic,
            peer,
            heard,
            sent,
            next,
            intervals,
            polling: input.option(Reader::duration)?,
            answers: input.option(Reader::duration)?,
        })
    }
}

fn discriminator(input: &mut Reader<'_>) -> Result<Discriminator, Malformed> {
    NonZeroU32::new(input.u32()?)
        .map(Discriminator)
        .ok_or(Malformed)
}

fn state(input: &mut Reader<'_>) -> Result<State, Malformed> {
    let known = [State::AdminDown, State::Down, State::Init, State::Up];
    let place = usize::from(input.u8()?);
    known.get(place).copied().ok_or(Malformed)
}

fn peer(input: &mut Reader<'_>) -> Result<PeerView, Malformed> {
    Ok(PeerView {
        discriminator: discriminator(input)?,
        state: state(input)?,
        diagnostic: Diagnostic(input.u8()?),
        desired_min_tx: Interval::from_micros(input.u32()?),
        required_min_rx: Interval::from_micros(input.u32()?),
        multiplier: NonZeroU8::new(input.u8()?).ok_or(Malformed)?,
        demand: input.flag()?,
        control_plane_independent: input.flag()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bfd::{Output, Packet};

    #[expect(clippy::disallowed_methods, reason = "time zero of a virtual clock")]
    fn time_zero() -> Instant {
        Instant::now() + Duration::from_secs(1000)
    }

    fn again(session: &Handover) -> Handover {
        let mut out = Writer::default();
        session.encode(&mut out);
        Handover::decode(&mut Reader::new(&out.finish())).expect("it was just written")
    }

    /// Two sessions that are up, and the time by then.
    fn pair(config: Config) -> ([Session; 2], Instant) {
        let mut now = time_zero();
        let mut sides = [1, 2].map(|number| {
            let local = Discriminator::new(number).expect("not zero");
            Session::new(now, config, local, number.into())
        });
        for _ in 0..50 {
            now = next(&sides);
            run(&mut sides, now);
        }
        assert!(sides.iter().all(|side| side.state() == State::Up));
        (sides, now)
    }

    fn next(sides: &[Session; 2]) -> Instant {
        let due = sides.iter().filter_map(|side| Some(side.poll_timeout()?.0));
        due.min().expect("they always send")
    }

    fn run(sides: &mut [Session; 2], now: Instant) {
        for me in [0, 1] {
            sides[me].handle_timeout(now);
            while let Some(output) = sides[me].poll_output() {
                if let Output::Transmit(packet) = output {
                    let packet = Packet::decode(&packet.encode()).expect("a packet");
                    sides[1 - me].handle_packet(now, &packet);
                }
            }
        }
    }

    #[test]
    fn the_peer_of_a_session_that_is_continued_notices_nothing() {
        let multiplier = NonZeroU8::new(3).expect("not zero");
        let config = Config::new(Interval::from_micros(100_000), multiplier);
        let (mut sides, now) = pair(config);
        let given = sides[0].hand_over(now);
        assert_eq!(again(&given), given);
        let taken = Session::take_over(now, config, 77, &again(&given));
        assert_eq!(
            (taken.status(), taken.poll_timeout()),
            (sides[0].status(), sides[0].poll_timeout())
        );
        sides[0] = taken;
        // Other intervals come by a Poll Sequence.
        let slower = Config::new(Interval::from_micros(300_000), multiplier);
        let given = sides[0].hand_over(now);
        sides[0] = Session::take_over(now, slower, 77, &given);
        assert!(sides[0].status().polling);
        for _ in 0..100 {
            let now = next(&sides);
            run(&mut sides, now);
            assert!(sides.iter().all(|side| side.state() == State::Up));
        }
        assert!(!sides[0].status().polling);
        assert_eq!(
            sides[0].status().transmit_interval,
            Some(Interval::from_micros(300_000))
        );
    }

    proptest! {
        #[test]
        fn damage_is_no_danger(at in 0usize..200, octet in any::<u8>()) {
            let config = Config::new(Interval::SECOND, NonZeroU8::MIN);
            let (sides, now) = pair(config);
            let mut out = Writer::default();
            sides[0].hand_over(now).encode(&mut out);
            let mut octets = out.finish();
            let len = octets.len();
            octets[at % len] = octet;
            if let Ok(session) = Handover::decode(&mut Reader::new(&octets)) {
                prop_assert_eq!(&again(&session), &session);
                let mut taken = Session::take_over(now, config, 1, &session);
                taken.handle_timeout(now);
            }
        }
    }
}

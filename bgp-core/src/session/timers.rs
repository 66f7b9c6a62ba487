//! Deadlines, jitter, and the growing time in Idle.
//!
//! A session starts no timers: it records deadlines, and its owner asks for the earliest one and calls back then. Instants are
//! arguments of each call; random numbers come only from the initial seed.

use std::time::{Duration, Instant};

use crate::random::Random;

/// The purpose of the deadline of [`Session::poll_timeout`](super::Session::poll_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// End of the time in Idle (RFC 4271 §8.1.1, DampPeerOscillations).
    IdleHold,
    /// Dial again.
    ConnectRetry,
    /// A message of the peer must have arrived.
    Hold,
    /// Send a KEEPALIVE.
    Keepalive,
    /// TCP must have taken our octets (RFC 9687).
    SendHold,
}

impl Timer {
    const ALL: [Self; 5] = [
        Self::IdleHold,
        Self::ConnectRetry,
        Self::Hold,
        Self::Keepalive,
        Self::SendHold,
    ];
}

/// An optional deadline for each [`Timer`].
#[derive(Clone, Debug, Default)]
pub(super) struct Timers([Option<Instant>; Timer::ALL.len()]);

impl Timers {
    /// Sets a deadline. A deadline beyond the range of the clock is none.
    pub(super) fn arm(&mut self, timer: Timer, now: Instant, after: Duration) {
        self.0[timer as usize] = now.checked_add(after);
    }

    pub(super) fn cancel(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(super) fn deadline(&self, timer: Timer) -> Option<Instant> {
        self.0[timer as usize]
    }

    /// Whether the deadline has passed; if so, it is cleared.
    pub(super) fn expire(&mut self, timer: Timer, now: Instant) -> bool {
        self.0[timer as usize]
            .take_if(|deadline| *deadline <= now)
            .is_some()
    }

    /// Postpones a deadline, to `floor` at the earliest.
    pub(super) fn postpone(&mut self, timer: Timer, by: Duration, floor: Instant) {
        if let Some(deadline) = &mut self.0[timer as usize] {
            *deadline = deadline.checked_add(by).unwrap_or(*deadline).max(floor);
        }
    }

    /// The earliest deadline, ignoring `except`.
    pub(super) fn next(&self, except: Option<Timer>) -> Option<(Instant, Timer)> {
        Timer::ALL
            .into_iter()
            .filter(|timer| Some(*timer) != except)
            .filter_map(|timer| Some((self.deadline(timer)?, timer)))
            .min()
    }
}

/// A stream of random factors from a seed.
#[derive(Clone, Debug)]
pub(super) struct Jitter(Random);

impl Jitter {
    pub(super) const fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// `interval` times a factor between 0.75 and 1.0 (RFC 4271 §10).
    pub(super) fn shorten(&mut self, interval: Duration) -> Duration {
        let share = u32::try_from(self.0.next() % 1025).unwrap_or_default();
        interval - interval / 4 / 1024 * share
    }
}

/// The time in Idle after an error: doubles with each error, up to a limit.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// A session that was Established for this long starts again with the shortest time.
    pub(super) const STABLE: Duration = Duration::from_secs(120);
    /// Lower bound of any configuration: a peer that always refuses must not be dialled in a tight loop.
    const FLOOR: Duration = Duration::from_secs(1);

    pub(super) fn new((shortest, longest): (Duration, Duration)) -> Self {
        let shortest = shortest.max(Self::FLOOR);
        Self {
            shortest,
            longest: longest.max(shortest),
            next: shortest,
        }
    }

    pub(super) fn reset(&mut self) {
        self.next = self.shortest;
    }

    /// The current time in Idle; doubles for the next error.
    pub(super) fn grow(&mut self) -> Duration {
        let due = self.next;
        self.next = due.saturating_mul(2).min(self.longest);
        due
    }

    /// The current time in Idle, after an end without an error.
    pub(super) fn stay(&self) -> Duration {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_between_three_quarters_and_one() {
        let mut jitter = Jitter::new(7);
        let minute = Duration::from_secs(60);
        let drawn: Vec<_> = (0..1000).map(|_| jitter.shorten(minute)).collect();
        assert!(
            drawn
                .iter()
                .all(|d| (Duration::from_secs(45)..=minute).contains(d))
        );
        assert!(drawn.iter().any(|d| *d < Duration::from_secs(48)));
        assert!(drawn.iter().any(|d| *d > Duration::from_secs(57)));
        assert_eq!(Jitter::new(1).shorten(Duration::ZERO), Duration::ZERO);
        assert!(Jitter::new(1).shorten(Duration::MAX) > Duration::from_secs(1));
    }

    #[test]
    fn backoff_doubles_up_to_its_bound() {
        let secs = Duration::from_secs;
        let mut backoff = Backoff::new((secs(5), secs(30)));
        let stays: Vec<_> = (0..5).map(|_| backoff.grow()).collect();
        assert_eq!(stays, [5, 10, 20, 30, 30].map(secs));
        backoff.reset();
        assert_eq!(backoff.grow(), secs(5));
        assert_eq!(Backoff::new((secs(0), secs(0))).grow(), secs(1));
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "there is no other way to get an instant"
    )]
    fn the_earliest_deadline_comes_with_its_reason() {
        let now = Instant::now();
        let mut timers = Timers::default();
        assert_eq!(timers.next(None), None);
        timers.arm(Timer::Keepalive, now, Duration::from_secs(2));
        timers.arm(Timer::Hold, now, Duration::from_secs(1));
        timers.arm(Timer::IdleHold, now, Duration::MAX);
        let (at, timer) = timers.next(None).unwrap();
        assert_eq!((at, timer), (now + Duration::from_secs(1), Timer::Hold));
        assert_eq!(timers.next(Some(Timer::Hold)).unwrap().1, Timer::Keepalive);
        assert!(!timers.expire(Timer::Hold, now));
        assert!(timers.expire(Timer::Hold, at));
        assert!(!timers.expire(Timer::Hold, at));
    }
}

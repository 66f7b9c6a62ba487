//! Two sessions and a link between them, under virtual time. Everything random comes from one seed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bgp_core::bfd::{Change, Config, Discriminator, Interval, Output, Packet, Session, State};

pub(crate) const LOCAL: Discriminator = Discriminator::new(1).unwrap();
pub(crate) const PEER: Discriminator = Discriminator::new(2).unwrap();

pub(crate) const fn millis(millis: u32) -> Interval {
    Interval::from_micros(millis * 1000)
}

/// Time zero of a virtual clock.
#[expect(
    clippy::disallowed_methods,
    reason = "which instant it is does not matter"
)]
pub(crate) fn time_zero() -> Instant {
    Instant::now()
}

/// How packets fare on their way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// Shortest time on the way.
    pub(crate) delay: Duration,
    /// At most so much more.
    pub(crate) spread: Duration,
    /// Of a hundred packets, so many are lost.
    pub(crate) loss: u64,
    /// Whether packets of each side get through at all.
    pub(crate) open: [bool; 2],
}

impl Link {
    pub(crate) const GOOD: Self = Self {
        delay: Duration::from_millis(1),
        spread: Duration::ZERO,
        loss: 0,
        open: [true; 2],
    };
}

/// Both sides.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) sides: [Session; 2],
    pub(crate) link: Link,
    /// On the way, by arrival: to whom, and octets.
    flying: BTreeMap<(Instant, u64), (usize, Packet)>,
    random: u64,
    /// Of each side, with its time.
    pub(crate) changes: Vec<(Instant, usize, Change)>,
    /// What each side last sent by its own timer or because its state changed.
    last: [Option<(Instant, Packet)>; 2],
    sent: u64,
}

impl World {
    pub(crate) fn new(configs: [Config; 2], link: Link, seed: u64) -> Self {
        let now = time_zero();
        let side = |number: usize| {
            let local = [LOCAL, PEER][number];
            Session::new(now, configs[number], local, seed + number as u64)
        };
        Self {
            now,
            sides: [side(0), side(1)],
            link,
            flying: BTreeMap::new(),
            random: seed,
            changes: Vec::new(),
            last: [None, None],
            sent: 0,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.sides.iter().all(|side| side.state() == State::Up)
    }

    /// Neither side waits for the other to confirm its intervals.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_up() && !self.sides.iter().any(|side| side.status().polling)
    }

    /// Lets so much time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass until something holds, and tells how much it was.
    pub(crate) fn until(&mut self, limit: Duration, holds: impl Fn(&Self) -> bool) -> Duration {
        let (begin, end) = (self.now, self.now + limit);
        while !holds(self) {
            let next = self.next().expect("somebody always sends");
            assert!(next <= end, "not within {limit:?}: {:?}", self.sides);
            self.now = self.now.max(next);
            self.step();
        }
        self.now - begin
    }

    /// Something the owner of a side does.
    pub(crate) fn act(&mut self, side: usize, act: impl FnOnce(&mut Session, Instant)) {
        act(&mut self.sides[side], self.now);
        self.drain(side);
    }

    /// A side is another process from now on.
    pub(crate) fn restart(&mut self, side: usize, config: Config) {
        let number = Discriminator::new(100 + u32::try_from(self.random() % 1000).unwrap());
        self.sides[side] = Session::new(self.now, config, number.unwrap(), self.random());
        self.last[side] = None;
    }

    fn next(&self) -> Option<Instant> {
        let arrival = self.flying.keys().next().map(|(at, _)| *at);
        let deadlines = self
            .sides
            .iter()
            .filter_map(|side| Some(side.poll_timeout()?.0));
        deadlines.chain(arrival).min()
    }

    fn step(&mut self) {
        // What has arrived counts before a detection time is judged.
        while let Some(entry) = self.flying.first_entry()
            && entry.key().0 <= self.now
        {
            let (to, packet) = entry.remove();
            self.sides[to].handle_packet(self.now, &packet);
            self.drain(to);
        }
        for side in [0, 1] {
            self.sides[side].handle_timeout(self.now);
            self.drain(side);
        }
    }

    fn drain(&mut self, side: usize) {
        while let Some(output) = self.sides[side].poll_output() {
            match output {
                Output::Changed(change) => self.changes.push((self.now, side, change)),
                Output::Transmit(packet) => self.send(side, packet),
                _ => {}
            }
        }
    }

    fn send(&mut self, side: usize, packet: Packet) {
        self.check(side, &packet);
        if !self.link.open[side] || self.random() % 100 < self.link.loss {
            return;
        }
        let spread = u64::try_from(self.link.spread.as_micros()).unwrap() + 1;
        let late = Duration::from_micros(self.random() % spread);
        self.sent += 1;
        let arrival = (self.now + self.link.delay + late, self.sent);
        let read = Packet::decode(&packet.encode()).expect("a good packet");
        self.flying.insert(arrival, (1 - side, read));
    }

    /// What holds for every packet.
    fn check(&mut self, side: usize, packet: &Packet) {
        assert!(!(packet.poll && packet.is_final), "{packet:?}");
        assert!(packet.required_min_echo_rx.is_zero() && !packet.demand);
        if packet.state != State::Up {
            assert!(packet.desired_min_tx >= Interval::SECOND, "{packet:?}");
        }
        if packet.is_final {
            return;
        }
        // Whoever is told nothing new is not told sooner than it can take.
        if let Some((at, last)) = self.last[side]
            && last.state == packet.state
            && let Some(interval) = self.sides[side].status().transmit_interval
        {
            let least = Duration::from(interval.min(last.desired_min_tx)).mul_f64(0.74);
            assert!(
                self.now - at >= least,
                "{:?} after {last:?}: {packet:?}",
                self.now - at
            );
        }
        self.last[side] = Some((self.now, *packet));
    }

    pub(crate) fn random(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }
}

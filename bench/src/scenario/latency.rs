//! The latency of one new route from a sender to a receiver, on an idle daemon or while other routes change.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::lab::{Kind, LONG_HOLD_TIME, Lab};
use super::{Measure, Measures, Run};
use crate::client::fleet::Fleet;
use crate::client::sink::Sink;
use bgp_bench::traffic::{Layout, Table};

const SENDER: usize = 0;
const RECEIVER: usize = 1;
const CHURNER: usize = 2;

/// Routes that are there before.
const BACKGROUND: u32 = 1_000;
/// Pause between routes: the daemon shall be idle again.
const PAUSE: Duration = Duration::from_millis(5);
/// Routes of the changing sender.
const CHURNING: u32 = 50_000;
/// How often each is announced with other attributes before it is the first ones' turn again.
const VERSIONS: u32 = 4;
/// Makes KEEPALIVEs due every three seconds.
const SHORT_HOLD_TIME: u16 = 9;

pub(super) fn idle(run: &Run) -> anyhow::Result<Measures> {
    let probes = run.sizes.probes;
    let slots = BACKGROUND + probes;
    let sinks = vec![
        Sink::new(Layout::Internet, 0),
        Sink::new(Layout::Internet, slots),
    ];
    let mut lab = Lab::start(run, Kind::External, LONG_HOLD_TIME, sinks)?;
    lab.fleet.acknowledge_at_once();
    let sender = Kind::External.sender(0);
    lab.fleet
        .send(SENDER, Table::internet(0..BACKGROUND, 0).announce(sender))?;
    lab.fleet.run_until(lab.patience, |fleet| {
        fleet.sink(RECEIVER).count() == BACKGROUND
    })?;
    lab.settle()?;
    let mut latencies = Vec::new();
    for slot in BACKGROUND..slots {
        let start = Instant::now();
        lab.fleet.send(SENDER, single(slot))?;
        let end = lab
            .fleet
            .run_until(lab.patience, |fleet| fleet.sink(RECEIVER).holds(slot))?;
        latencies.push(end - start);
        lab.fleet.run_for(PAUSE)?;
    }
    Ok(percentiles(latencies))
}

pub(super) fn under_churn(run: &Run) -> anyhow::Result<Measures> {
    let probes = run.sizes.probes_under_churn;
    let slots = CHURNING + probes;
    let sinks = vec![
        Sink::new(Layout::Internet, 0),
        Sink::new(Layout::Internet, slots),
        Sink::new(Layout::Internet, 0),
    ];
    let mut lab = Lab::start(run, Kind::External, SHORT_HOLD_TIME, sinks)?;
    lab.fleet.acknowledge_at_once();
    let mut churn = Churn::new(run.sizes.churn);
    lab.fleet.send(
        CHURNER,
        Table::internet(0..CHURNING, 0).announce(Kind::External.sender(CHURNER as u32)),
    )?;
    lab.fleet.run_until(lab.patience, |fleet| {
        fleet.sink(RECEIVER).count() == CHURNING
    })?;
    lab.settle()?;
    let before = lab.daemon.usage();
    churn.begin();
    lab.fleet.watch_silence();
    let begin = Instant::now();
    let pause = run.sizes.churn_time / probes;
    let mut latencies = Vec::new();
    for slot in CHURNING..slots {
        let start = Instant::now();
        lab.fleet.send(SENDER, single(slot))?;
        let end = churn.run_until(&mut lab.fleet, lab.patience, |fleet| {
            fleet.sink(RECEIVER).holds(slot)
        })?;
        latencies.push(end - start);
        let next = Instant::now() + pause;
        churn.run_until(&mut lab.fleet, lab.patience, |_| Instant::now() >= next)?;
    }
    let cpu = lab.daemon.usage().cpu.saturating_sub(before.cpu);
    let mut measures = percentiles(latencies);
    measures.insert(
        Measure::CpuShare,
        cpu.as_secs_f64() / begin.elapsed().as_secs_f64(),
    );
    measures.insert(Measure::Silence, lab.fleet.longest_silence().as_secs_f64());
    Ok(measures)
}

fn single(slot: u32) -> Bytes {
    Table::internet(slot..slot + 1, 0).announce(Kind::External.sender(SENDER as u32))
}

/// A sender with routes that change at a steady rate.
struct Churn {
    messages: Vec<(Bytes, u32)>,
    next: usize,
    /// Routes in a second.
    rate: f64,
    begin: Instant,
    sent: u64,
}

impl Churn {
    fn new(rate: u32) -> Self {
        let sender = Kind::External.sender(CHURNER as u32);
        let messages = (1..=VERSIONS)
            .flat_map(|version| Table::internet(0..CHURNING, version).messages(sender));
        Self {
            messages: messages.collect(),
            next: 0,
            rate: f64::from(rate),
            begin: Instant::now(),
            sent: 0,
        }
    }

    fn begin(&mut self) {
        self.begin = Instant::now();
    }

    /// Sends what is due by now.
    fn send(&mut self, fleet: &mut Fleet) -> anyhow::Result<()> {
        let due = (self.begin.elapsed().as_secs_f64() * self.rate) as u64;
        while self.sent < due {
            let (message, routes) = &self.messages[self.next];
            fleet.send(CHURNER, message.clone())?;
            self.sent += u64::from(*routes);
            self.next = (self.next + 1) % self.messages.len();
        }
        Ok(())
    }

    fn run_until(
        &mut self,
        fleet: &mut Fleet,
        at_most: Duration,
        is_done: impl Fn(&Fleet) -> bool,
    ) -> anyhow::Result<Instant> {
        const TURN: Duration = Duration::from_millis(1);
        let deadline = Instant::now() + at_most;
        while !is_done(fleet) {
            anyhow::ensure!(
                Instant::now() < deadline,
                "a route has not arrived after {at_most:?}"
            );
            self.send(fleet)?;
            fleet.turn(TURN)?;
        }
        Ok(Instant::now())
    }
}

fn percentiles(mut latencies: Vec<Duration>) -> Measures {
    latencies.sort();
    let at = |percent: usize| {
        latencies[((latencies.len() * percent).div_ceil(100)).saturating_sub(1)].as_secs_f64()
    };
    Measures::from([(Measure::Median, at(50)), (Measure::Percentile99, at(99))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_hundred_and_of_one() {
        let expected = |median, last| {
            Measures::from([(Measure::Median, median), (Measure::Percentile99, last)])
        };
        let seconds = (1..=100).rev().map(Duration::from_secs);
        assert_eq!(percentiles(seconds.collect()), expected(50.0, 99.0));
        assert_eq!(
            percentiles(vec![Duration::from_secs(3)]),
            expected(3.0, 3.0)
        );
    }
}

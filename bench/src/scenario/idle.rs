//! The cost of idle sessions.

use super::lab::{Kind, LONG_HOLD_TIME, Lab};
use super::{Measure, Measures, Run};
use crate::client::sink::Sink;
use bgp_bench::traffic::Layout;

const SESSIONS: usize = 10;

pub(super) fn idle(run: &Run) -> anyhow::Result<Measures> {
    let sinks = vec![Sink::new(Layout::Internet, 0); SESSIONS];
    let mut lab = Lab::start(run, Kind::External, LONG_HOLD_TIME, sinks)?;
    let before = lab.daemon.usage();
    lab.fleet.run_for(run.sizes.idle)?;
    let after = lab.daemon.usage();
    let seconds = run.sizes.idle.as_secs_f64();
    let sleeps = after.sleeps.saturating_sub(before.sleeps) as f64;
    Ok(Measures::from([
        (Measure::Memory, after.memory as f64),
        (Measure::Anonymous, after.anonymous as f64),
        (
            Measure::CpuShare,
            after.cpu.saturating_sub(before.cpu).as_secs_f64() / seconds,
        ),
        (Measure::Wakeups, sleeps / seconds),
    ]))
}

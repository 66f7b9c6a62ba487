//! One sender, one receiver: a table is announced, and withdrawn when the sender dies.

use super::lab::{Kind, LONG_HOLD_TIME, Lab};
use super::{Measures, Run};
use crate::client::sink::Sink;
use crate::subject::Subject;
use bgp_bench::traffic::{Layout, Table};

const SENDER: usize = 0;
const RECEIVER: usize = 1;

pub(super) fn transfer(run: &Run) -> anyhow::Result<Measures> {
    Ok(filled(run)?.1)
}

pub(super) fn withdraw(run: &Run) -> anyhow::Result<Measures> {
    let (mut lab, _) = filled(run)?;
    lab.settle()?;
    lab.measure(
        |fleet| {
            // The forwarder has nothing to withdraw, so its sender does it.
            if run.subject == Subject::Floor {
                let withdrawals = Table::internet(0..run.sizes.routes, 0).withdraw();
                return fleet.send(SENDER, withdrawals);
            }
            fleet.cut(SENDER);
            Ok(())
        },
        |fleet| fleet.sink(RECEIVER).count() == 0,
    )
}

/// A daemon that has processed a table, and the cost of that.
fn filled(run: &Run) -> anyhow::Result<(Lab, Measures)> {
    let routes = run.sizes.routes;
    let stream = Table::internet(0..routes, 0).announce(Kind::External.sender(0));
    let sinks = vec![
        Sink::new(Layout::Internet, 0),
        Sink::new(Layout::Internet, routes),
    ];
    let mut lab = Lab::start(run, Kind::External, LONG_HOLD_TIME, sinks)?;
    let measures = lab.measure(
        |fleet| fleet.send(SENDER, stream),
        |fleet| fleet.sink(RECEIVER).count() == routes,
    )?;
    Ok((lab, measures))
}

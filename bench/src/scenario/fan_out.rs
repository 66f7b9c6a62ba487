//! Ten senders, and twenty more peers that get everything: different routes, or different paths to the same prefixes.
//!
//! Senders are also receivers: they get the routes of the other senders, as from any router.

use std::sync::Arc;

use bytes::Bytes;

use super::lab::{FIRST_ASN, Kind, LONG_HOLD_TIME, Lab};
use super::{Measures, Run};
use crate::client::fleet::Fleet;
use crate::client::sink::{BestPaths, Sink};
use crate::subject::Subject;
use bgp_bench::traffic::{Layout, Table};

const SENDERS: u32 = 10;
const RECEIVERS: u32 = 20;

pub(super) fn fan_out(run: &Run) -> anyhow::Result<Measures> {
    let each = run.sizes.routes_per_sender;
    let total = SENDERS * each;
    let stream = |index| {
        let slots = index * each..(index + 1) * each;
        Table::internet(slots, 0).announce(Kind::External.sender(index))
    };
    let streams: Vec<Bytes> = (0..SENDERS).map(stream).collect();
    let mut lab = Lab::start(
        run,
        Kind::External,
        LONG_HOLD_TIME,
        sinks(&Sink::new(Layout::Internet, total)),
    )?;
    lab.measure(
        |fleet| send(fleet, streams),
        |fleet| receivers(fleet).all(|sink| sink.count() == total),
    )
}

pub(super) fn best_path(run: &Run) -> anyhow::Result<Measures> {
    let contested = run.sizes.contested;
    let table = Table::internet(0..contested, 0);
    let streams: Vec<Bytes> = (0..SENDERS)
        .map(|index| table.compete(Kind::External.sender(index), SENDERS))
        .collect();
    let best = BestPaths {
        senders: table.best_senders(SENDERS),
        first_asn: FIRST_ASN,
    };
    let sink = Sink::new(Layout::Internet, contested);
    // The forwarder chooses no path: all of them must have arrived.
    if run.subject == Subject::Floor {
        let all = u64::from(SENDERS) * u64::from(contested);
        let mut lab = Lab::start(run, Kind::External, LONG_HOLD_TIME, sinks(&sink))?;
        return lab.measure(
            |fleet| send(fleet, streams),
            |fleet| receivers(fleet).all(|sink| sink.announced() == all),
        );
    }
    let sink = sink.with_best_paths(Arc::new(best));
    let mut lab = Lab::start(run, Kind::External, LONG_HOLD_TIME, sinks(&sink))?;
    lab.measure(
        |fleet| send(fleet, streams),
        |fleet| receivers(fleet).all(|sink| sink.count() == contested),
    )
}

/// Senders look at nothing.
fn sinks(receiver: &Sink) -> Vec<Sink> {
    let mut sinks = vec![Sink::new(Layout::Internet, 0); SENDERS as usize];
    sinks.resize((SENDERS + RECEIVERS) as usize, receiver.clone());
    sinks
}

fn send(fleet: &mut Fleet, streams: Vec<Bytes>) -> anyhow::Result<()> {
    streams
        .into_iter()
        .enumerate()
        .try_for_each(|(sender, stream)| fleet.send(sender, stream))
}

fn receivers(fleet: &Fleet) -> impl Iterator<Item = &Sink> {
    (SENDERS..SENDERS + RECEIVERS).map(|index| fleet.sink(index as usize))
}

//! A route reflector with clients, nodes of a cluster, that each announce 64 blocks to all others.

use bytes::Bytes;

use super::lab::{Kind, LONG_HOLD_TIME, Lab};
use super::{Measures, Run};
use crate::client::sink::Sink;
use bgp_bench::traffic::{self, Layout};

/// Blocks of a client.
const BLOCKS: u32 = 64;

pub(super) fn reflect(run: &Run, clients: u32) -> anyhow::Result<Measures> {
    let total = clients * BLOCKS;
    let own = |client: u32| client * BLOCKS..(client + 1) * BLOCKS;
    let all = Sink::new(Layout::Blocks, total);
    let sinks = (0..clients)
        .map(|client| all.clone().without(own(client)))
        .collect();
    let streams: Vec<Bytes> = (0..clients)
        .map(|client| traffic::blocks(Kind::Reflected.sender(client), own(client)))
        .collect();
    let mut lab = Lab::start(run, Kind::Reflected, LONG_HOLD_TIME, sinks)?;
    lab.measure(
        |fleet| {
            streams
                .into_iter()
                .enumerate()
                .try_for_each(|(client, stream)| fleet.send(client, stream))
        },
        |fleet| (0..clients).all(|client| fleet.sink(client as usize).count() == total - BLOCKS),
    )
}

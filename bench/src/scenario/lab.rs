//! What the scenarios share: a daemon with clients around it, all sessions up, and a measurement.

use std::time::{Duration, Instant};

use bgp_core::types::Asn;

use super::{Measure, Measures, Run};
use crate::client::fleet::Fleet;
use crate::client::session::Client;
use crate::client::sink::Sink;
use crate::network;
use crate::subject::{Daemon, Peer, ROUTER_ASN, Setup};
use bgp_bench::traffic::Sender;

/// AS of the first client; the others follow.
pub(super) const FIRST_ASN: Asn = Asn(64601);
/// Nobody's timer ends a session within this, seconds.
pub(super) const LONG_HOLD_TIME: u16 = 240;

/// A daemon and the sessions with it.
pub(super) struct Lab {
    pub(super) fleet: Fleet,
    pub(super) daemon: Daemon,
    pub(super) patience: Duration,
    quiet: Duration,
}

/// Whether the clients are in the AS of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Each in an AS of its own.
    External,
    /// Clients of a route reflector.
    Reflected,
}

impl Kind {
    pub(super) fn asn(self, index: u32) -> Asn {
        match self {
            Self::External => Asn(FIRST_ASN.0 + index),
            Self::Reflected => ROUTER_ASN,
        }
    }

    /// A client as the sender of routes.
    pub(super) fn sender(self, index: u32) -> Sender {
        let asn = (self == Self::External).then(|| self.asn(index));
        Sender {
            index,
            asn,
            address: network::client(index),
        }
    }

    pub(super) fn setup(self, clients: u32, active: bool) -> Setup {
        let peer = |index| Peer {
            address: network::client(index),
            asn: self.asn(index),
        };
        Setup {
            reflector: self == Self::Reflected,
            active,
            peers: (0..clients).map(peer).collect(),
        }
    }
}

impl Lab {
    /// Starts the daemon and one client for each sink; returns when all sessions are up and quiet.
    pub(super) fn start(
        run: &Run,
        kind: Kind,
        hold_time: u16,
        sinks: Vec<Sink>,
    ) -> anyhow::Result<Self> {
        let setup = kind.setup(sinks.len() as u32, false);
        let command = run.subject.command(&setup, &run.program, &run.directory)?;
        let mut daemon = Daemon::start(command, &run.directory)?;
        let mut fleet = Fleet::new(network::router(), hold_time)?;
        for (index, sink) in (0..).zip(sinks) {
            fleet.add(
                Client {
                    address: network::client(index),
                    asn: kind.asn(index),
                },
                sink,
            );
        }
        let up = fleet.establish(run.sizes.quiet, run.sizes.patience, || daemon.is_running());
        up.map_err(|error| daemon.explain(error))?;
        Ok(Self {
            fleet,
            daemon,
            patience: run.sizes.patience,
            quiet: run.sizes.quiet,
        })
    }

    /// Waits until the daemon has nothing more to say.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        self.fleet.settle(self.quiet, self.patience)
    }

    /// Starts the work, waits for its result, and returns its cost.
    pub(super) fn measure(
        &mut self,
        begin: impl FnOnce(&mut Fleet) -> anyhow::Result<()>,
        is_done: impl FnMut(&Fleet) -> bool,
    ) -> anyhow::Result<Measures> {
        let before = self.daemon.usage();
        let start = Instant::now();
        begin(&mut self.fleet)?;
        let end = self.fleet.run_until(self.patience, is_done)?;
        let after = self.daemon.usage();
        Ok(Measures::from([
            (Measure::Wall, (end - start).as_secs_f64()),
            (
                Measure::Cpu,
                after.cpu.saturating_sub(before.cpu).as_secs_f64(),
            ),
            (Measure::PeakMemory, after.peak_memory as f64),
        ]))
    }
}

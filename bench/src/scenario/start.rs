//! From the start of the program until a session is up with a peer that waits for it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::lab::{Kind, LONG_HOLD_TIME};
use super::{Measure, Measures, Run};
use crate::client::fleet::Fleet;
use crate::client::poller::Poller;
use crate::client::session::Client;
use crate::client::sink::Sink;
use crate::network;
use crate::subject::Daemon;
use bgp_bench::traffic::Layout;

/// How often it is looked whether the daemon has ended.
const TICK: Duration = Duration::from_millis(100);

pub(super) fn start(run: &Run) -> anyhow::Result<Measures> {
    let mut times = Vec::new();
    for round in 0..run.sizes.starts {
        // Each start finds an empty directory.
        let directory = run.directory.join(round.to_string());
        std::fs::create_dir(&directory)?;
        times.push(once(run, &directory)?);
    }
    times.sort();
    Ok(Measures::from([(
        Measure::Wall,
        times[times.len() / 2].as_secs_f64(),
    )]))
}

fn once(run: &Run, directory: &Path) -> anyhow::Result<Duration> {
    let setup = Kind::External.setup(1, true);
    let command = run.subject.command(&setup, &run.program, directory)?;
    let (address, asn) = (network::client(0), Kind::External.asn(0));
    let listener = TcpListener::bind(SocketAddr::from((address, network::WAITING_PORT)))?;
    let mut fleet = Fleet::new(network::router(), LONG_HOLD_TIME)?;
    let session = fleet.add(Client { address, asn }, Sink::new(Layout::Internet, 0));
    let start = Instant::now();
    let mut daemon = Daemon::start(command, &run.directory)?;
    let up = accept(&listener, &mut daemon, run.sizes.patience).and_then(|stream| {
        fleet.adopt(session, stream);
        fleet.establish(Duration::ZERO, run.sizes.patience, || daemon.is_running())
    });
    up.map_err(|error| daemon.explain(error))?;
    Ok(start.elapsed())
}

fn accept(
    listener: &TcpListener,
    daemon: &mut Daemon,
    at_most: Duration,
) -> anyhow::Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let mut poller = Poller::new()?;
    poller.add(listener, 0, false)?;
    let deadline = Instant::now() + at_most;
    let mut ready = Vec::new();
    while Instant::now() < deadline {
        ensure!(daemon.is_running(), "the daemon has ended");
        poller.wait(TICK, &mut ready)?;
        match listener.accept() {
            Ok((stream, _)) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("the daemon has not connected after {at_most:?}")
}

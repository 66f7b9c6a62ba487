//! Peers and strangers that mean harm, against the running daemon, beside an honest one: its routes still arrive at once, and
//! its sessions never end.
//!
//! The hostile ones are sockets of this test in a namespace of their own: they say what no speaker would.

mod clients;
mod connections;
mod doors;
mod files;
mod messages;
mod routes;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bgp_core::types::{Asn, RouterId};
use bgp_core::wire::{Capability, Context, Message, Open};
use bytes::BytesMut;

use crate::lab::host::Host;
use crate::lab::peer::{Kind, Peer, prefix};
use crate::lab::wait::{LONG, SHORT, wait_for, wait_until};
use crate::scenario::{TOR_AS, addresses};
use crate::stage::Stage;

/// AS number of the hostile peer.
const MALLORY_AS: u32 = 65066;
/// How long one that is hostile waits for something that need not come.
const PATIENCE: Duration = Duration::from_secs(2);

/// A node with an honest router, and the host of a hostile one, which is a peer as well.
struct Siege {
    tor: Box<dyn Peer>,
    mallory: Rc<Host>,
    stage: Stage,
}

impl Siege {
    /// With these lines in the `spec` of the hostile peer. Sessions with the honest one are up.
    fn lay(spec: &[&str]) -> Option<Self> {
        Self::lay_with(&[], spec)
    }

    /// The same with annotations of the hostile peer.
    fn lay_with(annotations: &[(&str, &str)], spec: &[&str]) -> Option<Self> {
        let mut stage = Stage::open(&[Kind::Bird])?;
        stage.peering(TOR_AS, &[], &[]);
        let mallory = stage.lab.host("mallory", 66);
        let annotations = [&[("passive", "true")], annotations].concat();
        stage.peering_with(&mallory, MALLORY_AS, &annotations, spec);
        let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS));
        stage.raise(&mut *tor);
        Some(Self {
            tor,
            mallory,
            stage,
        })
    }

    /// Where the hostile ones connect to.
    fn target(&self) -> SocketAddr {
        SocketAddr::new(self.stage.node_host.ipv4.into(), 179)
    }

    /// What the honest peer announces arrives, and so does what the node announces; no session of theirs has ended.
    fn withstand(&mut self) {
        let (theirs, ours) = (prefix("172.20.66.0/24"), prefix("10.244.66.0/26"));
        self.tor.announce(theirs);
        self.stage.cluster.block(&self.stage.node_host, ours);
        for (name, peer, wanted) in [
            ("the node", &self.stage.node as &dyn Peer, theirs),
            ("the router", &*self.tor, ours),
        ] {
            wait_until(&format!("{name} to have {wanted}"), SHORT, || {
                let routes = peer.routes()?;
                let known = routes.iter().any(|route| route.prefix == wanted);
                known.then_some(()).ok_or_else(|| format!("{routes:?}"))
            });
        }
        self.tor.withdraw(theirs);
        self.stage.cluster.remove_block(&self.stage.node_host, ours);
        wait_for("the node to forget it", SHORT, || {
            let routes = self.stage.node.routes();
            routes.is_ok_and(|routes| routes.iter().all(|route| route.prefix != theirs))
        });
        let log = self.stage.node.log();
        let ended = log.lines().find(|line| {
            line.contains("session down") && !line.contains("0_66") && !line.contains("__66")
        });
        assert_eq!(ended, None, "a session of an honest peer ended");
        for address in addresses(&self.stage.tor_host) {
            assert!(self.stage.node.established(address), "{address}");
        }
    }

    /// How many descriptors the daemon has.
    fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.stage.node.id());
        let entries = std::fs::read_dir(folder).expect("the daemon runs");
        entries.count()
    }
}

/// Does something on a host again and again until it is dropped.
struct Flood {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn start(host: &Host, mut round: impl FnMut() + Send + 'static) -> Self {
        let (stop, rounds) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = host.ns.spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                round();
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            stop,
            rounds,
            thread: Some(thread),
        }
    }

    /// Waits until it has been done so often.
    fn wait(&self, rounds: usize) {
        wait_for(&format!("{rounds} rounds"), LONG, || {
            self.rounds.load(Ordering::Relaxed) >= rounds
        });
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                ended.is_ok() || std::thread::panicking(),
                "the flood ended early"
            );
        }
    }
}

/// A connection that gives up soon.
fn connect(target: SocketAddr) -> Option<TcpStream> {
    let client = TcpStream::connect_timeout(&target, PATIENCE).ok()?;
    client.set_read_timeout(Some(PATIENCE)).ok()?;
    client.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(client)
}

/// The type of the next message that comes; `None` at the end, or if none comes.
fn next_message(client: &mut TcpStream) -> Option<u8> {
    let mut header = [0; 19];
    client.read_exact(&mut header).ok()?;
    let length = u16::from_be_bytes([header[16], header[17]]);
    let mut body = vec![0; usize::from(length).checked_sub(19)?];
    client.read_exact(&mut body).ok()?;
    Some(header[18])
}

/// A good OPEN of the hostile peer, or one from another AS.
fn open(asn: u32) -> Message {
    Message::Open(Open {
        asn: Asn(asn),
        hold_time: 90,
        router_id: RouterId(Ipv4Addr::new(10, 0, 0, 66)),
        capabilities: vec![Capability::FourOctetAs(Asn(asn))],
    })
}

fn octets(messages: &[Message]) -> Vec<u8> {
    let mut octets = BytesMut::new();
    for message in messages {
        message.encode(&Context::default(), &mut octets);
    }
    octets.to_vec()
}

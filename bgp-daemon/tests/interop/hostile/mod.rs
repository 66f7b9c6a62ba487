//! Hostile peers and unknown hosts against the running daemon, together with an honest peer: its routes still arrive at once, and
//! its sessions never end.
//!
//! The hostile ones are sockets of this test in a separate namespace: they send what no speaker would.

pub(crate) mod api_server;
mod clients;
mod connections;
mod files;
mod kernel;
mod listeners;
mod messages;
mod routes;
mod session;
mod tables;

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
use ipnet::IpNet;

use crate::lab::Lab;
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
    /// Addresses of the peers whose sessions may end.
    hostile: Vec<IpAddr>,
    stage: Stage,
}

impl Siege {
    /// With these lines in the `spec` of the hostile peer. Sessions with the honest one are up.
    fn lay(spec: &[&str]) -> Option<Self> {
        Self::lay_with(&[], spec)
    }

    /// The same with annotations of the hostile peer.
    fn lay_with(annotations: &[(&str, &str)], spec: &[&str]) -> Option<Self> {
        Self::prepare(annotations, spec, |_| ())
    }

    /// The same with further settings before the node starts.
    fn prepare(
        annotations: &[(&str, &str)],
        spec: &[&str],
        more: impl FnOnce(&mut Stage),
    ) -> Option<Self> {
        let mut stage = Stage::open(&[Kind::Bird])?;
        stage.peering(TOR_AS, &[], &[]);
        let mallory = stage.lab.host("mallory", 66);
        let annotations = [&[("passive", "true")], annotations].concat();
        stage.peering_with(&mallory, MALLORY_AS, &annotations, spec);
        more(&mut stage);
        let mut tor = Kind::Bird.on(&stage.tor_host, stage.tor_config(TOR_AS).without_kernel());
        stage.raise(&mut *tor);
        Some(Self {
            tor,
            hostile: addresses(&mallory).to_vec(),
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
            wait_for(&format!("{name} to have {wanted}"), SHORT, || {
                has(peer, wanted)
            });
        }
        // The kernel takes routes in the order in which they came: this one waits for a whole table.
        wait_for("the kernel to have it", LONG * 2, || {
            self.led_by_router(theirs)
        });
        self.tor.withdraw(theirs);
        self.stage.cluster.remove_block(&self.stage.node_host, ours);
        wait_for("the node to forget it", SHORT, || {
            let routes = self.stage.node.routes_to(theirs);
            routes.is_ok_and(|routes| routes.is_empty())
        });
        let log = self.stage.node.log();
        let ends = log.lines().filter(|line| line.contains("session down"));
        let ended: Vec<&str> = ends.filter(|line| !self.is_of_hostile(line)).collect();
        assert_eq!(ended, [""; 0], "a session of an honest peer ended");
        for address in addresses(&self.stage.tor_host) {
            assert!(self.stage.node.established(address), "{address}");
        }
    }

    /// Whether the node's kernel sends what is for a prefix to the router.
    fn led_by_router(&self, prefix: IpNet) -> bool {
        let way = self
            .stage
            .node_host
            .ns
            .exec("ip", &["route", "get", &prefix.addr().to_string()]);
        way.is_ok_and(|way| way.contains(&format!("via {} ", self.stage.tor_host.ipv4)))
    }

    /// Whether a line of the log is about a peer whose session may end.
    fn is_of_hostile(&self, line: &str) -> bool {
        let names = self
            .hostile
            .iter()
            .map(|address| address.to_string().replace(['.', ':'], "_"));
        let mut words = names.map(|name| format!("_{name} "));
        words.any(|word| line.contains(&word))
    }

    /// Waits until the log reports the end of a hostile peer's session, with these words.
    fn wait_ended(&self, words: &str) {
        wait_for(&format!("the end of a session: {words}"), SHORT, || {
            let log = self.stage.node.log();
            let mut ends = log.lines().filter(|line| line.contains("session down"));
            ends.any(|line| self.is_of_hostile(line) && line.contains(words))
        });
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
        Self::start_counting(host, move || {
            round();
            true
        })
    }

    /// The same with something that may fail, and then does not count.
    fn start_counting(host: &Host, mut round: impl FnMut() -> bool + Send + 'static) -> Self {
        let (stop, rounds) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = host.ns.spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let done = round();
                counted.fetch_add(done.into(), Ordering::Relaxed);
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

/// Whether it has learned a prefix. One that does not answer has not.
fn has(peer: &dyn Peer, prefix: IpNet) -> bool {
    peer.routes_to(prefix)
        .is_ok_and(|routes| !routes.is_empty())
}

/// A BGPFilter that lets all IPv4 routes in and out, and edits them so.
fn put_filter(stage: &Stage, name: &str, operations: &str) {
    let rule = format!("[{{action: Accept, operations: [{operations}]}}]");
    let text = format!(
        "apiVersion: projectcalico.org/v3\nkind: BGPFilter\nmetadata:\n  name: {name}\nspec:\n\
         \x20 importV4: {rule}\n  exportV4: {rule}\n"
    );
    stage.cluster.put(&format!("filter-{name}"), &text);
}

/// Routes announced by peers are sent to the router.
fn export_all(stage: &mut Stage) {
    put_filter(stage, "all", "");
    stage.peering(TOR_AS, &[], &["filters: [all]"]);
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

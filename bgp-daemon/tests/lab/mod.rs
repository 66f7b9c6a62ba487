//! A network laboratory for tests: hosts in network namespaces on one Ethernet segment, real BGP speakers on them, and a decoder
//! of the messages on the wire.
//!
//! A [`Lab`] is a switch and the [`Host`]s on it. Everything that a test creates is part of it and ends with it, also when the
//! test panics or is killed: namespaces have no names, and each lives as long as the process that holds it (see [`netns`]). The
//! machine's own interfaces and routes are never touched.
//!
//! | module             | what it is                                                      |
//! |--------------------|-----------------------------------------------------------------|
//! | [`requirement`]    | programs and rights a test needs; how it is skipped without     |
//! | [`netns`], [`host`]| network namespaces; hosts with addresses and kernel routes      |
//! | [`process`]        | programs started on a host, with logs shown when a test fails   |
//! | [`wait`]           | waiting for a condition, with a clear text when it fails        |
//! | [`peer`]           | drivers of BIRD, GoBGP, FRR, OpenBGPD, ExaBGP and our own daemon|
//! | [`node`]           | our daemon as a cluster node; [`cluster`] writes its resources  |
//! | [`apiserver`]      | a real Kubernetes API server                                    |
//! | [`etcd`]           | etcd with Calico's keys                                         |
//! | [`http`]           | a client of the daemon's HTTP API                               |
//! | [`samples`]        | what a text of metrics says                                     |
//! | [`capture`]        | dumpcap on a host's port, judged by tshark                      |
//! | [`route_watch`]    | what became of a kernel's routes, in between too                |
//! | [`rib_watch`]      | the same of GoBGP's table                                       |
//! | [`ping`]           | a stream of packets, of which none may be lost                  |
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests tell people why they were skipped or what a failed process logged"
)]

pub(crate) mod apiserver;
pub(crate) mod bird_socket;
pub(crate) mod capture;
pub(crate) mod cluster;
pub(crate) mod etcd;
pub(crate) mod host;
pub(crate) mod http;
pub(crate) mod netns;
pub(crate) mod node;
pub(crate) mod peer;
pub(crate) mod ping;
pub(crate) mod pod;
pub(crate) mod process;
pub(crate) mod requirement;
pub(crate) mod rib_watch;
pub(crate) mod route_watch;
pub(crate) mod samples;
pub(crate) mod wait;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;

use tempfile::TempDir;

use host::Host;
use netns::Netns;
use requirement::{Requirement, skip};

/// One Ethernet segment, 10.0.0.0/24 and fd00::/64, and a directory for everything that its hosts write.
pub(crate) struct Lab {
    switch: Netns,
    directory: TempDir,
}

impl Lab {
    /// Opens a laboratory, or says why it cannot be had here and returns `None`: the test then returns and counts as
    /// skipped (it fails instead where everything must be there, see [`skip`]).
    pub(crate) fn open(requirements: &[Requirement]) -> Option<Self> {
        if let Some(reason) = requirements.iter().find_map(Requirement::missing) {
            skip(&reason);
            return None;
        }
        match Netns::create("switch") {
            Ok(switch) => Some(Self::with_switch(switch)),
            Err(reason) => {
                skip(&format!("no network namespace, run as root: {reason}"));
                None
            }
        }
    }

    fn with_switch(switch: Netns) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("bgp-lab-")
            .tempdir()
            .expect("a directory below the system's temporary one can be made");
        // Some peers drop to a user of their own before they read their files.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))
            .expect("the directory is ours");
        switch.run("ip link add br0 type bridge mcast_snooping 0");
        switch.run("ip link set br0 up");
        Self { switch, directory }
    }

    /// Puts a host on the segment, as `eth0` with the addresses 10.0.0.`number`/24 and fd00::`number`/64 (`number` is
    /// written the same in both, so host 11 is 10.0.0.11 and fd00::11).
    pub(crate) fn host(&self, name: &str, number: u8) -> Rc<Host> {
        let host = Host::create(name, number, self.directory.path());
        self.switch.link(name, &host.ns, "eth0");
        self.switch
            .run(&format!("ip link set {name} master br0 up"));
        host.configure_lan();
        Rc::new(host)
    }

    /// The link of a host carries nothing from now on, and stays up.
    pub(crate) fn unplug(&self, host: &Host) {
        self.switch
            .run(&format!("ip link set {} nomaster", host.name));
    }

    /// The link of a host carries packets again.
    pub(crate) fn plug(&self, host: &Host) {
        self.switch
            .run(&format!("ip link set {} master br0", host.name));
    }

    /// Nothing arrives at a host from now on, but what it sends does at the others.
    pub(crate) fn deafen(&self, host: &Host) {
        let port = format!("hole-{}", host.name);
        self.switch
            .run(&format!("ip link add {port} type veth peer name no-{port}"));
        self.switch
            .run(&format!("ip link set {port} master br0 up"));
        self.switch.run(&format!("ip link set no-{port} up"));
        let address = host.hardware_address();
        self.switch.run(&format!(
            "bridge fdb replace {address} dev {port} master static sticky"
        ));
    }

    /// Packets arrive at a host again.
    pub(crate) fn undeafen(&self, host: &Host) {
        self.switch.run(&format!("ip link del hole-{}", host.name));
    }

    /// A directory for a cluster's resources, shared by the nodes of this laboratory.
    pub(crate) fn cluster(&self) -> cluster::Cluster {
        cluster::Cluster::create(&self.directory.path().join("cluster"))
    }
}

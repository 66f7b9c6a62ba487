//! Drivers of BGP speakers: one file per implementation, all implementing the trait [`Peer`].
//!
//! A driver takes a [`PeerConfig`], writes the implementation's own configuration from it, runs the programs on a
//! [`Host`], and reads tables back through the implementation's own client.

mod bird;
mod exabgp;
mod frr;
mod gobgp;
mod openbgpd;
mod own;

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use ipnet::IpNet;

use super::Lab;
use super::host::Host;
use super::requirement::Requirement;

/// A BGP speaker under a test's control.
pub(crate) trait Peer {
    /// Starts it; returns when it can be asked questions. Sessions come up later.
    fn start(&mut self);
    /// Asks it to end and waits until it has.
    fn stop(&mut self);
    /// Ends it without asking; it can be started again.
    fn kill(&mut self);
    /// Starts it after [`Peer::kill`], with the option that its routes are still in use (RFC 4724 §4.1).
    fn resume(&mut self) {
        self.start();
    }
    /// Whether the session with `neighbor` is Established.
    fn established(&self, neighbor: IpAddr) -> bool;
    /// The session with `neighbor` in the implementation's own words: text or JSON.
    fn describe(&self, neighbor: IpAddr) -> Result<String, String>;
    /// The routes it has learned over BGP.
    fn routes(&self) -> Result<BTreeSet<Route>, String>;
    /// Those to one prefix.
    fn routes_to(&self, prefix: IpNet) -> Result<BTreeSet<Route>, String> {
        let mut routes = self.routes()?;
        routes.retain(|route| route.prefix == prefix);
        Ok(routes)
    }
    /// Originates a prefix, also after a restart.
    fn announce(&mut self, prefix: IpNet);
    /// Originates a prefix no longer.
    fn withdraw(&mut self, prefix: IpNet);
}

/// A route as a peer received it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) prefix: IpNet,
    /// The global address if there is a link-local one beside it.
    pub(crate) next_hop: IpAddr,
    pub(crate) as_path: Vec<u32>,
    /// As received over iBGP; over eBGP some implementations fill in their default.
    pub(crate) local_pref: Option<u32>,
    /// Standard (`64512:1`) and large (`64512:1:2`) communities.
    pub(crate) communities: BTreeSet<String>,
}

/// What a peer shall be.
#[derive(Debug, Clone)]
pub(crate) struct PeerConfig {
    pub(crate) asn: u32,
    pub(crate) router_id: Ipv4Addr,
    pub(crate) neighbors: Vec<Neighbor>,
    pub(crate) announce: BTreeSet<IpNet>,
    /// Whether it writes learned routes into the kernel, for programs where that is optional: BIRD.
    pub(crate) programs_kernel: bool,
    /// More settings of the speaker as a whole, in the language of BIRD's file or of FRR's `router bgp`.
    pub(crate) settings: Vec<String>,
}

/// One session of a peer.
#[derive(Debug, Clone)]
pub(crate) struct Neighbor {
    pub(crate) address: IpAddr,
    /// The peer's own address of this session.
    pub(crate) local: IpAddr,
    pub(crate) asn: u32,
    /// Waits for the neighbour to connect.
    pub(crate) passive: bool,
    /// The TCP-MD5 password.
    pub(crate) password: Option<String>,
    /// `ipv4`, `ipv6` or both; what it carries.
    pub(crate) families: Vec<&'static str>,
    /// More settings of the session, in the implementation's own language: statements of BIRD's protocol, of ExaBGP's or
    /// OpenBGPD's neighbour, what follows `neighbor ADDRESS` at FRR, JSON to be merged into GoBGP's neighbour.
    pub(crate) settings: Vec<String>,
    /// The same for each family: statements of BIRD's channel, FRR's address family, GoBGP's `afi-safis`.
    pub(crate) family_settings: Vec<String>,
}

/// An implementation of BGP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bird,
    GoBgp,
    Frr,
    OpenBgpd,
    ExaBgp,
    Own,
}

impl Kind {
    /// What the machine must have to run it.
    pub(crate) fn requirements(self) -> &'static [Requirement] {
        match self {
            Self::Bird => &[Requirement::Program("bird")],
            Self::GoBgp => &[
                Requirement::Program("gobgpd"),
                Requirement::Program("gobgp"),
            ],
            Self::Frr => frr::REQUIREMENTS,
            Self::OpenBgpd => openbgpd::REQUIREMENTS,
            Self::ExaBgp => &[Requirement::Program("exabgp")],
            Self::Own => &[],
        }
    }

    /// Whether it writes what it learns into the kernel of its host.
    pub(crate) fn programs_kernel(self) -> bool {
        matches!(self, Self::Bird | Self::Frr | Self::Own)
    }

    /// A driver on `host`, not started yet.
    pub(crate) fn on(self, host: &Rc<Host>, config: PeerConfig) -> Box<dyn Peer> {
        let host = Rc::clone(host);
        match self {
            Self::Bird => Box::new(bird::Bird::new(host, config)),
            Self::GoBgp => Box::new(gobgp::GoBgp::new(host, config)),
            Self::Frr => Box::new(frr::Frr::new(host, config)),
            Self::OpenBgpd => Box::new(openbgpd::OpenBgpd::new(host, config)),
            Self::ExaBgp => Box::new(exabgp::ExaBgp::new(host, config)),
            Self::Own => Box::new(own::own(&host, &config)),
        }
    }
}

impl PeerConfig {
    /// A speaker on `host` with a session per family to each of `neighbors`, which are given with their AS.
    pub(crate) fn on_lan(host: &Host, asn: u32, neighbors: &[(&Host, u32)]) -> Self {
        let sessions = |&(neighbor, asn): &(&Host, u32)| {
            [IpAddr::from(neighbor.ipv4), IpAddr::from(neighbor.ipv6)].map(|address| Neighbor {
                address,
                local: host.address_facing(address),
                asn,
                passive: false,
                password: None,
                families: vec![family(address)],
                settings: Vec::new(),
                family_settings: Vec::new(),
            })
        };
        Self {
            asn,
            router_id: host.ipv4,
            neighbors: neighbors.iter().flat_map(sessions).collect(),
            announce: BTreeSet::new(),
            programs_kernel: true,
            settings: Vec::new(),
        }
    }

    /// The same, leaving the kernel alone.
    pub(crate) fn without_kernel(mut self) -> Self {
        self.programs_kernel = false;
        self
    }

    /// The same, originating prefixes from the start.
    pub(crate) fn announcing(mut self, prefixes: &[&str]) -> Self {
        self.announce
            .extend(prefixes.iter().map(|text| prefix(text)));
        self
    }

    /// The same with these [`PeerConfig::settings`].
    pub(crate) fn with_global(mut self, settings: &[&str]) -> Self {
        let settings = settings.iter().map(|text| (*text).to_owned());
        self.settings.extend(settings);
        self
    }

    /// The same with a change of all sessions.
    pub(crate) fn with_sessions(mut self, change: impl Fn(&mut Neighbor)) -> Self {
        self.neighbors.iter_mut().for_each(change);
        self
    }

    /// The same with these [`Neighbor::settings`] for all sessions.
    pub(crate) fn with(self, settings: &[&str]) -> Self {
        self.with_sessions(|session| {
            let settings = settings.iter().map(|text| (*text).to_owned());
            session.settings.extend(settings);
        })
    }

    /// The same with these [`Neighbor::family_settings`] for all sessions.
    pub(crate) fn with_per_family(self, settings: &[&str]) -> Self {
        self.with_sessions(|session| {
            let settings = settings.iter().map(|text| (*text).to_owned());
            session.family_settings.extend(settings);
        })
    }
}

impl Neighbor {
    /// Whether the session carries routes to this prefix.
    fn carries(&self, prefix: IpNet) -> bool {
        self.families.contains(&family(prefix.addr()))
    }
}

/// The word for the family of an address that nearly all implementations use.
fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ipv4" } else { "ipv6" }
}

/// The programs of several kinds, and the judge's.
pub(crate) fn lab_for(kinds: &[Kind]) -> Option<Lab> {
    let judge = [
        Requirement::Program("dumpcap"),
        Requirement::Program("tshark"),
    ];
    let peers = kinds.iter().flat_map(|kind| kind.requirements());
    Lab::open(&judge.iter().chain(peers).copied().collect::<Vec<_>>())
}

/// A prefix written in a test.
pub(crate) fn prefix(text: &str) -> IpNet {
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is no prefix"))
}

/// Writes a configuration file that only its owner may read, as some peers demand.
fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    run("chmod", &["600", &path.display().to_string()]);
}

pub(crate) fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
}

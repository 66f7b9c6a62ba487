//! A host of the laboratory: a network namespace with addresses, a directory for its files, and its kernel routes.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde_json::Value;

use super::netns::Netns;

/// A host on the laboratory's segment.
pub(crate) struct Host {
    /// Also the name of its port on the switch.
    pub(crate) name: String,
    pub(crate) ns: Netns,
    /// Where the programs on this host keep configuration, sockets and logs.
    pub(crate) directory: PathBuf,
    pub(crate) ipv4: Ipv4Addr,
    pub(crate) ipv6: Ipv6Addr,
}

/// A unicast route of the kernel's main table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KernelRoute {
    pub(crate) prefix: IpNet,
    pub(crate) gateways: BTreeSet<IpAddr>,
}

impl Host {
    pub(super) fn create(name: &str, number: u8, parent: &Path) -> Self {
        let directory = parent.join(name);
        fs::create_dir(&directory).expect("each host of a laboratory has a name of its own");
        let hextet =
            u16::from_str_radix(&number.to_string(), 16).expect("decimal digits are hex digits");
        Self {
            name: name.to_owned(),
            ns: Netns::create(name).unwrap_or_else(|error| panic!("{error}")),
            directory,
            ipv4: Ipv4Addr::new(10, 0, 0, number),
            ipv6: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, hextet),
        }
    }

    pub(super) fn configure_lan(&self) {
        // No duplicate address detection: addresses are usable at once.
        self.ns.sysctl("net/ipv6/conf/all/accept_dad", "0");
        self.ns.sysctl("net/ipv6/conf/eth0/accept_dad", "0");
        self.ns
            .run(&format!("ip addr add {}/24 dev eth0", self.ipv4));
        self.ns
            .run(&format!("ip addr add {}/64 dev eth0 nodad", self.ipv6));
        self.ns.run("ip link set eth0 up");
    }

    /// Makes this host forward packets.
    pub(crate) fn enable_forwarding(&self) {
        self.ns.sysctl("net/ipv4/ip_forward", "1");
        self.ns.sysctl("net/ipv6/conf/all/forwarding", "1");
        self.ns.sysctl("net/ipv4/conf/all/rp_filter", "0");
        self.ns.sysctl("net/ipv4/conf/eth0/rp_filter", "0");
    }

    /// This host's address of the family of `other`.
    pub(crate) fn address_facing(&self, other: IpAddr) -> IpAddr {
        match other {
            IpAddr::V4(_) => self.ipv4.into(),
            IpAddr::V6(_) => self.ipv6.into(),
        }
    }

    /// The link-local address of this host's port.
    pub(crate) fn link_local(&self) -> IpAddr {
        let text = self.ns.run("ip -j -6 addr show dev eth0 scope link");
        let links: Value = serde_json::from_str(&text).expect("ip -j prints JSON");
        // ip prints an empty object in the place of each address that it leaves out.
        let addresses = links[0]["addr_info"].as_array().into_iter().flatten();
        let address = addresses
            .filter_map(|found| found["local"].as_str()?.parse().ok())
            .next();
        address.expect("an interface that is up has a link-local address")
    }

    /// The hardware address of this host's port.
    pub(crate) fn hardware_address(&self) -> String {
        let text = self.ns.run("ip -j link show dev eth0");
        let links: Value = serde_json::from_str(&text).expect("ip -j prints JSON");
        let address = links[0]["address"].as_str();
        address.expect("Ethernet has addresses").to_owned()
    }

    /// The unicast routes of both families with the given protocol, by name or number as `ip route` takes it.
    pub(crate) fn kernel_routes(&self, protocol: &str) -> BTreeSet<KernelRoute> {
        ["-4", "-6"]
            .into_iter()
            .flat_map(|family| self.routes_json(family, protocol))
            .filter(|route| route.get("type").is_none_or(|kind| kind == "unicast"))
            .filter_map(|route| kernel_route(&route))
            .collect()
    }

    /// The prefixes of both families that are blackholes of the given protocol.
    pub(crate) fn blackholes(&self, protocol: &str) -> BTreeSet<IpNet> {
        ["-4", "-6"]
            .into_iter()
            .flat_map(|family| self.routes_json(family, protocol))
            .filter(|route| route.get("type").is_some_and(|kind| kind == "blackhole"))
            .filter_map(|route| prefix(&route))
            .collect()
    }

    fn routes_json(&self, family: &str, protocol: &str) -> Vec<Value> {
        let text = self
            .ns
            .run(&format!("ip -j {family} route show proto {protocol}"));
        match serde_json::from_str(&text) {
            Ok(Value::Array(routes)) => routes,
            _ => Vec::new(),
        }
    }
}

fn kernel_route(route: &Value) -> Option<KernelRoute> {
    let hops = route.get("nexthops").and_then(Value::as_array);
    let single = std::slice::from_ref(route);
    let gateways = hops
        .map_or(single, Vec::as_slice)
        .iter()
        .filter_map(gateway);
    Some(KernelRoute {
        prefix: prefix(route)?,
        gateways: gateways.collect(),
    })
}

/// A gateway of the other family is in `via`.
fn gateway(hop: &Value) -> Option<IpAddr> {
    let gateway = hop.get("gateway").or_else(|| hop.get("via")?.get("host"))?;
    gateway.as_str()?.parse().ok()
}

/// `ip -j` writes a host route without its length and the default route as a word.
fn prefix(route: &Value) -> Option<IpNet> {
    let text = route.get("dst")?.as_str()?;
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

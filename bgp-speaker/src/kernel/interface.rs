//! Network interfaces and their addresses.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// A network interface with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Interface index.
    pub index: u32,
    /// Interface name.
    pub name: Arc<str>,
    /// Administratively up.
    pub up: bool,
    /// The link has a carrier.
    pub carrier: bool,
    /// The kind of link.
    pub kind: LinkKind,
    /// Largest packet, octets.
    pub mtu: u32,
    /// The addresses, sorted, without IPv6 addresses that are still in duplicate address detection.
    pub addresses: Vec<InterfaceAddress>,
}

/// The kind of link, by the interface's flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LinkKind {
    /// The machine itself.
    Loopback,
    /// Two ends.
    PointToPoint,
    /// Any number of hosts, with broadcast.
    Broadcast,
    /// Any number of hosts, without broadcast.
    #[default]
    Other,
}

/// One address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceAddress {
    /// This node's address.
    pub address: IpAddr,
    /// The prefix on the link: the network of the address, or the other end of a point-to-point link.
    pub prefix: IpNet,
}

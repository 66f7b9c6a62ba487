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
    /// What it links.
    pub kind: LinkKind,
    /// Octets in a packet.
    pub mtu: u32,
    /// Its addresses, sorted, without IPv6 addresses still in duplicate detection.
    pub addresses: Vec<InterfaceAddress>,
}

/// What an interface links, by its flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LinkKind {
    /// This machine with itself.
    Loopback,
    /// Two ends.
    PointToPoint,
    /// Any number, who can all be addressed at once.
    Broadcast,
    /// Any number, who cannot.
    #[default]
    Other,
}

/// One address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceAddress {
    /// The own address.
    pub address: IpAddr,
    /// The prefix on the link: the network of the address, or of the other end of a point-to-point link.
    pub prefix: IpNet,
}

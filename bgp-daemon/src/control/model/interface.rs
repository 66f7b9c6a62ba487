//! Snapshots of network interfaces.

use std::sync::Arc;

use ipnet::IpNet;

/// A network interface, for `show interfaces`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceSnapshot {
    /// Its name.
    pub name: Arc<str>,
    /// Its number.
    pub index: u32,
    /// Switched on and connected.
    pub up: bool,
    /// What it links.
    pub link: LinkKind,
    /// Takes broadcasts.
    pub broadcast: bool,
    /// Takes multicasts.
    pub multicast: bool,
    /// Switched on by the administrator.
    pub admin_up: bool,
    /// Has a carrier.
    pub link_up: bool,
    /// Leads back to this machine.
    pub loopback: bool,
    /// Its addresses are not routed.
    pub ignored: bool,
    /// Octets in a packet.
    pub mtu: u32,
    /// Addresses on it.
    pub addresses: Vec<AddressSnapshot>,
}

/// What an interface links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Two ends.
    PointToPoint,
    /// Any number.
    MultiAccess,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSnapshot {
    /// The address with the length of its network.
    pub address: IpNet,
    /// The first of its network.
    pub primary: bool,
    /// How far it is known.
    pub scope: AddressScope,
}

/// How far an address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the kernel's own")]
pub enum AddressScope {
    Host,
    Link,
    Site,
    Universe,
}

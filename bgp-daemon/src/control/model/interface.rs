//! Snapshots of network interfaces.

use std::sync::Arc;

use ipnet::IpNet;

/// A network interface, for `show interfaces`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceSnapshot {
    /// Its name.
    pub name: Arc<str>,
    /// Its index.
    pub index: u32,
    /// Administratively up and connected.
    pub up: bool,
    /// The kind of link.
    pub link: LinkKind,
    /// Supports broadcast.
    pub broadcast: bool,
    /// Supports multicast.
    pub multicast: bool,
    /// Switched on by the administrator.
    pub admin_up: bool,
    /// Has a carrier.
    pub link_up: bool,
    /// A loopback interface.
    pub loopback: bool,
    /// Its addresses are not routed.
    pub ignored: bool,
    /// Largest packet, octets.
    pub mtu: u32,
    /// Addresses on it.
    pub addresses: Vec<AddressSnapshot>,
}

/// The kind of link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Two ends.
    PointToPoint,
    /// Any number of hosts.
    MultiAccess,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSnapshot {
    /// The address with the length of its network.
    pub address: IpNet,
    /// The first address of its network.
    pub primary: bool,
    /// Its scope.
    pub scope: AddressScope,
}

/// The scope of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the kernel's own")]
pub enum AddressScope {
    Host,
    Link,
    Site,
    Universe,
}

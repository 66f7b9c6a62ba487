//! Single questions to the kernel, for diagnosis: the path to an address, the state of a neighbour on a link, the owners of
//! routes. Changes nothing and needs no privilege.

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use rustix::net::netdevice;

use super::netlink::message::{
    ACK, Attributes, DUMP, GETNEIGH, GETROUTE, REQUEST, octets, read_address, read_u16, read_u32,
};
use super::netlink::route::{self, AF_INET, AF_INET6};
use super::netlink::socket::Requests;

/// A netlink socket for questions, opened in the network namespace of the calling thread.
pub struct KernelQuery(Requests);

/// The kernel's path to an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelPath {
    /// The address belongs to this machine.
    pub is_local: bool,
    /// The gateway; `None` if the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The outgoing interface.
    pub interface: Option<String>,
    /// The default source address.
    pub source: Option<IpAddr>,
}

/// The neighbour table's answer for an address (ARP, or Neighbor Discovery).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NeighbourEntry {
    /// A host with this hardware address answers, or has answered before.
    Answered(Vec<u8>),
    /// No host answers.
    Silent,
    /// No answer yet, or the kind of link has no neighbour table.
    Unknown,
}

/// A route of the main table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteOwner {
    /// Its destination.
    pub prefix: IpNet,
    /// Its owner: `RTPROT_*` of `linux/rtnetlink.h`.
    pub protocol: u8,
}

impl KernelQuery {
    /// Opens the socket.
    ///
    /// # Errors
    /// As the system reports.
    pub fn open() -> io::Result<Self> {
        Requests::open().map(Self)
    }

    /// The path to an address, from one of our own addresses if `from` is given.
    ///
    /// # Errors
    /// There is no path, with the kernel's text: "Network is unreachable" if no route matches, "No route to host", "Permission
    /// denied" or "Invalid argument" if the route is unreachable, prohibited or a blackhole. Or netlink fails.
    pub async fn path(&mut self, to: IpAddr, from: Option<IpAddr>) -> io::Result<KernelPath> {
        let from = from.filter(|from| from.is_ipv4() == to.is_ipv4());
        let mut path = KernelPath::default();
        let mut index = None;
        let encode = |writer: &mut super::netlink::message::Writer, sequence| {
            let length = |address: IpAddr| octets(&address).len() as u8 * 8;
            let message = writer.begin_message(GETROUTE, REQUEST | ACK, sequence);
            writer.put(&[family(to), length(to), from.map_or(0, length), 0]);
            writer.put(&[0; 8]);
            writer.attribute(RTA_DST, &[&octets(&to)]);
            if let Some(from) = from {
                writer.attribute(RTA_SRC, &[&octets(&from)]);
            }
            writer.end_message(message);
        };
        self.0
            .dump(encode, |message| {
                let Some((header, attributes)) = message.payload.split_at_checked(ROUTE_HEADER)
                else {
                    return;
                };
                path.is_local = header[7] == RTN_LOCAL;
                for (kind, value) in Attributes(attributes) {
                    match kind {
                        RTA_GATEWAY => path.gateway = read_address(value),
                        RTA_VIA => path.gateway = value.get(2..).and_then(read_address),
                        RTA_PREFSRC => path.source = read_address(value),
                        RTA_OIF => index = read_u32(value, 0),
                        _ => {}
                    }
                }
            })
            .await?;
        path.interface = index.map(name_of);
        Ok(path)
    }

    /// The neighbour table's answer for an address on an interface.
    ///
    /// # Errors
    /// Netlink fails.
    pub async fn neighbour(
        &mut self,
        address: IpAddr,
        interface: &str,
    ) -> io::Result<NeighbourEntry> {
        let mut found = NeighbourEntry::Unknown;
        let encode = |writer: &mut super::netlink::message::Writer, sequence| {
            let message = writer.begin_message(GETNEIGH, REQUEST | DUMP, sequence);
            writer.put(&[family(address), 0, 0, 0]);
            writer.put(&[0; 8]);
            writer.end_message(message);
        };
        self.0
            .dump(encode, |message| {
                let Some((header, attributes)) = message.payload.split_at_checked(NEIGHBOUR_HEADER)
                else {
                    return;
                };
                let index = read_u32(header, 4).unwrap_or_default();
                let is_it = |(kind, value): (u16, &[u8])| {
                    kind == NDA_DST && read_address(value) == Some(address)
                };
                if Attributes(attributes).any(is_it) && name_of(index) == interface {
                    let mut hardware =
                        Attributes(attributes).filter(|(kind, _)| *kind == NDA_LLADDR);
                    let hardware = hardware.next().map(|(_, value)| value.to_vec());
                    found = match read_u16(header, 8).unwrap_or_default() {
                        state if state & ANSWERED != 0 => {
                            NeighbourEntry::Answered(hardware.unwrap_or_default())
                        }
                        state if state & SILENT != 0 => NeighbourEntry::Silent,
                        _ => NeighbourEntry::Unknown,
                    };
                }
            })
            .await?;
        Ok(found)
    }

    /// The routes of the main table, for one family.
    ///
    /// # Errors
    /// Netlink fails.
    pub async fn routes(&mut self, ipv4: bool) -> io::Result<Vec<RouteOwner>> {
        let family = if ipv4 { AF_INET } else { AF_INET6 };
        let mut routes = Vec::new();
        self.0
            .dump(
                |writer, sequence| route::encode_dump(writer, family, MAIN, sequence),
                |message| {
                    let route = route::parse(message.payload, MAIN);
                    routes.extend(route.map(|route| RouteOwner {
                        prefix: route.prefix,
                        protocol: route.protocol,
                    }));
                },
            )
            .await?;
        Ok(routes)
    }
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// The name of an interface, or its number if the interface is already gone.
fn name_of(index: u32) -> String {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    );
    let name = socket.and_then(|socket| netdevice::index_to_name(socket, index));
    name.unwrap_or_else(|_| index.to_string())
}

/// Size of `struct rtmsg` and of `struct ndmsg`.
const ROUTE_HEADER: usize = 12;
const NEIGHBOUR_HEADER: usize = 12;
/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;
const RTN_LOCAL: u8 = 2;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RTA_VIA: u16 = 18;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
/// `NUD_REACHABLE`, `NUD_STALE`, `NUD_DELAY`, `NUD_PROBE`; `NUD_INCOMPLETE`, `NUD_FAILED`.
const ANSWERED: u16 = 0x02 | 0x04 | 0x08 | 0x10;
const SILENT: u16 = 0x01 | 0x20;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_way_to_this_machine_is_the_loopback() {
        let mut look = KernelQuery::open().expect("netlink");
        let here: IpAddr = "127.0.0.9".parse().expect("an address");
        let path = look.path(here, None).await.expect("there is a path");
        assert!(path.is_local);
        assert_eq!(path.gateway, None);
        assert_eq!(path.interface.as_deref(), Some("lo"));
        let link = look.neighbour(here, "lo").await.expect("a list");
        assert_eq!(link, NeighbourEntry::Unknown);
    }
}

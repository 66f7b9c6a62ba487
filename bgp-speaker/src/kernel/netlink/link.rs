//! Link and address messages (`RTM_NEWLINK`, `RTM_NEWADDR` and their opposites), and the requests to list them.

use ipnet::IpNet;

use super::message::{
    Attributes, DUMP, GETADDR, GETLINK, REQUEST, Writer, read_address, read_u16, read_u32,
};
use crate::kernel::interface::{InterfaceAddress, LinkKind};
use crate::kernel::links::Link;

/// Asks for all interfaces.
pub(crate) fn encode_link_dump(writer: &mut Writer, sequence: u32) {
    let message = writer.begin_message(GETLINK, REQUEST | DUMP, sequence);
    writer.put(&[0; LINK_HEADER]);
    writer.end_message(message);
}

/// Asks for all addresses.
pub(crate) fn encode_address_dump(writer: &mut Writer, sequence: u32) {
    let message = writer.begin_message(GETADDR, REQUEST | DUMP, sequence);
    writer.put(&[0; ADDRESS_HEADER]);
    writer.end_message(message);
}

/// Parses `struct ifinfomsg` and the attributes needed. `None` for a broken message, and for a link that is not an interface of
/// its own in this namespace (bridge ports are also reported in family AF_BRIDGE).
pub(crate) fn parse_link(payload: &[u8]) -> Option<Link> {
    if *payload.first()? != AF_UNSPEC {
        return None;
    }
    let flags = read_u32(payload, 8)?;
    let (mut name, mut mtu) = (None, 0);
    for (kind, value) in Attributes(payload.get(LINK_HEADER..)?) {
        match kind {
            IFLA_IFNAME => name = Some(value),
            IFLA_MTU => mtu = read_u32(value, 0).unwrap_or(mtu),
            _ => {}
        }
    }
    let name = name?;
    let name = String::from_utf8_lossy(name.strip_suffix(&[0]).unwrap_or(name));
    Some(Link {
        index: read_u32(payload, 4)?,
        name: name.into(),
        up: flags & IFF_UP != 0,
        carrier: flags & IFF_LOWER_UP != 0,
        kind: link_kind(flags),
        mtu,
    })
}

fn link_kind(flags: u32) -> LinkKind {
    let known = [
        (IFF_LOOPBACK, LinkKind::Loopback),
        (IFF_POINTOPOINT, LinkKind::PointToPoint),
        (IFF_BROADCAST, LinkKind::Broadcast),
    ];
    let kind = known.iter().find(|(flag, _)| flags & flag != 0);
    kind.map_or(LinkKind::Other, |(_, kind)| *kind)
}

/// Parses `struct ifaddrmsg`: interface index and address. `None` also for an IPv6 address in duplicate address detection, which
/// is not usable yet; a second message follows when it is.
pub(crate) fn parse_address(payload: &[u8]) -> Option<(u32, InterfaceAddress)> {
    let (prefix_len, mut flags) = (*payload.get(1)?, u32::from(*payload.get(2)?));
    let (mut local, mut remote) = (None, None);
    for (kind, value) in Attributes(payload.get(ADDRESS_HEADER..)?) {
        match kind {
            IFA_ADDRESS => remote = read_address(value),
            IFA_LOCAL => local = read_address(value),
            IFA_FLAGS => flags = read_u32(value, 0).unwrap_or(flags),
            _ => {}
        }
    }
    if flags & IFA_F_TENTATIVE != 0 {
        return None;
    }
    let address = local.or(remote)?;
    let prefix = IpNet::new(remote.or(local)?, prefix_len).ok()?.trunc();
    Some((read_u32(payload, 4)?, InterfaceAddress { address, prefix }))
}

/// Interface index of a link message, even if the rest cannot be used.
pub(crate) fn link_index(payload: &[u8]) -> Option<u32> {
    read_u16(payload, 0)?;
    read_u32(payload, 4)
}

const AF_UNSPEC: u8 = 0;
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFF_UP: u32 = 0x1;
const IFF_BROADCAST: u32 = 0x2;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_POINTOPOINT: u32 = 0x10;
const IFF_LOWER_UP: u32 = 0x1_0000;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_TENTATIVE: u32 = 0x40;

#[cfg(test)]
mod tests {
    use super::*;

    fn link(family: u8, flags: u32) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.put(&[family, 0, 1, 0]);
        writer.put(&9_u32.to_ne_bytes());
        writer.put(&flags.to_ne_bytes());
        writer.put(&[0; 4]);
        writer.attribute(IFLA_IFNAME, &[b"cali1234\0"]);
        writer.bytes().to_vec()
    }

    fn address(flags: u32, attributes: &[(u16, [u8; 4])]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.put(&[2, 24, 0, 0]);
        writer.put(&9_u32.to_ne_bytes());
        writer.attribute_u32(IFA_FLAGS, flags);
        attributes
            .iter()
            .for_each(|(kind, value)| writer.attribute(*kind, &[value]));
        writer.bytes().to_vec()
    }

    #[test]
    fn link_name_and_state() {
        let up = parse_link(&link(0, IFF_UP)).unwrap();
        assert_eq!(
            up,
            Link {
                index: 9,
                name: "cali1234".into(),
                up: true,
                carrier: false,
                kind: LinkKind::Other,
                mtu: 0
            }
        );
        assert!(parse_link(&link(0, IFF_UP | IFF_LOWER_UP)).unwrap().carrier);
        let kind = |flags| parse_link(&link(0, flags)).unwrap().kind;
        assert_eq!(kind(IFF_BROADCAST | IFF_UP), LinkKind::Broadcast);
        assert_eq!(kind(IFF_POINTOPOINT), LinkKind::PointToPoint);
        assert_eq!(kind(IFF_LOOPBACK), LinkKind::Loopback);
        assert_eq!(parse_link(&link(7, IFF_UP)), None, "AF_BRIDGE");
        assert_eq!(parse_link(&link(0, 0)[..18]), None, "cut short");
    }

    #[test]
    fn the_other_end_gives_the_prefix_of_a_point_to_point_address() {
        let (index, parsed) = parse_address(&address(
            0,
            &[(IFA_ADDRESS, [192, 0, 2, 77]), (IFA_LOCAL, [10, 0, 0, 1])],
        ))
        .unwrap();
        assert_eq!(index, 9);
        assert_eq!(parsed.address.to_string(), "10.0.0.1");
        assert_eq!(parsed.prefix.to_string(), "192.0.2.0/24");
    }

    #[test]
    fn a_tentative_address_does_not_count() {
        assert_eq!(
            parse_address(&address(IFA_F_TENTATIVE, &[(IFA_ADDRESS, [10, 0, 0, 1])])),
            None
        );
        assert_eq!(parse_address(&address(0, &[])), None, "no address at all");
    }
}

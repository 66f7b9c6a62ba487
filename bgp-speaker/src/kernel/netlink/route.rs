//! Route messages (`RTM_NEWROUTE`, `RTM_DELROUTE`), and the request to list a table.
//!
//! Encoding takes routes with devices as indexes. Parsing returns only routes that could coexist with ours: of this table, for
//! any type of service, neither cached nor source-specific.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::message::{
    Attributes, CREATE, DELROUTE, DUMP, EXCLUSIVE, GETROUTE, NEWROUTE, REPLACE, REQUEST, Writer,
    octets, read_address, read_u16, read_u32,
};
use crate::kernel::operation::{Action, Operation, PresentRoute};
use crate::kernel::route::{Device, Hop, KernelRoute, RouteKind};

/// Writes one change. `extra` flags are added to those that the action needs.
pub(crate) fn encode(writer: &mut Writer, op: &Operation, mark: Mark, extra: u16, sequence: u32) {
    let (kind, flags) = match op.action {
        Action::Add => (NEWROUTE, CREATE | EXCLUSIVE),
        // CREATE as well: if our route was removed a moment ago, there is nothing to replace.
        Action::Replace => (NEWROUTE, CREATE | REPLACE),
        Action::Delete => (DELROUTE, 0),
    };
    let message = writer.begin_message(kind, REQUEST | flags | extra, sequence);
    encode_header(writer, op, mark);
    writer.attribute(RTA_DST, &[&octets(&op.prefix.network())]);
    if mark.table > u32::from(u8::MAX) {
        writer.attribute_u32(RTA_TABLE, mark.table);
    }
    if let Some(metric) = metric(op) {
        writer.attribute_u32(RTA_PRIORITY, metric);
    }
    encode_hops(writer, op);
    writer.end_message(message);
}

/// Table and protocol number of our routes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) table: u32,
    pub(crate) protocol: u8,
}

/// Asks for all routes of one family in the table.
pub(crate) fn encode_dump(writer: &mut Writer, family: u8, table: u32, sequence: u32) {
    let message = writer.begin_message(GETROUTE, REQUEST | DUMP, sequence);
    writer.put(&[family, 0, 0, 0, short_table(table), 0, 0, 0]);
    writer.put(&[0; 4]);
    writer.attribute_u32(RTA_TABLE, table);
    writer.end_message(message);
}

/// Parses a route of this table; `None` for messages that do not matter.
pub(crate) fn parse(payload: &[u8], table: u32) -> Option<PresentRoute> {
    let header: &[u8; ROUTE_HEADER] = payload.first_chunk()?;
    let [
        family,
        prefix_len,
        source_len,
        tos,
        short,
        protocol,
        _scope,
        kind,
        ..,
    ] = *header;
    let flags = read_u32(header, 8)?;
    if tos != 0 || source_len != 0 || flags & RTM_F_CLONED != 0 {
        return None;
    }
    let mut attributes = RouteAttributes {
        table: u32::from(short),
        ..RouteAttributes::default()
    };
    for (kind, value) in Attributes(&payload[ROUTE_HEADER..]) {
        attributes.read(kind, value);
    }
    if attributes.table != table {
        return None;
    }
    let unspecified = match family {
        AF_INET => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        AF_INET6 => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let prefix = IpNet::new(attributes.destination.unwrap_or(unspecified), prefix_len)
        .ok()?
        .trunc();
    let metric = Some(attributes.metric);
    let kind = match kind {
        RTN_UNICAST => RouteKind::Unicast {
            next_hops: attributes.hops(flags),
        },
        RTN_BLACKHOLE => RouteKind::Blackhole,
        RTN_UNREACHABLE => RouteKind::Unreachable,
        RTN_PROHIBIT => RouteKind::Prohibit,
        _ => return None,
    };
    let route = KernelRoute { metric, kind }.canonical();
    Some(PresentRoute {
        prefix,
        protocol,
        route: route.into(),
    })
}

/// `struct rtmsg`.
fn encode_header(writer: &mut Writer, op: &Operation, mark: Mark) {
    let (family, kind) = match (&op.prefix, &op.route.kind) {
        (IpNet::V4(_), kind) => (AF_INET, route_type(kind)),
        (IpNet::V6(_), kind) => (AF_INET6, route_type(kind)),
    };
    let hops = op.route.hops();
    let scope = match op.action {
        Action::Delete => SCOPE_NOWHERE, // of any scope
        Action::Add | Action::Replace => {
            let on_link = !hops.is_empty() && hops.iter().all(|h| h.gateway.is_none());
            if on_link { SCOPE_LINK } else { SCOPE_UNIVERSE }
        }
    };
    writer.put(&[family, op.prefix.prefix_len(), 0, 0]);
    writer.put(&[short_table(mark.table), mark.protocol, scope, kind]);
    let onlink = matches!(hops, [hop] if hop.onlink);
    writer.put(&if onlink { RTNH_F_ONLINK } else { 0 }.to_ne_bytes());
}

/// `RTA_PRIORITY`, if the route has one. A deletion without a priority removes the first matching route, so deletions always have
/// it, even if the kernel chose the metric.
fn metric(op: &Operation) -> Option<u32> {
    match op.action {
        Action::Add | Action::Replace => op.route.metric,
        Action::Delete => Some(op.route.effective_metric(&op.prefix)).filter(|metric| *metric != 0),
    }
}

/// Next hops: attributes of the route itself for one, `RTA_MULTIPATH` for several.
fn encode_hops(writer: &mut Writer, op: &Operation) {
    // An IPv6 multipath route is deleted as a whole when no next hop is named.
    if op.action == Action::Delete && matches!(op.prefix, IpNet::V6(_)) {
        return;
    }
    match op.route.hops() {
        [] => {}
        [hop] => {
            encode_gateway(writer, &op.prefix, hop);
            if let Some(index) = device_index(hop) {
                writer.attribute_u32(RTA_OIF, index);
            }
        }
        hops => {
            let multipath = writer.begin_attribute(RTA_MULTIPATH);
            hops.iter()
                .for_each(|hop| encode_next_hop(writer, &op.prefix, hop));
            writer.end_attribute(multipath);
        }
    }
}

/// `struct rtnexthop` with the gateway inside.
fn encode_next_hop(writer: &mut Writer, prefix: &IpNet, hop: &Hop) {
    let record = writer.begin_record();
    let flags = if hop.onlink { RTNH_F_ONLINK as u8 } else { 0 };
    writer.put(&[flags, hop.weight.max(1) - 1]);
    writer.put(&device_index(hop).unwrap_or(0).to_ne_bytes());
    encode_gateway(writer, prefix, hop);
    writer.end_attribute(record);
}

/// `RTA_GATEWAY`, or `RTA_VIA` for an IPv6 gateway of an IPv4 route (RFC 8950).
fn encode_gateway(writer: &mut Writer, prefix: &IpNet, hop: &Hop) {
    match (prefix, &hop.gateway) {
        (_, None) => {}
        (IpNet::V4(_), Some(IpAddr::V6(gateway))) => {
            let family = u16::from(AF_INET6).to_ne_bytes();
            writer.attribute(RTA_VIA, &[&family, &gateway.octets()]);
        }
        (_, Some(gateway)) => writer.attribute(RTA_GATEWAY, &[&octets(gateway)]),
    }
}

fn device_index(hop: &Hop) -> Option<u32> {
    match hop.device {
        Some(Device::Index(index)) => Some(index),
        Some(Device::Name(_)) | None => None,
    }
}

/// `rtm_table` has eight bits; larger numbers are in `RTA_TABLE` only.
fn short_table(table: u32) -> u8 {
    u8::try_from(table).unwrap_or(0)
}

fn route_type(kind: &RouteKind) -> u8 {
    match kind {
        RouteKind::Unicast { .. } => RTN_UNICAST,
        RouteKind::Blackhole => RTN_BLACKHOLE,
        RouteKind::Unreachable => RTN_UNREACHABLE,
        RouteKind::Prohibit => RTN_PROHIBIT,
    }
}

/// The attributes of a route that matter.
#[derive(Default)]
struct RouteAttributes {
    table: u32,
    metric: u32,
    destination: Option<IpAddr>,
    gateway: Option<IpAddr>,
    device: Option<u32>,
    multipath: Vec<Hop>,
}

impl RouteAttributes {
    fn read(&mut self, kind: u16, value: &[u8]) {
        match kind {
            RTA_DST => self.destination = read_address(value),
            RTA_OIF => self.device = read_u32(value, 0),
            RTA_GATEWAY | RTA_VIA => self.gateway = parse_gateway(kind, value),
            RTA_PRIORITY => self.metric = read_u32(value, 0).unwrap_or_default(),
            RTA_TABLE => self.table = read_u32(value, 0).unwrap_or(self.table),
            RTA_MULTIPATH => self.multipath = MultipathHops(value).collect(),
            _ => {}
        }
    }

    fn hops(self, flags: u32) -> Vec<Hop> {
        if !self.multipath.is_empty() {
            return self.multipath;
        }
        let onlink = flags & RTNH_F_ONLINK != 0;
        vec![Hop {
            gateway: self.gateway,
            device: self.device.map(Device::Index),
            onlink,
            weight: 1,
        }]
    }
}

/// The records of `RTA_MULTIPATH`.
struct MultipathHops<'a>(&'a [u8]);

impl Iterator for MultipathHops<'_> {
    type Item = Hop;

    fn next(&mut self) -> Option<Hop> {
        let length = usize::from(read_u16(self.0, 0)?);
        let record = self.0.get(..length)?;
        let hop = Hop {
            gateway: Attributes(record.get(NEXT_HOP_HEADER..)?)
                .find(|(kind, _)| matches!(*kind, RTA_GATEWAY | RTA_VIA))
                .and_then(|(kind, value)| parse_gateway(kind, value)),
            device: Some(Device::Index(read_u32(record, 4)?)),
            onlink: u32::from(record[2]) & RTNH_F_ONLINK != 0,
            weight: record[3].saturating_add(1),
        };
        self.0 = self
            .0
            .get(super::message::align(length)..)
            .unwrap_or_default();
        Some(hop)
    }
}

fn parse_gateway(kind: u16, value: &[u8]) -> Option<IpAddr> {
    let address = if kind == RTA_VIA {
        value.get(2..)?
    } else {
        value
    };
    read_address(address)
}

pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_INET6: u8 = 10;
/// Size of `struct rtmsg` and of `struct rtnexthop`.
const ROUTE_HEADER: usize = 12;
const NEXT_HOP_HEADER: usize = 8;
const RTM_F_CLONED: u32 = 0x200;
const RTNH_F_ONLINK: u32 = 4;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const SCOPE_NOWHERE: u8 = 255;
const RTN_UNICAST: u8 = 1;
const RTN_BLACKHOLE: u8 = 6;
const RTN_UNREACHABLE: u8 = 7;
const RTN_PROHIBIT: u8 = 8;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;

#[cfg(test)]
mod tests;

//! `show route`. Keeps no more than the prefix of the previous row: a table of any size streams through.
//!
//! CalicoNodeStatus parses the bare `show route`, and fails as a whole on one unknown row. So each gateway is a `via` row instead
//! of `multipath`, `prohibited` is never used, and the bare listing leaves out the routes of local workload peers, whose names it
//! cannot parse. They are shown when requested by peer, by prefix or with `all`.

use std::fmt::Display;

use ipnet::IpNet;

use super::clock::Clock;
use crate::control::command::{RouteQuery, RouteSelection};
use crate::control::model::{BgpAttributes, BgpRouteSnapshot, IgpMetric, RouteSnapshot};
use crate::control::reply::{Code, Reply};
use crate::control::session_name;
use bgp_core::wire::attribute::Origin;
use bgp_speaker::forwarding::{Gateway, NextHops};

/// A listing under construction.
#[derive(Debug)]
pub struct Listing {
    query: RouteQuery,
    clock: Clock,
    previous: Option<IpNet>,
}

impl Listing {
    /// Begins the reply to `query`.
    pub fn new(query: RouteQuery, clock: Clock) -> Self {
        Self {
            query,
            clock,
            previous: None,
        }
    }

    /// Appends a route. Routes of one prefix must be adjacent, the best one first.
    pub fn route(&mut self, reply: &mut Reply, route: &RouteSnapshot) {
        if self.query.is_plain() && session_name::is_local_workload(&route.protocol) {
            return;
        }
        let tail = self.tail(route);
        for next_hop in next_hop_texts(&route.next_hops) {
            let prefix = if self.previous.replace(route.prefix) == Some(route.prefix) {
                String::new()
            } else {
                route.prefix.to_string()
            };
            reply.line(Code::ROUTE, format_args!("{prefix:<18} {next_hop} {tail}"));
        }
        if self.query.all {
            details(route, reply);
        }
    }

    /// Appends the last line.
    pub fn end(&self, reply: &mut Reply) {
        match self.query.selection {
            RouteSelection::Exact(_) | RouteSelection::For(_) if self.previous.is_none() => {
                reply.end(Code::ROUTE_NOT_FOUND, "Network not in table");
            }
            RouteSelection::All | RouteSelection::Exact(_) | RouteSelection::For(_) => {
                reply.end(Code::OK, "");
            }
        }
    }

    /// The text after the next hop, which is the same for all next hops.
    fn tail(&self, route: &RouteSnapshot) -> String {
        let since = self.clock.short(route.since);
        let from = route
            .from
            .map(|address| format!(" from {address}"))
            .unwrap_or_default();
        let mark = match (route.refused, route.primary) {
            (true, _) => " !",
            (false, true) => " *",
            (false, false) => "",
        };
        let metric = metric(route);
        format!("[{} {since}{from}]{mark} {metric}", route.protocol)
    }
}

fn next_hop_texts(next_hops: &NextHops) -> Vec<String> {
    let via = |gateway: &Gateway| format!("via {} on {}", gateway.address, gateway.interface);
    match next_hops {
        NextHops::Via(gateways) => gateways.iter().map(via).collect(),
        NextHops::Device(interface) => vec![format!("dev {interface}")],
        NextHops::Blackhole => vec!["blackhole".to_owned()],
        NextHops::Unreachable => vec!["unreachable".to_owned()],
    }
}

fn metric(route: &RouteSnapshot) -> String {
    let preference = route.preference;
    let Some(bgp) = &route.bgp else {
        return format!("({preference})");
    };
    let igp = match bgp.igp_metric {
        IgpMetric::Direct => String::new(),
        IgpMetric::Known(metric) => format!("/{metric}"),
        IgpMetric::Unknown => "/?".to_owned(),
        IgpMetric::Unresolvable => "/-".to_owned(),
    };
    format!("({preference}{igp}) [{}]", origin_mark(bgp))
}

fn origin_mark(bgp: &BgpRouteSnapshot) -> String {
    let mark = match bgp.origin {
        Origin::Igp => 'i',
        Origin::Egp => 'e',
        Origin::Incomplete => '?',
    };
    match bgp.origin_as {
        Some(asn) => format!("AS{asn}{mark}"),
        None => mark.to_string(),
    }
}

fn details(route: &RouteSnapshot, reply: &mut Reply) {
    let source = match (&route.bgp, &route.next_hops) {
        (Some(_), _) => "BGP",
        (None, _) if route.protocol.starts_with("kernel") => "inherit",
        (None, NextHops::Device(_)) => "device",
        (None, NextHops::Via(_) | NextHops::Blackhole | NextHops::Unreachable) => "static",
    };
    reply.line(
        Code::ROUTE_DETAILS,
        format_args!("\tType: {source} unicast univ"),
    );
    let Some(attributes) = &route.attributes else {
        return;
    };
    let origin = match attributes.origin {
        Origin::Igp => "IGP",
        Origin::Egp => "EGP",
        Origin::Incomplete => "Incomplete",
    };
    let mut line = |name: &str, value: &str| {
        reply.line(
            Code::ROUTE_ATTRIBUTES,
            format_args!("\tBGP.{name}: {value}"),
        );
    };
    line("origin", origin);
    line("as_path", &attributes.as_path);
    line("next_hop", &joined(&attributes.next_hop));
    optional_attributes(attributes, &mut line);
}

fn optional_attributes(attributes: &BgpAttributes, line: &mut dyn FnMut(&str, &str)) {
    if let Some(med) = attributes.med {
        line("med", &med.to_string());
    }
    if let Some(local_pref) = attributes.local_pref {
        line("local_pref", &local_pref.to_string());
    }
    if attributes.atomic_aggregate {
        line("atomic_aggr", "");
    }
    if let Some(aggregator) = &attributes.aggregator {
        let text = format!("{} AS{}", aggregator.router_id, aggregator.asn);
        line("aggregator", &text);
    }
    communities(attributes, line);
    if let Some(originator) = attributes.originator_id {
        line("originator_id", &originator.to_string());
    }
    if !attributes.cluster_list.is_empty() {
        line("cluster_list", &joined(&attributes.cluster_list));
    }
    if let Some(otc) = attributes.otc {
        line("otc", &otc.to_string());
    }
    for attribute in &attributes.unknown {
        let octets: Vec<String> = attribute
            .value()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        line(&format!("{:02x}", attribute.code()), &octets.join(" "));
    }
}

fn communities(attributes: &BgpAttributes, line: &mut dyn FnMut(&str, &str)) {
    let plain = attributes
        .communities
        .iter()
        .map(|c| format!("({},{})", c.0 >> 16, c.0 & 0xffff));
    let extended = attributes
        .ext_communities
        .iter()
        .map(|c| format!("(generic, {:#x}, {:#x})", c.0 >> 32, c.0 & 0xffff_ffff));
    let large = attributes
        .large_communities
        .iter()
        .map(|c| format!("({}, {}, {})", c.global, c.local1, c.local2));
    for (name, values) in [
        ("community", plain.collect::<Vec<_>>()),
        ("ext_community", extended.collect()),
        ("large_community", large.collect()),
    ] {
        if !values.is_empty() {
            line(name, &values.join(" "));
        }
    }
}

fn joined<T: Display>(values: &[T]) -> String {
    let texts: Vec<String> = values.iter().map(T::to_string).collect();
    texts.join(" ")
}

//! The machine: its port, capabilities, kernel, clock, and other programs.

use bgp_core::types::Family;
use jiff::{SignedDuration, Timestamp};

use crate::doctor::facts::{Facts, Filter, Node, Port};
use crate::doctor::finding::{Finding, Id};

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let node = &facts.node;
    let mut findings = Vec::new();
    findings.extend(port_taken(node));
    findings.extend(not_permitted(node));
    findings.extend(clock(facts));
    if node.writes_kernel {
        findings.extend(kernel_refuses(node));
        findings.extend(other_speaker(node));
        findings.extend(forwarding_off(node));
        findings.extend(rp_filter(node));
    }
    findings
}

fn port_taken(node: &Node) -> Option<Finding> {
    let taken = node.ports.iter().filter(|port| !port.is_ours);
    let taken = taken.filter_map(
        |Port {
             address, taken_by, ..
         }| { Some(format!("{address}: {} listens there", taken_by.as_ref()?)) },
    );
    let seen: Vec<String> = taken.collect();
    let fix = match node.is_running {
        true => {
            "stop the other program, or let one of the two listen elsewhere (listenPort of BGPConfiguration, --listen-port); the port is tried again every 5 s, and peers that are dialled come up meanwhile"
        }
        false => {
            "stop the other program before; if it is bgp-daemon itself, ask it: `doctor` without --preflight"
        }
    };
    (!seen.is_empty()).then(|| Finding::error(Id::PortTaken, None, seen, fix))
}

fn not_permitted(node: &Node) -> Option<Finding> {
    let rights = node.capabilities;
    let mut seen = Vec::new();
    let shut = node.ports.iter().find(|port| {
        let needs_right = u32::from(port.address.port()) < rights.first_free_port;
        needs_right && !port.is_ours && port.taken_by.is_none()
    });
    if let Some(port) = shut.filter(|_| !rights.net_bind_service) {
        seen.push(format!(
            "CAP_NET_BIND_SERVICE is missing, and port {} is below {}",
            port.address.port(),
            rights.first_free_port
        ));
    }
    let needs_admin = node.writes_kernel || node.passwords > 0;
    if needs_admin && !rights.net_admin {
        seen.push(
            "CAP_NET_ADMIN is missing, which routes in the kernel and TCP MD5 passwords need"
                .into(),
        );
    }
    let fix = "give the process the capabilities CAP_NET_ADMIN and CAP_NET_BIND_SERVICE: securityContext.capabilities.add in Kubernetes, AmbientCapabilities in systemd; or use --no-kernel and a port from 1024 on";
    (!seen.is_empty()).then(|| Finding::error(Id::NotPermitted, None, seen, fix))
}

fn kernel_refuses(node: &Node) -> Option<Finding> {
    let alarms = [&node.kernel.refused, &node.kernel.netlink];
    // A route of an administrator in the way is reported as a refusal; one of a routing program as another speaker.
    let in_the_way = node.kernel.occupied.as_ref();
    let in_the_way = in_the_way.filter(|_| node.others.routes.is_empty());
    let seen = alarms.into_iter().flatten().chain(in_the_way).cloned();
    let seen: Vec<String> = seen.collect();
    let fix = "see what the kernel says of each: a next hop that is not on any link, a route of somebody else with the same destination and metric, a table that is full (net.ipv6.route.max_size)";
    (!seen.is_empty()).then(|| Finding::error(Id::KernelRefuses, None, seen, fix))
}

/// A routing program writes the same routes as we do, or is about to. Before the daemon runs, routes with BIRD's number may be
/// our own leftovers: only a running program counts.
fn other_speaker(node: &Node) -> Option<Finding> {
    let others = &node.others;
    let writes = match node.is_running {
        true => node.kernel.contested.is_some() || !others.routes.is_empty(),
        false => !others.programs.is_empty(),
    };
    if !writes {
        return None;
    }
    let routes = others.routes.iter().map(|(protocol, count, example)| {
        format!(
            "{count} routes of protocol {protocol} ({}) are in the kernel, such as {example}",
            protocol_name(*protocol)
        )
    });
    let mut seen: Vec<String> = node
        .kernel
        .contested
        .iter()
        .cloned()
        .chain(routes)
        .collect();
    seen.extend(node.kernel.occupied.clone());
    seen.extend(
        others
            .programs
            .iter()
            .map(|program| format!("{program} runs here")),
    );
    let fix = "stop the other speaker (BIRD of calico/node, FRR), or keep it from writing the same routes; where Felix writes the routes of a pool (its encapsulation without BGP), let only one of the two do it";
    let found = Finding::error(Id::OtherSpeaker, None, seen, fix);
    let fights = node.kernel.contested.is_some() || node.kernel.occupied.is_some();
    Some(if fights { found } else { found.as_warning() })
}

fn forwarding_off(node: &Node) -> Option<Finding> {
    let names = [
        (Family::Ipv4Unicast, "net.ipv4.ip_forward"),
        (Family::Ipv6Unicast, "net.ipv6.conf.all.forwarding"),
    ];
    let off = names.iter().filter(|(family, _)| {
        let facts = &node.families[*family];
        facts.originated > 0 && facts.forwards == Some(false)
    });
    let off: Vec<&str> = off.map(|(_, name)| *name).collect();
    let seen = off
        .iter()
        .map(|name| format!("{name} is 0, and this node announces prefixes of that family"));
    let seen: Vec<String> = seen.collect();
    let fix = format!(
        "set {}: without it no packet gets to a pod",
        off.iter()
            .map(|name| format!("{name}=1"))
            .collect::<Vec<_>>()
            .join(" and ")
    );
    (!seen.is_empty()).then(|| Finding::error(Id::ForwardingOff, None, seen, fix).as_warning())
}

fn rp_filter(node: &Node) -> Option<Finding> {
    let dropped = node.dropped.reverse_path;
    let strict = node
        .interfaces
        .iter()
        .filter(|interface| interface.filter == Filter::Strict);
    // A strict filter that has dropped nothing matters only towards peers.
    let strict = strict.filter(|interface| dropped > 0 || interface.leads_to_peer);
    let strict: Vec<&str> = strict.map(|interface| interface.name.as_str()).collect();
    if strict.is_empty() {
        return None;
    }
    let mut seen = vec![format!("rp_filter is 1 (strict) on {}", strict.join(", "))];
    if dropped > 0 {
        seen.push(format!("the kernel dropped {dropped} packets for their source since the daemon started (IPReversePathFilter)"));
    }
    let towards = node
        .interfaces
        .iter()
        .filter(|interface| interface.leads_to_peer);
    let towards: Vec<&str> = towards.map(|interface| interface.name.as_str()).collect();
    if towards.len() > 1 {
        seen.push(format!("peers are reached by {}", towards.join(", ")));
    }
    let fix = "set net.ipv4.conf.all.rp_filter and that of these interfaces to 2 (loose) or 0 where packets may come by another interface than that by which they are answered";
    let found = Finding::error(Id::RpFilter, None, seen, fix);
    Some(match (dropped > 0, towards.len() > 1) {
        (true, _) => found,
        (false, true) => found.as_warning(),
        (false, false) => found.as_info(),
    })
}

fn clock(facts: &Facts) -> Option<Finding> {
    let clock = facts.node.clock;
    let mut unread = facts.store.unread.iter();
    let early = unread.find(|(_, reason)| {
        let words = ["not valid yet", "NotValidYet", "not yet valid"];
        words.iter().any(|words| reason.contains(words))
    });
    let mut seen: Vec<String> = early
        .map(|(_, reason)| reason.clone())
        .into_iter()
        .collect();
    if clock.now < EARLIEST {
        seen.push(format!(
            "the clock says {}, which is before this program was written",
            clock.now
        ));
    }
    if clock.jumped.abs() > JUMP {
        seen.push(format!(
            "the clock has jumped by {} s since the daemon started",
            clock.jumped.as_secs()
        ));
    }
    if let Some(ahead) = clock.datastore_ahead.filter(|ahead| ahead.abs() > SKEW) {
        let side = match ahead.is_negative() {
            true => "ahead of",
            false => "behind",
        };
        seen.push(format!(
            "the clock is {} s {side} that of the Kubernetes API",
            ahead.abs().as_secs()
        ));
    }
    let fix = "let a time service set the clock (chrony, systemd-timesyncd): certificates, tokens and the times in logs depend on it; sessions do not";
    (!seen.is_empty()).then(|| Finding::error(Id::Clock, None, seen, fix).as_warning())
}

fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        11 => "zebra",
        12 => "bird",
        42 => "babel",
        80 => "Felix",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        _ => "a routing program",
    }
}

/// 2026-01-01.
const EARLIEST: Timestamp = Timestamp::constant(1_767_225_600, 0);
const JUMP: SignedDuration = SignedDuration::from_secs(10);
const SKEW: SignedDuration = SignedDuration::from_secs(60);

//! What the machine allows: capabilities of this process, and kernel parameters.

use std::fs;

use bgp_core::types::{Family, PerFamily};
use rustix::thread::{CapabilitySet, capabilities};

use crate::doctor::facts::{Capabilities, Filter};

/// What this process may do.
pub(in crate::doctor) fn own_capabilities() -> Capabilities {
    // Where it cannot be told, nothing is said.
    let effective = capabilities(None).map_or(CapabilitySet::all(), |sets| sets.effective);
    Capabilities {
        net_admin: effective.contains(CapabilitySet::NET_ADMIN),
        net_bind_service: effective.contains(CapabilitySet::NET_BIND_SERVICE),
        first_free_port: number("net/ipv4/ip_unprivileged_port_start").unwrap_or(1024),
    }
}

/// Whether packets are forwarded; `None` where the family does not exist.
pub(in crate::doctor) fn forwarding() -> PerFamily<Option<bool>> {
    let mut forwarding = PerFamily::default();
    for (family, name) in [
        (Family::Ipv4Unicast, "net/ipv4/ip_forward"),
        (Family::Ipv6Unicast, "net/ipv6/conf/all/forwarding"),
    ] {
        forwarding[family] = number(name).map(|value| value != 0);
    }
    forwarding
}

/// The interfaces of this network namespace that packets of others come by: neither the loopback nor those of workloads, at which
/// Felix judges sources strictly. Sorted, and not more than can be of interest.
pub(in crate::doctor) fn interfaces() -> Vec<String> {
    let entries = fs::read_dir("/proc/sys/net/ipv4/conf")
        .into_iter()
        .flatten()
        .flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_of_others = |name: &String| {
        !["all", "default", "lo"].contains(&name.as_str()) && !name.starts_with("cali")
    };
    let mut names: Vec<String> = names.filter(is_of_others).collect();
    names.sort_unstable();
    names.truncate(INTERFACES);
    names
}

/// Interfaces that are looked at.
const INTERFACES: usize = 256;

/// How an interface judges the source of IPv4 packets: the greater of two parameters counts.
pub(in crate::doctor) fn reverse_path_filter(interface: &str) -> Option<Filter> {
    let of = |name: &str| number(&format!("net/ipv4/conf/{}/rp_filter", name));
    Some(match of("all")?.max(of(interface)?) {
        0 => Filter::Off,
        1 => Filter::Strict,
        _ => Filter::Loose,
    })
}

/// Octets that a socket may use for options, TCP MD5 keys among them.
pub(in crate::doctor) fn option_memory() -> Option<u32> {
    number("net/core/optmem_max")
}

fn number(name: &str) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
    text.trim().parse().ok()
}

//! Capabilities of this process, and kernel parameters.

use std::fs;

use bgp_core::types::{Family, PerFamily};
use rustix::thread::{CapabilitySet, capabilities};

use crate::doctor::facts::{Capabilities, Filter};

/// The capabilities of this process.
pub(in crate::doctor) fn own_capabilities() -> Capabilities {
    // If unknown, assume all.
    let effective = capabilities(None).map_or(CapabilitySet::all(), |sets| sets.effective);
    Capabilities {
        net_admin: effective.contains(CapabilitySet::NET_ADMIN),
        net_bind_service: effective.contains(CapabilitySet::NET_BIND_SERVICE),
        first_free_port: number("net/ipv4/ip_unprivileged_port_start").unwrap_or(1024),
    }
}

/// Whether packets are forwarded; `None` if the family does not exist.
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

/// The interfaces of this network namespace that receive packets of other machines: without the loopback and those of workloads,
/// which Felix filters strictly. Sorted, up to a limit.
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

/// Limit of the examined interfaces.
const INTERFACES: usize = 256;

/// Reverse path filtering of an interface for IPv4: the greater of two parameters applies.
pub(in crate::doctor) fn reverse_path_filter(interface: &str) -> Option<Filter> {
    let of = |name: &str| number(&format!("net/ipv4/conf/{}/rp_filter", name));
    Some(match of("all")?.max(of(interface)?) {
        0 => Filter::Off,
        1 => Filter::Strict,
        _ => Filter::Loose,
    })
}

/// Octets that a socket may use for options, including TCP MD5 keys.
pub(in crate::doctor) fn option_memory() -> Option<u32> {
    number("net/core/optmem_max")
}

fn number(name: &str) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
    text.trim().parse().ok()
}

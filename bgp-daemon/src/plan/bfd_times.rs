//! The times of BFD that BFDConfigurations give to the interfaces of this node.

use std::net::IpAddr;

use super::bfd::BfdTimers;
use super::cluster::Cluster;
use crate::resources::{BfdInterface, Problem};

/// The times for peers on the network of one of this node's own addresses: those of the BFDConfigurations that select this node, for
/// the interface with the address. Of several entries the one with the most exact pattern counts, and of equal ones the first by
/// name.
pub(super) fn of_interface(
    cluster: &Cluster<'_>,
    own: IpAddr,
    problems: &mut Vec<Problem>,
) -> BfdTimers {
    let Some(me) = &cluster.me else {
        return BfdTimers::CALICO;
    };
    let selecting = cluster.resources.bfd_configurations().filter(|found| {
        let selector = found.spec.node_selector.as_ref();
        selector.is_none_or(|selector| selector.matches(me.labels.as_ref()))
    });
    let entries = selecting.flat_map(|found| {
        let entries = found.spec.interfaces.iter();
        entries.map(move |entry| (&found.metadata.name, entry))
    });
    let name = interface_name(cluster, own);
    let mut best: Option<(usize, &BfdInterface)> = None;
    for (configuration, entry) in entries {
        let fits = match name {
            Some(name) => entry.matches(name),
            None if entry.is_for_all() => Some(0),
            None => {
                let object = format!("BFDConfiguration/{configuration}");
                let reason = format!(
                    "{} is not applied to peers of {own}: no interface is known to have that address",
                    entry.match_pattern
                );
                problems.push(Problem::warning(object, reason).at_field("spec.interfaces"));
                None
            }
        };
        if let Some(fits) = fits
            && best.is_none_or(|(best, _)| fits > best)
        {
            best = Some((fits, entry));
        }
    }
    best.map_or(BfdTimers::CALICO, |(_, entry)| BfdTimers::of(entry))
}

/// The interface with one of this node's own addresses: as the kernel says, otherwise as the Node does.
fn interface_name<'a>(cluster: &'a Cluster<'_>, own: IpAddr) -> Option<&'a str> {
    let known = cluster.environment.interfaces.get(&own);
    known.map(String::as_str).or_else(|| {
        let mut interfaces = cluster.me.as_ref()?.node.spec.interfaces.iter();
        let address = own.to_string();
        let has = |found: &String| found.split('/').next() == Some(&address);
        let interface = interfaces.find(|interface| interface.addresses.iter().any(has))?;
        Some(&interface.name)
    })
}

//! Pools, ranges of services, communities.

use std::collections::BTreeSet;

use bgp_core::types::family_of;
use ipnet::IpNet;

use super::filters::LISTS;
use super::finding::Finding;
use super::subject::Subject;
use crate::resources::{BgpConfiguration, CommunityValue, IpPool};

pub(super) fn look(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let pools: Vec<(&IpPool, IpNet)> = subject
        .set
        .ip_pools()
        .filter_map(|pool| Some((pool, pool.spec.cidr?.trunc())))
        .collect();
    for (at, (pool, cidr)) in pools.iter().enumerate() {
        let object = format!("IPPool/{}", pool.metadata.name);
        outside_of_filters(subject, pool, *cidr, findings);
        if let Some((other, range)) = pools[..at].iter().find(|(_, other)| overlap(*cidr, *other)) {
            let text = format!("{cidr} overlaps {range} of IPPool/{}", other.metadata.name);
            let fix = "give each pool a range of its own";
            let finding = Finding::warning("pools-overlap", &object, "spec.cidr", text, fix);
            findings.push(finding.into_error());
        }
        if let Some(selector) = &pool.spec.node_selector
            && !subject.nodes.is_empty()
            && !subject
                .nodes
                .values()
                .any(|node| selector.matches(&node.labels))
        {
            let text = format!("{selector} matches none of {} nodes", subject.nodes.len());
            let fix = "correct the selector, or the labels of the nodes";
            let id = "selector-matches-nothing";
            findings.push(Finding::warning(
                id,
                &object,
                "spec.nodeSelector",
                text,
                fix,
            ));
        }
    }
    for configuration in subject.set.bgp_configurations() {
        services(configuration, &pools, findings);
        communities(configuration, &pools, findings);
    }
}

fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// Finds pools that are outside all filters: towards the filters' peers they are treated like any other prefix.
fn outside_of_filters(
    subject: &Subject<'_>,
    pool: &IpPool,
    cidr: IpNet,
    findings: &mut Vec<Finding>,
) {
    let used = subject.set.bgp_peers().flat_map(|peer| &peer.spec.filters);
    let used: BTreeSet<&String> = used.collect();
    let family = family_of(cidr);
    let filters = used.iter().filter_map(|name| subject.set.bgp_filter(name));
    let exports = LISTS[2..].iter().filter(|(_, of, _)| *of == family);
    let lists: Vec<_> = exports.map(|(_, _, rules)| rules).collect();
    let named: Vec<IpNet> = filters
        .flat_map(|filter| lists.iter().flat_map(|rules| rules(&filter.spec)))
        .filter_map(|rule| rule.cidr)
        .filter(|net| net.prefix_len() > 0)
        .collect();
    let is_named = named.iter().any(|net| overlap(*net, cidr));
    if named.is_empty() || is_named || pool.spec.disable_bgp_export {
        return;
    }
    let text =
        format!("{cidr} is in no export rule of the filters in use, which name other ranges");
    let fix =
        "add a rule for the range to the filters, or set disableBGPExport if nobody is to be told";
    let object = format!("IPPool/{}", pool.metadata.name);
    let id = "pool-outside-filters";
    findings.push(Finding::warning(id, object, "spec.cidr", text, fix));
}

fn service_ranges(configuration: &BgpConfiguration) -> Vec<(String, IpNet)> {
    let spec = &configuration.spec;
    let lists = [
        ("serviceClusterIPs", &spec.service_cluster_ips),
        ("serviceExternalIPs", &spec.service_external_ips),
        ("serviceLoadBalancerIPs", &spec.service_load_balancer_ips),
    ];
    let ranges = lists.iter().flat_map(|(name, blocks)| {
        let blocks = blocks.iter().enumerate();
        blocks.filter_map(move |(at, block)| {
            Some((format!("spec.{name}[{at}].cidr"), block.cidr?.trunc()))
        })
    });
    ranges.collect()
}

fn services(
    configuration: &BgpConfiguration,
    pools: &[(&IpPool, IpNet)],
    findings: &mut Vec<Finding>,
) {
    let object = format!("BGPConfiguration/{}", configuration.metadata.name);
    for (field, range) in service_ranges(configuration) {
        if range.prefix_len() == 0 {
            let text = format!("every node announces {range}, a default route");
            let fix = "name the range of the services";
            let finding = Finding::warning("default-route-announced", &object, &field, text, fix);
            findings.push(finding.into_error());
            continue;
        }
        // Load balancers may use addresses of a pool.
        let is_balanced = field.starts_with("spec.serviceLoadBalancerIPs");
        if let Some((pool, cidr)) = pools.iter().find(|(_, cidr)| overlap(range, *cidr))
            && !is_balanced
        {
            let text = format!(
                "{range} overlaps {cidr} of IPPool/{}: routes to workloads there stay out of the kernel",
                pool.metadata.name
            );
            let fix = "keep addresses of services and of workloads apart";
            findings.push(Finding::warning(
                "ranges-overlap",
                &object,
                &field,
                text,
                fix,
            ));
        }
    }
}

fn communities(
    configuration: &BgpConfiguration,
    pools: &[(&IpPool, IpNet)],
    findings: &mut Vec<Finding>,
) {
    let object = format!("BGPConfiguration/{}", configuration.metadata.name);
    let spec = &configuration.spec;
    let ranges = service_ranges(configuration);
    let mut used = BTreeSet::new();
    for (at, entry) in spec.prefix_advertisements.iter().enumerate() {
        for (place, name) in entry.communities.iter().enumerate() {
            used.insert(name.as_str());
            let is_named = spec.communities.iter().any(|named| named.name == *name);
            if !is_named && name.parse::<CommunityValue>().is_err() {
                let text = format!("{name} is neither a community nor the name of one");
                let fix = "define the name in spec.communities, or write a value such as 64512:100";
                let field = format!("spec.prefixAdvertisements[{at}].communities[{place}]");
                let finding = Finding::warning("community-unknown", &object, &field, text, fix);
                findings.push(finding.into_error());
            }
        }
        let known = pools.iter().map(|(_, cidr)| *cidr);
        let mut known = known.chain(ranges.iter().map(|(_, range)| *range));
        let is_nowhere = !known.any(|range| overlap(range, entry.cidr.trunc()));
        if is_nowhere && !(pools.is_empty() && ranges.is_empty()) {
            let text = format!(
                "{} overlaps no IPPool and no range of services: nothing there is announced",
                entry.cidr
            );
            let fix = "correct the prefix, or delete the entry";
            let field = format!("spec.prefixAdvertisements[{at}].cidr");
            let id = "advertisement-matches-nothing";
            findings.push(Finding::warning(id, &object, &field, text, fix));
        }
    }
    for (at, named) in spec.communities.iter().enumerate() {
        if !used.contains(named.name.as_str()) {
            let text = format!("no prefixAdvertisement names {}", named.name);
            let fix = "name the community in spec.prefixAdvertisements, or delete it";
            let field = format!("spec.communities[{at}].name");
            findings.push(Finding::warning(
                "community-unused",
                &object,
                &field,
                text,
                fix,
            ));
        }
    }
}

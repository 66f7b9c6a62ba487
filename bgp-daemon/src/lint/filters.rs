//! BGPFilters: whether they are used, and which of their rules never apply.

use std::collections::BTreeSet;

use bgp_core::types::Family;

use super::covers::{covers, never_matches};
use super::finding::Finding;
use super::peers::is_external;
use super::subject::Subject;
use crate::resources::{BgpFilterSpec, BgpPeer, FilterRule, Operation, PeerType};

/// One list of rules: its field, and its accessor.
type List = (&'static str, Family, fn(&BgpFilterSpec) -> &[FilterRule]);

pub(super) const LISTS: [List; 4] = [
    ("importV4", Family::Ipv4Unicast, |spec| &spec.import_v4),
    ("importV6", Family::Ipv6Unicast, |spec| &spec.import_v6),
    ("exportV4", Family::Ipv4Unicast, |spec| &spec.export_v4),
    ("exportV6", Family::Ipv6Unicast, |spec| &spec.export_v6),
];

pub(super) fn look(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let used: BTreeSet<&str> = subject
        .set
        .bgp_peers()
        .flat_map(|peer| peer.spec.filters.iter().map(String::as_str))
        .collect();
    for filter in subject.set.bgp_filters() {
        let name = filter.metadata.name.as_str();
        let object = format!("BGPFilter/{name}");
        if !used.contains(name) {
            let text = "no BGPPeer names this filter";
            let fix = "name the filter in spec.filters of a BGPPeer, or delete the filter";
            findings.push(Finding::warning("filter-unused", &object, "", text, fix));
        }
        rules(&object, &filter.spec, findings);
        local_pref(subject, name, &filter.spec, findings);
    }
    for peer in subject.set.bgp_peers() {
        names(subject, peer, findings);
    }
}

/// Rules after one that matches everything that they match, and rules that match nothing.
fn rules(object: &str, spec: &BgpFilterSpec, findings: &mut Vec<Finding>) {
    for (list, family, rules) in LISTS {
        let rules = rules(spec);
        for (at, rule) in rules.iter().enumerate() {
            let field = format!("spec.{list}[{at}]");
            if never_matches(rule, family) {
                let text = "no route can match this rule: its prefix, operator and lengths exclude each other";
                let fix = "use matchOperator In with prefixLength, or Equal without";
                findings.push(Finding::warning(
                    "rule-never-matches",
                    object,
                    &field,
                    text,
                    fix,
                ));
                continue;
            }
            let earlier = rules[..at].iter();
            if let Some(first) = earlier
                .clone()
                .position(|first| covers(first, rule, family))
            {
                let text =
                    format!("never applies: {list}[{first}] before it matches all that it matches");
                let fix = format!("move the rule before {list}[{first}], or delete one of the two");
                findings.push(Finding::warning("rule-shadowed", object, &field, text, fix));
            }
        }
    }
}

/// LOCAL_PREF is not sent to another AS (RFC 4271 §5.1.5).
fn local_pref(
    subject: &Subject<'_>,
    name: &str,
    spec: &BgpFilterSpec,
    findings: &mut Vec<Finding>,
) {
    let users = subject.set.bgp_peers();
    let mut users = users.filter(|peer| peer.spec.filters.iter().any(|filter| filter == name));
    let external = users.find(|peer| is_external(subject, peer));
    for (list, _, rules) in &LISTS[2..] {
        for (at, rule) in rules(spec).iter().enumerate() {
            let to_whom = match (rule.peer_type, external) {
                (Some(PeerType::Internal), _) | (None, None) => continue,
                (_, Some(peer)) => {
                    format!("BGPPeer/{}, which is in another AS", peer.metadata.name)
                }
                (Some(PeerType::External), None) => "peers in another AS".to_owned(),
            };
            let sets = |operation: &Operation| matches!(operation, Operation::SetPriority { .. });
            if let Some(operation) = rule.operations.iter().position(sets) {
                let field = format!("spec.{list}[{at}].operations[{operation}]");
                let text = format!(
                    "sets a priority towards {to_whom}: LOCAL_PREF is not sent to another AS"
                );
                let fix =
                    "prepend to the AS path or add a community instead, or set peerType: iBGP";
                let object = format!("BGPFilter/{name}");
                let id = "local-pref-to-external";
                findings.push(Finding::warning(id, object, &field, text, fix));
            }
        }
    }
}

/// The filters of a peer: whether they exist, are listed twice, and are reached.
fn names(subject: &Subject<'_>, peer: &BgpPeer, findings: &mut Vec<Finding>) {
    let object = format!("BGPPeer/{}", peer.metadata.name);
    let named = &peer.spec.filters;
    for (at, name) in named.iter().enumerate() {
        let field = format!("spec.filters[{at}]");
        let Some(filter) = subject.set.bgp_filter(name) else {
            let text =
                format!("BGPFilter/{name} does not exist, and is as if it let everything through");
            let fix = "create the filter, or correct its name";
            let finding = Finding::warning("filter-missing", &object, &field, text, fix);
            findings.push(finding.into_error());
            continue;
        };
        if named[..at].contains(name) {
            let text = format!("names BGPFilter/{name} a second time");
            let fix = "delete one of the two";
            findings.push(Finding::warning("filter-twice", &object, &field, text, fix));
            continue;
        }
        let before: Vec<&BgpFilterSpec> = named[..at]
            .iter()
            .filter_map(|name| Some(&subject.set.bgp_filter(name)?.spec))
            .collect();
        if is_shadowed(&filter.spec, &before) {
            let text = format!(
                "no rule of BGPFilter/{name} ever applies: the filters before it decide on all that it matches"
            );
            let fix = "name the filter before the others, or not at all";
            findings.push(Finding::warning(
                "filter-shadowed",
                &object,
                &field,
                text,
                fix,
            ));
        }
    }
}

fn is_shadowed(filter: &BgpFilterSpec, before: &[&BgpFilterSpec]) -> bool {
    let mut rules = LISTS
        .iter()
        .flat_map(|(_, family, list)| list(filter).iter().map(move |rule| (rule, *family, list)));
    let mut has_rules = false;
    let all = rules.all(|(rule, family, list)| {
        has_rules = true;
        let mut earlier = before.iter().flat_map(|filter| list(filter));
        earlier.any(|first| covers(first, rule, family))
    });
    has_rules && all
}

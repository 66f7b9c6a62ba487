//! Turns the rules of a plan into policies that the RIB evaluates.
//!
//! A route's priority travels as LOCAL_PREF: `2147483647 - priority`, also for our own routes, so a condition on priority is a
//! condition on LOCAL_PREF. A policy never names the peer: all peers of one [`Audience`] share one policy, and the work of
//! evaluating it.

use bgp_core::policy::{Action, Condition, Policy, PrefixMatch, PrefixSet, Rule, Source, Verdict};
use bgp_core::types::{Family, family_of};
use bgp_core::wire::attribute::Community;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::export::Sourced;
use super::model::{Peer, Plan};
use crate::resources::{
    BgpFilterSpec, CommunityValue, FilterAction, FilterRule, FilterSource, MatchOperator,
    Operation, PeerType, PrefixLengthRange, RoutePriority,
};

/// Preference of routes with a better priority than normal: above routes learned from the kernel, for example while a virtual
/// machine migrates between nodes.
const BETTER_PREFERENCE: u32 = 200;
/// Devices of the eBPF data plane: routes through them are not announced.
const BPF_DEVICES: &str = "bpf*.cali";

/// What a policy depends on besides the plan: peers with equal values share one policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Audience<'a> {
    direction: Direction,
    families: &'a [Family],
    internal: bool,
    filters: &'a [String],
}

impl<'a> Audience<'a> {
    /// The audience of peers whose routes are treated like this peer's.
    pub fn importing(peer: &'a Peer) -> Self {
        Self::of(peer, Direction::Import, &peer.import_filters)
    }

    /// The audience of peers that are sent the same routes as this peer.
    pub fn exporting(peer: &'a Peer) -> Self {
        Self::of(peer, Direction::Export, &peer.export_filters)
    }

    fn of(peer: &'a Peer, direction: Direction, filters: &'a [String]) -> Self {
        Self {
            direction,
            families: &peer.options.families,
            internal: peer.internal,
            filters,
        }
    }

    /// The policy of the plan for this audience.
    pub fn policy(&self, plan: &Plan) -> Policy {
        match self.direction {
            Direction::Import => import_policy(plan, self),
            Direction::Export => export_policy(plan, self),
        }
    }
}

/// The treatment of routes from peers: their filters, then a better preference for better priorities.
fn import_policy(plan: &Plan, audience: &Audience<'_>) -> Policy {
    let mut rules: Vec<Rule> = shutdown_rule(audience).into_iter().collect();
    rules.extend(filter_rules(plan, audience));
    for family in audience.families {
        let usual = plan.kernel[*family].normal_priority;
        let mut conditions = vec![is_better_than(usual)];
        conditions.extend(family_condition(audience, *family));
        let better = rule("better priority than usual", conditions);
        rules.push(better.then(Action::SetPreference(BETTER_PREFERENCE)));
    }
    Policy::new(rules, Verdict::Accept)
}

/// A path that its announcer is about to withdraw is the last resort (RFC 8326 §4.1). Inside the AS, LOCAL_PREF is already 0.
fn shutdown_rule(audience: &Audience<'_>) -> Option<Rule> {
    let community = Condition::Community(Community::GRACEFUL_SHUTDOWN);
    let rule = rule("GRACEFUL_SHUTDOWN (RFC 8326)", [community]);
    (!audience.internal).then(|| rule.then(Action::SetLocalPref(0)))
}

/// The treatment of routes to peers: their filters, then the rules of the cluster.
fn export_policy(plan: &Plan, audience: &Audience<'_>) -> Policy {
    let mut rules = filter_rules(plan, audience);
    for family in audience.families {
        let export = &plan.export[*family];
        rules.extend(within_each(&export.reject_prefixes, Verdict::Reject));
    }
    if audience.internal {
        rules.extend(interface_rules(plan, audience));
    }
    let origin = format!("interface {BPF_DEVICES}");
    let bpf = rule(origin, [Condition::Interface(BPF_DEVICES.into())]);
    rules.push(bpf.reject());
    for family in audience.families {
        rules.extend(community_rules(plan, *family));
        rules.extend(block_rules(plan, *family));
        rules.extend(within_each(
            &plan.export[*family].accept_prefixes,
            Verdict::Accept,
        ));
    }
    Policy::new(rules, Verdict::Reject)
}

fn rule(origin: impl Into<String>, conditions: impl IntoIterator<Item = Condition>) -> Rule {
    let conditions = conditions.into_iter();
    conditions.fold(Rule::new(origin), Rule::when)
}

/// Routes through a tunnel are not for internal peers.
fn interface_rules(plan: &Plan, audience: &Audience<'_>) -> Vec<Rule> {
    let families = audience.families.first();
    let interfaces = families.map(|family| &plan.export[*family].internal_reject_interfaces);
    interfaces
        .into_iter()
        .flatten()
        .map(|pattern| {
            let origin = format!("interface {pattern} towards internal peers");
            rule(origin, [Condition::Interface(pattern.clone())]).reject()
        })
        .collect()
}

fn community_rules(plan: &Plan, family: Family) -> impl Iterator<Item = Rule> {
    let entries = plan.communities.iter();
    let entries = entries.filter(move |entry| family_of(entry.cidr) == family);
    entries.map(|entry| {
        let origin = format!("{} prefixAdvertisements {}", entry.resource, entry.cidr);
        let actions = entry.communities.iter().map(|value| add_community(*value));
        actions.fold(rule(origin, [within([entry.cidr])]), Rule::then)
    })
}

/// Own blocks cover the prefixes inside, except those with a better priority than normal.
fn block_rules(plan: &Plan, family: Family) -> Vec<Rule> {
    let blocks = || {
        let blocks = plan.aggregated.iter().map(|block| block.prefix);
        blocks.filter(move |prefix| family_of(*prefix) == family)
    };
    if blocks().next().is_none() {
        return Vec::new();
    }
    let usual = plan.kernel[family].normal_priority;
    let own = Condition::Prefix(blocks().map(PrefixMatch::exact).collect());
    let inside = within(blocks());
    let better = "inside an own block, with a better priority than usual";
    vec![
        rule("own block", [own]).accept(),
        rule(better, [inside.clone(), is_better_than(usual)]).accept(),
        rule("inside an own block", [inside]).reject(),
    ]
}

/// One rule for each object with prefixes in the list.
fn within_each(list: &[Sourced], verdict: Verdict) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut sorted: Vec<&Sourced> = list.iter().collect();
    sorted.sort_by(|a, b| a.origin.cmp(&b.origin));
    for same in sorted.chunk_by(|a, b| a.origin == b.origin) {
        let prefixes = outermost(same.iter().map(|sourced| sourced.prefix));
        let rule = rule(same[0].origin.clone(), [within(prefixes)]);
        rules.push(match verdict {
            Verdict::Accept => rule.accept(),
            Verdict::Reject => rule.reject(),
        });
    }
    rules
}

/// Leaves out prefixes inside another one: a service that comes or goes within a range changes no policy, so no peer's routes are
/// evaluated again.
fn outermost(prefixes: impl Iterator<Item = IpNet>) -> Vec<IpNet> {
    let mut outermost: Vec<IpNet> = prefixes.collect();
    // Sorted, a prefix comes before those inside it.
    outermost.sort_unstable();
    outermost.dedup_by(|next, kept| kept.contains(&*next));
    outermost
}

fn within(prefixes: impl IntoIterator<Item = IpNet>) -> Condition {
    Condition::Prefix(prefixes.into_iter().map(PrefixMatch::within).collect())
}

/// A smaller priority number is a greater LOCAL_PREF.
fn is_better_than(usual: RoutePriority) -> Condition {
    Condition::LocalPrefAbove(usual.local_pref())
}

/// A condition on the family, if the session carries more than one.
fn family_condition(audience: &Audience<'_>, family: Family) -> Option<Condition> {
    let all: IpNet = match family {
        Family::Ipv4Unicast => Ipv4Net::default().into(),
        Family::Ipv6Unicast => Ipv6Net::default().into(),
    };
    (audience.families.len() > 1).then(|| within([all]))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    Import,
    Export,
}

impl Direction {
    fn rules(self, filter: &BgpFilterSpec, family: Family) -> &[FilterRule] {
        match self {
            Self::Import => filter.import(family),
            Self::Export => filter.export(family),
        }
    }

    /// The field of a BGPFilter that holds the rules.
    fn field(self, family: Family) -> &'static str {
        match (self, family) {
            (Self::Import, Family::Ipv4Unicast) => "importV4",
            (Self::Import, Family::Ipv6Unicast) => "importV6",
            (Self::Export, Family::Ipv4Unicast) => "exportV4",
            (Self::Export, Family::Ipv6Unicast) => "exportV6",
        }
    }
}

fn filter_rules(plan: &Plan, audience: &Audience<'_>) -> Vec<Rule> {
    let direction = audience.direction;
    let mut compiled = Vec::new();
    for name in audience.filters {
        let Some(filter) = plan.filters.get(name) else {
            continue;
        };
        for family in audience.families {
            for (at, rule) in direction.rules(filter, *family).iter().enumerate() {
                let Some(mut conditions) = conditions(rule, audience, *family) else {
                    continue;
                };
                conditions.extend(family_condition(audience, *family));
                let origin = format!("BGPFilter/{name} {}[{at}]", direction.field(*family));
                let actions = rule.operations.iter().map(action);
                let changed = actions.fold(self::rule(origin, conditions), Rule::then);
                compiled.push(match rule.action {
                    FilterAction::Accept => changed.accept(),
                    FilterAction::Reject => changed.reject(),
                });
            }
        }
    }
    compiled
}

/// The conditions under which a rule applies; `None` if it never applies to these peers.
fn conditions(
    rule: &FilterRule,
    audience: &Audience<'_>,
    family: Family,
) -> Option<Vec<Condition>> {
    match rule.peer_type {
        Some(PeerType::Internal) if !audience.internal => return None,
        Some(PeerType::External) if audience.internal => return None,
        Some(PeerType::Internal | PeerType::External) | None => {}
    }
    let mut conditions = Vec::new();
    if let Some((cidr, operator)) = rule.cidr.zip(rule.match_operator) {
        conditions.extend(prefix_condition(
            cidr.trunc(),
            operator,
            rule.prefix_length,
            family,
        )?);
    }
    if let Some(FilterSource::RemotePeers) = rule.source {
        conditions.push(!Condition::Source(Source::Local));
    }
    conditions.extend(rule.interface.clone().map(Condition::Interface));
    let communities = rule.communities.iter().flat_map(|wanted| &wanted.values);
    conditions.extend(communities.map(|value| match value {
        CommunityValue::Standard(community) => Condition::Community(*community),
        CommunityValue::Large(community) => Condition::LargeCommunity(*community),
    }));
    if !rule.as_path_prefix.is_empty() {
        conditions.push(Condition::AsPathPrefix(rule.as_path_prefix.clone()));
    }
    conditions.extend(
        rule.priority
            .map(|priority| Condition::LocalPref(priority.local_pref())),
    );
    Some(conditions)
}

/// The condition on the prefix; `None` if it never matches, an empty list if it always does.
fn prefix_condition(
    cidr: IpNet,
    operator: MatchOperator,
    lengths: Option<PrefixLengthRange>,
    family: Family,
) -> Option<Vec<Condition>> {
    let set = PrefixSet::from_iter([match lengths {
        None => PrefixMatch::within(cidr),
        Some(range) => PrefixMatch {
            net: cidr,
            min_len: range.min.unwrap_or(0).max(cidr.prefix_len()),
            max_len: range.max.unwrap_or(u8::MAX).min(family.max_prefix_len()),
        },
    }]);
    let exact = || Condition::Prefix(PrefixSet::from_iter([PrefixMatch::exact(cidr)]));
    Some(match (operator, lengths) {
        (MatchOperator::In, _) => vec![Condition::Prefix(set)],
        (MatchOperator::NotIn, _) => vec![!Condition::Prefix(set)],
        (MatchOperator::Equal, None) => vec![exact()],
        (MatchOperator::NotEqual, None) => vec![!exact()],
        // With lengths the replaced speaker compares a prefix with a set of prefixes; those are never equal.
        (MatchOperator::Equal, Some(_)) => return None,
        (MatchOperator::NotEqual, Some(_)) => Vec::new(),
    })
}

fn action(operation: &Operation) -> Action {
    match operation {
        Operation::AddCommunity { value } => add_community(*value),
        Operation::PrependAsPath { prefix } => Action::PrependAsPath(prefix.clone()),
        Operation::SetPriority { value } => Action::SetLocalPref(value.local_pref()),
    }
}

fn add_community(value: CommunityValue) -> Action {
    match value {
        CommunityValue::Standard(community) => Action::AddCommunity(community),
        CommunityValue::Large(community) => Action::AddLargeCommunity(community),
    }
}

#[cfg(test)]
mod tests;

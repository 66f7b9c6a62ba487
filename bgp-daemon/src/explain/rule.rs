//! Descriptions of policy rules, in terms of the objects that they come from.

use crate::plan::Plan;
use crate::plan::trace::{Claim, ClaimKind, ClaimStanding, Claims};
use crate::resources::{BgpFilterSpec, FilterAction, FilterRule, Operation};

/// Names assigned by `plan::policy`.
const OWN_BLOCK: &str = "own block";
const SERVICE: &str = "advertised service";

/// The name of a policy rule.
#[derive(Clone, Copy)]
pub(super) struct RuleName<'a>(pub(super) &'a str);

impl RuleName<'_> {
    /// The object that the rule comes from.
    pub(super) fn object(self, claims: &Claims) -> Option<String> {
        let first = self.0.split(' ').next().unwrap_or_default();
        if first.contains('/') {
            return Some(first.to_owned());
        }
        let announced = |kinds: &[ClaimKind]| {
            let mut covering = claims.covering.iter();
            let claim: Option<&Claim> = covering.find(|claim| {
                kinds.contains(&claim.kind) && claim.standing == ClaimStanding::Announced
            });
            claim.map(|claim| claim.object.clone())
        };
        if self.0.contains(OWN_BLOCK) {
            announced(&[ClaimKind::Block])
        } else if self.0 == SERVICE {
            announced(&[ClaimKind::Service, ClaimKind::Range])
        } else {
            None
        }
    }

    /// The filter rule, if it comes from a BGPFilter.
    fn of_filter(self, plan: &Plan) -> Option<&FilterRule> {
        let (object, place) = self.0.split_once(' ')?;
        let filter = plan.filters.get(object.strip_prefix("BGPFilter/")?)?;
        let (field, number) = place.strip_suffix(']')?.split_once('[')?;
        rules(filter, field)?.get(number.parse::<usize>().ok()?)
    }

    /// Why the rule accepts a route.
    pub(super) fn accepts(self, plan: &Plan) -> String {
        let name = self.0;
        match self.of_filter(plan) {
            Some(rule) => format!("{name} accepts it ({})", describe(rule)),
            None if name == OWN_BLOCK => "own blocks are announced".to_owned(),
            None if name == SERVICE => "addresses of announced services are let out".to_owned(),
            None if name.starts_with("IPPool/") => {
                format!("{name} contains it, and routes in the pool are announced")
            }
            None => format!("it is let through: {name}"),
        }
    }

    /// How the rule changes a route.
    pub(super) fn changes(self, plan: &Plan) -> String {
        let name = self.0;
        if let Some(rule) = self.of_filter(plan) {
            let operations: Vec<String> = rule.operations.iter().map(operation).collect();
            return format!("{name}: {}", operations.join(", "));
        }
        if name.starts_with("better priority") {
            return "its priority is better than usual: it is preferred to routes of this node"
                .to_owned();
        }
        let mut entries = plan.communities.iter();
        let entry =
            entries.find(|it| format!("{} prefixAdvertisements {}", it.resource, it.cidr) == name);
        match entry {
            Some(entry) => {
                let values: Vec<String> =
                    entry.communities.iter().map(ToString::to_string).collect();
                format!("{name} adds {}", values.join(" "))
            }
            None => format!("{name} changes its attributes"),
        }
    }

    /// Why the rule rejects a route, and how to fix it.
    pub(super) fn rejects(self, plan: &Plan) -> String {
        let name = self.0;
        if let Some(rule) = self.of_filter(plan) {
            return format!(
                "{name} rejects it ({}); an Accept rule before it, or one that does not match here, would let it through",
                describe(rule)
            );
        }
        if name.ends_with("disableBGPExport") {
            return format!(
                "{name} is true, and nothing in the pool is announced; false would let it out"
            );
        }
        if name.ends_with(OWN_BLOCK) {
            return "it lies inside an own block, which is announced in its place".to_owned();
        }
        if name.ends_with("towards internal peers") {
            return format!(
                "it leaves by a tunnel ({name}): the other nodes have their own routes through theirs"
            );
        }
        if name.starts_with("interface ") {
            return format!(
                "it leaves by a device of the eBPF data plane ({name}), whose routes are not announced"
            );
        }
        format!("{name} rejects it")
    }
}

/// The case that no rule decides on export.
pub(super) const NOTHING_ACCEPTS: &str = "no rule lets it out: it is neither an own block nor an address of an announced service, no IPPool contains it, \
     and no rule of a BGPFilter of the peer accepts it; an IPPool around it (disabled, if no workload is to get addresses from it) or an Accept rule would";

fn rules<'a>(filter: &'a BgpFilterSpec, field: &str) -> Option<&'a [FilterRule]> {
    match field {
        "importV4" => Some(&filter.import_v4),
        "importV6" => Some(&filter.import_v6),
        "exportV4" => Some(&filter.export_v4),
        "exportV6" => Some(&filter.export_v6),
        _ => None,
    }
}

fn operation(operation: &Operation) -> String {
    match operation {
        Operation::AddCommunity { value } => format!("addCommunity {value}"),
        Operation::PrependAsPath { prefix } => {
            let asns: Vec<String> = prefix.iter().map(ToString::to_string).collect();
            format!("prependASPath {}", asns.join(" "))
        }
        Operation::SetPriority { value } => format!("setPriority {}", value.0),
    }
}

/// The fields that are set, as written.
fn describe(rule: &FilterRule) -> String {
    let mut fields = vec![match rule.action {
        FilterAction::Accept => "action: Accept".to_owned(),
        FilterAction::Reject => "action: Reject".to_owned(),
    }];
    if let Some((cidr, operator)) = rule.cidr.zip(rule.match_operator) {
        fields.push(format!("cidr: {cidr}, matchOperator: {operator:?}"));
    }
    if let Some(lengths) = rule.prefix_length {
        let text = |length: Option<u8>| length.map_or_else(String::new, |it| it.to_string());
        fields.push(format!(
            "prefixLength: {}-{}",
            text(lengths.min),
            text(lengths.max)
        ));
    }
    if rule.source.is_some() {
        fields.push("source: RemotePeers".to_owned());
    }
    if let Some(interface) = &rule.interface {
        fields.push(format!("interface: {interface}"));
    }
    if let Some(communities) = &rule.communities {
        let values: Vec<String> = communities.values.iter().map(ToString::to_string).collect();
        fields.push(format!("communities: {}", values.join(" ")));
    }
    if !rule.as_path_prefix.is_empty() {
        let asns: Vec<String> = rule
            .as_path_prefix
            .iter()
            .map(ToString::to_string)
            .collect();
        fields.push(format!("asPathPrefix: {}", asns.join(" ")));
    }
    if let Some(priority) = rule.priority {
        fields.push(format!("priority: {}", priority.0));
    }
    fields.join(", ")
}

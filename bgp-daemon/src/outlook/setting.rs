//! Settings of the speaker as a whole that differ between two plans.

use bgp_core::types::Family;
use serde::Serialize;

use crate::plan::Plan;

/// A setting that changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SettingChange {
    /// The name in `plan -o json`.
    pub field: &'static str,
    /// The value before; `None` if there was none.
    pub was: Option<String>,
    /// The value after; `None` if there is none.
    pub becomes: Option<String>,
}

/// The changes from one plan to another.
pub(super) fn changes(old: &Plan, new: &Plan) -> Vec<SettingChange> {
    let both = settings(old).into_iter().zip(settings(new));
    let both = both.map(|((field, was), (_, becomes))| SettingChange {
        field,
        was,
        becomes,
    });
    both.filter(|change| change.was != change.becomes).collect()
}

fn settings(plan: &Plan) -> [(&'static str, Option<String>); 8] {
    let listen = |family| plan.listen_address[family].map(|address| address.to_string());
    let ignored = Some(plan.ignored_interfaces.join(" ")).filter(|text| !text.is_empty());
    [
        ("node", plan.node_exists.then(|| plan.node.clone())),
        ("routerID", plan.router_id.map(|id| id.to_string())),
        ("localAS", Some(plan.local_as.to_string())),
        ("clusterID", plan.cluster_id.map(|id| id.to_string())),
        ("listenPort", Some(plan.listen_port.to_string())),
        ("listenAddress.ipv4", listen(Family::Ipv4Unicast)),
        ("listenAddress.ipv6", listen(Family::Ipv6Unicast)),
        ("ignoredInterfaces", ignored),
    ]
}

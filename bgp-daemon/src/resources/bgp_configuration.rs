//! BGPConfiguration: settings of the whole cluster (`default`) or of one node (`node.<name>`).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::time::Duration;

use bgp_core::types::Asn;
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::bgp_filter::is_interface_pattern;
use super::bgp_peer::PasswordSource;
use super::check::{Check, Tolerance};
use super::fault::Fault;
use super::metadata::Object;
use super::scalar::{self, CommunityValue, RoutePriority};
use super::value_schema;

/// Settings of the cluster or of one node, depending on its name.
pub type BgpConfiguration = Object<BgpConfigurationSpec>;

/// The spec of a [`BgpConfiguration`]. Field names and meaning are those of Calico's API. An absent field is `None` or empty; the
/// planner knows the defaults.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BgpConfigurationSpec {
    /// How much is logged.
    #[serde(deserialize_with = "log_severity")]
    #[schemars(schema_with = "log_severities")]
    pub log_severity_screen: Option<LogSeverity>,
    /// Whether every node peers with every other one.
    pub node_to_node_mesh_enabled: Option<bool>,
    /// The AS of nodes that have none of their own.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Asn>")]
    pub as_number: Option<Asn>,
    /// Ranges of cluster IPs to announce.
    #[serde(rename = "serviceClusterIPs")]
    pub service_cluster_ips: Vec<ServiceBlock>,
    /// Ranges of external IPs to announce.
    #[serde(rename = "serviceExternalIPs")]
    pub service_external_ips: Vec<ServiceBlock>,
    /// Ranges of load balancer IPs to announce.
    #[serde(rename = "serviceLoadBalancerIPs")]
    pub service_load_balancer_ips: Vec<ServiceBlock>,
    /// Whether load balancer ranges are announced as a whole.
    pub service_load_balancer_aggregation: Option<LoadBalancerAggregation>,
    /// Names for communities.
    pub communities: Vec<NamedCommunity>,
    /// Communities to add to routes inside a prefix.
    pub prefix_advertisements: Vec<PrefixAdvertisement>,
    /// The port of BGP on the nodes.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<NonZeroU16>")]
    pub listen_port: Option<NonZeroU16>,
    /// Where the password of the mesh is kept.
    pub node_mesh_password: Option<PasswordSource>,
    /// Graceful restart time announced in the mesh.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Duration>")]
    pub node_mesh_max_restart_time: Option<Duration>,
    /// Which addresses to listen on.
    pub bind_mode: Option<BindMode>,
    /// Patterns of interfaces whose addresses BGP ignores.
    pub ignored_interfaces: Vec<String>,
    /// The IPv4 address that Felix gives workload interfaces.
    #[serde(
        rename = "localWorkloadPeeringIPV4",
        deserialize_with = "scalar::optional"
    )]
    #[schemars(schema_with = "value_schema::one::<Ipv4Addr>")]
    pub local_workload_peering_ipv4: Option<Ipv4Addr>,
    /// The IPv6 address that Felix gives workload interfaces.
    #[serde(
        rename = "localWorkloadPeeringIPV6",
        deserialize_with = "scalar::optional"
    )]
    #[schemars(schema_with = "value_schema::one::<Ipv6Addr>")]
    pub local_workload_peering_ipv6: Option<Ipv6Addr>,
    /// Which routes to other nodes' workloads the BGP speaker writes into the kernel.
    pub program_cluster_routes: Option<ProgramClusterRoutes>,
    /// Priority of ordinary IPv4 routes.
    #[serde(
        rename = "ipv4NormalRoutePriority",
        deserialize_with = "scalar::optional"
    )]
    #[schemars(schema_with = "value_schema::one::<RoutePriority>")]
    pub ipv4_normal_route_priority: Option<RoutePriority>,
    /// Priority of ordinary IPv6 routes.
    #[serde(
        rename = "ipv6NormalRoutePriority",
        deserialize_with = "scalar::optional"
    )]
    #[schemars(schema_with = "value_schema::one::<RoutePriority>")]
    pub ipv6_normal_route_priority: Option<RoutePriority>,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum LogSeverity {
    Trace,
    Debug,
    Info,
    Warning,
    Error,
    Fatal,
}

/// The schema of a severity, in its usual spelling.
fn log_severities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["Trace", "Debug", "Info", "Warning", "Error", "Fatal"] })
}

/// Reads a severity; upper and lower case are the same.
fn log_severity<'de, D: Deserializer<'de>>(from: D) -> Result<Option<LogSeverity>, D::Error> {
    const KNOWN: &[&str] = &["Trace", "Debug", "Info", "Warning", "Error", "Fatal"];
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    Ok(Some(match text.to_ascii_lowercase().as_str() {
        "trace" => LogSeverity::Trace,
        "debug" => LogSeverity::Debug,
        "info" => LogSeverity::Info,
        "warning" => LogSeverity::Warning,
        "error" => LogSeverity::Error,
        "fatal" => LogSeverity::Fatal,
        _ => return Err(serde::de::Error::unknown_variant(&text, KNOWN)),
    }))
}

/// A range of service addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServiceBlock {
    /// The range; an entry without one is ignored.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<IpNet>")]
    pub cidr: Option<IpNet>,
}

/// Whether load balancer ranges are announced as a whole, or only the addresses in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum LoadBalancerAggregation {
    Enabled,
    Disabled,
}

/// A name for a community.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct NamedCommunity {
    /// The name.
    #[serde(default)]
    pub name: String,
    /// The community.
    #[serde(deserialize_with = "scalar::required")]
    #[schemars(schema_with = "value_schema::one::<CommunityValue>")]
    pub value: CommunityValue,
}

/// Communities to add to routes inside a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct PrefixAdvertisement {
    /// The prefix.
    #[serde(deserialize_with = "scalar::required")]
    #[schemars(schema_with = "value_schema::one::<IpNet>")]
    pub cidr: IpNet,
    /// Values, or names defined in the same object.
    #[serde(default)]
    pub communities: Vec<String>,
}

/// Which addresses to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum BindMode {
    /// All of them.
    None,
    /// The node's own.
    NodeIP,
}

/// Which routes to other nodes' workloads the BGP speaker writes into the kernel; Felix writes the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ProgramClusterRoutes {
    /// Both kinds.
    Enabled,
    /// Only those of IP-in-IP pools.
    EnabledIPIPOnly,
    /// None.
    Disabled,
    /// Only those of pools without encapsulation.
    #[default]
    EnabledNoEncapOnly,
}

impl Check for BgpConfigurationSpec {
    const TOLERANCE: Tolerance = Tolerance::PerField {
        vital: &[],
        unused: &["localWorkloadPeeringIPV4", "localWorkloadPeeringIPV6"],
    };

    fn check(&self, faults: &mut Vec<Fault>) {
        for (name, blocks) in [
            ("serviceClusterIPs", &self.service_cluster_ips),
            ("serviceExternalIPs", &self.service_external_ips),
            ("serviceLoadBalancerIPs", &self.service_load_balancer_ips),
        ] {
            let cidrs = blocks.iter().enumerate();
            let cidrs = cidrs.filter_map(|(at, block)| Some((at, block.cidr?)));
            faults.extend(cidrs.filter_map(|(at, cidr)| {
                Fault::unmasked(&format!("spec.{name}[{at}].cidr"), cidr)
            }));
        }
        for (at, entry) in self.prefix_advertisements.iter().enumerate() {
            let field = format!("spec.prefixAdvertisements[{at}].cidr");
            faults.extend(Fault::unmasked(&field, entry.cidr));
        }
        for (at, interface) in self.ignored_interfaces.iter().enumerate() {
            if !is_ignorable(interface) {
                faults.push(Fault::field_error(
                    &format!("spec.ignoredInterfaces[{at}]"),
                    "expected 1 to 15 letters, digits or _ . * - and not only *",
                ));
            }
        }
    }
}

/// Whether a pattern may be used in `ignoredInterfaces`.
pub(crate) fn is_ignorable(pattern: &str) -> bool {
    pattern != "*" && is_interface_pattern(pattern)
}

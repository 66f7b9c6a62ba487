//! Service and EndpointSlice of Kubernetes, limited to what the announcement of service addresses needs.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::check::Check;
use super::fault::Fault;
use super::metadata::Metadata;
use super::scalar;
use super::value_schema;

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Service {
    /// The metadata.
    pub metadata: Metadata,
    /// The spec.
    pub spec: ServiceSpec,
    status: ServiceStatus,
}

/// The spec of a [`Service`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// How it is reached.
    #[serde(rename = "type")]
    pub kind: ServiceType,
    /// Its first cluster IP, or `None`.
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
    /// All of its cluster IPs.
    #[serde(rename = "clusterIPs")]
    cluster_ips: Vec<String>,
    /// Addresses outside of the cluster.
    #[serde(rename = "externalIPs", deserialize_with = "scalar::list")]
    #[schemars(schema_with = "value_schema::many::<IpAddr>")]
    pub external_ips: Vec<IpAddr>,
    /// The address requested from the load balancer.
    #[serde(rename = "loadBalancerIP", deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<IpAddr>")]
    pub load_balancer_ip: Option<IpAddr>,
    /// The endpoints that receive external traffic.
    external_traffic_policy: Option<TrafficPolicy>,
    /// Its address families.
    ip_families: Vec<AddressType>,
}

/// How a service is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum ServiceType {
    #[default]
    ClusterIP,
    NodePort,
    LoadBalancer,
    ExternalName,
}

/// The endpoints that receive external traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum TrafficPolicy {
    /// All endpoints.
    Cluster,
    /// Only endpoints of the node that the traffic arrives at.
    Local,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct ServiceStatus {
    load_balancer: LoadBalancerStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
struct LoadBalancerStatus {
    ingress: Vec<IngressPoint>,
}

/// An address assigned by a load balancer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IngressPoint {
    /// The address; absent for a host name.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<IpAddr>")]
    pub ip: Option<IpAddr>,
}

impl Service {
    /// Its cluster IPs; empty for a headless service.
    pub fn cluster_ips(&self) -> Vec<IpAddr> {
        let first = self.spec.cluster_ip.iter();
        let all = match self.spec.cluster_ips.is_empty() {
            true => first.collect::<Vec<_>>(),
            false => self.spec.cluster_ips.iter().collect(),
        };
        all.into_iter().filter_map(|ip| ip.parse().ok()).collect()
    }

    /// The endpoints that receive external traffic; `None` if the service has none. Unset means `Cluster` for a service that is
    /// reachable from outside, like the API server's default.
    pub fn external_traffic_policy(&self) -> Option<TrafficPolicy> {
        let from_outside = match self.spec.kind {
            ServiceType::LoadBalancer | ServiceType::NodePort => true,
            ServiceType::ClusterIP => !self.spec.external_ips.is_empty(),
            ServiceType::ExternalName => false,
        };
        let default = from_outside.then_some(TrafficPolicy::Cluster);
        self.spec.external_traffic_policy.or(default)
    }

    /// The addresses assigned by the load balancer.
    pub fn ingress_ips(&self) -> impl Iterator<Item = IpAddr> {
        let points = &self.status.load_balancer.ingress;
        points.iter().filter_map(|point| point.ip)
    }

    /// Its address families: the given ones, otherwise those of its cluster IPs, like the API server's default.
    pub fn address_types(&self) -> Vec<AddressType> {
        if !self.spec.ip_families.is_empty() {
            return self.spec.ip_families.clone();
        }
        self.cluster_ips()
            .into_iter()
            .map(AddressType::of)
            .collect()
    }
}

impl Check for Service {
    fn check(&self, faults: &mut Vec<Fault>) {
        let listed = self.spec.cluster_ips.iter().enumerate();
        let listed = listed.map(|(at, ip)| (format!("spec.clusterIPs[{at}]"), ip));
        let first = self.spec.cluster_ip.iter();
        let first = first.map(|ip| ("spec.clusterIP".to_owned(), ip));
        let is_bad = |ip: &str| !matches!(ip, "" | HEADLESS) && ip.parse::<IpAddr>().is_err();
        for (field, ip) in first.chain(listed).filter(|(_, ip)| is_bad(ip)) {
            let reason = format!("expected an IP address or {HEADLESS}, found {ip:?}");
            faults.push(Fault::error(&field, &reason));
        }
    }
}

/// The value of `clusterIP` of a headless service.
const HEADLESS: &str = "None";

/// Some endpoints of a service.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// The metadata.
    pub metadata: Metadata,
    /// The type of its addresses.
    pub address_type: AddressType,
    /// The endpoints.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
}

/// The type of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum AddressType {
    IPv4,
    IPv6,
    FQDN,
}

impl AddressType {
    /// The type of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::IPv4,
            IpAddr::V6(_) => Self::IPv6,
        }
    }
}

/// An endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// The node that it runs on.
    pub node_name: Option<String>,
    /// Its condition.
    pub conditions: EndpointConditions,
}

/// The condition of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EndpointConditions {
    /// Whether it accepts traffic; unset counts as true.
    pub ready: Option<bool>,
}

impl Endpoint {
    /// Whether it accepts traffic.
    pub fn is_ready(&self) -> bool {
        self.conditions.ready != Some(false)
    }
}

impl EndpointSlice {
    /// The service of these endpoints.
    pub fn service_name(&self) -> Option<&str> {
        let label = self.metadata.labels.get("kubernetes.io/service-name");
        label.map(String::as_str)
    }
}

impl Check for EndpointSlice {
    fn check(&self, _: &mut Vec<Fault>) {}
}

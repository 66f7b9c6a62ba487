//! Why an address of a service, or a range of them, is announced or not.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::super::annotations::DRAIN;
use super::super::cluster::{Cluster, GLOBAL};
use super::super::drain::{Drain, drain};
use super::super::services::{
    AddressField, EXCLUDE_LABEL, Endpoints, Ranges, Refusal, candidates, endpoints, is_excluded,
    is_single, slices_by_service,
};
use super::claim::{Claim, ClaimKind, ClaimStanding, Obstacle};
use crate::resources::{Endpoint, EndpointSlice, Service};

/// The variable that replaces a field.
const VARIABLE: &str = "CALICO_ADVERTISE_CLUSTER_IPS";

/// What all services share.
struct Services<'s, 'a> {
    cluster: &'s Cluster<'a>,
    ranges: Ranges,
    whole: BTreeSet<IpNet>,
    /// The obstacle that keeps this node from announcing any service.
    excluded: Option<Obstacle>,
}

/// The claims of services and of ranges for them.
pub(super) fn claims(cluster: &Cluster<'_>, wanted: impl Fn(IpNet) -> bool) -> Vec<Claim> {
    let ranges = Ranges::new(cluster, &mut Vec::new());
    let services = Services {
        cluster,
        whole: ranges.announced_whole(),
        ranges,
        excluded: if is_excluded(cluster) {
            Some(excluded(cluster.name))
        } else {
            withdrawn(cluster)
        },
    };
    let slices = slices_by_service(cluster);
    let mut claims = services.of_ranges(&wanted);
    for service in cluster.resources.services() {
        let metadata = &service.metadata;
        let key = (metadata.namespace.as_str(), metadata.name.as_str());
        let slices = slices.get(&key).map_or(&[][..], Vec::as_slice);
        let addresses = candidates(service).filter(|(_, ip)| wanted(IpNet::from(*ip)));
        claims.extend(addresses.map(|(field, ip)| services.claim(service, slices, field, ip)));
        claims.extend(not_given(service).filter(|claim| wanted(claim.prefix)));
    }
    claims
}

/// Whether no range is configured, so no service is announced.
pub(super) fn are_off(cluster: &Cluster<'_>) -> bool {
    Ranges::new(cluster, &mut Vec::new()).is_empty()
}

fn excluded(node: &str) -> Obstacle {
    let text = format!(
        "Node/{node} has the label {EXCLUDE_LABEL}=true and announces no service; without the label it would"
    );
    Obstacle::new(format!("Node/{node}"), EXCLUDE_LABEL, text)
}

/// The obstacle of a node that is drained.
fn withdrawn(cluster: &Cluster<'_>) -> Option<Obstacle> {
    let drain = drain(cluster);
    (drain == Some(Drain::Withdrawn)).then(|| {
        let node = cluster.name;
        let text = format!(
            "Node/{node} is drained: its service addresses are withdrawn; `bgp-daemon node drain --undo` would announce them again"
        );
        Obstacle::new(format!("Node/{node}"), DRAIN, text)
    })
}

fn object_of(service: &Service) -> String {
    let metadata = &service.metadata;
    format!("Service/{}/{}", metadata.namespace, metadata.name)
}

/// The address that a service requests but its load balancer has not assigned.
fn not_given(service: &Service) -> impl Iterator<Item = Claim> {
    let asked = service.spec.load_balancer_ip;
    let missing = asked.filter(|asked| candidates(service).all(|(_, ip)| ip != *asked));
    missing.into_iter().map(|ip| {
        let object = object_of(service);
        let text = "the load balancer has not given the address: status.loadBalancer.ingress does not have it, and only what is there is announced";
        let field = AddressField::LoadBalancer.of_service();
        Claim {
            kind: ClaimKind::Service,
            prefix: ip.into(),
            text: "spec.loadBalancerIP asks for it".to_owned(),
            standing: ClaimStanding::Refused(vec![Obstacle::new(&object, field, text)]),
            object,
        }
    })
}

impl Services<'_, '_> {
    fn claim(
        &self,
        service: &Service,
        slices: &[&EndpointSlice],
        field: AddressField,
        ip: IpAddr,
    ) -> Claim {
        let object = object_of(service);
        let range = self.whole.iter().find(|range| range.contains(&ip));
        let refusal = self
            .ranges
            .refusal(service, Endpoints::count(self.cluster, service, slices));
        let found = Found::new(self.cluster, service, slices);
        let mut obstacles: Vec<Obstacle> = self.excluded.iter().cloned().collect();
        let aggregated = refusal == Some(Refusal::Aggregated);
        if !self.ranges.admits(field, ip) || (aggregated && range.is_none()) {
            obstacles.push(self.not_in_range(field, ip));
        }
        if let Some(refusal) = refusal.filter(|_| !aggregated) {
            obstacles.push(obstacle(refusal, &object, &found));
        }
        let standing = match (obstacles.is_empty(), range.filter(|_| aggregated)) {
            (false, _) => ClaimStanding::Refused(obstacles),
            (true, Some(range)) => ClaimStanding::Within(*range),
            (true, None) => ClaimStanding::Announced,
        };
        let policy = match service.external_traffic_policy() {
            Some(policy) => format!(", externalTrafficPolicy {policy:?}"),
            None => String::new(),
        };
        Claim {
            kind: ClaimKind::Service,
            prefix: ip.into(),
            object,
            text: format!("{} has {ip}{policy}; {found}", field.of_service()),
            standing,
        }
    }

    /// The object that configures the ranges for a field, and the field in it.
    fn source(&self, field: AddressField) -> (String, &'static str) {
        let environment = self.cluster.environment;
        let variable = environment.advertise_cluster_ips.is_some();
        match field {
            AddressField::Cluster if variable => (format!("Node/{}", self.cluster.name), VARIABLE),
            _ => (
                format!("BGPConfiguration/{GLOBAL}"),
                field.of_configuration(),
            ),
        }
    }

    fn not_in_range(&self, field: AddressField, ip: IpAddr) -> Obstacle {
        let (object, name) = self.source(field);
        let ranges: Vec<String> = self.ranges.of(field).iter().map(IpNet::to_string).collect();
        let text = match &ranges[..] {
            [] => {
                format!("{object} has no {name}; a range there that contains {ip} would admit it")
            }
            ranges => format!(
                "none of {name} of {object} contains {ip} ({}); a range that does would admit it",
                ranges.join(", ")
            ),
        };
        Obstacle::new(object, name, text)
    }

    fn of_ranges(&self, wanted: impl Fn(IpNet) -> bool) -> Vec<Claim> {
        use AddressField::{Cluster, External, LoadBalancer};
        let fields = [Cluster, External, LoadBalancer].into_iter();
        let all =
            fields.flat_map(|field| self.ranges.of(field).iter().map(move |net| (field, *net)));
        let wanted = all.filter(|(_, net)| wanted(*net));
        wanted
            .map(|(field, net)| self.range_claim(field, net))
            .collect()
    }

    fn range_claim(&self, field: AddressField, net: IpNet) -> Claim {
        let (object, name) = self.source(field);
        let mut obstacles: Vec<Obstacle> = self.excluded.iter().cloned().collect();
        if !self.whole.contains(&net) {
            let (rule, text) = match is_single(&net) {
                true => (
                    name,
                    "a range of one address is announced with a service that has the address, and no such service is announced here",
                ),
                false => (
                    "serviceLoadBalancerAggregation",
                    "serviceLoadBalancerAggregation is Disabled: addresses are announced one by one, with their services",
                ),
            };
            obstacles.push(Obstacle::new(&object, rule, text));
        }
        Claim {
            kind: ClaimKind::Range,
            prefix: net,
            object,
            text: format!("{name} has {net}"),
            standing: match obstacles.is_empty() {
                true => ClaimStanding::Announced,
                false => ClaimStanding::Refused(obstacles),
            },
        }
    }
}

fn obstacle(refusal: Refusal, object: &str, found: &Found) -> Obstacle {
    match refusal {
        Refusal::ExternalName => Obstacle::new(
            object,
            "spec.type",
            "services of type ExternalName are not announced",
        ),
        Refusal::Headless => Obstacle::new(
            object,
            "spec.clusterIP",
            "a service without a cluster IP (headless) is not announced",
        ),
        Refusal::NoEndpointHere => Obstacle::new(
            object,
            "spec.externalTrafficPolicy",
            format!(
                "externalTrafficPolicy is Local, and there is {found}; a ready endpoint here, or the policy Cluster, would help"
            ),
        ),
        Refusal::NoEndpoint | Refusal::Aggregated => Obstacle::new(
            object,
            "endpoints",
            format!("there is {found}; a ready endpoint on any node would help"),
        ),
    }
}

/// The endpoints of a service, in words.
struct Found {
    node: String,
    here: usize,
    /// Other nodes with ready endpoints.
    elsewhere: BTreeSet<String>,
    not_ready: usize,
    /// Endpoints on this node that are not ready.
    not_ready_here: usize,
}

impl Found {
    fn new(cluster: &Cluster<'_>, service: &Service, slices: &[&EndpointSlice]) -> Self {
        let node = cluster.kubernetes_name();
        let is_here = |endpoint: &Endpoint| endpoint.node_name.as_deref() == Some(node);
        let (ready, not_ready): (Vec<_>, Vec<_>) =
            endpoints(service, slices).partition(|endpoint| endpoint.is_ready());
        let elsewhere = ready.iter().filter(|endpoint| !is_here(endpoint));
        let name = |endpoint: &&Endpoint| endpoint.node_name.clone();
        Self {
            node: node.to_owned(),
            here: ready.iter().filter(|endpoint| is_here(endpoint)).count(),
            elsewhere: elsewhere
                .map(|endpoint| name(endpoint).unwrap_or_else(|| "no node".to_owned()))
                .collect(),
            not_ready: not_ready.len(),
            not_ready_here: not_ready
                .iter()
                .filter(|endpoint| is_here(endpoint))
                .count(),
        }
    }
}

/// How many nodes are listed.
const NODES: usize = 3;

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.here {
            0 => write!(f, "no ready endpoint on node {}", self.node)?,
            1 => write!(f, "a ready endpoint on node {}", self.node)?,
            here => write!(f, "{here} ready endpoints on node {}", self.node)?,
        }
        if !self.elsewhere.is_empty() {
            let named: Vec<&str> = self
                .elsewhere
                .iter()
                .map(String::as_str)
                .take(NODES)
                .collect();
            write!(f, ", ready ones on {}", named.join(", "))?;
            let more = self.elsewhere.len() - named.len();
            if more > 0 {
                write!(f, " and {more} more")?;
            }
        } else if self.here == 0 {
            f.write_str(", none elsewhere")?;
        }
        match (self.not_ready, self.not_ready_here) {
            (0, _) => Ok(()),
            (all, here) => write!(f, "; {all} not ready, of which {here} here"),
        }
    }
}

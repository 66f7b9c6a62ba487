//! Addresses of Kubernetes services: which ones this node announces, and which ranges no node writes into the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bgp_core::types::family_of;
use ipnet::IpNet;

use super::cluster::{Cluster, NodeView};
use super::drain::Drain;
use super::originated::{Originated, RouteOrigin};
use crate::resources::{
    Endpoint, EndpointSlice, LoadBalancerAggregation, Problem, Service, ServiceBlock, ServiceType,
    TrafficPolicy,
};

/// A node with this label set to `true` announces no service.
pub(super) const EXCLUDE_LABEL: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// The routes of services on this node.
#[derive(Default)]
pub(super) struct ServiceRoutes {
    /// Announced by this node, by prefix.
    pub(super) announced: BTreeSet<IpNet>,
    /// Ranges that kube-proxy serves: prefixes inside are never written into the kernel, on any node.
    pub(super) ranges: BTreeSet<IpNet>,
}

impl ServiceRoutes {
    pub(super) fn originated(&self) -> impl Iterator<Item = Originated> {
        self.announced.iter().map(|prefix| Originated {
            prefix: *prefix,
            origin: RouteOrigin::Service,
        })
    }
}

/// The configured ranges.
pub(super) struct Ranges {
    cluster: Vec<IpNet>,
    external: Vec<IpNet>,
    load_balancer: Vec<IpNet>,
    /// Ranges of load balancers are announced whole.
    pub(super) aggregate: bool,
}

/// Derives the routes of services on this node.
pub(super) fn service_routes(
    cluster: &Cluster<'_>,
    drain: Option<Drain>,
    problems: &mut Vec<Problem>,
) -> ServiceRoutes {
    let ranges = Ranges::new(cluster, problems);
    let mut routes = ServiceRoutes {
        announced: BTreeSet::new(),
        ranges: ranges.announced_whole(),
    };
    if is_excluded(cluster) || drain == Some(Drain::Withdrawn) {
        return routes;
    }
    routes.announced.clone_from(&routes.ranges);
    if !ranges.is_empty() {
        let slices = slices_by_service(cluster);
        for service in cluster.resources.services() {
            let metadata = &service.metadata;
            let key = (metadata.namespace.as_str(), metadata.name.as_str());
            let slices = slices.get(&key).map_or(&[][..], Vec::as_slice);
            let endpoints = Endpoints::count(cluster, service, slices);
            if ranges.refusal(service, endpoints).is_none() {
                let addresses = ranges.addresses(service);
                routes.announced.extend(addresses.map(IpNet::from));
            }
        }
    }
    routes
}

/// Whether this node announces no service at all.
pub(super) fn is_excluded(cluster: &Cluster<'_>) -> bool {
    let label = |me: &NodeView<'_>| me.labels.get(EXCLUDE_LABEL).is_some_and(|it| it == "true");
    cluster.me.as_ref().is_some_and(label)
}

/// Where a service has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AddressField {
    Cluster,
    External,
    LoadBalancer,
}

impl AddressField {
    /// The field of a service.
    pub(super) fn of_service(self) -> &'static str {
        match self {
            Self::Cluster => "spec.clusterIPs",
            Self::External => "spec.externalIPs",
            Self::LoadBalancer => "status.loadBalancer.ingress",
        }
    }

    /// The field of a BGPConfiguration that permits such addresses.
    pub(super) fn of_configuration(self) -> &'static str {
        match self {
            Self::Cluster => "serviceClusterIPs",
            Self::External => "serviceExternalIPs",
            Self::LoadBalancer => "serviceLoadBalancerIPs",
        }
    }
}

/// The addresses of a service that may be announced.
pub(super) fn candidates(service: &Service) -> impl Iterator<Item = (AddressField, IpAddr)> {
    let cluster_ips = service.cluster_ips().into_iter();
    let external = service.spec.external_ips.iter().copied();
    let cluster_ips = cluster_ips.map(|ip| (AddressField::Cluster, ip));
    let external = external.map(|ip| (AddressField::External, ip));
    let balanced = service.ingress_ips();
    let balanced = balanced.map(|ip| (AddressField::LoadBalancer, ip));
    cluster_ips.chain(external).chain(balanced)
}

/// Why the addresses of a service are not announced one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    ExternalName,
    Headless,
    /// `externalTrafficPolicy: Local`, and no ready endpoint on this node.
    NoEndpointHere,
    /// No ready endpoint on any node.
    NoEndpoint,
    /// The range is announced instead.
    Aggregated,
}

pub(super) type SlicesByService<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a EndpointSlice>>;

pub(super) fn slices_by_service<'a>(cluster: &Cluster<'a>) -> SlicesByService<'a> {
    let mut by_service = SlicesByService::new();
    for slice in cluster.resources.endpoint_slices() {
        if let Some(service) = slice.service_name() {
            let key = (slice.metadata.namespace.as_str(), service);
            by_service.entry(key).or_default().push(slice);
        }
    }
    by_service
}

/// Where the ready endpoints of a service are.
#[derive(Clone, Copy, Default)]
pub(super) struct Endpoints {
    anywhere: bool,
    here: bool,
}

impl Endpoints {
    pub(super) fn count(
        cluster: &Cluster<'_>,
        service: &Service,
        slices: &[&EndpointSlice],
    ) -> Self {
        let here = cluster.kubernetes_name();
        let mut found = Self::default();
        for endpoint in endpoints(service, slices).filter(|endpoint| endpoint.is_ready()) {
            found.anywhere = true;
            found.here |= endpoint.node_name.as_deref() == Some(here);
        }
        found
    }
}

/// The endpoints of a service, ready or not.
pub(super) fn endpoints<'a>(
    service: &Service,
    slices: &[&'a EndpointSlice],
) -> impl Iterator<Item = &'a Endpoint> {
    let families = service.address_types();
    let of_family = slices
        .iter()
        .filter(move |slice| families.contains(&slice.address_type));
    of_family.flat_map(|slice| &slice.endpoints)
}

impl Ranges {
    pub(super) fn new(cluster: &Cluster<'_>, problems: &mut Vec<Problem>) -> Self {
        let global = cluster.global();
        let nets = |blocks: &[ServiceBlock]| {
            let cidrs = blocks.iter().filter_map(|block| block.cidr);
            cidrs.map(|cidr| cidr.trunc()).collect::<Vec<_>>()
        };
        let mut cluster_ips = nets(&global.service_cluster_ips);
        if let Some(text) = &cluster.environment.advertise_cluster_ips {
            match text.parse::<IpNet>() {
                Ok(cidr) => cluster_ips = vec![cidr.trunc()],
                Err(_) => problems.push(Problem::error(
                    format!("Node/{}", cluster.name),
                    format!("CALICO_ADVERTISE_CLUSTER_IPS: expected a prefix, found {text:?}"),
                )),
            }
        }
        Self {
            cluster: cluster_ips,
            external: nets(&global.service_external_ips),
            load_balancer: nets(&global.service_load_balancer_ips),
            aggregate: global.service_load_balancer_aggregation
                != Some(LoadBalancerAggregation::Disabled),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cluster.is_empty() && self.external.is_empty() && self.load_balancer.is_empty()
    }

    /// Ranges that are announced as a whole, without single addresses: those follow their services.
    pub(super) fn announced_whole(&self) -> BTreeSet<IpNet> {
        let load_balancer: &[IpNet] = match self.aggregate {
            true => &self.load_balancer,
            false => &[],
        };
        let outside = self.external.iter().chain(load_balancer);
        let ranges = outside.filter(|net| !is_single(net));
        self.cluster.iter().chain(ranges).copied().collect()
    }

    /// The ranges for addresses of a field.
    pub(super) fn of(&self, field: AddressField) -> &[IpNet] {
        match field {
            AddressField::Cluster => &self.cluster,
            AddressField::External => &self.external,
            AddressField::LoadBalancer => &self.load_balancer,
        }
    }

    /// Why the addresses of a service are not announced one by one from this node; `None` if they are.
    pub(super) fn refusal(&self, service: &Service, endpoints: Endpoints) -> Option<Refusal> {
        if service.spec.kind == ServiceType::ExternalName {
            return Some(Refusal::ExternalName);
        }
        if service.cluster_ips().is_empty() {
            return Some(Refusal::Headless);
        }
        match service.external_traffic_policy() {
            Some(TrafficPolicy::Local) => (!endpoints.here).then_some(Refusal::NoEndpointHere),
            Some(TrafficPolicy::Cluster) if self.has_single_address(service) => None,
            Some(TrafficPolicy::Cluster) | None if self.aggregate => Some(Refusal::Aggregated),
            Some(TrafficPolicy::Cluster) | None => {
                (!endpoints.anywhere).then_some(Refusal::NoEndpoint)
            }
        }
    }

    /// Whether an address of the service is in a range of a single address, which is never announced as a range.
    fn has_single_address(&self, service: &Service) -> bool {
        let in_single = |ranges: &[IpNet], ip: IpAddr| {
            ranges.iter().any(|net| is_single(net) && net.contains(&ip))
        };
        let spec = &service.spec;
        let mut balanced = spec
            .load_balancer_ip
            .into_iter()
            .chain(service.ingress_ips());
        let is_balanced = spec.kind == ServiceType::LoadBalancer
            && balanced.any(|ip| in_single(&self.load_balancer, ip));
        is_balanced
            || spec
                .external_ips
                .iter()
                .any(|ip| in_single(&self.external, *ip))
    }

    /// The addresses of a service that are inside configured ranges.
    fn addresses(&self, service: &Service) -> impl Iterator<Item = IpAddr> {
        let admitted = candidates(service).filter(|(field, ip)| self.admits(*field, *ip));
        admitted.map(|(_, ip)| ip)
    }

    /// Whether an address may be announced. If any range of cluster IPs is configured, all cluster IPs may.
    pub(super) fn admits(&self, field: AddressField, ip: IpAddr) -> bool {
        let ranges = self.of(field);
        match field {
            AddressField::Cluster => !ranges.is_empty(),
            AddressField::External | AddressField::LoadBalancer => {
                ranges.iter().any(|range| range.contains(&ip))
            }
        }
    }
}

pub(super) fn is_single(net: &IpNet) -> bool {
    net.prefix_len() == family_of(*net).max_prefix_len()
}

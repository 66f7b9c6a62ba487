//! Addresses of Kubernetes services: which ones this node announces, and which ranges nobody writes into the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bgp_core::types::family_of;
use ipnet::IpNet;

use super::cluster::Cluster;
use super::originated::{Originated, RouteOrigin};
use crate::resources::{
    EndpointSlice, LoadBalancerAggregation, Problem, Service, ServiceBlock, ServiceType,
    TrafficPolicy,
};

/// A node with this label set to `true` announces no service.
const EXCLUDE_LABEL: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// What services mean for this node.
#[derive(Default)]
pub(super) struct ServiceRoutes {
    /// Announced by this node, by prefix.
    pub(super) announced: BTreeSet<IpNet>,
    /// Ranges that kube-proxy serves: what lies inside stays out of the kernel, on every node.
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

/// The ranges that are configured.
struct Ranges {
    cluster: Vec<IpNet>,
    external: Vec<IpNet>,
    load_balancer: Vec<IpNet>,
    aggregate: bool,
}

/// Works out what services mean for this node.
pub(super) fn service_routes(cluster: &Cluster<'_>, problems: &mut Vec<Problem>) -> ServiceRoutes {
    let ranges = Ranges::new(cluster, problems);
    let mut routes = ServiceRoutes {
        announced: BTreeSet::new(),
        ranges: ranges.announced_whole(),
    };
    let excluded = cluster.me.as_ref().is_some_and(|me| {
        me.labels
            .get(EXCLUDE_LABEL)
            .is_some_and(|value| value == "true")
    });
    if excluded {
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
            if ranges.is_advertised(service, endpoints) {
                routes
                    .announced
                    .extend(ranges.addresses(service).map(IpNet::from));
            }
        }
    }
    routes
}

type SlicesByService<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a EndpointSlice>>;

fn slices_by_service<'a>(cluster: &Cluster<'a>) -> SlicesByService<'a> {
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
struct Endpoints {
    anywhere: bool,
    here: bool,
}

impl Endpoints {
    fn count(cluster: &Cluster<'_>, service: &Service, slices: &[&EndpointSlice]) -> Self {
        let here = cluster
            .environment
            .kubernetes_node
            .as_deref()
            .unwrap_or(cluster.name);
        let families = service.address_types();
        let of_family = slices
            .iter()
            .filter(|slice| families.contains(&slice.address_type));
        let mut found = Self::default();
        for endpoint in of_family.flat_map(|slice| &slice.endpoints) {
            if endpoint.conditions.ready != Some(false) {
                found.anywhere = true;
                found.here |= endpoint.node_name.as_deref() == Some(here);
            }
        }
        found
    }
}

impl Ranges {
    fn new(cluster: &Cluster<'_>, problems: &mut Vec<Problem>) -> Self {
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

    fn is_empty(&self) -> bool {
        self.cluster.is_empty() && self.external.is_empty() && self.load_balancer.is_empty()
    }

    /// Ranges that are announced as they stand. Single addresses are not: those follow their services.
    fn announced_whole(&self) -> BTreeSet<IpNet> {
        let load_balancer: &[IpNet] = match self.aggregate {
            true => &self.load_balancer,
            false => &[],
        };
        let outside = self.external.iter().chain(load_balancer);
        let ranges = outside.filter(|net| !is_single(net));
        self.cluster.iter().chain(ranges).copied().collect()
    }

    /// Whether the addresses of a service are announced one by one from this node.
    fn is_advertised(&self, service: &Service, endpoints: Endpoints) -> bool {
        let spec = &service.spec;
        if spec.kind == ServiceType::ExternalName || service.cluster_ips().is_empty() {
            return false;
        }
        match service.external_traffic_policy() {
            Some(TrafficPolicy::Local) => endpoints.here,
            Some(TrafficPolicy::Cluster) if self.has_single_address(service) => true,
            Some(TrafficPolicy::Cluster) | None => !self.aggregate && endpoints.anywhere,
        }
    }

    /// Whether an address of the service is in a range of one address, which nobody announces as a range.
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

    /// The addresses of a service that belong to what is configured.
    fn addresses(&self, service: &Service) -> impl Iterator<Item = IpAddr> {
        let within = |ranges: &[IpNet], ip: &IpAddr| ranges.iter().any(|net| net.contains(ip));
        let cluster_ips = service
            .cluster_ips()
            .into_iter()
            .filter(|_| !self.cluster.is_empty());
        let external = service.spec.external_ips.iter().copied();
        let external = external.filter(move |ip| within(&self.external, ip));
        let balanced = service
            .ingress_ips()
            .filter(move |ip| within(&self.load_balancer, ip));
        cluster_ips.chain(external).chain(balanced)
    }
}

fn is_single(net: &IpNet) -> bool {
    net.prefix_len() == family_of(*net).max_prefix_len()
}

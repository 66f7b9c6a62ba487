use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn pool(cidr: &str, routing: PoolRouting) -> PoolRule {
    PoolRule {
        cidr: net(cidr),
        routing,
    }
}

fn rules() -> KernelRules {
    KernelRules {
        reject_services: vec![net("10.96.0.0/12")],
        reject_next_hops: vec!["172.16.0.8".parse().unwrap()],
        pools: vec![
            pool("10.1.0.0/16", PoolRouting::Felix),
            pool("10.2.0.0/16", PoolRouting::Direct),
            pool("10.3.0.0/16", PoolRouting::Tunnel),
            pool("10.4.0.0/16", PoolRouting::TunnelAcrossSubnets),
        ],
        network: Some(net("172.16.0.0/24")),
        normal_priority: RoutePriority(1024),
        leave_own_blocks: false,
    }
}

fn learned(prefix: &str, next_hop: &str) -> KernelDecision {
    rules().decide(CandidateRoute {
        prefix: net(prefix),
        next_hop: next_hop.parse().ok(),
        local_pref: Some(2_147_482_623),
        source: CandidateSource::Peer,
    })
}

fn own(prefix: &str, source: CandidateSource) -> KernelDecision {
    rules().decide(CandidateRoute {
        prefix: net(prefix),
        next_hop: None,
        local_pref: Some(2_147_482_623),
        source,
    })
}

fn install(tunnel: Option<Tunnel>) -> KernelDecision {
    KernelDecision::Install {
        metric: Some(1024),
        tunnel,
    }
}

/// Promise 10.7.
#[test]
fn ranges_of_services_stay_out_and_so_does_what_lies_inside() {
    assert_eq!(learned("10.96.0.0/12", "172.16.0.9"), KernelDecision::Skip);
    assert_eq!(learned("10.96.0.10/32", "172.16.0.9"), KernelDecision::Skip);
    assert_eq!(learned("10.0.0.0/8", "172.16.0.9"), install(None));
}

/// Promise 11.3.
#[test]
fn a_pool_of_felix_stays_out() {
    assert_eq!(learned("10.1.5.0/26", "172.16.0.9"), KernelDecision::Skip);
    assert_eq!(
        own("10.1.5.0/26", CandidateSource::Block),
        KernelDecision::Skip
    );
}

/// Promise 11.4.
#[test]
fn tunnels_are_used_as_the_pool_says() {
    let ipip = install(Some(Tunnel::Ipip));
    assert_eq!(learned("10.2.5.0/26", "172.16.1.9"), install(None));
    assert_eq!(learned("10.3.5.0/26", "172.16.0.9"), ipip);
    assert_eq!(
        learned("10.4.5.0/26", "172.16.0.9"),
        install(None),
        "our own network"
    );
    assert_eq!(
        learned("10.4.5.0/26", "172.16.1.9"),
        ipip,
        "another network"
    );
}

/// Promise 11.5.
#[test]
fn next_hops_behind_wireguard_stay_out() {
    assert_eq!(learned("10.2.5.0/26", "172.16.0.8"), KernelDecision::Skip);
}

/// Promise 11.6.
#[test]
fn everything_else_is_installed_even_a_default_route() {
    assert_eq!(learned("0.0.0.0/0", "172.16.0.9"), install(None));
}

/// Promise 11.7.
#[test]
fn own_blocks_are_blackholes_without_a_metric_or_a_tunnel() {
    let blackhole = KernelDecision::Install {
        metric: None,
        tunnel: None,
    };
    assert_eq!(own("10.2.5.0/26", CandidateSource::Block), blackhole);
    assert_eq!(own("10.3.5.0/26", CandidateSource::Block), blackhole);
    assert_eq!(own("192.0.2.1/32", CandidateSource::ReachableBy), blackhole);
}

/// Promise 10.7.
#[test]
fn a_service_address_is_never_a_blackhole() {
    assert_eq!(
        own("203.0.113.7/32", CandidateSource::Service),
        KernelDecision::Skip
    );
}

/// Promise 11.2.
#[test]
fn the_metric_is_what_local_pref_carries() {
    let metric = |local_pref| match rules().decide(CandidateRoute {
        prefix: net("198.51.100.0/24"),
        next_hop: None,
        local_pref,
        source: CandidateSource::Peer,
    }) {
        KernelDecision::Install { metric, .. } => metric,
        KernelDecision::Skip => None,
    };
    assert_eq!(metric(None), Some(1024));
    assert_eq!(metric(Some(100)), Some(2_147_483_547));
    assert_eq!(metric(Some(2_147_483_135)), Some(512));
    assert_eq!(metric(Some(u32::MAX)), Some(0));
}

/// Promise 11.17.
#[test]
fn the_first_pool_by_text_decides_where_pools_overlap() {
    let rules = KernelRules {
        pools: vec![
            pool("10.0.0.0/16", PoolRouting::Felix),
            pool("10.0.0.0/8", PoolRouting::Tunnel),
        ],
        ..KernelRules::default()
    };
    let decide = |prefix: &str| {
        rules.decide(CandidateRoute {
            prefix: net(prefix),
            next_hop: None,
            local_pref: None,
            source: CandidateSource::Peer,
        })
    };
    assert_eq!(decide("10.0.3.0/26"), KernelDecision::Skip);
    assert_eq!(decide("10.9.3.0/26"), install(Some(Tunnel::Ipip)));
}

use bgp_core::types::Family;

use super::*;
use crate::control::model::{Gateway, NextHops};
use crate::kernel::{ForeignHop, ForeignKind, ForeignRoute};
use crate::plan::{PoolRouting, PoolRule};

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn state(routing: PoolRouting) -> State {
    let pool = PoolRule {
        cidr: net("10.1.0.0/16"),
        routing,
    };
    let mut rules = PerFamily::<KernelRules>::default();
    rules.ipv4.pools = vec![pool];
    State {
        plan: ForwardingPlan {
            rules,
            originated: [
                (net("10.1.5.0/26"), RouteOrigin::Block),
                (net("10.1.6.1/32"), RouteOrigin::Block),
                (net("203.0.113.7/32"), RouteOrigin::Service),
            ]
            .into(),
            ..ForwardingPlan::default()
        },
        ..State::default()
    }
}

/// Promises 11.4, 11.8.
#[test]
fn several_next_hops_of_a_tunnel_pool_all_stay_in_the_tunnel() {
    let mut state = state(PoolRouting::Tunnel);
    let addresses: [IpAddr; 2] =
        ["10.0.0.2", "10.0.0.3"].map(|text| text.parse().expect("an address"));
    let learn = |state: &mut State, prefix| {
        let route = ForwardRoute {
            next_hops: addresses.map(Into::into).to_vec(),
            local_pref: 2_147_482_623,
            preference: 100,
            standby: false,
        };
        state.wanted.insert(net(prefix), route.into());
    };
    let kind = |state: &State| state.decide(net("10.1.7.0/26")).expect("a route").kind;
    learn(&mut state, "10.1.7.0/26");
    assert_eq!(kind(&state), RouteKind::Unreachable);

    state.resolver.apply(&KernelEvent::Direct {
        prefix: net("0.0.0.0/0"),
        interfaces: vec![(2, "eth0".into())],
    });
    let tunnel = |address| {
        Hop::gateway(address)
            .dev(Device::name(TUNNEL_DEVICE))
            .onlink()
    };
    let next_hops = addresses.map(tunnel).to_vec();
    assert_eq!(kind(&state), RouteKind::Unicast { next_hops });

    // A peer's default route does not count.
    learn(&mut state, "0.0.0.0/0");
    assert_eq!(kind(&state), RouteKind::Unreachable);
}

/// Promises 10.7, 11.7.
#[test]
fn only_own_blocks_of_more_than_one_address_are_blackholes() {
    let state = state(PoolRouting::Direct);
    assert_eq!(
        state.decide(net("10.1.5.0/26")),
        Some(KernelRoute::blackhole())
    );
    assert_eq!(state.decide(net("10.1.6.1/32")), None);
    assert_eq!(state.decide(net("203.0.113.7/32")), None);
}

/// Promise 5.13.
#[test]
fn the_way_to_a_peer_is_written_as_the_plan_says() {
    let mut state = state(PoolRouting::Direct);
    let (peer, via) = (
        net("192.0.2.1/32"),
        "10.0.0.254".parse().expect("an address"),
    );
    state.plan.reachable_by.insert(peer, via);
    let expected = KernelRoute::via(vec![Hop::gateway(via)]);
    assert_eq!(state.decide(peer), Some(expected));
}

#[test]
fn the_kernel_has_what_is_wanted_and_not_refused() {
    let mut state = state(PoolRouting::Direct);
    let count = |state: &State| state.kernel_count(Family::Ipv4Unicast);
    assert_eq!(count(&state), 1, "one block is a blackhole");
    assert_eq!(state.kernel_count(Family::Ipv6Unicast), 0);
    let route = ForwardRoute {
        next_hops: vec![IpAddr::from([10, 0, 0, 2]).into()],
        local_pref: 100,
        preference: 100,
        standby: false,
    };
    for prefix in ["10.1.5.0/26", "10.2.0.0/16", "10.3.0.0/16"] {
        state.wanted.insert(net(prefix), route.clone().into());
    }
    assert_eq!(
        count(&state),
        3,
        "a peer's route takes the place of a block"
    );
    state.refused.insert(net("10.2.0.0/16"));
    assert_eq!(count(&state), 2);
}

fn hop(gateway: Option<[u8; 4]>) -> ForeignHop {
    ForeignHop {
        gateway: gateway.map(IpAddr::from),
        index: 2,
        interface: "eth0".into(),
    }
}

/// Promise 12.6.
#[test]
fn routes_of_others_lead_where_the_kernel_says() {
    let on_link = NextHops::Device("eth0".into());
    let two = [[10, 0, 0, 2], [10, 0, 0, 3]];
    let via = NextHops::Via(Vec::from(two.map(|address| Gateway {
        address: address.into(),
        interface: "eth0".into(),
    })));
    for (kind, expected) in [
        (ForeignKind::Blackhole, NextHops::Blackhole),
        (ForeignKind::Unreachable, NextHops::Unreachable),
        (ForeignKind::Prohibit, NextHops::Unreachable),
        (ForeignKind::Unicast(vec![hop(None)]), on_link),
        (
            ForeignKind::Unicast(two.map(|gateway| hop(Some(gateway))).to_vec()),
            via,
        ),
    ] {
        assert_eq!(NextHops::from(&kind), expected);
    }
}

/// A node with a workload at 10.1.7.5, and other nodes on eth0.
fn with_workload() -> State {
    let mut state = state(PoolRouting::Direct);
    for (index, name) in [(2, "eth0"), (3, "cali5")] {
        let interface = Interface {
            index,
            name: name.into(),
            up: true,
            carrier: true,
            kind: crate::kernel::LinkKind::Other,
            mtu: 1500,
            addresses: Vec::new(),
        };
        state.resolver.apply(&KernelEvent::Interface {
            index,
            interface: Some(interface),
        });
    }
    for (index, name, prefix) in [(2, "eth0", "10.0.0.0/24"), (3, "cali5", "10.1.7.5/32")] {
        let hop = ForeignHop {
            gateway: None,
            index,
            interface: name.into(),
        };
        let route = ForeignRoute {
            metric: 1024,
            protocol: 80,
            kind: ForeignKind::Unicast(vec![hop]),
        };
        state.resolver.apply(&KernelEvent::Routes {
            prefix: net(prefix),
            routes: vec![route],
        });
    }
    state
}

fn learned(next_hop: &str, local_pref: u32, standby: bool) -> ForwardRoute {
    let next_hop: IpAddr = next_hop.parse().expect("an address");
    ForwardRoute {
        next_hops: vec![next_hop.into()],
        local_pref,
        preference: 100,
        standby,
    }
}

/// Promise 11.14.
#[test]
fn a_workload_stays_a_next_hop_whoever_else_announces_its_address() {
    let mut state = with_workload();
    let workload: IpAddr = "10.1.7.5".parse().expect("an address");
    let own = state.way_to(workload);
    assert!(own.is_some());
    for standby in [true, false] {
        let route = learned("10.0.0.2", 100, standby);
        state.wanted.insert(net("10.1.7.5/32"), route.into());
        assert_eq!(state.way_to(workload), own);
    }
    // Any other next hop is not reached by what BGP brought.
    let node: IpAddr = "10.0.0.2".parse().expect("an address");
    assert!(state.way_to(node).is_some());
    let route = learned("10.0.0.3", 100, false);
    state.wanted.insert(net("10.0.0.2/32"), route.into());
    assert_eq!(state.way_to(node), None);
}

/// Promise 9.7.
#[test]
fn a_route_that_stands_by_is_not_installed_while_its_next_hop_is_out_of_reach() {
    let mut state = with_workload();
    let prefix = net("10.1.7.5/32");
    let better_than_usual = 2_147_483_647 - 512;
    for (next_hop, standby, kind) in [
        ("203.0.113.1", true, None),
        ("203.0.113.1", false, Some(RouteKind::Unreachable)),
        (
            "10.0.0.2",
            true,
            Some(RouteKind::Unicast {
                next_hops: vec![
                    Hop::gateway("10.0.0.2".parse().expect("an address")).dev(Device::Index(2)),
                ],
            }),
        ),
    ] {
        let route = learned(next_hop, better_than_usual, standby);
        state.wanted.insert(prefix, route.into());
        let metric = Some(512);
        let expected = kind.map(|kind| KernelRoute { metric, kind });
        assert_eq!(state.decide(prefix), expected, "{next_hop} {standby}");
    }
}

/// The forwarding task, and what it asks of the kernel.
struct Desk {
    task: Forwarding,
    state: State,
    asked: mpsc::Receiver<crate::kernel::Command>,
    _speaker: crate::net::Speaker,
}

impl Desk {
    /// With so many routes through 10.0.0.2 and another few through 10.9.0.2, over which nothing leads yet.
    async fn with_routes(many: u8, few: u8) -> Self {
        let router_id = bgp_core::types::RouterId([9, 9, 9, 9].into());
        let config = bgp_core::rib::RibConfig::new(router_id);
        let speaker = crate::net::Speaker::start(config, None);
        let (kernel, asked) = Kernel::without_task(10_000);
        let mut desk = Self {
            task: Forwarding {
                kernel,
                events: mpsc::channel(1).1,
                mailbox: Arc::default(),
                orders: mpsc::channel(1).1,
                routes: speaker.routes(),
                deferral_ended: None,
            },
            state: State::default(),
            asked,
            _speaker: speaker,
        };
        let next_hops = ["10.0.0.2", "10.9.0.2"];
        let mut wishes = Wishes {
            resolve: next_hops.map(|hop| hop.parse().expect("an address")).into(),
            ..Wishes::default()
        };
        for (second, (next_hop, count)) in (2u8..).zip(next_hops.into_iter().zip([many, few])) {
            for third in 0..count {
                let prefix = IpNet::new([10, second, third, 0].into(), 24).expect("a length");
                let route = learned(next_hop, 100, false).into();
                wishes.routes.insert(prefix, Some(route));
            }
        }
        let fulfilled = desk.task.fulfil(&mut desk.state, wishes).await;
        fulfilled.expect("the speaker runs");
        assert_eq!(desk.changes(), usize::from(many) + usize::from(few));
        desk
    }

    /// How many changes it asked for.
    fn changes(&mut self) -> usize {
        std::iter::from_fn(|| self.asked.try_recv().ok()).count()
    }

    async fn plan(&mut self, plan: &ForwardingPlan) -> usize {
        let order = Order::Plan(Box::new(plan.clone()));
        let obeyed = self.task.obey(&mut self.state, order).await;
        obeyed.expect("the speaker runs");
        self.changes()
    }
}

#[tokio::test]
async fn a_plan_costs_what_it_changes() {
    let mut desk = Desk::with_routes(100, 10).await;
    let mut plan = state(PoolRouting::Direct).plan;
    assert_eq!(desk.plan(&plan).await, 110 + 3, "rules are for all");
    assert_eq!(desk.plan(&plan).await, 0);
    let service = net("203.0.113.8/32");
    plan.originated.insert(service, RouteOrigin::Service);
    assert_eq!(desk.plan(&plan).await, 1);
    plan.originated.remove(&service);
    assert_eq!(desk.plan(&plan).await, 1);
    let via = "10.0.0.254".parse().expect("an address");
    plan.reachable_by.insert(net("10.9.0.2/32"), via);
    assert_eq!(desk.plan(&plan).await, 1 + 10);
    plan.rules.ipv6.pools = plan.rules.ipv4.pools.clone();
    assert_eq!(desk.plan(&plan).await, 0, "there is nothing of IPv6");
}

#[tokio::test]
async fn an_event_costs_what_depends_on_it() {
    for others in [100, 200] {
        let mut desk = Desk::with_routes(others, 10).await;
        let event = KernelEvent::Direct {
            prefix: net("10.9.0.0/24"),
            interfaces: vec![(2, "eth0".into())],
        };
        let noticed = desk.task.notice(&mut desk.state, [event].into_iter()).await;
        noticed.expect("the speaker runs");
        assert_eq!(desk.changes(), 10, "beside {others} others");
    }
}

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bgp_core::rib::{ForwardRoute, Input, LocalRoute, Route, RouteSource};
use bgp_core::types::{Asn, Family, PathId, PeerId, PerFamily, RouterId};
use ipnet::IpNet;
use tokio::sync::mpsc;

use super::learning::Learning;
use super::mailbox::Updates;
use super::task::{Request, Task};
use super::*;
use crate::config::SpeakerConfig;
use crate::event::ForwardingEvent;
use crate::kernel::resolve::NextHopPath;
use crate::kernel::{
    Device, ForeignHop, ForeignKind, ForeignRoute, Hop, InstallError, Interface, Kernel,
    KernelCommand, KernelEvent, KernelRoute, LinkKind, RouteKind,
};

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

/// Tunnels for 10.1.0.0/16 if asked to, metrics by preference, host routes on the `cali*` interfaces as workloads.
#[derive(Debug)]
struct Rules {
    tunnel: bool,
}

impl ForwardingRules for Rules {
    fn install(&self, prefix: IpNet, route: &ForwardRoute, _: IpAddr) -> Option<Install> {
        let is_inside = net("10.1.0.0/16").contains(&prefix) && self.tunnel;
        Some(Install {
            metric: Some(2_147_483_647 - route.local_pref),
            tunnel: is_inside.then(|| Device::name("tunl0")),
        })
    }

    fn learn(&self, _: IpNet, route: &ForeignRoute) -> Option<LocalRoute> {
        (route.protocol != 99).then(|| {
            let mut route = LocalRoute::default();
            route.id = 2;
            route
        })
    }

    fn learn_connected(&self, _: IpNet, interface: &str) -> Option<LocalRoute> {
        (interface != "docker0").then(|| {
            let mut route = LocalRoute::default();
            route.id = 3;
            route.interface = Some(interface.into());
            route
        })
    }

    fn always_reaches(&self, way: &NextHopPath) -> bool {
        let mut hops = way.hops.iter();
        hops.all(|hop| hop.interface.starts_with("cali"))
    }
}

fn state_with(rules: Rules) -> State {
    let rules: Arc<dyn ForwardingRules> = Arc::new(rules);
    State {
        plan: ForwardingPlan {
            rules: PerFamily {
                ipv4: Arc::clone(&rules),
                ipv6: rules,
            },
            own: [(net("10.1.5.0/26"), KernelRoute::blackhole())].into(),
            ..ForwardingPlan::default()
        },
        ..State::default()
    }
}

fn state() -> State {
    state_with(Rules { tunnel: false })
}

/// Promises 11.4, 11.8.
#[test]
fn several_next_hops_of_a_tunnel_all_stay_in_the_tunnel() {
    let mut state = state_with(Rules { tunnel: true });
    let addresses: [IpAddr; 2] =
        ["10.0.0.2", "10.0.0.3"].map(|text| text.parse().expect("an address"));
    let learn = |state: &mut State, prefix| {
        let route = ForwardRoute::new(addresses.map(Into::into).to_vec(), 2_147_482_623, 100);
        state.wanted.insert(net(prefix), route.into());
    };
    let kind = |state: &State| state.decide(net("10.1.7.0/26")).expect("a route").kind;
    learn(&mut state, "10.1.7.0/26");
    assert_eq!(kind(&state), RouteKind::Unreachable);

    state.resolver.apply(&KernelEvent::Direct {
        prefix: net("0.0.0.0/0"),
        interfaces: vec![(2, "eth0".into())],
    });
    let tunnel = |address| Hop::gateway(address).dev(Device::name("tunl0")).onlink();
    let next_hops = addresses.map(tunnel).to_vec();
    assert_eq!(kind(&state), RouteKind::Unicast { next_hops });

    // A peer's default route does not count.
    learn(&mut state, "0.0.0.0/0");
    assert_eq!(kind(&state), RouteKind::Unreachable);
}

#[test]
fn the_kernel_has_what_is_wanted_and_not_refused() {
    let mut state = state();
    let count = |state: &State| state.kernel_count(Family::Ipv4Unicast);
    assert_eq!(count(&state), 1, "one block is a blackhole");
    assert_eq!(state.kernel_count(Family::Ipv6Unicast), 0);
    for prefix in ["10.1.5.0/26", "10.2.0.0/16", "10.3.0.0/16"] {
        let route = learned("10.0.0.2", 100, false);
        state.wanted.insert(net(prefix), route.into());
    }
    assert_eq!(
        count(&state),
        3,
        "a peer's route takes the place of a block"
    );
    let error = InstallError::Occupied { protocol: Some(4) };
    state.refused.insert(net("10.2.0.0/16"), error.clone());
    assert_eq!(count(&state), 2);
    let theirs = RouteSource::Peer(PeerId(1), PathId(0));
    let route = |prefix| Route::new(net(prefix), theirs, Instant::now());
    assert_eq!(state.refusal(&route("10.2.0.0/16")), Some(&error));
    assert_eq!(state.refusal(&route("10.3.0.0/16")), None);
}

/// The rules decide which routes of the kernel become local routes. Each is announced once, and again after a change of the
/// rules.
#[test]
fn learned_routes_follow_the_kernel_and_the_rules() {
    let plan = state().plan;
    let mut learning = Learning::default();
    let told = |inputs: Vec<Input>| -> Vec<(bool, u32)> {
        let told = inputs.into_iter().map(|input| match input {
            Input::Announce { route, .. } => (true, route.id),
            Input::Withdraw { id, .. } => (false, id),
            other => panic!("{other:?}"),
        });
        told.collect()
    };
    let prefix = net("192.0.2.0/24");
    let connected = |interfaces: &[&str]| KernelEvent::Direct {
        prefix,
        interfaces: interfaces
            .iter()
            .map(|name| (1, Arc::from(*name)))
            .collect(),
    };
    assert_eq!(told(learning.apply(&connected(&["docker0"]), &plan)), []);
    let both = connected(&["docker0", "eth0"]);
    assert_eq!(told(learning.apply(&both, &plan)), [(true, 3)]);
    assert_eq!(told(learning.apply(&both, &plan)), []);
    let foreign = |protocol| {
        let route = ForeignRoute {
            metric: 0,
            protocol,
            kind: ForeignKind::Blackhole,
        };
        let routes = vec![route];
        KernelEvent::Routes { prefix, routes }
    };
    assert_eq!(told(learning.apply(&foreign(80), &plan)), [(true, 2)]);
    assert_eq!(told(learning.apply(&foreign(99), &plan)), [(false, 2)]);
    assert!(learning.has_told(prefix, 3) && !learning.has_told(prefix, 2));
    let nothing = ForwardingPlan::default();
    assert_eq!(told(learning.follow(&plan, &nothing)), [(false, 3)]);
    let mut again = told(learning.follow(&nothing, &plan));
    again.sort_unstable();
    assert_eq!(again, [(true, 3)]);
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
    let mut state = state();
    for (index, name) in [(2, "eth0"), (3, "cali5")] {
        let interface = Interface {
            index,
            name: name.into(),
            up: true,
            carrier: true,
            kind: LinkKind::Other,
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
    ForwardRoute::new(vec![next_hop.into()], local_pref, 100).with_standby(standby)
}

/// Promise 11.14.
#[test]
fn a_workload_stays_a_next_hop_whoever_else_announces_its_address() {
    let mut state = with_workload();
    let workload: IpAddr = "10.1.7.5".parse().expect("an address");
    let own = state.path_to(workload);
    assert!(own.is_some());
    for standby in [true, false] {
        let route = learned("10.0.0.2", 100, standby);
        state.wanted.insert(net("10.1.7.5/32"), route.into());
        assert_eq!(state.path_to(workload), own);
    }
    // Any other next hop must not resolve over a BGP route.
    let node: IpAddr = "10.0.0.2".parse().expect("an address");
    assert!(state.path_to(node).is_some());
    let route = learned("10.0.0.3", 100, false);
    state.wanted.insert(net("10.0.0.2/32"), route.into());
    assert_eq!(state.path_to(node), None);
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

/// The forwarding task, and the kernel commands that it sends.
struct Desk {
    task: Task,
    state: State,
    asked: mpsc::Receiver<KernelCommand>,
    _speaker: Speaker,
}

impl Desk {
    /// With `many` routes through 10.0.0.2 and a `few` through 10.9.0.2, which is not reachable yet.
    async fn with_routes(many: u8, few: u8) -> Self {
        let router_id = RouterId([9, 9, 9, 9].into());
        let config = SpeakerConfig::new(Asn(65001), router_id);
        let speaker = Speaker::start(config, None);
        let (kernel, asked) = Kernel::without_task(10_000);
        let mut desk = Self {
            task: Task {
                kernel,
                events: mpsc::channel(1).1,
                mailbox: Arc::default(),
                requests: mpsc::channel(1).1,
                routes: speaker.routes(),
                gateways: watch::Sender::default(),
                deferral_ended: None,
            },
            state: State::default(),
            asked,
            _speaker: speaker,
        };
        let next_hops = ["10.0.0.2", "10.9.0.2"];
        let mut updates = Updates {
            next_hops: next_hops
                .map(|hop| (hop.parse().expect("an address"), true))
                .into(),
            ..Updates::default()
        };
        for (second, (next_hop, count)) in (2u8..).zip(next_hops.into_iter().zip([many, few])) {
            for third in 0..count {
                let prefix = IpNet::new([10, second, third, 0].into(), 24).expect("a length");
                let route = learned(next_hop, 100, false).into();
                updates.routes.insert(prefix, Some(route));
            }
        }
        let fulfilled = desk.task.update(&mut desk.state, updates).await;
        fulfilled.expect("the speaker runs");
        assert_eq!(desk.changes().await, usize::from(many) + usize::from(few));
        desk
    }

    /// The number of kernel changes that it sent.
    async fn changes(&mut self) -> usize {
        while !self.state.due.is_empty() {
            let room = self.task.kernel.room().await;
            let room = room.expect("the kernel listens");
            self.task.advance(&mut self.state, room);
        }
        std::iter::from_fn(|| self.asked.try_recv().ok()).count()
    }

    async fn plan(&mut self, plan: &ForwardingPlan) -> usize {
        let request = Request::Plan(Box::new(plan.clone()));
        let handled = self.task.handle(&mut self.state, request).await;
        handled.expect("the speaker runs");
        self.changes().await
    }
}

#[tokio::test]
async fn a_plan_costs_what_it_changes() {
    let mut desk = Desk::with_routes(100, 10).await;
    let mut plan = state().plan;
    assert_eq!(desk.plan(&plan).await, 110 + 1, "rules are for all");
    assert_eq!(desk.plan(&plan).await, 0);
    let block = net("10.1.8.0/26");
    plan.own.insert(block, KernelRoute::blackhole());
    assert_eq!(desk.plan(&plan).await, 1);
    plan.own.remove(&block);
    assert_eq!(desk.plan(&plan).await, 1);
    let [peer, via]: [IpAddr; 2] =
        ["10.9.0.2", "10.0.0.254"].map(|text| text.parse().expect("an address"));
    plan.gateways.insert(peer, via);
    assert_eq!(desk.plan(&plan).await, 10);
    plan.rules.ipv6 = Arc::new(InstallAll);
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
        let noticed = desk
            .task
            .handle_events(&mut desk.state, [event].into_iter())
            .await;
        noticed.expect("the speaker runs");
        assert_eq!(desk.changes().await, 10, "beside {others} others");
    }
}

/// An unwanted next hop is no longer watched, so the cost of an address change depends only on the next hops in use.
#[tokio::test]
async fn next_hops_are_watched_as_long_as_they_are_wanted() {
    let [kept, left, back] = [1, 2, 3].map(|host| IpAddr::from([192, 0, 2, host]));
    let mailbox = Arc::new(Mailbox::default());
    let sink = mailbox.sink();
    let mut state = state();
    for (events, watched) in [
        (
            vec![
                ForwardingEvent::Resolve(kept),
                ForwardingEvent::Resolve(left),
                ForwardingEvent::Resolve(back),
            ],
            vec![kept, left, back],
        ),
        (
            vec![
                ForwardingEvent::Forget(left),
                ForwardingEvent::Forget(back),
                ForwardingEvent::Resolve(back),
            ],
            vec![kept, back],
        ),
    ] {
        events.into_iter().for_each(&sink);
        for (address, wanted) in mailbox.take().await.next_hops {
            state.watch(address, wanted);
        }
        let now: Vec<IpAddr> = state.watched_in(net("192.0.2.0/24")).collect();
        assert_eq!(now, watched);
    }
}

/// A kernel that rejects everything delays nothing else.
#[tokio::test]
async fn a_kernel_that_takes_nothing_keeps_nobody_waiting() {
    let desk = Desk::with_routes(100, 10).await;
    let ((kernel, asked), (events, heard)) = (Kernel::without_task(1), mpsc::channel(1));
    let (requests, inbox) = mpsc::channel(1);
    let mailbox = Arc::<Mailbox>::default();
    let task = Task {
        kernel,
        events: heard,
        mailbox: Arc::clone(&mailbox),
        requests: inbox,
        ..desk.task
    };
    let running = tokio::spawn(task.run());
    let forwarding = Forwarding {
        requests,
        counters: Counters::default(),
        gateways: watch::channel(None).1,
    };
    events.send(KernelEvent::Synced).await.expect("it runs");
    for third in 0..100 {
        let prefix = IpNet::new([10, 2, third, 0].into(), 24).expect("a length");
        let route = Some(learned("10.0.0.2", 100, false));
        mailbox.sink()(ForwardingEvent::Route { prefix, route });
    }
    let seen = loop {
        let seen = forwarding.look(|state| state.wanted.keys().count()).await;
        match seen.expect("it runs") {
            0 => tokio::task::yield_now().await,
            seen => break seen,
        }
    };
    assert_eq!((seen, asked.len()), (100, 1));
    drop(forwarding);
    running.await.expect("no panic");
}

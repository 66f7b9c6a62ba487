//! A `World` plays the kernel: it carries out operations as Linux does, so each test ends by comparing the installed routes.

use std::net::IpAddr;

use proptest::prelude::*;

use super::super::links::Link;
use super::super::route::{ForeignKind, Hop, RouteKind};
use super::*;
use crate::kernel::KernelCounts;
use bgp_core::types::Family;

const OURS: u8 = 12;
const STATIC: u8 = 4;

/// A table, interfaces `eth0` (2) and `tunl0` (3), and the kernel's routes.
struct World {
    table: KernelTable,
    links: Links,
    kernel: Vec<PresentRoute>,
    log: Vec<(Action, IpNet)>,
    asked: bool,
}

impl World {
    /// After recovery, with these routes present at the start.
    fn with(present: &[PresentRoute]) -> Self {
        let mut world = Self::recovering(present);
        world.table.finish_recovery();
        world.settle();
        world.log.clear();
        world
    }

    fn recovering(present: &[PresentRoute]) -> Self {
        let mut links = Links::default();
        for (index, name) in [(2, "eth0"), (3, "tunl0")] {
            links.set(Link {
                index,
                name: name.into(),
                up: true,
                carrier: true,
                kind: crate::kernel::LinkKind::Broadcast,
                mtu: 1500,
            });
        }
        let table = KernelTable::new(OURS);
        let mut world = Self {
            table,
            links,
            kernel: present.to_vec(),
            log: Vec::new(),
            asked: false,
        };
        world.read();
        world
    }

    fn read(&mut self) {
        self.table.observe_all(self.kernel.clone(), &self.links);
        self.settle();
    }

    fn want(&mut self, prefix: &str, route: Option<KernelRoute>) {
        self.table.want(
            RouteChange {
                prefix: net(prefix),
                route,
            },
            &self.links,
        );
        self.settle();
    }

    fn check_counters(&self) {
        let (status, counters) = (self.table.status(), self.table.counters());
        let mut counted = KernelCounts::default();
        for family in Family::ALL {
            let of_family = counters.read(family);
            counted.installed += of_family.installed;
            counted.rejected += of_family.rejected;
            counted.pending += of_family.pending;
        }
        let wanted = counted.installed + counted.rejected + counted.pending;
        assert_eq!(
            (wanted, counted.installed),
            (status.wanted, status.installed)
        );
        assert_eq!(counted.rejected, status.rejected);
    }

    /// Carries out operations until none is left.
    fn settle(&mut self) {
        for _ in 0..1000 {
            if !self.table.has_work() {
                self.check_counters();
                return;
            }
            for operation in self.table.operations(2, &self.links) {
                self.log.push((operation.action, operation.prefix));
                let result = self.carry_out(&operation);
                self.asked |= self.table.finished(operation, result) == Certainty::ReadAgain;
            }
        }
        panic!("the table does not come to rest: {:?}", self.log);
    }

    /// Linux: exclusive additions by prefix and metric, replacement of the same, deletion only of our protocol.
    fn carry_out(&mut self, operation: &Operation) -> Result<(), Refusal> {
        let Operation {
            action,
            prefix,
            route,
        } = operation;
        let metric = route.effective_metric(prefix);
        let at =
            |p: &PresentRoute| p.prefix == *prefix && p.route.effective_metric(prefix) == metric;
        let found = self.kernel.iter().position(at);
        let refusal = |errno| {
            Err(Refusal {
                errno,
                detail: None,
            })
        };
        if route
            .hops()
            .iter()
            .any(|hop| hop.gateway == Some(unreachable_gateway()))
        {
            return refusal(libc::ENETUNREACH);
        }
        match (action, found) {
            (Action::Add, Some(_)) => return refusal(libc::EEXIST),
            (Action::Add | Action::Replace, None) => self.kernel.push(ours(*prefix, route)),
            (Action::Replace, Some(place)) => self.kernel[place] = ours(*prefix, route),
            (Action::Delete, Some(place)) if self.kernel[place].protocol == OURS => {
                self.kernel.remove(place);
            }
            (Action::Delete, _) => return refusal(libc::ESRCH),
        }
        Ok(())
    }

    /// Another program adds a route and the event arrives.
    fn other_adds(&mut self, present: PresentRoute) {
        self.kernel.push(present.clone());
        self.asked |= self.table.added(present, false) == Certainty::ReadAgain;
        self.settle();
    }

    fn other_removes(&mut self, present: &PresentRoute) {
        self.kernel.retain(|p| p != present);
        self.asked |= self.table.removed(present.clone()) == Certainty::ReadAgain;
        self.settle();
    }

    fn rejection(&self, prefix: &str) -> Option<&InstallError> {
        self.table.rejection(&net(prefix))
    }

    /// Metrics of our routes for a prefix.
    fn our_metrics(&self, prefix: &str) -> Vec<u32> {
        let own = self
            .kernel
            .iter()
            .filter(|p| p.prefix == net(prefix) && p.protocol == OURS);
        own.map(|p| p.route.effective_metric(&p.prefix)).collect()
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn unreachable_gateway() -> IpAddr {
    "203.0.113.255".parse().unwrap()
}

fn via(gateway: &str, metric: u32) -> KernelRoute {
    let hop = Hop::gateway(gateway.parse().unwrap()).dev(Device::Index(2));
    KernelRoute::via(vec![hop]).with_metric(metric).canonical()
}

fn present(prefix: IpNet, protocol: u8, route: &KernelRoute) -> PresentRoute {
    let metric = Some(route.effective_metric(&prefix));
    PresentRoute {
        prefix,
        protocol,
        route: Arc::new(KernelRoute {
            metric,
            ..route.clone()
        }),
    }
}

fn ours(prefix: IpNet, route: &KernelRoute) -> PresentRoute {
    present(prefix, OURS, route)
}

fn foreign(prefix: &str, metric: u32) -> PresentRoute {
    present(net(prefix), STATIC, &via("192.0.2.66", metric))
}

const P: &str = "10.0.0.0/24";

/// A route with our number that this table did not write, after recovery: reported once for each time that it appears.
#[test]
fn another_program_that_uses_our_number_is_noticed() {
    let theirs = ours(net("10.9.0.0/24"), &via("10.0.0.1", 7));
    let mut world = World::recovering(std::slice::from_ref(&theirs));
    assert_eq!(world.table.intruders(), (0, None));
    world.table.finish_recovery();
    world.settle();
    assert_eq!(
        world.table.intruders(),
        (0, None),
        "it was left by an earlier run"
    );
    world.want("10.1.0.0/24", Some(via("10.0.0.1", 7)));
    world.read();
    assert_eq!(world.table.intruders(), (0, None));
    for count in 1..3 {
        world.kernel.push(theirs.clone());
        world.read();
        assert_eq!(world.table.intruders(), (count, Some(theirs.prefix)));
        assert!(!world.kernel.contains(&theirs), "it is removed");
    }
}

#[test]
fn install_repeat_and_remove() {
    let mut world = World::with(&[]);
    world.want(P, Some(via("192.0.2.1", 10)));
    world.want(P, Some(via("192.0.2.1", 10)));
    assert_eq!(
        world.log,
        [(Action::Add, net(P))],
        "the same wish again does nothing"
    );
    world.want(P, None);
    assert_eq!(world.log[1..], [(Action::Delete, net(P))]);
    assert!(world.kernel.is_empty());
    assert!(
        world.table.entries.is_empty(),
        "nothing is remembered of it"
    );
}

#[test]
fn a_change_with_equal_metric_is_one_replacement() {
    let mut world = World::with(&[]);
    world.want(P, Some(via("192.0.2.1", 10)));
    world.want(P, Some(via("192.0.2.2", 10)));
    assert_eq!(world.log[1..], [(Action::Replace, net(P))]);
    assert_eq!(world.kernel, [ours(net(P), &via("192.0.2.2", 10))]);
}

#[test]
fn a_change_of_metric_adds_before_it_deletes() {
    let mut world = World::with(&[]);
    world.want(P, Some(via("192.0.2.1", 10)));
    world.want(P, Some(via("192.0.2.1", 20)));
    assert_eq!(
        world.log[1..],
        [(Action::Add, net(P)), (Action::Delete, net(P))]
    );
    assert_eq!(world.our_metrics(P), [20]);
}

#[test]
fn a_wish_that_returns_before_work_is_done_costs_nothing() {
    let mut world = World::with(&[]);
    world.want(P, Some(via("192.0.2.1", 10)));
    for route in [via("192.0.2.2", 20), via("192.0.2.1", 10)] {
        let change = RouteChange {
            prefix: net(P),
            route: Some(route),
        };
        world.table.want(change, &world.links);
    }
    world.settle();
    assert_eq!(world.log, [(Action::Add, net(P))]);
}

#[test]
fn leftovers_are_claimed_replaced_or_swept() {
    let (claimed, changed, unwanted) = ("10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24");
    let left = [claimed, changed, unwanted].map(|p| ours(net(p), &via("192.0.2.1", 10)));
    let mut world = World::recovering(&left);
    world.want(claimed, Some(via("192.0.2.1", 10)));
    world.want(changed, Some(via("192.0.2.2", 10)));
    assert_eq!(
        world.log,
        [(Action::Replace, net(changed))],
        "nothing else is touched during recovery"
    );
    assert_eq!(world.table.status().unclaimed, 1);
    world.table.finish_recovery();
    world.settle();
    assert_eq!(world.log[1..], [(Action::Delete, net(unwanted))]);
    assert_eq!(
        world.table.status(),
        KernelStatus {
            wanted: 2,
            installed: 2,
            ..KernelStatus::default()
        }
    );
}

#[test]
fn an_explicit_removal_does_not_wait_for_the_end_of_recovery() {
    let mut world = World::recovering(&[ours(net(P), &via("192.0.2.1", 10))]);
    world.want(P, Some(via("192.0.2.1", 10)));
    world.want(P, None);
    assert_eq!(world.log, [(Action::Delete, net(P))]);
}

/// Promise 11.16.
#[test]
fn where_nothing_was_wanted_the_route_of_the_last_run_stays_during_recovery() {
    let mut world = World::recovering(&[ours(net(P), &via("192.0.2.1", 10))]);
    world.want(P, None);
    assert!(world.log.is_empty());
    world.table.finish_recovery();
    world.settle();
    assert_eq!(world.log, [(Action::Delete, net(P))]);
}

#[test]
fn what_the_last_run_left_is_put_back_until_the_speaker_decides() {
    let (kept, decided) = ("10.0.1.0/24", "10.0.2.0/24");
    let left = [kept, decided].map(|p| ours(net(p), &via("192.0.2.1", 10)));
    let mut world = World::recovering(&left);
    world.want(decided, Some(via("192.0.2.2", 10)));
    world.want(decided, None);
    world.kernel.clear();
    world.read();
    assert_eq!(world.kernel, left[..1]);
    assert_eq!(world.table.status().unclaimed, 1);
    world.kernel = vec![ours(net(kept), &via("192.0.2.9", 10))];
    world.read();
    assert_eq!(world.kernel, left[..1], "nor is it altered");

    world.kernel.clear();
    world.table.finish_recovery();
    world.read();
    assert_eq!(world.kernel, []);
    assert!(world.table.entries.is_empty());
}

/// Promise 11.9.
#[test]
fn a_route_of_another_owner_stays_and_ours_follows_when_it_goes() {
    let other = foreign(P, 10);
    let mut world = World::with(std::slice::from_ref(&other));
    world.want(P, Some(via("192.0.2.1", 10)));
    assert_eq!(
        world.rejection(P),
        Some(&InstallError::Occupied {
            protocol: Some(STATIC)
        })
    );
    assert!(world.log.is_empty(), "known without asking the kernel");
    world.other_removes(&other);
    assert_eq!(world.our_metrics(P), [10]);
    assert_eq!(world.rejection(P), None);
    assert_eq!(
        world
            .table
            .take_changes()
            .iter()
            .filter(|k| **k == Key::Verdict(net(P)))
            .count(),
        2
    );
}

#[test]
fn another_metric_is_no_obstacle() {
    let mut world = World::with(&[foreign(P, 10)]);
    world.want(P, Some(via("192.0.2.1", 11)));
    assert_eq!(world.our_metrics(P), [11]);
    world.want(P, None);
    assert_eq!(world.kernel, [foreign(P, 10)]);
}

#[test]
fn the_connected_prefix_of_the_kernel_is_an_obstacle_but_is_not_learned() {
    let connected = PresentRoute {
        protocol: 2,
        ..foreign(P, 0)
    };
    let mut world = World::with(&[connected]);
    let route = KernelRoute {
        metric: None,
        ..via("192.0.2.1", 0)
    };
    world.want(P, Some(route));
    assert_eq!(
        world.rejection(P),
        Some(&InstallError::Occupied { protocol: Some(2) })
    );
    assert!(world.table.foreign(&net(P), &world.links).is_empty());
}

#[test]
fn when_the_new_route_is_refused_the_old_one_does_not_stay() {
    let mut world = World::with(&[]);
    world.want(P, Some(via("192.0.2.1", 10)));
    world.want(P, Some(via("203.0.113.255", 10)));
    assert!(matches!(
        world.rejection(P),
        Some(InstallError::Refused {
            errno: libc::ENETUNREACH,
            ..
        })
    ));
    assert!(world.our_metrics(P).is_empty());
    let tries = world.log.len();
    world.settle();
    assert_eq!(world.log.len(), tries, "not tried again by itself");
    world.read();
    assert_eq!(world.log.len(), tries + 1, "tried again after a reading");
    world.want(P, None);
    assert_eq!(world.rejection(P), None);
}

#[test]
fn an_unseen_obstacle_asks_for_a_reading() {
    let mut world = World::with(&[]);
    world.kernel.push(foreign(P, 10)); // its event is still in flight
    world.want(P, Some(via("192.0.2.1", 10)));
    assert_eq!(
        world.rejection(P),
        Some(&InstallError::Occupied { protocol: None })
    );
    assert!(world.asked);
    world.read();
    assert_eq!(
        world.rejection(P),
        Some(&InstallError::Occupied {
            protocol: Some(STATIC)
        })
    );
}

/// Promise 11.10.
#[test]
fn a_reading_repairs_removed_altered_and_stray_routes() {
    let (removed, altered, stray) = ("10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24");
    let mut world = World::with(&[]);
    world.want(removed, Some(via("192.0.2.1", 10)));
    world.want(altered, Some(via("192.0.2.1", 10)));
    let wanted = world.kernel.clone();
    world.kernel = vec![
        ours(net(altered), &via("192.0.2.9", 10)),
        ours(net(stray), &via("192.0.2.1", 7)),
    ];
    assert_eq!(
        world.table.added(world.kernel[1].clone(), false),
        Certainty::ReadAgain
    );
    world.read();
    world.kernel.sort_by_key(|p| p.prefix);
    assert_eq!(world.kernel, wanted);
}

#[test]
fn named_devices_are_looked_up_when_they_appear() {
    let mut world = World::with(&[]);
    let hop = Hop::gateway("192.0.2.1".parse().unwrap())
        .dev(Device::name("wg0"))
        .onlink();
    world.want(P, Some(KernelRoute::via(vec![hop])));
    assert_eq!(
        world.rejection(P),
        Some(&InstallError::NoInterface { name: "wg0".into() })
    );
    world.links.set(Link {
        index: 9,
        name: "wg0".into(),
        up: true,
        carrier: true,
        kind: crate::kernel::LinkKind::Broadcast,
        mtu: 1500,
    });
    world.read();
    let devices: Vec<_> = world.kernel[0]
        .route
        .hops()
        .iter()
        .map(|h| h.device.clone())
        .collect();
    assert_eq!(devices, [Some(Device::Index(9))]);
    world.read();
    assert_eq!(
        world.log,
        [(Action::Add, net(P))],
        "recognised by name in the next reading"
    );
}

#[test]
fn a_route_without_device_is_recognised_with_the_one_the_kernel_chose() {
    let mut world = World::with(&[]);
    let hops = ["192.0.2.1", "192.0.2.2"].map(|g| Hop::gateway(g.parse().unwrap()));
    world.want(P, Some(KernelRoute::via(hops.to_vec())));
    let RouteKind::Unicast { next_hops } = &mut Arc::make_mut(&mut world.kernel[0].route).kind
    else {
        panic!("unicast")
    };
    next_hops
        .iter_mut()
        .for_each(|hop| hop.device = Some(Device::Index(2)));
    world.log.clear();
    world.read();
    assert!(world.log.is_empty());
    let RouteKind::Unicast { next_hops } = &mut Arc::make_mut(&mut world.kernel[0].route).kind
    else {
        panic!("unicast")
    };
    next_hops[0].weight = 7;
    world.read();
    assert_eq!(
        world.log,
        [(Action::Replace, net(P))],
        "another weight is another route"
    );
}

#[test]
fn routes_of_others_follow_their_events() {
    let mut world = World::with(&[]);
    let (first, second) = (foreign(P, 20), foreign(P, 10));
    world.other_adds(first.clone());
    world.other_adds(second.clone());
    assert_eq!(
        world.table.take_changes(),
        [Key::Routes(net(P)), Key::Routes(net(P))]
    );
    let learned = world.table.foreign(&net(P), &world.links);
    assert_eq!(
        learned.iter().map(|r| r.metric).collect::<Vec<_>>(),
        [10, 20]
    );
    let ForeignKind::Unicast(hops) = &learned[0].kind else {
        panic!("unicast")
    };
    assert_eq!((hops[0].index, &*hops[0].interface), (2, "eth0"));
    assert_eq!(world.table.foreign_through(2), [net(P)]);

    let third = present(net(P), STATIC, &via("192.0.2.77", 20));
    assert_eq!(
        world.table.added(third, true),
        Certainty::Known,
        "in the place of the first"
    );
    world.other_removes(&second);
    let learned = world.table.foreign(&net(P), &world.links);
    assert_eq!(learned.len(), 1);
    let ForeignKind::Unicast(hops) = &learned[0].kind else {
        panic!("unicast")
    };
    assert_eq!(hops[0].gateway, Some("192.0.2.77".parse().unwrap()));
    assert!(!world.asked);
    world.other_removes(&first);
    assert!(world.asked, "removal of a route that is not known");
}

#[test]
fn link_local_prefixes_are_not_learned() {
    let mut world = World::with(&[]);
    for prefix in ["169.254.0.0/16", "127.0.0.0/8", "fe80::/64", "ff00::/8"] {
        world.other_adds(foreign(prefix, 5));
    }
    assert!(world.table.take_changes().is_empty());
    world.other_adds(foreign("0.0.0.0/0", 5));
    assert_eq!(world.table.take_changes(), [Key::Routes(net("0.0.0.0/0"))]);
}

/// One step of a random story about three prefixes.
#[derive(Debug, Clone)]
enum Step {
    Want(usize, Option<(u8, u32)>),
    OtherAdds(usize, u32),
    OtherRemoves(usize, u32),
    /// Somebody removes all our routes for the prefix.
    Vandal(usize),
    Read,
}

fn step() -> impl Strategy<Value = Step> {
    let prefix = 0..3_usize;
    prop_oneof![
        4 => (prefix.clone(), prop::option::of((1..4_u8, 0..3_u32))).prop_map(|(p, r)| Step::Want(p, r)),
        1 => (prefix.clone(), 0..3_u32).prop_map(|(p, m)| Step::OtherAdds(p, m)),
        1 => (prefix.clone(), 0..3_u32).prop_map(|(p, m)| Step::OtherRemoves(p, m)),
        1 => prefix.prop_map(Step::Vandal),
        1 => Just(Step::Read),
    ]
}

proptest! {
    /// After a last reading the kernel has exactly the wanted routes, whatever happened before, except where another owner's
    /// route is in the way; that route is untouched.
    #[test]
    fn the_kernel_ends_as_wanted(steps in prop::collection::vec(step(), 1..40)) {
        let prefixes = ["10.0.0.0/24", "10.0.1.0/24", "2001:db8::/48"];
        let mut world = World::with(&[]);
        let mut wanted: [Option<KernelRoute>; 3] = Default::default();
        let mut others: Vec<PresentRoute> = Vec::new();
        for step in steps {
            match step {
                Step::Want(p, route) => {
                    let host = |h: u8| if p == 2 { format!("2001:db8::{h}") } else { format!("192.0.2.{h}") };
                    wanted[p] = route.map(|(h, metric)| via(&host(h), metric));
                    world.want(prefixes[p], wanted[p].clone());
                }
                Step::OtherAdds(p, metric) => {
                    let other = present(net(prefixes[p]), STATIC, &via("192.0.2.66", metric));
                    let metric = other.route.metric;
                    if !world.kernel.iter().any(|k| k.prefix == other.prefix && k.route.metric == metric) {
                        others.push(other.clone());
                        world.other_adds(other);
                    }
                }
                Step::OtherRemoves(p, metric) => {
                    let other = present(net(prefixes[p]), STATIC, &via("192.0.2.66", metric));
                    if others.contains(&other) {
                        others.retain(|o| *o != other);
                        world.other_removes(&other);
                    }
                }
                Step::Vandal(p) => world.kernel.retain(|k| k.prefix != net(prefixes[p]) || k.protocol != OURS),
                Step::Read => world.read(),
            }
        }
        world.read();
        let mut expected = others.clone();
        for (prefix, route) in prefixes.iter().zip(&wanted) {
            let Some(route) = route else { continue };
            let wish = ours(net(prefix), route);
            if others.iter().any(|o| o.prefix == wish.prefix && o.route.metric == wish.route.metric) {
                let occupied = InstallError::Occupied { protocol: Some(STATIC) };
                prop_assert_eq!(world.rejection(prefix), Some(&occupied));
            } else {
                prop_assert_eq!(world.rejection(prefix), None);
                expected.push(wish);
            }
        }
        let key = |p: &PresentRoute| (p.prefix, p.protocol, p.route.metric);
        expected.sort_by_key(key);
        world.kernel.sort_by_key(key);
        prop_assert_eq!(world.kernel, expected);
    }
}

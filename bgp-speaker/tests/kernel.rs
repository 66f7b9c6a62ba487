//! Routes, interfaces and next hops against a real kernel, in a network namespace.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

mod netns;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bgp_speaker::alarms::Alarms;
use bgp_speaker::kernel::resolve::Resolver;
use bgp_speaker::kernel::{
    Device, ForeignKind, Hop, InstallError, Kernel, KernelConfig, KernelEvent, KernelRoute,
    RouteChange,
};
use bgp_speaker::tasks::Tasks;
use ipnet::IpNet;
use netns::ip;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::process::{
    PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, getpid, getrlimit, pidfd_getfd, pidfd_open,
    setrlimit,
};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use tokio::sync::mpsc::Receiver;

/// A running kernel task with its events.
struct Speaker {
    kernel: Kernel,
    events: Receiver<KernelEvent>,
    alarms: Alarms,
    resolver: Resolver,
    /// Events since the last look.
    heard: Vec<KernelEvent>,
}

impl Speaker {
    /// Started, with all present routes delivered.
    async fn start() -> Self {
        let alarms = Alarms::default();
        let tasks = Tasks::default();
        let (kernel, events) = Kernel::start(KernelConfig::default(), &tasks, &alarms).unwrap();
        let mut speaker = Self {
            kernel,
            events,
            alarms,
            resolver: Resolver::default(),
            heard: Vec::new(),
        };
        speaker
            .hear_until(|event| *event == KernelEvent::Synced)
            .await;
        speaker
    }

    /// Takes events until one fits.
    async fn hear_until(&mut self, fits: impl Fn(&KernelEvent) -> bool) {
        loop {
            let event = self.events.recv().await.expect("the kernel task runs");
            self.resolver.apply(&event);
            let last = fits(&event);
            self.heard.push(event);
            if last {
                return;
            }
        }
    }

    async fn want(&self, prefix: &str, route: KernelRoute) {
        self.kernel
            .change(RouteChange {
                prefix: net(prefix),
                route: Some(route),
            })
            .await
            .unwrap();
    }

    async fn drop_route(&self, prefix: &str) {
        self.kernel
            .change(RouteChange {
                prefix: net(prefix),
                route: None,
            })
            .await
            .unwrap();
    }

    /// Waits until all desired routes are written and none is rejected.
    async fn settled(&self) {
        let status = self.kernel.status().await.unwrap();
        assert_eq!((status.installed, status.rejected), (status.wanted, 0));
    }

    /// What is wrong, in words.
    fn wrongs(&self) -> Vec<String> {
        let alarms = self.alarms.list().into_iter();
        alarms
            .map(|alarm| format!("{} {}", alarm.kind, alarm.reason))
            .collect()
    }

    /// Waits until one thing is wrong, and it is this.
    async fn wrong(&self, what: &str) {
        until(
            what,
            || matches!(&self.wrongs()[..], [one] if one.starts_with(what)),
        )
        .await;
    }

    /// Waits until nothing is wrong any more.
    async fn right_again(&self) {
        until("the end of what is wrong", || self.wrongs().is_empty()).await;
    }

    /// Ends the task; routes stay.
    async fn stop(mut self) {
        drop(self.kernel);
        while self.events.recv().await.is_some() {}
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn via(gateway: &str) -> Hop {
    Hop::gateway(addr(gateway))
}

/// Two interfaces with addresses of both families.
fn links() {
    for (name, v4, v6) in [
        ("eth0", "192.0.2.1/24", "2001:db8::1/64"),
        ("eth1", "198.51.100.1/24", "2001:db8:1::1/64"),
    ] {
        ip(&format!("link add {name} type veth peer name {name}-peer"));
        ip(&format!("link set {name}-peer up"));
        ip(&format!("addr add {v4} dev {name}"));
        ip(&format!("addr add {v6} dev {name} nodad"));
        ip(&format!("link set {name} up"));
    }
}

/// Our routes of a family as iproute2 shows them, without blanks at the end, sorted.
fn shown(family: &str) -> Vec<String> {
    let listing = ip(&format!("-o {family} route show table main proto 12"));
    let mut lines: Vec<String> = listing
        .lines()
        .map(|line| {
            line.replace('\\', "")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    lines.sort();
    lines
}

/// Looks again and again until the kernel shows what is expected.
async fn until(what: &str, mut fits: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !fits() {
        assert!(Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A unicast route with a metric.
fn route(metric: u32, next_hops: Vec<Hop>) -> KernelRoute {
    KernelRoute::via(next_hops).with_metric(metric)
}

fn dev(name: &str) -> Device {
    Device::name(name)
}

/// Promise 11.1.
#[test]
fn ipv4_routes_of_every_kind() {
    netns::run("ipv4_routes_of_every_kind", async {
        links();
        let speaker = Speaker::start().await;
        let heavy = Hop {
            weight: 2,
            ..via("192.0.2.2")
        };
        speaker.want("10.65.0.0/26", KernelRoute::blackhole()).await;
        speaker
            .want("10.65.1.0/26", route(1024, vec![via("192.0.2.2")]))
            .await;
        speaker
            .want(
                "10.65.2.0/26",
                route(1024, vec![heavy, via("198.51.100.2")]),
            )
            .await;
        speaker
            .want(
                "10.65.3.0/26",
                route(7, vec![via("203.0.113.1").dev(dev("eth1")).onlink()]),
            )
            .await;
        speaker
            .want(
                "10.65.4.0/26",
                route(1024, vec![via("fe80::7").dev(dev("eth0"))]),
            )
            .await;
        speaker
            .want("10.65.5.1/32", route(1024, vec![Hop::device(dev("eth0"))]))
            .await;
        speaker
            .want("10.65.6.0/26", KernelRoute::unreachable().with_metric(1))
            .await;
        speaker
            .want("0.0.0.0/0", route(2_147_483_547, vec![via("192.0.2.254")]))
            .await;
        speaker.settled().await;
        let expected = [
            "10.65.1.0/26 via 192.0.2.2 dev eth0 metric 1024",
            "10.65.2.0/26 metric 1024 nexthop via 192.0.2.2 dev eth0 weight 2 nexthop via 198.51.100.2 dev eth1 weight 1",
            "10.65.3.0/26 via 203.0.113.1 dev eth1 metric 7 onlink",
            "10.65.4.0/26 via inet6 fe80::7 dev eth0 metric 1024",
            "10.65.5.1 dev eth0 scope link metric 1024",
            "blackhole 10.65.0.0/26",
            "default via 192.0.2.254 dev eth0 metric 2147483547",
            "unreachable 10.65.6.0/26 metric 1",
        ];
        assert_eq!(shown("-4"), expected);
        remove_all(
            &speaker,
            &[
                "10.65.0.0/26",
                "10.65.1.0/26",
                "10.65.2.0/26",
                "10.65.3.0/26",
            ],
        )
        .await;
        remove_all(
            &speaker,
            &["10.65.4.0/26", "10.65.5.1/32", "10.65.6.0/26", "0.0.0.0/0"],
        )
        .await;
        assert!(shown("-4").is_empty());
    });
}

#[test]
fn ipv4_routes_change() {
    netns::run("ipv4_routes_change", async {
        links();
        let speaker = Speaker::start().await;
        let (a, b) = (|| via("192.0.2.2"), || via("198.51.100.2"));
        let inet6 = || via("fe80::7").dev(dev("eth0"));
        speaker.want("10.65.0.0/26", KernelRoute::blackhole()).await;
        speaker.want("10.65.1.0/26", route(1024, vec![a()])).await;
        speaker
            .want("10.65.2.0/26", route(1024, vec![a(), b()]))
            .await;
        speaker
            .want("10.65.4.0/26", route(1024, vec![inet6()]))
            .await;
        speaker.settled().await;
        speaker
            .want("10.65.0.0/26", KernelRoute::via(vec![a()]))
            .await;
        speaker.want("10.65.1.0/26", route(5, vec![a()])).await;
        speaker.want("10.65.2.0/26", route(1024, vec![b()])).await;
        speaker
            .want("10.65.4.0/26", route(1024, vec![a(), inet6()]))
            .await;
        speaker.settled().await;
        let expected = [
            "10.65.0.0/26 via 192.0.2.2 dev eth0",
            "10.65.1.0/26 via 192.0.2.2 dev eth0 metric 5",
            "10.65.2.0/26 via 198.51.100.2 dev eth1 metric 1024",
            "10.65.4.0/26 metric 1024 nexthop via 192.0.2.2 dev eth0 weight 1 nexthop via inet6 fe80::7 dev eth0 weight 1",
        ];
        assert_eq!(shown("-4"), expected);
        remove_all(
            &speaker,
            &[
                "10.65.0.0/26",
                "10.65.1.0/26",
                "10.65.2.0/26",
                "10.65.4.0/26",
            ],
        )
        .await;
        assert!(shown("-4").is_empty());
        assert_eq!(
            speaker.kernel.status().await.unwrap().scans,
            1,
            "one reading at start was enough"
        );
    });
}

#[test]
fn ipv6_routes_of_every_kind_change() {
    netns::run("ipv6_routes_of_every_kind_change", async {
        links();
        let speaker = Speaker::start().await;
        let (a, b) = (|| via("2001:db8::2"), || via("2001:db8:1::2"));
        speaker
            .want("2001:db8:65::/64", KernelRoute::blackhole())
            .await;
        speaker
            .want("2001:db8:66::/64", KernelRoute::via(vec![a()]))
            .await;
        speaker
            .want("2001:db8:67::/64", route(1024, vec![a(), b()]))
            .await;
        speaker.settled().await;
        let expected = [
            "2001:db8:66::/64 via 2001:db8::2 dev eth0 metric 1024 pref medium",
            "2001:db8:67::/64 metric 1024 pref medium nexthop via 2001:db8::2 dev eth0 weight 1 nexthop via 2001:db8:1::2 dev eth1 weight 1",
            "blackhole 2001:db8:65::/64 dev lo metric 1024 pref medium",
        ];
        assert_eq!(shown("-6"), expected);
        speaker
            .want(
                "2001:db8:65::/64",
                KernelRoute::via(vec![a(), via("2001:db8::3")]),
            )
            .await;
        speaker
            .want("2001:db8:66::/64", KernelRoute::blackhole().with_metric(50))
            .await;
        speaker
            .want("2001:db8:67::/64", route(1025, vec![b()]))
            .await;
        speaker.settled().await;
        let expected = [
            "2001:db8:65::/64 metric 1024 pref medium nexthop via 2001:db8::2 dev eth0 weight 1 nexthop via 2001:db8::3 dev eth0 weight 1",
            "2001:db8:67::/64 via 2001:db8:1::2 dev eth1 metric 1025 pref medium",
            "blackhole 2001:db8:66::/64 dev lo metric 50 pref medium",
        ];
        assert_eq!(shown("-6"), expected);
        remove_all(
            &speaker,
            &["2001:db8:65::/64", "2001:db8:66::/64", "2001:db8:67::/64"],
        )
        .await;
        assert!(shown("-6").is_empty());
    });
}

/// Changes of an installed route as another program sees them: the new one comes before the old one goes, and an equal
/// metric is one step.
/// Promise 11.15.
#[test]
fn a_change_leaves_no_gap() {
    netns::run("a_change_leaves_no_gap", async {
        links();
        let speaker = Speaker::start().await;
        speaker
            .want("10.65.1.0/26", route(9, vec![via("192.0.2.2")]))
            .await;
        speaker.settled().await;
        let (_monitor, mut lines) = monitor();
        // The monitor is ready once it shows a route that we make for it.
        let mut marks = 0..;
        let mut mark = || {
            ip(&format!(
                "route add blackhole 203.0.113.{}/32",
                marks.next().unwrap()
            ))
        };
        let ready = std::thread::spawn(move || {
            lines.find(|line| line.contains("203.0.113."));
            lines
        });
        until("the monitor", || {
            mark();
            ready.is_finished()
        })
        .await;
        let lines = ready.join().unwrap();
        speaker
            .want("10.65.1.0/26", route(9, vec![via("192.0.2.3")]))
            .await;
        speaker.settled().await;
        speaker
            .want("10.65.1.0/26", route(5, vec![via("192.0.2.3")]))
            .await;
        speaker.settled().await;
        ip("route add blackhole 10.99.0.0/16");
        let ours = lines
            .take_while(|line| !line.contains("10.99.0.0/16"))
            .filter(|line| line.contains("10.65."));
        let seen: Vec<String> = ours
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let expected = [
            "10.65.1.0/26 via 192.0.2.3 dev eth0 proto bird metric 9",
            "10.65.1.0/26 via 192.0.2.3 dev eth0 proto bird metric 5",
            "Deleted 10.65.1.0/26 via 192.0.2.3 dev eth0 proto bird metric 9",
        ];
        assert_eq!(seen, expected);
    });
}

/// Ends the process, also when the test fails.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `ip monitor route` and the lines that it prints.
fn monitor() -> (Ended, impl Iterator<Item = String> + Send + 'static) {
    let mut command = Command::new("ip");
    let started = command
        .args(["-4", "monitor", "route"])
        .stdout(Stdio::piped())
        .spawn();
    let mut process = Ended(started.expect("ip (iproute2) starts"));
    let output = process.0.stdout.take().expect("it is piped");
    (
        process,
        BufReader::new(output)
            .lines()
            .map(|line| line.expect("a line of text")),
    )
}

async fn remove_all(speaker: &Speaker, prefixes: &[&str]) {
    for prefix in prefixes {
        speaker.drop_route(prefix).await;
    }
    speaker.settled().await;
}

/// Promise 11.16.
#[test]
fn a_restart_adopts_its_routes_and_sweeps_the_rest() {
    netns::run("a_restart_adopts_its_routes_and_sweeps_the_rest", async {
        links();
        let first = Speaker::start().await;
        let ecmp = || KernelRoute::via(vec![via("192.0.2.2"), via("198.51.100.2")]).with_metric(9);
        let ecmp6 =
            || KernelRoute::via(vec![via("2001:db8::2"), via("2001:db8:1::2")]).with_metric(9);
        for (prefix, route) in [
            ("10.65.0.0/26", KernelRoute::blackhole()),
            ("10.65.1.0/26", ecmp()),
            ("2001:db8:67::/64", ecmp6()),
        ] {
            first.want(prefix, route).await;
        }
        for old in ["10.65.2.0/26", "2001:db8:68::/64"] {
            first.want(old, KernelRoute::blackhole()).await;
        }
        first.settled().await;
        first.stop().await;
        ip("route add blackhole 10.65.9.0/26 proto 4");
        let (before, before6) = (shown("-4"), shown("-6"));
        assert_eq!((before.len(), before6.len()), (3, 2));

        let second = Speaker::start().await;
        assert_eq!(
            (shown("-4"), shown("-6")),
            (before, before6),
            "everything stays during recovery"
        );
        second
            .want("10.65.0.0/26", KernelRoute::via(vec![via("192.0.2.2")]))
            .await;
        second.want("10.65.1.0/26", ecmp()).await;
        second.want("2001:db8:67::/64", ecmp6()).await;
        let status = second.kernel.status().await.unwrap();
        assert_eq!(
            (
                status.wanted,
                status.installed,
                status.unclaimed,
                status.rejected
            ),
            (3, 3, 2, 0)
        );

        second.kernel.finish_recovery().await.unwrap();
        second.settled().await;
        assert_eq!(
            shown("-4"),
            [
                "10.65.0.0/26 via 192.0.2.2 dev eth0",
                "10.65.1.0/26 metric 9 nexthop via 192.0.2.2 dev eth0 weight 1 nexthop via 198.51.100.2 dev eth1 weight 1",
            ]
        );
        assert_eq!(shown("-6").len(), 1);
        assert!(
            ip("route show proto 4").contains("10.65.9.0/26"),
            "not ours"
        );
    });
}

#[test]
fn what_the_last_run_left_is_put_back_before_anything_is_decided() {
    let name = "what_the_last_run_left_is_put_back_before_anything_is_decided";
    netns::run(name, async {
        links();
        let first = Speaker::start().await;
        let ecmp = KernelRoute::via(vec![via("192.0.2.2"), via("198.51.100.2")]).with_metric(9);
        let on_link = Hop::device(dev("eth0"));
        let tunnelled = via("203.0.113.1").dev(dev("eth1")).onlink();
        for (prefix, route) in [
            ("10.65.0.0/26", KernelRoute::blackhole()),
            ("10.65.1.0/26", ecmp),
            ("10.65.2.1/32", route(1024, vec![on_link])),
            ("10.65.3.0/26", route(7, vec![tunnelled])),
            (
                "10.65.4.0/26",
                route(7, vec![via("fe80::7").dev(dev("eth0"))]),
            ),
            (
                "2001:db8:67::/64",
                KernelRoute::via(vec![via("2001:db8::2")]),
            ),
        ] {
            first.want(prefix, route).await;
        }
        first.settled().await;
        first.stop().await;
        let before = (shown("-4"), shown("-6"));
        assert_eq!((before.0.len(), before.1.len()), (5, 1));

        let second = Speaker::start().await;
        ip("-4 route flush proto 12");
        ip("-6 route flush proto 12");
        until("what was flushed", || (shown("-4"), shown("-6")) == before).await;
        second.kernel.finish_recovery().await.unwrap();
        until("the end of what nobody wants", || {
            shown("-4").len() + shown("-6").len() == 0
        })
        .await;
    });
}

/// Promise 11.10.
#[test]
fn removed_altered_and_stray_routes_are_repaired() {
    netns::run("removed_altered_and_stray_routes_are_repaired", async {
        links();
        let speaker = Speaker::start().await;
        speaker.kernel.finish_recovery().await.unwrap();
        let ecmp6 = KernelRoute::via(vec![via("2001:db8::2"), via("2001:db8:1::2")]).with_metric(9);
        speaker
            .want(
                "10.65.0.0/26",
                KernelRoute::via(vec![via("192.0.2.2")]).with_metric(9),
            )
            .await;
        speaker.want("10.65.1.0/26", KernelRoute::blackhole()).await;
        speaker.want("2001:db8:67::/64", ecmp6).await;
        speaker.settled().await;
        let wanted = (shown("-4"), shown("-6"));
        for damage in [
            "route del 10.65.0.0/26 proto 12",
            "route replace 10.65.0.0/26 via 192.0.2.99 metric 9 proto 12",
            "route replace unreachable 10.65.1.0/26 proto 12",
            "route add 10.65.7.0/26 via 192.0.2.2 proto 12",
            "-6 route del 2001:db8:67::/64 via 2001:db8::2 metric 9",
            "-6 route del 2001:db8:67::/64 metric 9",
            "-6 route add blackhole 2001:db8:68::/64 proto 12",
        ] {
            ip(damage);
            assert_ne!((shown("-4"), shown("-6")), wanted, "{damage}");
            until(&format!("repair of {damage}"), || {
                (shown("-4"), shown("-6")) == wanted
            })
            .await;
        }
    });
}

/// Promise 11.9.
#[test]
fn a_route_of_another_owner_stays_and_ours_waits() {
    netns::run("a_route_of_another_owner_stays_and_ours_waits", async {
        links();
        for (family, prefix, gateway) in [
            ("-4", "10.65.0.0/26", "192.0.2.2"),
            ("-6", "2001:db8:67::/64", "2001:db8::2"),
        ] {
            ip(&format!(
                "{family} route add blackhole {prefix} metric 1024 proto 80"
            ));
            let mut speaker = Speaker::start().await;
            speaker
                .want(
                    prefix,
                    KernelRoute::via(vec![via(gateway)]).with_metric(1024),
                )
                .await;
            let rejected = |event: &KernelEvent| {
                let error = InstallError::Occupied { protocol: Some(80) };
                *event
                    == KernelEvent::RouteRejected {
                        prefix: net(prefix),
                        error,
                    }
            };
            speaker.hear_until(rejected).await;
            assert_eq!(speaker.kernel.status().await.unwrap().rejected, 1);
            assert!(shown(family).is_empty());

            ip(&format!(
                "{family} route del blackhole {prefix} metric 1024 proto 80"
            ));
            let cleared = KernelEvent::RejectionCleared {
                prefix: net(prefix),
            };
            speaker.hear_until(|event| *event == cleared).await;
            assert_eq!(shown(family).len(), 1);

            ip(&format!(
                "{family} route add blackhole {prefix} metric 1023 proto 80"
            ));
            speaker.drop_route(prefix).await;
            speaker.settled().await;
            assert!(shown(family).is_empty());
            assert!(
                ip(&format!("{family} route show proto 80"))
                    .contains(prefix.split('/').next().unwrap())
            );
            speaker.stop().await;
        }
    });
}

#[test]
fn a_refused_route_goes_in_when_its_next_hop_becomes_reachable() {
    netns::run(
        "a_refused_route_goes_in_when_its_next_hop_becomes_reachable",
        async {
            links();
            let mut speaker = Speaker::start().await;
            speaker
                .want(
                    "10.65.0.0/26",
                    KernelRoute::via(vec![via("203.0.113.2").dev(Device::name("eth0"))]),
                )
                .await;
            speaker
                .want(
                    "10.65.1.0/26",
                    KernelRoute::via(vec![via("203.0.113.3").dev(Device::name("wg0")).onlink()]),
                )
                .await;
            let status = speaker.kernel.status().await.unwrap();
            assert_eq!((status.wanted, status.rejected), (2, 2));
            let reason = |heard: &[KernelEvent], prefix: &str| {
                let reasons = heard.iter().filter_map(|event| match event {
                    KernelEvent::RouteRejected { prefix: p, error } if *p == net(prefix) => {
                        Some(error.to_string())
                    }
                    _ => None,
                });
                reasons.collect::<Vec<_>>().join("; ")
            };
            speaker.hear_until(|event| matches!(event, KernelEvent::RouteRejected { prefix, .. } if *prefix == net("10.65.1.0/26"))).await;
            if reason(&speaker.heard, "10.65.0.0/26").is_empty() {
                speaker
                    .hear_until(|event| matches!(event, KernelEvent::RouteRejected { .. }))
                    .await;
            }
            assert_eq!(
                reason(&speaker.heard, "10.65.0.0/26"),
                "Network is unreachable (Nexthop has invalid gateway)"
            );
            assert_eq!(
                reason(&speaker.heard, "10.65.1.0/26"),
                "there is no interface wg0"
            );

            ip("addr add 203.0.113.1/24 dev eth0");
            ip("link add wg0 type veth peer name wg0-peer");
            ip("link set wg0 up");
            until("both routes", || shown("-4").len() == 2).await;
            speaker.settled().await;
        },
    );
}

#[test]
fn routes_come_back_after_their_interface() {
    netns::run("routes_come_back_after_their_interface", async {
        links();
        let speaker = Speaker::start().await;
        speaker
            .want(
                "10.65.0.0/26",
                KernelRoute::via(vec![via("192.0.2.2").dev(Device::name("eth0"))]),
            )
            .await;
        let ecmp = KernelRoute::via(vec![via("192.0.2.2"), via("198.51.100.2")]);
        speaker.want("10.65.1.0/26", ecmp).await;
        speaker.settled().await;
        let wanted = shown("-4");
        ip("link set eth0 down");
        assert_ne!(
            shown("-4"),
            wanted,
            "the kernel removes it without an event"
        );
        until("rejection", || {
            !shown("-4")
                .iter()
                .any(|line| line.starts_with("10.65.0.0/26"))
        })
        .await;
        ip("link set eth0 up");
        until("return of both routes", || shown("-4") == wanted).await;
    });
}

/// Promise 11.12.
#[test]
fn foreign_routes_are_learned() {
    netns::run("foreign_routes_are_learned", async {
        links();
        ip("route add 10.1.0.7/32 dev eth0 scope link proto 80");
        ip("route add 169.254.77.0/24 dev eth0 proto 4");
        let mut speaker = Speaker::start().await;
        let learned = |heard: &[KernelEvent]| {
            let mut prefixes: Vec<String> = heard
                .iter()
                .filter_map(|event| match event {
                    KernelEvent::Routes { prefix, routes } => {
                        Some(format!("{prefix} {}", routes.len()))
                    }
                    _ => None,
                })
                .collect();
            prefixes.sort();
            prefixes
        };
        assert_eq!(
            learned(&speaker.heard),
            ["10.1.0.7/32 1"],
            "neither connected nor link-local prefixes"
        );
        let routes_of = |prefix: &'static str, count: usize| move |event: &KernelEvent| matches!(event, KernelEvent::Routes { prefix: p, routes } if *p == net(prefix) && routes.len() == count);
        speaker.heard.clear();
        ip(
            "route add 10.2.0.0/16 metric 5 proto 4 nexthop via 192.0.2.2 weight 3 nexthop via inet6 fe80::7 dev eth1",
        );
        speaker.hear_until(routes_of("10.2.0.0/16", 1)).await;
        let Some(KernelEvent::Routes { routes, .. }) = speaker.heard.last() else {
            panic!("routes")
        };
        assert_eq!((routes[0].metric, routes[0].protocol), (5, 4));
        let ForeignKind::Unicast(hops) = &routes[0].kind else {
            panic!("unicast")
        };
        let hops: Vec<_> = hops
            .iter()
            .map(|h| format!("{} {}", h.gateway.unwrap(), h.interface))
            .collect();
        assert_eq!(hops, ["192.0.2.2 eth0", "fe80::7 eth1"]);

        ip("route add prohibit 10.2.0.0/16 metric 6 proto 4");
        speaker.hear_until(routes_of("10.2.0.0/16", 2)).await;
        ip("route replace blackhole 10.2.0.0/16 metric 5 proto 3");
        speaker
            .hear_until(|event| match event {
                KernelEvent::Routes { routes, .. } => routes
                    .first()
                    .is_some_and(|r| r.kind == ForeignKind::Blackhole),
                _ => false,
            })
            .await;
        ip("route del blackhole 10.2.0.0/16 metric 5");
        speaker.hear_until(routes_of("10.2.0.0/16", 1)).await;
        ip("route flush 10.2.0.0/16");
        speaker.hear_until(routes_of("10.2.0.0/16", 0)).await;
        ip("-6 route add 2001:db8:70::/48 via 2001:db8::2 proto 4");
        speaker.hear_until(routes_of("2001:db8:70::/48", 1)).await;
        ip("link del eth0");
        speaker.hear_until(routes_of("10.1.0.7/32", 0)).await;
    });
}

/// Promise 11.14.
#[test]
fn next_hops_follow_links_and_routes() {
    netns::run("next_hops_follow_links_and_routes", async {
        links();
        let mut speaker = Speaker::start().await;
        let (near, far, own) = (addr("192.0.2.9"), addr("203.0.113.9"), addr("192.0.2.1"));
        assert_eq!(
            &*speaker.resolver.watch(near).unwrap().hops[0].interface,
            "eth0"
        );
        assert_eq!(speaker.resolver.watch(far), None);
        assert_eq!(speaker.resolver.watch(own), None);

        speaker
            .want("203.0.113.0/24", KernelRoute::via(vec![via("192.0.2.2")]))
            .await;
        speaker.settled().await;
        ip("route add default via 198.51.100.254 metric 3");
        let of = |prefix: &'static str| move |event: &KernelEvent| matches!(event, KernelEvent::Routes { prefix: p, .. } if *p == net(prefix));
        speaker.hear_until(of("0.0.0.0/0")).await;
        assert_eq!(speaker.resolver.take_changed(), [far]);
        let resolution = speaker.resolver.resolve(far).unwrap();
        assert_eq!(
            (resolution.metric, resolution.hops[0].gateway),
            (3, Some(addr("198.51.100.254"))),
            "not over our own route"
        );

        ip("link set eth0 down");
        speaker
            .hear_until(|event| {
                *event
                    == KernelEvent::Direct {
                        prefix: net("192.0.2.0/24"),
                        interfaces: Vec::new(),
                    }
            })
            .await;
        assert_eq!(
            speaker.resolver.take_changed(),
            [near],
            "over the default route now"
        );
        ip("link del eth1");
        speaker.hear_until(of("0.0.0.0/0")).await;
        assert_eq!(speaker.resolver.take_changed(), [near, far]);
        assert_eq!(speaker.resolver.resolve(far), None);
        ip("link set eth0 up");
        speaker.hear_until(|event| matches!(event, KernelEvent::Direct { interfaces, .. } if !interfaces.is_empty())).await;
        assert_eq!(speaker.resolver.take_changed(), [near]);
    });
}

/// 10.0.0.0/26 and the following ones.
fn many(count: u32) -> impl Iterator<Item = IpNet> {
    let first = u32::from_be_bytes([10, 0, 0, 0]);
    (0..count).map(move |i| IpNet::new(IpAddr::V4((first + i * 64).into()), 26).unwrap())
}

#[test]
fn a_hundred_thousand_routes_go_in_and_are_swept() {
    netns::run("a_hundred_thousand_routes_go_in_and_are_swept", async {
        const COUNT: u32 = 100_000;
        links();
        let first = Speaker::start().await;
        let start = Instant::now();
        for prefix in many(COUNT) {
            let route = Some(
                KernelRoute::via(vec![via("192.0.2.2").dev(Device::name("eth0"))])
                    .with_metric(1024),
            );
            first
                .kernel
                .change(RouteChange { prefix, route })
                .await
                .unwrap();
        }
        let status = first.kernel.status().await.unwrap();
        println!(
            "installed {} routes in {:?}, {} overruns, {} readings",
            status.installed,
            start.elapsed(),
            status.overruns,
            status.scans
        );
        assert_eq!((status.installed, status.rejected), (COUNT as usize, 0));
        assert_eq!(shown("-4").len(), COUNT as usize);
        first.stop().await;

        let start = Instant::now();
        let second = Speaker::start().await;
        println!("adopted them in {:?}", start.elapsed());
        let start = Instant::now();
        second
            .want(
                "10.0.0.0/26",
                KernelRoute::via(vec![via("192.0.2.2")]).with_metric(1024),
            )
            .await;
        second.kernel.finish_recovery().await.unwrap();
        let status = second.kernel.status().await.unwrap();
        println!(
            "swept {} in {:?}, {} overruns",
            COUNT - 1,
            start.elapsed(),
            status.overruns
        );
        assert_eq!((status.installed, status.unclaimed), (1, 0));
        assert_eq!(
            shown("-4"),
            ["10.0.0.0/26 via 192.0.2.2 dev eth0 metric 1024"]
        );
    });
}

/// Promise 11.11.
#[test]
fn lost_events_lead_to_a_new_reading() {
    netns::run("lost_events_lead_to_a_new_reading", async {
        const COUNT: u32 = 40_000;
        links();
        let mut speaker = Speaker::start().await;
        let batch = std::env::temp_dir().join(format!("bgp-daemon-routes-{}", std::process::id()));
        let lines: String = many(COUNT)
            .map(|prefix| format!("route add blackhole {prefix} proto 4\n"))
            .collect();
        fs::write(&batch, lines).unwrap();
        // The test has one thread, so the kernel task hears nothing until this returns.
        ip(&format!("-batch {}", batch.display()));
        fs::remove_file(&batch).unwrap();
        let mut learned = std::collections::HashSet::new();
        while learned.len() < COUNT as usize {
            speaker
                .hear_until(|event| matches!(event, KernelEvent::Routes { .. }))
                .await;
            if let Some(KernelEvent::Routes { prefix, .. }) = speaker.heard.pop() {
                learned.insert(prefix);
            }
        }
        assert!(
            speaker.kernel.status().await.unwrap().overruns > 0,
            "the buffer was too small for all events"
        );
    });
}

#[test]
fn a_speaker_that_does_not_listen_loses_nothing() {
    netns::run("a_speaker_that_does_not_listen_loses_nothing", async {
        const COUNT: u32 = 5_000; // more than the event channel holds
        links();
        let mut speaker = Speaker::start().await;
        for prefix in many(COUNT) {
            let route = Some(KernelRoute::via(vec![via("203.0.113.2")]));
            speaker
                .kernel
                .change(RouteChange { prefix, route })
                .await
                .unwrap();
        }
        let status = speaker.kernel.status().await.unwrap();
        assert_eq!(
            (status.wanted, status.rejected),
            (COUNT as usize, COUNT as usize)
        );
        let summary = "refused 5000 routes are not in the kernel (5000 such as 10.";
        speaker.wrong(summary).await;
        for _ in 0..COUNT {
            speaker
                .hear_until(|event| matches!(event, KernelEvent::RouteRejected { .. }))
                .await;
        }
        ip("addr add 203.0.113.1/24 dev eth0");
        for _ in 0..COUNT {
            speaker
                .hear_until(|event| matches!(event, KernelEvent::RejectionCleared { .. }))
                .await;
        }
        speaker.settled().await;
        speaker.right_again().await;
    });
}

/// Another descriptor of a netlink socket of this process, and the socket's port.
fn netlink_socket(hears_events: bool) -> (OwnedFd, u32) {
    let sockets = fs::read_to_string("/proc/self/net/netlink").unwrap();
    let found = sockets.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (port, groups, inode) = (fields[2].parse().unwrap(), fields[3], fields[9]);
        let is_it = fields[1] == "0" && port != 0 && (groups != "00000000") == hears_events;
        is_it.then(|| (port, format!("socket:[{inode}]")))
    });
    let (port, link) = found.expect("the kernel task has such a socket");
    let mut descriptors = fs::read_dir("/proc/self/fd").unwrap().map(Result::unwrap);
    let is_it = |entry: &fs::DirEntry| {
        fs::read_link(entry.path()).is_ok_and(|to| to.to_str() == Some(&link))
    };
    let number = descriptors.find(is_it).expect("it is open").file_name();
    let number = number.to_str().unwrap().parse().unwrap();
    let process = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let socket = pidfd_getfd(process, number, PidfdGetfdFlags::empty()).unwrap();
    (socket, port)
}

/// From now on, what the kernel task asks the kernel goes to this port instead.
fn divert_requests(port: u32) {
    let (requests, _) = netlink_socket(false);
    rustix::net::connect(requests, &SocketAddrNetlink::new(port, 0)).unwrap();
}

#[test]
fn netlink_that_fails_or_is_silent_is_opened_anew() {
    netns::run("netlink_that_fails_or_is_silent_is_opened_anew", async {
        links();
        let mut speaker = Speaker::start().await;
        speaker.settled().await;
        let nobody = 1;
        let somebody_who_does_not_answer = netlink_socket(true).1;
        for (i, (port, error)) in [
            (nobody, "netlink netlink fails (Connection refused"),
            (
                somebody_who_does_not_answer,
                "netlink netlink fails (netlink does not answer",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            divert_requests(port);
            speaker
                .want(&format!("10.65.{i}.0/26"), KernelRoute::blackhole())
                .await;
            speaker.wrong(error).await;
            let learned = format!("10.1.0.{i}/32");
            ip(&format!("route add {learned} dev eth0 proto 80"));
            speaker.hear_until(|event| matches!(event, KernelEvent::Routes { prefix, .. } if *prefix == net(&learned))).await;
            speaker.settled().await;
            speaker.right_again().await;
            assert_eq!(shown("-4").len(), i + 1);
            let synced = speaker.heard.iter().filter(|e| **e == KernelEvent::Synced);
            assert_eq!(synced.count(), 1);
        }
    });
}

#[test]
fn netlink_that_cannot_be_opened_holds_nobody_up() {
    netns::run("netlink_that_cannot_be_opened_holds_nobody_up", async {
        const COUNT: u32 = 5_000; // more than the command channel holds
        links();
        let speaker = Speaker::start().await;
        divert_requests(1);
        let limits = getrlimit(Resource::Nofile);
        let none = Rlimit {
            current: Some(3),
            ..limits
        };
        setrlimit(Resource::Nofile, none).unwrap();
        for prefix in many(COUNT) {
            let route = Some(KernelRoute::blackhole());
            let change = RouteChange { prefix, route };
            speaker.kernel.change(change).await.unwrap();
        }
        speaker
            .wrong("netlink netlink fails (Too many open files")
            .await;
        setrlimit(Resource::Nofile, limits).unwrap();
        speaker.settled().await;
        speaker.right_again().await;
        assert_eq!(shown("-4").len(), COUNT as usize);
    });
}

#[test]
fn a_missing_capability_is_named_while_it_is_missing() {
    netns::run("a_missing_capability_is_named_while_it_is_missing", async {
        links();
        let all = capabilities(None).unwrap();
        let few = CapabilitySets {
            effective: all.effective - CapabilitySet::NET_ADMIN,
            ..all
        };
        let wrong = "capability routes cannot be written to the kernel: the process needs the capability CAP_NET_ADMIN";
        set_capabilities(None, few).unwrap();
        let without = Speaker::start().await;
        without.wrong(wrong).await;
        without.stop().await;
        set_capabilities(None, all).unwrap();

        let speaker = Speaker::start().await;
        set_capabilities(None, few).unwrap();
        speaker.want("10.65.0.0/26", KernelRoute::blackhole()).await;
        speaker.wrong(wrong).await;
        set_capabilities(None, all).unwrap();
        speaker.right_again().await;
        speaker.settled().await;
    });
}

//! Scenarios: everything about a simulation that is decided in advance. A seed draws the network, the behaviour of its links, and
//! the times of events. Each seed has its own mix of faults, so that rare combinations occur undisturbed by others.

use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::fault::Action;
use super::filter::Filter;
use super::naive::NaiveRoute;
use super::network::{Network, Terms};
use super::random::Random;
use super::topology::Draft;
use crate::rib::PeerKind;
use crate::session::Stop;
use crate::types::Family;
use crate::wire::attribute::Community;

/// The plan of a simulation.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The source of all randomness.
    pub seed: u64,
    /// The network.
    pub network: Network,
    /// The behaviour of links.
    pub weather: Weather,
    /// Events, with their time since the beginning of their phase. After each phase the network settles and is checked.
    pub phases: Vec<Vec<(Duration, Action)>>,
    /// Some phase makes speakers lose sessions or send NOTIFICATIONs.
    pub faulty: bool,
    /// After the last phase, only KEEPALIVEs may be sent for longer than the hold time.
    pub ends_in_silence: bool,
    /// The speaker's table is checked once per this many events.
    pub look_every: u64,
}

/// The behaviour of links.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Links have between a quarter and five quarters of this latency.
    pub latency: Duration,
    /// Largest additional delay of a single segment.
    pub jitter: Duration,
    /// Largest segment, octets.
    pub chunk: usize,
    /// Octets that may be in flight or unread in one direction of a connection.
    pub window: usize,
    /// Longest time until a speaker hears that octets were taken.
    pub write_delay: Duration,
    /// Most octets that a slow reader reads at a time.
    pub slow_read: usize,
    /// Interval between such reads.
    pub slow_read_interval: Duration,
}

impl Scenario {
    /// The scenario of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let size = draw_size(&mut random);
        let bulky = size <= 4 && random.chance(2);
        let faulty = random.chance(65);
        let hold_time = match size {
            _ if !faulty && random.chance(8) => 0,
            0..=12 => random.pick(&[9, 30, 90]),
            _ => 90,
        };
        let draft = if bulky {
            Draft::circle(&mut random, 3, hold_time)
        } else {
            Draft::draw(&mut random, size, hold_time)
        };
        let delicate = draft.delicate;
        let network = draft.finish(|random, nodes| draw_terms(random, nodes, delicate));
        let weather = draw_weather(&mut random, network.nodes.len(), bulky);
        let script = Script::new(&mut random, &network, faulty, delicate);
        let phases = if bulky {
            script.bulk()
        } else {
            script.phases()
        };
        Self {
            ends_in_silence: hold_time > 0 && random.chance(25),
            look_every: match network.nodes.len() {
                _ if bulky => 1009,
                0..=6 => 3,
                _ => 61,
            },
            seed,
            network,
            weather,
            phases,
            faulty,
        }
    }
}

fn draw_size(random: &mut Random) -> usize {
    match random.below(1000) {
        0..500 => random.within(2..=5),
        500..880 => random.within(4..=12),
        880..985 => random.within(12..=30),
        985..997 => random.within(30..=100),
        _ => random.within(200..=230),
    }
}

fn draw_terms(random: &mut Random, nodes: usize, delicate: bool) -> Terms {
    let transport = if random.chance(80) {
        Family::Ipv4Unicast
    } else {
        Family::Ipv6Unicast
    };
    let families = match random.below(10) {
        0..6 => vec![Family::Ipv4Unicast],
        6 => vec![Family::Ipv6Unicast],
        _ => Family::ALL.to_vec(),
    };
    let restart_time = random.pick(&[20, 60, 120]);
    Terms {
        transport,
        families,
        restart_time: random.chance(60).then_some(restart_time),
        notification_restart: random.chance(50),
        add_path: nodes <= 5 && random.chance(15),
        extended_messages: random.chance(30),
        connect_delay: random.pick(&[
            Duration::ZERO,
            Duration::from_millis(50),
            Duration::from_secs(3),
        ]),
        connect_retry_time: random.pick(&[
            Duration::from_secs(2),
            Duration::from_secs(5),
            Duration::from_secs(120),
        ]),
        idle_hold: (
            Duration::from_secs(1),
            random.pick(&[Duration::from_secs(5), Duration::from_secs(60)]),
        ),
        resolve_next_hops: random.chance(40),
        metrics: !delicate && random.chance(50),
    }
}

fn draw_weather(random: &mut Random, nodes: usize, bulky: bool) -> Weather {
    let millis = Duration::from_millis;
    let crumbs = nodes <= 6 && !bulky && random.chance(20);
    Weather {
        latency: random.pick(&[millis(1), millis(20), millis(300)]),
        jitter: random.pick(&[Duration::ZERO, millis(5), millis(500)]),
        chunk: match (crumbs, bulky) {
            (true, _) => 23,
            (_, true) => 9000,
            _ => random.pick(&[300, 1460, 9000]),
        },
        window: match (crumbs, bulky) {
            (true, _) => 64,
            (_, true) => 65_536,
            _ => random.pick(&[2000, 65_536]),
        },
        write_delay: random.pick(&[Duration::ZERO, millis(2), millis(2000)]),
        slow_read: if bulky {
            20_000
        } else {
            random.pick(&[40, 500])
        },
        slow_read_interval: random.pick(&[millis(20), millis(200)]),
    }
}

/// A script under construction.
struct Script<'a> {
    random: &'a mut Random,
    network: &'a Network,
    faulty: bool,
    delicate: bool,
    prefixes: Vec<IpNet>,
    /// Kinds of faults in this seed.
    kinds: Vec<usize>,
    actions: Vec<(Duration, Action)>,
}

/// Kinds of faults in [`Script::fault`].
const KINDS: usize = 11;

impl<'a> Script<'a> {
    fn new(random: &'a mut Random, network: &'a Network, faulty: bool, delicate: bool) -> Self {
        let most = if network.terms.add_path { 2 } else { 6 };
        let count = random.within(1..=most);
        let prefixes = (0..count)
            .map(|place| prefix(place, random.pick(&network.terms.families)))
            .collect();
        let kinds = (0..KINDS).filter(|_| random.chance(40)).collect();
        Self {
            random,
            network,
            faulty,
            delicate,
            prefixes,
            kinds,
            actions: Vec::new(),
        }
    }

    fn phases(mut self) -> Vec<Vec<(Duration, Action)>> {
        self.begin();
        let large = self.network.nodes.len() > 30;
        if large || self.random.chance(40) {
            self.live();
        }
        let mut phases = vec![std::mem::take(&mut self.actions)];
        for _ in 0..self.random.within(0..=if large { 0 } else { 3 }) {
            self.live();
            phases.push(std::mem::take(&mut self.actions));
        }
        phases
    }

    /// Announces more than fits in flight to a slow neighbour.
    fn bulk(mut self) -> Vec<Vec<(Duration, Action)>> {
        self.begin();
        self.faulty = false;
        let start = std::mem::take(&mut self.actions);
        let reader = self.random.below(self.network.nodes.len());
        self.actions
            .push((Duration::ZERO, Action::ReadSlowly(reader)));
        for place in 0..900 {
            let prefix = prefix(10 + place, self.network.terms.families[0]);
            let number = u32::try_from(place).unwrap_or_default();
            let communities = (0..450).map(|low| number << 12 | low).collect();
            let route = NaiveRoute {
                communities,
                ..NaiveRoute::default()
            };
            let at = self.random.time_up_to(Duration::from_secs(2));
            self.actions
                .push((at, Action::Announce(0, prefix, route.clone())));
            let again = at + self.random.time_up_to(Duration::from_secs(8));
            match self.random.below(4) {
                0 => self.actions.push((again, Action::Withdraw(0, prefix))),
                1 => {
                    let communities = vec![number];
                    let other = NaiveRoute {
                        communities,
                        ..NaiveRoute::default()
                    };
                    self.actions
                        .push((again, Action::Announce(0, prefix, other)));
                }
                2 => {
                    // Changed back before a neighbour may have heard of it.
                    let shortly = again + Duration::from_millis(100);
                    self.actions.push((again, Action::Withdraw(0, prefix)));
                    self.actions
                        .push((shortly, Action::Announce(0, prefix, route)));
                }
                _ => {}
            }
        }
        self.actions
            .push((Duration::from_secs(25), Action::ReadFast(reader)));
        vec![start, self.actions]
    }

    /// All speakers start, and some originate routes.
    fn begin(&mut self) {
        for node in 0..self.network.nodes.len() {
            let at = self.random.time_up_to(Duration::from_secs(4));
            self.actions.push((
                at,
                Action::Boot {
                    node,
                    graceful: false,
                },
            ));
        }
        for prefix in self.prefixes.clone() {
            for _ in 0..self.random.pick(&[1, 1, 1, 2, 3]) {
                let node = self.random.below(self.network.nodes.len());
                self.announce(Duration::ZERO, node, prefix);
            }
        }
    }

    /// A period with changes and, if requested, faults.
    fn live(&mut self) {
        let span = Duration::from_secs(self.random.pick(&[3, 30, 150]));
        let busy = self.network.nodes.len().min(12);
        for _ in 0..self.random.within(1..=2 + busy) {
            let at = self.random.time_up_to(span);
            self.work(at);
        }
        if self.faulty && !self.kinds.is_empty() {
            for _ in 0..self.random.within(1..=1 + busy / 2) {
                let at = self.random.time_up_to(span);
                let kind = self.random.pick(&self.kinds);
                let until = at + Duration::from_millis(1) + self.draw_length();
                self.fault(kind, at, until);
            }
        }
    }

    fn draw_length(&mut self) -> Duration {
        let longest = self.random.pick(&[1, 15, 100, 250]);
        self.random.time_up_to(Duration::from_secs(longest))
    }

    fn announce(&mut self, at: Duration, node: usize, prefix: IpNet) {
        let med = if self.delicate {
            None
        } else {
            self.random.pick(&[None, None, Some(5), Some(7)])
        };
        let communities = match self.random.below(20) {
            0 => vec![Community::NO_EXPORT.0],
            1 => vec![Community::NO_ADVERTISE.0],
            2..6 => vec![self.draw_tag()],
            _ => Vec::new(),
        };
        let origin = self.random.pick(&[0, 0, 0, 1, 2]);
        let local_pref = if self.delicate {
            None
        } else {
            self.random.pick(&[None, None, Some(100), Some(150)])
        };
        let route = NaiveRoute {
            med,
            communities,
            origin,
            local_pref,
            ..NaiveRoute::default()
        };
        self.actions
            .push((at, Action::Announce(node, prefix, route)));
    }

    fn draw_tag(&mut self) -> u32 {
        self.random.pick(&[4_000_001, 4_000_002, 4_000_003])
    }

    /// A change that affects no session.
    fn work(&mut self, at: Duration) {
        let node = self.random.below(self.network.nodes.len());
        let prefix = self.random.pick(&self.prefixes);
        match self.random.below(10) {
            0..4 => self.announce(at, node, prefix),
            4..7 => self.actions.push((at, Action::Withdraw(node, prefix))),
            _ => {
                let (link, side) = self.draw_end();
                let external = self.network.links[link].ends[side].kind == PeerKind::External;
                let mut import = self.draw_filters(None);
                let own = self.network.nodes[self.network.links[link].ends[side].node].asn;
                let mut export = self.draw_filters(external.then(|| Filter::Prepend(vec![own; 2])));
                import.extend(self.network.links[link].ends[side].import.iter().cloned());
                export.extend(self.network.links[link].ends[side].export.iter().cloned());
                self.actions.push((
                    at,
                    Action::Configure {
                        link,
                        side,
                        import,
                        export,
                    },
                ));
            }
        }
    }

    fn draw_end(&mut self) -> (usize, usize) {
        (
            self.random.below(self.network.links.len()),
            self.random.below(2),
        )
    }

    fn draw_filters(&mut self, prepend: Option<Filter>) -> Vec<Filter> {
        let mut filters = Vec::new();
        if self.random.chance(30) {
            let prefixes = self.prefixes.clone();
            filters.push(Filter::RejectPrefixes(
                prefixes
                    .into_iter()
                    .filter(|_| self.random.chance(50))
                    .collect(),
            ));
        }
        if self.random.chance(30) {
            filters.push(Filter::RejectTagged(self.draw_tag()));
        }
        if self.random.chance(30) {
            filters.push(Filter::Tag(self.draw_tag()));
        }
        if self.random.chance(5) {
            filters.push(Filter::Reject);
        }
        filters.extend(prepend.filter(|_| self.random.chance(40)));
        filters
    }

    /// A fault from `at` until `until`.
    fn fault(&mut self, kind: usize, at: Duration, until: Duration) {
        let node = self.random.below(self.network.nodes.len());
        let (link, side) = self.draw_end();
        let graceful = self.random.chance(60);
        let (begin, end) = match kind {
            0 => (Action::Crash(node), Action::Boot { node, graceful }),
            1 => (Action::PowerLoss(node), Action::Boot { node, graceful }),
            2 => (
                Action::Leave(node),
                Action::Boot {
                    node,
                    graceful: true,
                },
            ),
            3 => (Action::Stall { link, side }, Action::Heal(link)),
            4 => (Action::Refuse(link), Action::Admit(link)),
            5 => (Action::Break(link), Action::Break(link)),
            6 => (Action::Corrupt(link), Action::Break(link)),
            7 => (Action::Remove { link, side }, Action::Add { link, side }),
            8 => (
                Action::Stop {
                    link,
                    side,
                    why: self.draw_stop(),
                },
                Action::Start { link, side },
            ),
            9 => (Action::ReadSlowly(node), Action::ReadFast(node)),
            _ => {
                let secs = self.random.pick(&[9, 30, 90]);
                (Action::Break(link), Action::HoldTime { link, side, secs })
            }
        };
        self.actions.push((at, begin));
        self.actions.push((until, end));
    }

    fn draw_stop(&mut self) -> Stop {
        match self.random.below(4) {
            0 => Stop::Shutdown(Some("maintenance".to_owned())),
            1 => Stop::Reset(None),
            2 => Stop::BfdDown,
            _ => Stop::Shutdown(None),
        }
    }
}

/// The prefixes of routes.
fn prefix(place: usize, family: Family) -> IpNet {
    let number = u16::try_from(place).unwrap_or_default();
    let [high, low] = number.to_be_bytes();
    match family {
        Family::Ipv4Unicast => Ipv4Net::new_assert([100, 64 + high, low, 0].into(), 24).into(),
        Family::Ipv6Unicast => {
            Ipv6Net::new_assert([0x2001, 0xdb8, number, 0, 0, 0, 0, 0].into(), 48).into()
        }
    }
}

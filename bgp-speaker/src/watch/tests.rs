//! Replaying a watch gives the same result as a query.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bgp_core::policy::{Action, Policy, Rule, Verdict};
use bgp_core::rib::{Input, LocalRoute, Output, PeerConfig, PeerUp, Rib, RibConfig, RouteSource};
use bgp_core::types::{Asn, PathId, PeerId, PerFamily, RouterId};
use bgp_core::wire::attribute::{AsPath, Community};
use bgp_core::wire::update::{encode_reachable, encode_unreachable};
use bgp_core::wire::{AttributeView, Attributes, Context, Message, NextHop, frame};
use bytes::BytesMut;
use ipnet::{IpNet, Ipv4Net};
use proptest::prelude::*;

use super::hub::{Hub, MOST_WAITING};
use super::*;
use crate::routes::Routes;
use crate::table::Table;

const VIEWS: [View; 4] = [View::Received, View::Accepted, View::Best, View::Told];
const PEERS: u32 = 3;
const PREFIXES: u8 = 8;

type Key = (View, IpNet, RouteSource, Option<PeerId>, PathId);

/// A running table, and a watch on it.
struct Scene {
    routes: Routes,
    watch: Watch,
    filter: Filter,
    mirror: BTreeMap<Key, Arc<ViewedRoute>>,
    snapshots: usize,
    lagged: u64,
    told: usize,
    up: [bool; PEERS as usize],
}

fn prefix(number: u8) -> Ipv4Net {
    Ipv4Net::new([10, number, 0, 0].into(), 16).expect("a prefix")
}

fn address(peer: u32) -> std::net::Ipv4Addr {
    [192, 0, 2, 1 + u8::try_from(peer).expect("few peers")].into()
}

fn config(peer: u32, import: Policy) -> Input {
    let mut config = PeerConfig::new(Asn(64512), address(peer).into(), Asn(65000 + peer));
    config.import = Arc::new(import);
    config.export = Arc::new(Policy::ACCEPT);
    Input::Configure {
        peer: PeerId(peer),
        config: Arc::new(config),
    }
}

fn context() -> Context {
    Context {
        four_octet_as: true,
        external: true,
        ..Context::default()
    }
}

/// A policy that depends on `variant`.
fn policy(variant: u32) -> Policy {
    let mark = Rule::new("mark").then(Action::AddCommunity(Community(variant)));
    match variant {
        0 => Policy::ACCEPT,
        1 => Policy::REJECT,
        _ => Policy::new([mark], Verdict::Accept),
    }
}

fn update(peer: u32, octets: &mut BytesMut) -> Input {
    let context = context();
    let frame = frame::take(octets, context.max_receive_len).expect("well formed");
    let message = Message::decode(frame.expect("whole"), &context).expect("well formed");
    let Message::Update(update) = message else {
        panic!("no UPDATE");
    };
    let peer = PeerId(peer);
    Input::Update { peer, update }
}

fn announce(peer: u32, number: u8, path: &[u32]) -> Input {
    let attributes = Attributes {
        as_path: AsPath::sequence(path.iter().map(|asn| Asn(*asn))),
        ..Attributes::default()
    };
    let (mut canonical, mut octets) = (Vec::new(), BytesMut::new());
    attributes.encode_canonical(&mut canonical);
    let view = AttributeView::new(&canonical);
    let next_hop = NextHop::V4(address(peer));
    let routes = [(PathId(0), prefix(number))];
    encode_reachable(&context(), view, next_hop, &routes, &mut octets).expect("short");
    update(peer, &mut octets)
}

fn withdraw(peer: u32, number: u8) -> Input {
    let mut octets = BytesMut::new();
    encode_unreachable(&context(), &[(PathId(0), prefix(number))], &mut octets);
    update(peer, &mut octets)
}

impl Scene {
    async fn new(filter: Filter) -> Self {
        let rib = Rib::new(RibConfig::new(RouterId::from_bits(1)), Instant::now(), 7);
        let (table, sender) = Table::new(rib, None, None);
        tokio::spawn(table.run());
        let routes = Routes::new(sender);
        let peers = (0..PEERS).map(|peer| config(peer, Policy::ACCEPT));
        routes.tell(peers.collect()).await.expect("it runs");
        let watch = routes.watch(filter.clone()).await.expect("it runs");
        Self {
            routes,
            watch,
            filter,
            mirror: BTreeMap::new(),
            snapshots: 0,
            lagged: 0,
            told: 0,
            up: [false; PEERS as usize],
        }
    }

    async fn tell(&self, input: Input) {
        self.routes.tell(vec![input]).await.expect("it runs");
    }

    async fn peer(&mut self, peer: u32, up: bool) {
        if std::mem::replace(&mut self.up[peer as usize], up) == up {
            return;
        }
        let peer = PeerId(peer);
        let mut settings = PeerUp::new(RouterId(address(peer.0)), context());
        settings.own_next_hop.ipv4 = Some(NextHop::V4([192, 0, 2, 254].into()));
        settings.sends_end_of_rib = true;
        self.tell(match up {
            true => Input::Up {
                peer,
                up: settings,
                preserved: PerFamily::default(),
            },
            false => Input::Down {
                peer,
                keep_stale: PerFamily::default(),
            },
        })
        .await;
    }

    /// Takes at most this many items, and no more than are available now.
    async fn read(&mut self, most: usize) {
        for _ in 0..most {
            let routes = self.routes.clone();
            let idle = async {
                for _ in 0..8 {
                    routes.look(|_| ()).await.expect("it runs");
                }
            };
            // The future is dropped halfway, again and again.
            let watched = tokio::select! {
                biased;
                watched = self.watch.next() => watched.expect("it runs"),
                () = idle => return,
            };
            self.take(watched);
        }
    }

    /// Takes all items, until the watch waits and the table has nothing for it.
    async fn settle(&mut self) {
        loop {
            let told = self.told;
            self.read(usize::MAX).await;
            let waits = matches!(self.watch.step, Step::Follow) && self.watch.asked.is_some();
            if waits && told == self.told {
                return;
            }
        }
    }

    fn take(&mut self, watched: Watched) {
        self.told += 1;
        match watched {
            Watched::Route { view, route } => {
                assert_eq!(self.snapshots, 0);
                self.replace(view, None, Some(route));
            }
            Watched::SnapshotEnd => self.snapshots += 1,
            Watched::Change(change) => {
                assert!(change.old.is_some() || change.new.is_some());
                self.replace(change.view, change.old, change.new);
            }
            Watched::Lagged(count) => {
                assert!(count > 0);
                self.lagged += count;
            }
        }
    }

    fn replace(
        &mut self,
        view: View,
        old: Option<Arc<ViewedRoute>>,
        new: Option<Arc<ViewedRoute>>,
    ) {
        if let Some(old) = old {
            let known = self.mirror.remove(&key(view, &old));
            assert!(known.is_some_and(|known| known.is_same_route(&old)));
        }
        if let Some(new) = new {
            assert!(self.mirror.insert(key(view, &new), new).is_none());
        }
    }

    /// The result of asking.
    async fn asked(&self) -> BTreeMap<Key, ViewedRoute> {
        let mut asked = BTreeMap::new();
        for query in self.filter.queries() {
            let mut from = Some(Cursor::START);
            while let Some(cursor) = from {
                let page = self.routes.ask(query.clone(), cursor, 3).await;
                let page = page.expect("it runs");
                let routes = page.routes.into_iter();
                asked.extend(routes.map(|route| (key(query.view, &route), route)));
                from = page.next;
            }
        }
        asked
    }
}

fn key(view: View, route: &ViewedRoute) -> Key {
    (view, route.prefix, route.source, route.to, route.path_id)
}

#[derive(Clone, Debug)]
enum Event {
    Announce(u32, u8, u32),
    Withdraw(u32, u8),
    Originate(u8, u32),
    Forget(u8),
    Peer(u32, bool),
    Policy(u32, u32),
    Read(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let (peer, number) = (0..PEERS, 0..PREFIXES);
    prop_oneof![
        8 => (peer.clone(), number.clone(), 1u32..4).prop_map(|(peer, number, asn)| Event::Announce(peer, number, asn)),
        3 => (peer.clone(), number.clone()).prop_map(|(peer, number)| Event::Withdraw(peer, number)),
        1 => (number.clone(), 0u32..3).prop_map(|(number, med)| Event::Originate(number, med)),
        1 => number.prop_map(Event::Forget),
        3 => (peer.clone(), any::<bool>()).prop_map(|(peer, up)| Event::Peer(peer, up)),
        1 => (peer, 0u32..3).prop_map(|(peer, variant)| Event::Policy(peer, variant)),
        4 => (0usize..6).prop_map(Event::Read),
    ]
}

async fn play(scene: &mut Scene, event: &Event) {
    match *event {
        Event::Announce(peer, number, asn) => scene.tell(announce(peer, number, &[asn])).await,
        Event::Withdraw(peer, number) => scene.tell(withdraw(peer, number)).await,
        Event::Originate(number, med) => {
            let mut route = LocalRoute::default();
            route.attributes = Attributes {
                med: Some(med),
                ..Attributes::default()
            };
            let announced = Input::announce(prefix(number).into(), route);
            scene.tell(announced).await;
        }
        Event::Forget(number) => {
            let prefix = prefix(number).into();
            scene.tell(Input::Withdraw { prefix, id: 0 }).await;
        }
        Event::Peer(peer, up) => scene.peer(peer, up).await,
        Event::Policy(peer, variant) => scene.tell(config(peer, policy(variant))).await,
        Event::Read(most) => scene.read(most).await,
    }
}

fn filter() -> impl Strategy<Value = Filter> {
    let views = prop::sample::subsequence(VIEWS.to_vec(), 1..=VIEWS.len());
    let narrow = prop_oneof![
        3 => Just(None),
        1 => (0..PEERS).prop_map(Some),
    ];
    let within = prop_oneof![
        3 => Just("0.0.0.0/0"),
        1 => Just("10.4.0.0/14"),
    ];
    (views, narrow, within).prop_map(|(views, peer, within)| {
        let filter = Filter::of(views).within(within.parse().expect("a prefix"));
        match peer {
            Some(peer) => filter.of_peer(PeerId(peer)),
            None => filter,
        }
    })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_replayed_watch_is_what_asking_finds(
        filter in filter(),
        before in prop::collection::vec(event(), 0..30),
        events in prop::collection::vec(event(), 0..100),
    ) {
        run(async {
            let mut scene = Scene::new(filter.clone()).await;
            for event in &before {
                play(&mut scene, event).await;
            }
            for event in &events {
                play(&mut scene, event).await;
            }
            scene.settle().await;
            let asked = scene.asked().await;
            assert_eq!(scene.snapshots, 1);
            assert!(scene.mirror.keys().eq(asked.keys()), "{:#?}\n{asked:#?}", scene.mirror);
            let same = |(one, other): (&Arc<ViewedRoute>, &ViewedRoute)| one.is_same_route(other);
            assert!(scene.mirror.values().zip(asked.values()).all(same));
        });
    }
}

#[test]
fn who_is_slow_is_told_so_and_the_newest_state() {
    run(async {
        let mut scene = Scene::new(Filter::of([View::Best])).await;
        scene.settle().await;
        assert_eq!((scene.snapshots, scene.told), (1, 1));
        scene.peer(0, true).await;
        for asn in 1..=3 {
            scene.tell(announce(0, 1, &[asn])).await;
            // Each step is decided separately.
            scene.routes.look(|_| ()).await.expect("it runs");
        }
        scene.settle().await;
        assert!((1..=2).contains(&scene.lagged), "{}", scene.lagged);
        let best = scene.mirror.values().next().expect("one is there");
        assert_eq!(best.attributes.as_path, AsPath::sequence([Asn(3)]));
        let lagged = scene.lagged;
        for number in 0..u8::try_from(MOST_WAITING + 2).expect("few") {
            scene.tell(announce(0, number, &[9])).await;
        }
        scene.settle().await;
        assert!(scene.lagged > lagged);
        assert_eq!(scene.mirror.len(), MOST_WAITING + 2);
    });
}

#[test]
fn nothing_is_named_once_the_last_watch_has_gone() {
    let now = Instant::now();
    let mut rib = Rib::new(RibConfig::new(RouterId::from_bits(1)), now, 7);
    let mut hub = Hub::new(&mut rib, false);
    let named = |rib: &mut Rib, number| {
        let announced = Input::announce(prefix(number).into(), LocalRoute::default());
        rib.handle(now, announced);
        let outputs = std::iter::from_fn(|| rib.poll_output());
        let named = |output: &Output| *output == Output::Changed(prefix(number).into());
        outputs.filter(named).count()
    };
    assert_eq!(named(&mut rib, 1), 0);
    let alive = Arc::new(());
    let begin = WatchRequest::Begin {
        filter: Filter::of(VIEWS),
        alive: Arc::downgrade(&alive),
        reply: oneshot::channel().0,
    };
    hub.handle(&mut rib, begin);
    hub.answer(&mut rib);
    assert_eq!(named(&mut rib, 2), 1);
    drop(alive);
    hub.answer(&mut rib);
    assert_eq!(named(&mut rib, 3), 0);
}

#[test]
fn a_watch_ends_with_the_speaker() {
    run(async {
        let rib = Rib::new(RibConfig::new(RouterId::from_bits(1)), Instant::now(), 7);
        let (table, sender) = Table::new(rib, None, None);
        let running = tokio::spawn(table.run());
        let routes = Routes::new(sender);
        let mut watch = routes.watch(Filter::of(VIEWS)).await.expect("it runs");
        assert!(matches!(watch.next().await, Some(Watched::SnapshotEnd)));
        running.abort();
        assert!(watch.next().await.is_none());
    });
}

//! Features for embedders, with BIRD and GoBGP on the other end of the session: dynamic peers, connections opened by the owner,
//! the tap, one desired state after the other, hooks, attributes for single peers.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

#[allow(dead_code, reason = "not every helper is needed")]
mod bird;
mod gobgp;
mod netns;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bgp_core::policy::{Answer, Hook, Policy, RouteView, Rule, Verdict};
use bgp_core::rib::{LocalRoute, RouteSource};
use bgp_core::session::State;
use bgp_core::types::{Asn, RouterId};
use bgp_core::wire::attribute::Community;
use bgp_core::wire::{Attributes, MessageType};
use bgp_speaker::connect::Dial;
use bgp_speaker::dynamic::{Admission, DynamicPeers, PeerRange};
use bgp_speaker::tap::{DecisionEvent, Flow, MessageEvent, StateEvent, Subscriber};
use bgp_speaker::{Desired, Environment, Event, PeerSpec, Shutdown, Speaker, SpeakerConfig};
use bird::Bird;
use gobgp::GoBgp;
use ipnet::IpNet;
use tokio::sync::broadcast;

const OURS: &str = "203.0.113.0/24";
const THEIRS: &str = "198.51.100.0/24";
const MARK: Community = Community(65002 << 16 | 7);

/// A router in AS 65001 at 10.0.0.1, whose BGP port is 1790; the speaker is in AS 65002 at 10.0.0.2, and listens on 1791.
enum Router {
    Bird(Bird),
    GoBgp(GoBgp),
}

#[derive(Clone, Copy)]
enum Kind {
    Bird,
    GoBgp,
}

impl Kind {
    fn is_installed(self) -> bool {
        match self {
            Self::Bird => Bird::is_installed(),
            Self::GoBgp => GoBgp::is_installed(),
        }
    }

    /// One that dials, or waits for us.
    async fn start(self, dials: bool) -> Router {
        match self {
            Self::Bird => Router::Bird(Bird::start(&bird_config(dials))),
            Self::GoBgp => {
                let gobgp = GoBgp::start(&gobgp_config(dials)).await;
                gobgp.ask(&format!("global rib add {THEIRS} -a ipv4"));
                Router::GoBgp(gobgp)
            }
        }
    }
}

fn bird_config(dials: bool) -> String {
    let passive = if dials { "" } else { "passive;" };
    format!(
        "
router id 10.0.0.1;
timeformat protocol iso long ms;
protocol device {{}}
protocol static {{ ipv4; route {THEIRS} blackhole; }}
protocol bgp ours {{
    local 10.0.0.1 port 1790 as 65001;
    neighbor 10.0.0.2 port 1791 as 65002;
    multihop;
    connect delay time 1;
    connect retry time 1;
    {passive}
    ipv4 {{ import all; export where source = RTS_STATIC; }};
}}
"
    )
}

fn gobgp_config(dials: bool) -> String {
    let (passive, port) = match dials {
        true => ("false", "-1"),
        false => ("true", "1790"),
    };
    format!(
        "
[global.config]
as = 65001
router-id = \"10.0.0.1\"
port = {port}
[[neighbors]]
[neighbors.config]
neighbor-address = \"10.0.0.2\"
peer-as = 65002
[neighbors.transport.config]
local-address = \"10.0.0.1\"
remote-port = 1791
passive-mode = {passive}
[neighbors.timers.config]
connect-retry = 1
idle-hold-time-after-reset = 1
[neighbors.ebgp-multihop.config]
enabled = true
multihop-ttl = 64
[[neighbors.afi-safis]]
[neighbors.afi-safis.config]
afi-safi-name = \"ipv4-unicast\"
"
    )
}

impl Router {
    /// Waits until it has our route with a community.
    async fn has(&self, prefix: &str, community: Community) {
        let Community(number) = community;
        let (high, low) = (number >> 16, number & 0xffff);
        match self {
            Self::Bird(bird) => {
                let question = format!("show route all {prefix}");
                bird.says(&question, &format!("({high},{low})")).await
            }
            Self::GoBgp(gobgp) => {
                let question = format!("global rib {prefix} -a ipv4");
                gobgp.says(&question, &format!("{high}:{low}")).await
            }
        };
    }

    /// What is another one for each session.
    fn session(&self) -> String {
        match self {
            Self::Bird(bird) => {
                let shown = bird.ask("show protocols ours");
                let line = shown.lines().find(|line| line.contains("Established"));
                line.unwrap().to_owned()
            }
            Self::GoBgp(gobgp) => {
                let shown = gobgp.ask("-j neighbor 10.0.0.2");
                let uptime = shown.split("\"uptime\"").nth(1).unwrap();
                uptime.chars().take(40).collect()
            }
        }
    }

    /// Waits until it reports that the session has ended because we closed it.
    async fn heard_the_end(&self) {
        match self {
            Self::Bird(bird) => {
                let wanted = "Received: Administrative shutdown";
                bird.says("show protocols all ours", wanted).await
            }
            Self::GoBgp(gobgp) => gobgp.says("neighbor 10.0.0.2", "BGP state = ACTIVE").await,
        };
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn marked() -> LocalRoute {
    let attributes = Attributes {
        communities: vec![MARK],
        ..Attributes::default()
    };
    let mut route = LocalRoute::default();
    route.attributes = attributes;
    route
}

fn config() -> SpeakerConfig {
    SpeakerConfig::new(Asn(65002), RouterId([10, 0, 0, 2].into()))
}

fn spec(remote: &str, import: Policy) -> PeerSpec {
    let mut spec = PeerSpec::new(remote.parse().unwrap(), Asn(65001))
        .with_policies(Arc::new(import), Arc::new(Policy::ACCEPT));
    spec.source = Some([10, 0, 0, 2].into());
    spec.connect_retry_time = Duration::from_secs(1);
    spec
}

async fn listen(speaker: &Speaker) {
    let addresses = vec!["10.0.0.2:1791".parse().unwrap()];
    speaker.listen(addresses).await.unwrap();
}

async fn up(events: &mut broadcast::Receiver<Event>) -> Arc<str> {
    loop {
        if let Event::Up { peer, .. } = events.recv().await.unwrap() {
            return peer;
        }
    }
}

/// Waits until something holds.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    while !holds().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn run(name: &str, kind: Kind, body: impl Future<Output = ()>) {
    if !kind.is_installed() {
        return netns::skip::skip("no such router");
    }
    netns::run(name, async {
        for address in ["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"] {
            netns::ip(&format!("address add {address} dev lo"));
        }
        body.await;
    });
}

/// A prefix and its best route.
type Decided = (IpNet, Option<(RouteSource, Attributes)>);

/// Writes down what it sees.
#[derive(Default)]
struct Recorder {
    messages: Mutex<Vec<(Flow, MessageType, bool)>>,
    states: Mutex<Vec<State>>,
    decisions: Mutex<Vec<Decided>>,
}

impl Subscriber for Recorder {
    fn message(&self, message: &MessageEvent<'_>) {
        assert_eq!(&**message.peer.name, "10.0.0.1");
        let kind = MessageType(message.octets[18]);
        let seen = (message.flow, kind, message.negotiated.is_some());
        self.messages.lock().unwrap().push(seen);
    }

    fn state(&self, change: &StateEvent<'_>) {
        self.states.lock().unwrap().push(change.new);
    }

    fn wants_decisions(&self) -> bool {
        true
    }

    fn decision(&self, decision: &DecisionEvent<'_>) {
        let best = decision.best;
        let best = best.map(|best| (best.source, Attributes::clone(&best.attributes)));
        let mut decisions = self.decisions.lock().unwrap();
        decisions.push((decision.prefix, best));
    }
}

/// The router connects, the owner decides, and all messages and decisions are observed.
async fn a_dynamic_peer_is_tapped(kind: Kind) {
    let seen = Arc::new(Recorder::default());
    let environment = Environment::default().with_subscriber(seen.clone());
    let speaker = Speaker::start_in(config(), environment);
    let peers = DynamicPeers::new(|candidate| match candidate.peer_as() {
        Asn(65001) => {
            let accept = Arc::new(Policy::ACCEPT);
            let spec = PeerSpec::new(candidate.remote, candidate.peer_as());
            Admission::accept(spec.with_policies(Arc::clone(&accept), accept))
        }
        _ => Admission::BAD_PEER_AS,
    });
    let peers = peers.with_range(net("10.0.0.0/24"), PeerRange::default());
    speaker.accept_dynamic_peers(peers).await.unwrap();
    let mut events = speaker.events();
    let routes = speaker.routes();
    routes.announce(net(OURS), marked()).await.unwrap();
    listen(&speaker).await;
    let router = kind.start(true).await;

    assert_eq!(&*up(&mut events).await, "10.0.0.1");
    router.has(OURS, MARK).await;
    let is_theirs = |(prefix, best): &Decided| {
        *prefix == net(THEIRS)
            && best.as_ref().is_some_and(|(source, attributes)| {
                matches!(source, RouteSource::Peer(..)) && attributes.as_path.to_string() == "65001"
            })
    };
    until(async || seen.decisions.lock().unwrap().iter().any(is_theirs)).await;

    speaker.shutdown(Shutdown::Cease(None)).await;
    router.heard_the_end().await;
    let states = seen.states.lock().unwrap().clone();
    let way = [
        State::OpenSent,
        State::OpenConfirm,
        State::Established,
        State::Idle,
    ];
    assert_eq!(states[states.len() - way.len()..], way);
    let messages = seen.messages.lock().unwrap().clone();
    for flow in [Flow::Received, Flow::Sent] {
        let of_flow = messages.iter().filter(|(seen, ..)| *seen == flow);
        let kinds: Vec<_> = of_flow.map(|(_, kind, agreed)| (*kind, *agreed)).collect();
        assert_eq!(kinds[0], (MessageType::OPEN, false));
        for wanted in [MessageType::KEEPALIVE, MessageType::UPDATE] {
            assert!(kinds.contains(&(wanted, true)), "{kinds:?}");
        }
    }
    let last = (Flow::Sent, MessageType::NOTIFICATION, true);
    assert_eq!(messages.last(), Some(&last));
}

#[test]
fn bird_as_a_dynamic_peer_is_tapped() {
    run(
        "bird_as_a_dynamic_peer_is_tapped",
        Kind::Bird,
        a_dynamic_peer_is_tapped(Kind::Bird),
    );
}

#[test]
fn gobgp_as_a_dynamic_peer_is_tapped() {
    run(
        "gobgp_as_a_dynamic_peer_is_tapped",
        Kind::GoBgp,
        a_dynamic_peer_is_tapped(Kind::GoBgp),
    );
}

/// One state after the other: the report, the dry run and the router agree on what is a new session.
async fn a_soft_change_is_no_new_session(kind: Kind) {
    let router = kind.start(false).await;
    let speaker = Speaker::start(config(), None);
    let mut events = speaker.events();
    let mut desired = Desired::default();
    desired.peers.insert(
        "router".into(),
        spec("10.0.0.1:1790", Policy::ACCEPT).into(),
    );
    desired.routes.insert((net(OURS), 0), marked());
    let report = speaker.apply(desired.clone()).await.unwrap();
    assert_eq!((report.added.len(), report.announced), (1, 1));
    up(&mut events).await;
    router.has(OURS, MARK).await;
    let session = router.session();

    let peer = Arc::make_mut(desired.peers.get_mut("router").unwrap());
    peer.import = Some(Arc::new(Policy::REJECT));
    peer.max_prefixes.ipv4 = Some(10);
    let second = "203.0.112.0/24";
    desired.routes.insert((net(second), 0), marked());
    let foreseen = speaker.compare(&desired).await.unwrap();
    let report = speaker.apply(desired.clone()).await.unwrap();
    assert_eq!(report, foreseen);
    let soft = ("router".into(), vec!["import", "max_prefixes"]);
    assert_eq!((&report.changed[..], report.announced), (&[soft][..], 1));
    assert!(report.restarted.is_empty());
    router.has(second, MARK).await;
    let is_used = async || {
        let prefix = net(THEIRS);
        let best = speaker.routes().look(move |rib| rib.best(prefix)).await;
        best.unwrap().is_some()
    };
    until(async || !is_used().await).await;
    assert_eq!(router.session(), session);
    assert!(
        events.try_recv().is_err(),
        "nothing happened to the session"
    );
    assert!(speaker.apply(desired.clone()).await.unwrap().is_empty());

    let peer = Arc::make_mut(desired.peers.get_mut("router").unwrap());
    peer.hold_time = Duration::from_secs(30);
    let foreseen = speaker.compare(&desired).await.unwrap();
    let report = speaker.apply(desired).await.unwrap();
    assert_eq!(report, foreseen);
    assert_eq!(report.restarted, [("router".into(), vec!["hold_time"])]);
    assert!(matches!(events.recv().await.unwrap(), Event::Down { .. }));
    let Event::Up { negotiated, .. } = events.recv().await.unwrap() else {
        panic!("it comes up again");
    };
    assert_eq!(negotiated.hold_time, Duration::from_secs(30));
    router.has(second, MARK).await;
    assert_ne!(router.session(), session);
    speaker.shutdown(Shutdown::Hard).await;
}

#[test]
fn a_soft_change_is_no_new_session_for_bird() {
    run(
        "a_soft_change_is_no_new_session_for_bird",
        Kind::Bird,
        a_soft_change_is_no_new_session(Kind::Bird),
    );
}

#[test]
fn a_soft_change_is_no_new_session_for_gobgp() {
    run(
        "a_soft_change_is_no_new_session_for_gobgp",
        Kind::GoBgp,
        a_soft_change_is_no_new_session(Kind::GoBgp),
    );
}

/// The owner accepts a connection that BIRD dialled, and dials one that BIRD accepts.
#[test]
fn connections_of_the_owner_s_carry_sessions_with_bird() {
    let body = async {
        let speaker = Speaker::start(config(), None);
        let mut events = speaker.events();
        let mut peer = spec("10.0.0.1:1790", Policy::ACCEPT);
        peer.passive = true;
        speaker.configure_peer("bird", peer).await.unwrap();
        let routes = speaker.routes();
        routes.announce(net(OURS), marked()).await.unwrap();
        let listener = tokio::net::TcpListener::bind("10.0.0.2:1791")
            .await
            .unwrap();
        let bird = Kind::Bird.start(true).await;
        let (accepted, _) = listener.accept().await.unwrap();
        speaker.handle_stream(accepted).await.unwrap();
        up(&mut events).await;
        bird.has(OURS, MARK).await;
        drop((bird, listener));
        while !matches!(events.recv().await.unwrap(), Event::Down { .. }) {}

        let bird = Kind::Bird.start(false).await;
        let mut dial = Dial::new("10.0.0.1:1790".parse().unwrap());
        dial.source = Some([10, 0, 0, 2].into());
        let dialled = loop {
            match dial.connect().await {
                Ok(dialled) => break dialled,
                // It is still starting.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        speaker.handle_stream(dialled).await.unwrap();
        up(&mut events).await;
        bird.has(OURS, MARK).await;
        speaker.shutdown(Shutdown::Cease(None)).await;
        bird.heard_the_end().await;
    };
    run(
        "connections_of_the_owner_s_carry_sessions_with_bird",
        Kind::Bird,
        body,
    );
}

/// Lets routes pass, or not.
#[derive(Default)]
struct Gate(AtomicBool);

impl Hook for Gate {
    fn decide(&self, _: &RouteView<'_>) -> Answer {
        match self.0.load(Ordering::Relaxed) {
            true => Answer::Next,
            false => Answer::Reject("the gate is shut".into()),
        }
    }
}

/// In both directions, and each time without a new session.
#[test]
fn a_hook_decides_on_routes_of_and_for_bird() {
    let body = async {
        let bird = Kind::Bird.start(false).await;
        let speaker = Speaker::start(config(), None);
        let mut events = speaker.events();
        let gate = Arc::new(Gate::default());
        let policy = Policy::new([Rule::new("gate").ask(gate.clone())], Verdict::Accept);
        let mut peer = spec("10.0.0.1:1790", policy.clone());
        peer.export = Some(Arc::new(policy));
        let routes = speaker.routes();
        routes.announce(net(OURS), marked()).await.unwrap();
        speaker.configure_peer("bird", peer).await.unwrap();
        up(&mut events).await;
        let session = bird.session();
        let Router::Bird(told) = &bird else {
            unreachable!("it is BIRD")
        };
        let is_used = async || {
            let best = routes.look(|rib| rib.best(net(THEIRS)));
            best.await.unwrap().is_some()
        };
        let received = async || {
            let known = routes.look(|rib| rib.paths(net(THEIRS)).len());
            known.await.unwrap() == 1
        };
        until(received).await;
        for open in [true, false, true] {
            gate.0.store(open, Ordering::Relaxed);
            speaker.reevaluate("bird").await.unwrap();
            until(async || is_used().await == open).await;
            told.answers("show route", |shown| shown.contains(OURS) == open)
                .await;
        }
        assert_eq!(bird.session(), session);
        speaker.shutdown(Shutdown::Cease(None)).await;
    };
    run("a_hook_decides_on_routes_of_and_for_bird", Kind::Bird, body);
}

/// Two peers are sent one route with different attributes, and one is not sent another.
#[test]
fn each_bird_is_told_of_a_route_in_its_own_way() {
    let config_at = |address: &str| {
        format!(
            "
router id {address};
protocol device {{}}
protocol bgp ours {{
    local {address} port 1790 as 65001;
    neighbor 10.0.0.2 port 1791 as 65002;
    strict bind;
    multihop;
    passive;
    ipv4 {{ import all; export none; }};
}}
"
        )
    };
    let body = async {
        let birds = ["10.0.0.1", "10.0.0.3"].map(|address| Bird::start(&config_at(address)));
        let speaker = Speaker::start(config(), None);
        let mut desired = Desired::default();
        for remote in ["10.0.0.1:1790", "10.0.0.3:1790"] {
            let peer = spec(remote, Policy::ACCEPT);
            desired.peers.insert(remote.into(), peer.into());
        }
        let other = Community(65002 << 16 | 9);
        let special = Attributes {
            communities: vec![other],
            ..Attributes::default()
        };
        let third = [10, 0, 0, 3].into();
        let mut differs = marked();
        differs.for_peers = [(third, Some(special))].into();
        let mut hidden = marked();
        hidden.for_peers = [(third, None)].into();
        let last = "203.0.114.0/24";
        let routes = [
            (OURS, differs),
            ("203.0.113.7/32", hidden),
            (last, marked()),
        ];
        desired.routes = routes
            .into_iter()
            .map(|(prefix, route)| ((net(prefix), 0), route))
            .collect();
        speaker.apply(desired).await.unwrap();
        let marks = [("(65002,7)", "(65002,9)"), ("(65002,9)", "(65002,7)")];
        for (bird, (has, lacks)) in birds.iter().zip(marks) {
            bird.says("show route", last).await;
            let shown = bird.ask(&format!("show route all {OURS}"));
            assert!(shown.contains(has) && !shown.contains(lacks), "{shown}");
        }
        let shown = birds.each_ref();
        let shown = shown.map(|bird| bird.ask("show route").contains("203.0.113.7/32"));
        assert_eq!(shown, [true, false]);
        speaker.shutdown(Shutdown::Cease(None)).await;
    };
    run(
        "each_bird_is_told_of_a_route_in_its_own_way",
        Kind::Bird,
        body,
    );
}

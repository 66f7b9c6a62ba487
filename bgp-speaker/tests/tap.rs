//! A subscriber's view of a session between two speakers.

#![allow(clippy::unwrap_used, reason = "test code")]

#[allow(dead_code, reason = "not every helper is needed")]
mod pair;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bgp_core::rib::{LocalRoute, RouteSource};
use bgp_core::session::{DownReason, State, Stop};
use bgp_core::types::{PathId, PeerId};
use bgp_core::wire::attribute::Community;
use bgp_core::wire::notification::cease;
use bgp_core::wire::{Attributes, ErrorCode, MessageType};
use bgp_speaker::tap::{DecisionEvent, Flow, MessageEvent, StateEvent, Subscriber};
use bgp_speaker::{Environment, Speaker, SpeakerConfig};
use ipnet::IpNet;
use pair::{DIALLER_AS, LISTENER_AS, net};

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sight {
    Message(Flow, MessageType, Vec<u8>),
    State(State, State, Option<DownReason>),
    Decision(IpNet, Option<(RouteSource, Vec<Community>)>),
}

/// Writes down what it sees.
#[derive(Default)]
struct Recorder(Mutex<Vec<Sight>>);

impl Recorder {
    fn add(&self, sight: Sight) {
        self.0.lock().unwrap().push(sight);
    }

    fn all(&self) -> Vec<Sight> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until something was seen.
    async fn sees(&self, wanted: impl Fn(&Sight) -> bool) {
        while !self.0.lock().unwrap().iter().any(&wanted) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Types of the messages in one direction, and all their octets.
    fn messages(&self, flow: Flow) -> (Vec<MessageType>, Vec<u8>) {
        let (mut types, mut octets) = (Vec::new(), Vec::new());
        for sight in self.all() {
            match sight {
                Sight::Message(seen, kind, message) if seen == flow => {
                    types.push(kind);
                    octets.extend(message);
                }
                _ => {}
            }
        }
        (types, octets)
    }
}

impl Subscriber for Recorder {
    fn message(&self, message: &MessageEvent<'_>) {
        assert!(["dialler", "listener"].contains(&&**message.peer.name));
        let expected = match &**message.peer.name {
            "dialler" => (LISTENER_AS, DIALLER_AS, "127.0.0.2"),
            _ => (DIALLER_AS, LISTENER_AS, "127.0.0.1"),
        };
        let remote = message.remote.ip().to_string();
        assert_eq!(
            (message.peer.local_as, message.peer.peer_as, &*remote),
            expected
        );
        assert_ne!(message.local.ip(), message.remote.ip());
        let kind = MessageType(message.octets[18]);
        match kind {
            MessageType::OPEN => assert!(message.negotiated.is_none()),
            _ => assert!(message.negotiated.is_some()),
        }
        self.add(Sight::Message(message.flow, kind, message.octets.to_vec()));
    }

    fn state(&self, change: &StateEvent<'_>) {
        self.add(Sight::State(change.old, change.new, change.reason.cloned()));
    }

    fn wants_decisions(&self) -> bool {
        true
    }

    fn decision(&self, decision: &DecisionEvent<'_>) {
        let best = decision.best.map(|best| {
            let communities = best.attributes.communities.clone();
            (best.source, communities)
        });
        self.add(Sight::Decision(decision.prefix, best));
    }
}

struct Side {
    speaker: Speaker,
    seen: Arc<Recorder>,
}

impl Side {
    fn start(config: SpeakerConfig) -> Self {
        let seen = Arc::new(Recorder::default());
        let environment = Environment::default().with_subscriber(seen.clone());
        let speaker = Speaker::start_in(config, environment);
        Self { speaker, seen }
    }
}

/// What both routes have.
const MARK: Community = Community(65001 << 16 | 7);

fn marked() -> LocalRoute {
    let attributes = Attributes {
        communities: vec![MARK],
        ..Attributes::default()
    };
    let mut route = LocalRoute::default();
    route.attributes = attributes;
    route
}

/// A session comes up, carries a route in each direction, and is ended by the listening side.
#[tokio::test]
async fn a_session_is_seen_from_both_ends_octet_by_octet() {
    // A panic of the recorder ends its speaker, and the wait for the other.
    let bounded = tokio::time::timeout(Duration::from_secs(30), a_session_is_seen());
    bounded.await.expect("the session ends in time");
}

async fn a_session_is_seen() {
    let listener = Side::start(pair::config(LISTENER_AS));
    let dialler = Side::start(pair::config(DIALLER_AS));
    let local = vec!["127.0.0.1:0".parse().unwrap()];
    let local = listener.speaker.listen(local).await.unwrap()[0];
    let peer = pair::passive("127.0.0.2:179".parse().unwrap());
    listener
        .speaker
        .configure_peer("dialler", peer)
        .await
        .unwrap();
    let peer = pair::active(local, "127.0.0.2");
    dialler
        .speaker
        .configure_peer("listener", peer)
        .await
        .unwrap();

    for (side, prefix) in [(&listener, "192.0.2.0/24"), (&dialler, "198.51.100.0/24")] {
        let routes = side.speaker.routes();
        routes.announce(net(prefix), marked()).await.unwrap();
    }
    for side in [&listener, &dialler] {
        pair::prefixes(&side.speaker.routes(), 2).await;
    }
    let theirs = RouteSource::Peer(PeerId(0), PathId(0));
    for (prefix, source) in [
        ("192.0.2.0/24", RouteSource::Local(0)),
        ("198.51.100.0/24", theirs),
    ] {
        let decided = Sight::Decision(net(prefix), Some((source, vec![MARK])));
        listener.seen.sees(|sight| *sight == decided).await;
    }
    listener
        .speaker
        .disable_peer("dialler", Stop::Shutdown(None))
        .await;
    let ended = |sight: &Sight| matches!(sight, Sight::State(State::Established, ..));
    dialler.seen.sees(ended).await;
    listener.seen.sees(ended).await;
    let gone = Sight::Decision(net("198.51.100.0/24"), None);
    listener.seen.sees(|sight| *sight == gone).await;

    let mut types = Vec::new();
    for (from, to) in [(&listener, &dialler), (&dialler, &listener)] {
        let (sent, octets) = from.seen.messages(Flow::Sent);
        assert_eq!((sent.clone(), octets), to.seen.messages(Flow::Received));
        types.push(sent);
    }
    let is_update = |kind: &MessageType| *kind == MessageType::UPDATE;
    for (sent, last) in types.iter().zip([&[MessageType::NOTIFICATION][..], &[]]) {
        assert_eq!(sent[..2], [MessageType::OPEN, MessageType::KEEPALIVE]);
        let (updates, rest) = sent[2..].split_at(sent.len() - 2 - last.len());
        assert!(
            !updates.is_empty() && updates.iter().all(is_update),
            "{sent:?}"
        );
        assert_eq!(rest, last);
    }
    states_are_told_in_order(&listener.seen, &dialler.seen);
}

/// Each state comes after the messages that led to it.
fn states_are_told_in_order(listener: &Recorder, dialler: &Recorder) {
    let states = |recorder: &Recorder| -> Vec<(State, State)> {
        let all = recorder.all().into_iter();
        all.filter_map(|sight| match sight {
            Sight::State(old, new, _) => Some((old, new)),
            _ => None,
        })
        .collect()
    };
    use State::{Active, Connect, Established, Idle, OpenConfirm, OpenSent};
    let up = [
        (OpenSent, OpenConfirm),
        (OpenConfirm, Established),
        (Established, Idle),
    ];
    let accepted = [&[(Idle, Active), (Active, OpenSent)][..], &up].concat();
    assert_eq!(states(listener), accepted);
    let dialled = [
        &[(Idle, Active), (Active, Connect), (Connect, OpenSent)][..],
        &up,
    ]
    .concat();
    assert_eq!(states(dialler)[..dialled.len()], dialled);

    let place = |recorder: &Recorder, wanted: &dyn Fn(&Sight) -> bool| {
        recorder.all().iter().position(wanted).unwrap()
    };
    let is = |flow, kind| move |sight: &Sight| matches!(sight, Sight::Message(f, k, _) if (*f, *k) == (flow, kind));
    let established = |sight: &Sight| matches!(sight, Sight::State(_, Established, _));
    for recorder in [listener, dialler] {
        let keepalive = place(recorder, &is(Flow::Received, MessageType::KEEPALIVE));
        let update = place(recorder, &is(Flow::Received, MessageType::UPDATE));
        let established = place(recorder, &established);
        assert!(keepalive < established && established < update);
    }
    let ended = |sight: &Sight| matches!(sight, Sight::State(Established, ..));
    for (recorder, flow) in [(listener, Flow::Sent), (dialler, Flow::Received)] {
        let notification = place(recorder, &is(flow, MessageType::NOTIFICATION));
        assert_eq!(place(recorder, &ended), notification + 1);
        let Sight::State(.., Some(reason)) = recorder.all()[notification + 1].clone() else {
            panic!("a session ends for a reason");
        };
        match reason {
            DownReason::Sent(told) | DownReason::Received(told) => {
                assert_eq!(
                    (told.code, told.subcode),
                    (ErrorCode::CEASE, cease::ADMIN_SHUTDOWN)
                );
            }
            other => panic!("{other}"),
        }
    }
}

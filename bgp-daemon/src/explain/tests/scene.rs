//! A node by its documents, with a RIB in which peers can announce routes and sessions can end.

use std::collections::BTreeMap;
use std::time::Instant;

use bgp_core::rib::{Cursor, Input, Query, Rib, Standing, View};
use bgp_core::types::{Asn, PathId, PeerId, PerFamily};
use bgp_core::wire::attribute::{AsPath, Attributes};
use bgp_core::wire::update::encode_reachable;
use bgp_core::wire::{AttributeView, Context, Message, NextHop, Update, frame};
use bgp_speaker::pool::Pool;
use bytes::BytesMut;
use ipnet::IpNet;

use crate::explain::{
    Explanation, KernelFact, PeerFact, PeerVerdict, SessionFact, Situation, Subject, Target,
    explain, peers,
};
use crate::outlook::Model;
use crate::plan::{Environment, Plan, plan, trace};
use crate::resources::{ResourceSet, parse};

/// The node of all scenes.
pub(super) const NODE: &str = "a";

/// Documents about this node, its pool and its block 10.1.5.0/26.
pub(super) const HERE: &str = "
{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: a}, spec: {bgp: {ipv4Address: 192.0.2.2/24}}}
---
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pods}, spec: {cidr: 10.1.0.0/16, ipipMode: Never}}
---
{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {name: a-5}, spec: {node: a, state: confirmed, cidr: 10.1.5.0/26, deleted: 'false'}}
---
{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {asNumber: 64512, nodeToNodeMeshEnabled: false, serviceExternalIPs: [{cidr: 203.0.113.0/24}], serviceLoadBalancerIPs: [{cidr: 198.51.100.0/24}], serviceLoadBalancerAggregation: Disabled}}
---
";

/// Two peers of other ASes, of which each has a filter of its own; the names of their sessions. The filter `f` is each scene's own.
pub(super) const TORS: &str = "
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: one}, spec: {peerIP: 192.0.2.101, asNumber: 65001, filters: [f]}}
---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: two}, spec: {peerIP: 192.0.2.102, asNumber: 65002, filters: [g]}}
---
{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: g}, spec: {exportV4: [{action: Accept, cidr: 10.9.0.0/16, matchOperator: In}]}}
---
";
pub(super) const ONE: &str = "Global_192_0_2_101";
pub(super) const TWO: &str = "Global_192_0_2_102";

pub(super) struct Scene {
    pub(super) set: ResourceSet,
    pub(super) environment: Environment,
    pub(super) plan: Plan,
    pub(super) rib: Rib,
    ids: BTreeMap<String, PeerId>,
    pub(super) unspeakable: BTreeMap<String, String>,
    pub(super) sessions: BTreeMap<String, SessionFact>,
    pub(super) kernel: KernelFact,
    pub(super) recovering: bool,
    now: Instant,
}

impl Scene {
    /// All sessions are up.
    pub(super) fn new(documents: &str) -> Self {
        let parsed = parse("scene.yaml", documents);
        assert_eq!(parsed.problems, [], "{documents}");
        let set = ResourceSet::from_documents(parsed.documents).set;
        let environment = Environment::default();
        let plan = plan(&set, NODE, &environment);
        let model = Model::new(&plan, &mut Pool::default()).expect("a node with an address");
        let ids: BTreeMap<String, PeerId> = model
            .peers
            .iter()
            .map(|(name, kind)| (name.to_string(), Model::id(*kind)))
            .collect();
        let session = |(name, id): (&String, &PeerId)| {
            let fact = SessionFact {
                id: *id,
                up: true,
                state: "Established".to_owned(),
                since: Some("2026-01-01T00:00:00Z".parse().expect("a time")),
                agreed: true,
                disabled: false,
            };
            (name.clone(), fact)
        };
        Self {
            sessions: ids.iter().map(session).collect(),
            ids,
            unspeakable: model.unspeakable,
            rib: model.rib,
            plan,
            environment,
            set,
            kernel: KernelFact::Known {
                installed: None,
                refused: None,
                foreign: None,
            },
            recovering: false,
            now: Instant::now(),
        }
    }

    /// A peer announces a route, with its own address as next hop.
    pub(super) fn learn(&mut self, peer: &str, prefix: &str, path: &[u32]) {
        let attributes = Attributes {
            as_path: AsPath::sequence(path.iter().map(|asn| Asn(*asn))),
            ..Attributes::default()
        };
        self.learn_with(peer, prefix, &attributes);
    }

    pub(super) fn learn_with(&mut self, peer: &str, prefix: &str, attributes: &Attributes) {
        let planned = self.plan.peers.iter().find(|other| other.name == peer);
        let next_hop = NextHop::from(planned.expect("a peer").address);
        let prefix: IpNet = prefix.parse().expect("a prefix");
        let IpNet::V4(net) = prefix else {
            panic!("an IPv4 prefix")
        };
        let context = Context {
            four_octet_as: true,
            ..Context::default()
        };
        let (mut octets, mut message) = (Vec::new(), BytesMut::new());
        attributes.encode_canonical(&mut octets);
        let routes = [(PathId(0), net)];
        let view = AttributeView::new(&octets);
        encode_reachable(&context, view, next_hop, &routes, &mut message).expect("it fits");
        let update = update(message, &context);
        let peer = self.ids[peer];
        self.rib.handle(self.now, Input::Update { peer, update });
        self.settle();
    }

    /// A session ends.
    pub(super) fn down(&mut self, peer: &str, state: &str) {
        let (id, keep_stale) = (self.ids[peer], PerFamily::default());
        let down = Input::Down {
            peer: id,
            keep_stale,
        };
        self.rib.handle(self.now, down);
        self.settle();
        let session = self.sessions.get_mut(peer).expect("a session");
        (session.up, session.agreed, session.state) = (false, false, state.to_owned());
    }

    fn settle(&mut self) {
        while self.rib.poll_output().is_some() {}
    }

    pub(super) fn input(&mut self, input: Input) {
        self.rib.handle(self.now, input);
        self.settle();
    }

    /// The answer about all peers. Each is compared with the RIB.
    pub(super) fn ask(&self, asked: &str) -> Explanation {
        self.answer(asked, None)
    }

    /// The answer about one peer.
    pub(super) fn ask_of(&self, asked: &str, peer: &str) -> Explanation {
        self.answer(asked, Some(peer))
    }

    fn answer(&self, asked: &str, peer: Option<&str>) -> Explanation {
        let target: Target = asked.parse().expect("a prefix or an address");
        let claims = trace::claims(&self.set, NODE, &self.environment, target.net());
        let subject = Subject::find(&self.rib, target, &claims, &self.plan);
        let ids: Vec<PeerId> = self.ids.values().copied().collect();
        let answer = explain(&Situation {
            asked,
            plan: &self.plan,
            peers: peers(&self.plan, &self.set, peer).expect("a peer"),
            claims: &claims,
            told: PeerFact::of_each(&self.rib, &subject, &ids),
            subject: &subject,
            sessions: self.sessions.clone(),
            names: self
                .ids
                .iter()
                .map(|(name, id)| (*id, name.clone()))
                .collect(),
            unspeakable: self.unspeakable.clone(),
            kernel: self.kernel.clone(),
            since: Some("2026-01-02T00:00:00Z".parse().expect("a time")),
            recovering: self.recovering,
        });
        for peer in &answer.peers {
            self.compare(&answer, &peer.peer, peer.verdict);
        }
        answer
    }

    fn compare(&self, answer: &Explanation, peer: &str, verdict: PeerVerdict) {
        let told = self.ids.get(peer).is_some_and(|id| {
            let query = Query::about(View::Told, answer.prefix).of_peer(*id);
            let routes = self.rib.ask(&query, Cursor::START, 100).routes;
            routes.iter().any(|route| route.standing == Standing::Told)
        });
        let says = verdict == PeerVerdict::Advertised;
        assert_eq!(says, told, "{peer}: {answer:?}");
    }
}

fn update(mut message: BytesMut, context: &Context) -> Update {
    let found = frame::take(&mut message, context.max_receive_len);
    let frame = found.expect("a good header").expect("a whole message");
    match Message::decode(frame, context).expect("a good message") {
        Message::Update(update) => update,
        other => panic!("{other:?}"),
    }
}

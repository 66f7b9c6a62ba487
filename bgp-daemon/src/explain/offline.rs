//! An answer from resources alone: a forecast with every session up. The same queries go to a RIB in this process.

use std::collections::BTreeMap;

use bgp_core::rib::{Rib, RibConfig};
use bgp_core::types::{RouterId, family_of};
use bgp_speaker::pool::Pool;

use super::answer::Explanation;
use super::facts::{PeerFact, Subject};
use super::question::{QuestionError, Target, peers};
use super::situation::{KernelFact, SessionFact, Situation};
use super::verdict::explain;
use crate::outlook::Model;
use crate::plan::{Environment, plan, trace};
use crate::resources::ResourceSet;

/// A forecast for a prefix on a node. Peers may be named by session, address or BGPPeer.
///
/// # Errors
///
/// There is no such peer.
///
/// ```
/// use bgp_daemon::explain::{PeerVerdict, offline};
/// use bgp_daemon::plan::Environment;
/// use bgp_daemon::resources::{ResourceSet, parse};
///
/// let documents = "
/// {apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: a}, spec: {bgp: {ipv4Address: 192.0.2.2/24}}}
/// ---
/// {apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {serviceClusterIPs: [{cidr: 10.96.0.0/12}]}}
/// ---
/// {apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 192.0.2.1, asNumber: 65001}}
/// ";
/// let set = ResourceSet::from_documents(parse("cluster.yaml", documents).documents).set;
/// let answer = offline(&set, "a", &Environment::default(), "10.96.0.10", Some("tor"))?;
/// assert_eq!(answer.prefix, "10.96.0.0/12".parse()?);
/// assert_eq!(answer.peers[0].verdict, PeerVerdict::Advertised);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn offline(
    resources: &ResourceSet,
    node: &str,
    environment: &Environment,
    asked: &str,
    peer: Option<&str>,
) -> Result<Explanation, QuestionError> {
    let target: Target = asked.parse()?;
    let plan = plan(resources, node, environment);
    let meant = peers(&plan, resources, peer)?;
    let claims = trace::claims(resources, node, environment, target.net());
    let model = Model::new(&plan, &mut Pool::default());
    let nothing = Rib::new(
        RibConfig::new(RouterId::from_bits(0)),
        std::time::Instant::now(),
        0,
    );
    let rib = model.as_ref().map_or(&nothing, |model| &model.rib);
    let subject = Subject::find(rib, target, &claims, &plan);
    let family = family_of(subject.prefix);
    let kinds = model.as_ref().map(|model| &model.peers);
    let spoken_to = plan.peers.iter().filter_map(|peer| {
        let kind = kinds?.get(peer.name.as_str())?;
        let session = SessionFact {
            id: Model::id(*kind),
            up: true,
            state: "counts as up".to_owned(),
            since: None,
            agreed: peer.options.families.contains(&family),
            disabled: false,
        };
        Some((peer.name.clone(), session))
    });
    let sessions: BTreeMap<String, SessionFact> = spoken_to.collect();
    let mut ids: Vec<_> = meant
        .iter()
        .filter_map(|peer| Some(sessions.get(&peer.name)?.id))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let told = PeerFact::of_each(rib, &subject, &ids);
    Ok(explain(&Situation {
        asked,
        plan: &plan,
        peers: meant,
        claims: &claims,
        subject: &subject,
        told,
        sessions,
        // No peer has announced anything.
        names: BTreeMap::new(),
        unspeakable: model
            .as_ref()
            .map(|model| model.unspeakable.clone())
            .unwrap_or_default(),
        kernel: KernelFact::Foreseen,
        since: None,
        recovering: false,
    }))
}

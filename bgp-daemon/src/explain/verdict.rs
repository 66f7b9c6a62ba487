//! The answer: the path of the prefix, the results for each peer and the kernel, and the overall result.

use super::answer::{Because, Explanation, Nearest, PeerAnswer, PeerVerdict, Stage, Verdict};
use super::situation::Situation;
use super::steps::Steps;
use super::{chain, kernel, towards};

/// Where a prefix is advertised, and why. Pure.
pub fn explain(situation: &Situation<'_>) -> Explanation {
    let mut steps = Steps::default();
    let nothing = chain::walk(situation, &mut steps);
    let peers: Vec<PeerAnswer> = situation
        .peers
        .iter()
        .map(|peer| towards::peer(situation, peer, nothing.as_ref(), &mut steps))
        .collect();
    let kernel = kernel::answer(situation, &mut steps);
    let counted: Vec<&PeerAnswer> = peers
        .iter()
        .zip(&situation.peers)
        .filter(|(_, peer)| towards::carries(situation, peer))
        .map(|(answer, _)| answer)
        .collect();
    let verdict = verdict(situation, &counted);
    Explanation {
        asked: situation.asked.to_owned(),
        node: situation.plan.node.clone(),
        prefix: situation.subject.prefix,
        because: because(verdict, nothing, &counted, &peers),
        verdict,
        peers,
        steps: steps.into_list(),
        kernel,
        nearest: nearest(situation, verdict),
    }
}

fn verdict(situation: &Situation<'_>, peers: &[&PeerAnswer]) -> Verdict {
    let claims = situation.claims;
    if situation.subject.routes.is_empty() && claims.covering.is_empty() {
        return Verdict::UnknownPrefix;
    }
    let told = peers
        .iter()
        .filter(|peer| peer.verdict == PeerVerdict::Advertised);
    match told.count() {
        0 => Verdict::NotAdvertised,
        told if told == peers.len() => Verdict::Advertised,
        _ => Verdict::PartlyAdvertised,
    }
}

/// The first obstacle.
fn because(
    verdict: Verdict,
    nothing: Option<Because>,
    counted: &[&PeerAnswer],
    all: &[PeerAnswer],
) -> Option<Because> {
    if matches!(verdict, Verdict::Advertised | Verdict::PartlyAdvertised) {
        return None;
    }
    let mut peers = counted.iter().copied().chain(all);
    let of_peer = || {
        let first = peers.next()?;
        Some(first.because.clone())
    };
    let no_peers = || Because {
        stage: Stage::Session,
        object: None,
        rule: None,
        text: "the node has no peers: a BGPPeer, or the node-to-node mesh, would be one".to_owned(),
    };
    Some(nothing.or_else(of_peer).unwrap_or_else(no_peers))
}

fn nearest(situation: &Situation<'_>, verdict: Verdict) -> Vec<Nearest> {
    let nearest = situation
        .claims
        .nearest
        .iter()
        .filter(|_| verdict == Verdict::UnknownPrefix);
    let inside = situation
        .claims
        .inside
        .iter()
        .filter(|_| verdict == Verdict::UnknownPrefix);
    let inside = inside.map(|claim| (&claim.object, claim.prefix));
    let nearest = nearest.map(|(object, prefix)| (object, *prefix));
    let mut named: Vec<Nearest> = Vec::new();
    for (object, prefix) in inside.chain(nearest) {
        let nearest = Nearest {
            object: object.clone(),
            prefix,
        };
        if !named.contains(&nearest) {
            named.push(nearest);
        }
    }
    named
}

//! Why a prefix is told to a peer or not: the whole way from an object of the cluster to the octets and the kernel.
//!
//! Nothing is kept for it. The questions of the speaker's own views are asked, and its own policies are run again; with a daemon of
//! its RIB, without one of the RIB that [`Forecast`](crate::outlook::Forecast) makes of a plan. The answer is data, and follows from a
//! [`Situation`] alone.
//!
//! | module      | what it is                                                        |
//! |-------------|-------------------------------------------------------------------|
//! | `answer`    | the answer as data, in JSON a contract                            |
//! | `question`  | what is asked                                                     |
//! | `facts`     | what the RIB knows of it                                          |
//! | `situation` | all that the answer follows from                                  |
//! | `chain`     | the way up to the best route                                      |
//! | `towards`   | the way from there to a peer                                      |
//! | `kernel`    | the way from there into the kernel                                |
//! | `rule`      | rules of policies in words                                        |
//! | `offline`   | an answer from files                                              |
//! | `render`    | the answer for people                                             |

mod answer;
mod chain;
mod facts;
mod kernel;
mod offline;
mod question;
mod render;
mod rule;
mod situation;
mod steps;
mod towards;

use steps::Steps;

pub use answer::{
    Because, Explanation, KernelAnswer, KernelState, Nearest, PeerAnswer, PeerVerdict, Stage, Step,
    StepResult, Verdict,
};
pub use facts::{PeerFact, RouteFact, Subject};
pub use offline::offline;
pub use question::{QuestionError, Target, peers};
pub use render::text;
pub use situation::{KernelFact, SessionFact, Situation};

/// What becomes of a prefix, and why. Pure.
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

/// What said no first.
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

#[cfg(test)]
mod tests;

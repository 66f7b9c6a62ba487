//! The explanation of prefixes, stage by stage. Each answer is compared with the RIB's view of each peer (`Scene::ask`).

mod away;
mod learned;
mod own;
mod scene;
mod services;

use super::{Explanation, PeerAnswer, PeerVerdict, Stage, StepResult};

/// The answer about a peer.
fn peer<'a>(answer: &'a Explanation, name: &str) -> &'a PeerAnswer {
    let mut peers = answer.peers.iter();
    peers.find(|peer| peer.peer == name).expect("a peer")
}

/// Verdict, stage, object and rule of a peer.
fn why<'a>(
    answer: &'a Explanation,
    name: &str,
) -> (PeerVerdict, Stage, Option<&'a str>, Option<&'a str>) {
    let peer = peer(answer, name);
    let because = &peer.because;
    (
        peer.verdict,
        because.stage,
        because.object.as_deref(),
        because.rule.as_deref(),
    )
}

/// Whether there is a step with this stage, result and object and these words in its text.
fn says(answer: &Explanation, stage: Stage, result: StepResult, object: &str, words: &str) -> bool {
    answer.steps.iter().any(|step| {
        (step.stage, step.result, step.object.as_deref()) == (stage, result, Some(object))
            && step.text.contains(words)
    })
}

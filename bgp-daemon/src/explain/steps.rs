//! Collects steps: equal ones of several peers are merged.

use super::answer::{Because, Stage, Step, StepResult};

/// Steps in the order of their stages.
#[derive(Default)]
pub(super) struct Steps(Vec<Step>);

impl Steps {
    /// Adds a step of all peers.
    pub(super) fn add(
        &mut self,
        stage: Stage,
        object: Option<&str>,
        result: StepResult,
        text: impl Into<String>,
    ) {
        self.push(Step {
            stage,
            object: object.map(str::to_owned),
            result,
            text: text.into(),
            peers: Vec::new(),
        });
    }

    /// Adds a reason as a step of one peer.
    pub(super) fn add_for(&mut self, peer: &str, because: &Because, result: StepResult) {
        let step = Step {
            stage: because.stage,
            object: because.object.clone(),
            result,
            text: because.text.clone(),
            peers: Vec::new(),
        };
        let same = |other: &Step| {
            !other.peers.is_empty()
                && (other.stage, other.result) == (step.stage, step.result)
                && other.object == step.object
                && other.text == step.text
        };
        match self.0.iter_mut().find(|other| same(other)) {
            Some(other) => other.peers.push(peer.to_owned()),
            None => self.push(Step {
                peers: vec![peer.to_owned()],
                ..step
            }),
        }
    }

    fn push(&mut self, step: Step) {
        let place = self.0.partition_point(|other| other.stage <= step.stage);
        self.0.insert(place, step);
    }

    pub(super) fn into_list(self) -> Vec<Step> {
        self.0
    }
}

//! Annotations of a BGPPeer beside its spec: those that contradict each other or the spec.

use super::annotations::{Annotations, PREFIX, Whom, field_of};
use crate::resources::{BgpConfiguration, BgpPeer, BgpPeerSpec, NO_AS, Problem, ResourceSet};

impl Annotations {
    /// Reads the annotations of a BGPPeer. Those that contradict each other or the spec are ignored and reported.
    pub(crate) fn of_peer(peer: &BgpPeer, problems: &mut Vec<Problem>) -> Self {
        let object = format!("BGPPeer/{}", peer.metadata.name);
        let mut read = Self::read(&peer.metadata, &object, problems);
        let error =
            |name: &str, reason: String| Problem::error(&object, reason).at_field(field_of(name));
        let (whom, spec) = (read.whom_mut(), &peer.spec);
        let mut words = whom.words();
        // It says the same as `auto-gateway`.
        words.retain(|word| *word != "peer" || !spec.is_auto_gateway());
        let others = [
            ("peerIP", spec.peer_ip.is_some()),
            ("peerSelector", spec.peer_selector.is_some()),
            (
                "localWorkloadSelector",
                spec.local_workload_selector.is_some(),
            ),
        ];
        let field = others
            .into_iter()
            .find(|(_, is_set)| *is_set)
            .map(|(field, _)| field);
        match (&words[..], field) {
            ([], _) => {}
            ([word, ..], Some(other)) => {
                let reason = format!("cannot be set together with spec.{other}");
                problems.push(error(word, reason));
                whom.drop_all();
            }
            ([other, word, ..], None) => {
                let reason = format!("cannot be set together with {PREFIX}{other}");
                problems.push(error(word, reason));
                whom.drop_all();
            }
            ([word], None) => check_as(whom, word, spec, &object, problems),
        }
        whom.default_gateway |= spec.is_auto_gateway();
        if whom.ranges.is_none() && !words.contains(&"listen-range") {
            let idle = [
                whom.as_numbers.as_ref().map(|_| "listen-as"),
                whom.limit.map(|_| "listen-limit"),
            ];
            for name in idle.into_iter().flatten() {
                let reason = format!("has no effect without {PREFIX}listen-range");
                problems.push(Problem::warning(&object, reason).at_field(field_of(name)));
            }
        }
        read
    }

    /// What is wrong with the annotations of BGPPeers and BGPConfigurations.
    pub(crate) fn problems_of(resources: &ResourceSet) -> Vec<Problem> {
        let mut problems = Vec::new();
        for peer in resources.bgp_peers() {
            Self::of_peer(peer, &mut problems);
        }
        for configuration in resources.bgp_configurations() {
            Self::of_configuration(configuration, &mut problems);
        }
        problems
    }

    /// Reads the annotations of a BGPConfiguration.
    pub(super) fn of_configuration(
        configuration: &BgpConfiguration,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let object = format!("BGPConfiguration/{}", configuration.metadata.name);
        let read = Self::read(&configuration.metadata, &object, problems);
        read.note_whom(&object, problems);
        read
    }

    /// Reports annotations that only a BGPPeer may have.
    fn note_whom(&self, object: &str, problems: &mut Vec<Problem>) {
        for name in self.whom().words() {
            let reason = "has no effect here: only a BGPPeer has it";
            problems.push(Problem::error(object, reason).at_field(field_of(name)));
        }
    }
}

/// The AS numbers that annotation and spec name.
fn check_as(
    whom: &mut Whom,
    word: &str,
    spec: &BgpPeerSpec,
    object: &str,
    problems: &mut Vec<Problem>,
) {
    let said = spec.as_number;
    if said.is_some() && whom.as_numbers.is_some() && word == "listen-range" {
        let reason = format!("has no effect with {PREFIX}listen-as");
        problems.push(Problem::warning(object, reason).at_field("spec.asNumber"));
    } else if said.is_some_and(|asn| asn.0 == 0) {
        problems.push(Problem::error(object, NO_AS).at_field("spec.asNumber"));
        whom.drop_all();
    }
}

//! The prefix towards each peer: policy, session, message.

use bgp_core::rib::{ExportTrace, PolicyTrace, Standing, ViewedRoute, Withheld};
use jiff::Timestamp;

use super::answer::{Because, PeerAnswer, PeerVerdict, Stage, StepResult};
use super::facts::PeerFact;
use super::rule::{NOTHING_ACCEPTS, RuleName};
use super::situation::{SessionFact, Situation};
use super::steps::Steps;
use crate::outlook::WireAttributes;
use crate::plan::{Peer, PlannedNextHop};

use StepResult::{Change, Info, Pass, Stop};

/// Adds the steps towards a peer, and returns the result. `nothing`: why there is no route to advertise at all.
pub(super) fn peer(
    situation: &Situation<'_>,
    peer: &Peer,
    nothing: Option<&Because>,
    steps: &mut Steps,
) -> PeerAnswer {
    let session = situation.sessions.get(&peer.name);
    let fact = session.and_then(|session| situation.told.get(&session.id));
    let towards = Towards {
        situation,
        peer,
        session,
        fact,
    };
    let (verdict, because) = towards.verdict(nothing, steps);
    let told = fact.and_then(|fact| fact.told.as_ref());
    let told = told.filter(|_| verdict == PeerVerdict::Advertised);
    PeerAnswer {
        peer: peer.name.clone(),
        address: peer.address,
        verdict,
        because,
        attributes: told.map(WireAttributes::from),
        sent_at: told
            .and_then(|_| towards.sent_at())
            .map(|at| at.to_string()),
    }
}

/// Whether a peer's configuration includes the family.
pub(super) fn carries(situation: &Situation<'_>, peer: &Peer) -> bool {
    peer.options.families.contains(&situation.family())
}

/// The setting that excludes a family.
pub(super) const NOT_CONFIGURED: &str = "bgp-daemon.io/families";

struct Towards<'a> {
    situation: &'a Situation<'a>,
    peer: &'a Peer,
    session: Option<&'a SessionFact>,
    fact: Option<&'a PeerFact>,
}

impl Towards<'_> {
    fn verdict(&self, nothing: Option<&Because>, steps: &mut Steps) -> (PeerVerdict, Because) {
        if !carries(self.situation, self.peer) {
            let because = self.not_configured();
            // With many peers, each session of the other family would add this step.
            if self.situation.peers.len() == 1 {
                steps.add_for(&self.peer.name, &because, Stop);
            }
            return (PeerVerdict::NotNegotiated, because);
        }
        self.note_peering(steps);
        if let Some(nothing) = nothing {
            return (PeerVerdict::Withheld, nothing.clone());
        }
        let trace = self.fact.and_then(|fact| fact.trace.as_ref());
        let told = self.fact.and_then(|fact| fact.told.as_ref());
        let standing = self.fact.and_then(|fact| fact.standing);
        if let Some(trace) = trace {
            self.note_changes(trace, steps);
        }
        if let (Some(told), Some(trace)) = (told, trace) {
            let because = self.admitted(trace);
            steps.add_for(&self.peer.name, &because, Pass);
            self.note_session(Pass, steps);
            self.note_wire(told, steps);
            return (PeerVerdict::Advertised, because);
        }
        let kept = trace.and_then(|trace| self.kept_by_rules(trace));
        if let Some((verdict, mut because)) = self.session_says_no() {
            let export = match &kept {
                Some(kept) => Some((kept.clone(), Stop)),
                None => trace.map(|trace| (self.admitted(trace), Pass)),
            };
            if let Some((export, result)) = export {
                steps.add_for(&self.peer.name, &export, result);
            }
            steps.add_for(&self.peer.name, &because, Stop);
            match kept {
                Some(kept) => because
                    .text
                    .push_str(&format!("; and apart from that: {}", kept.text)),
                None if trace.is_some() => because
                    .text
                    .push_str("; without that the peer would be told"),
                None => {}
            }
            return (verdict, because);
        }
        let because = match (kept, standing) {
            (_, Some(Standing::Withheld(why))) if !is_by_rules(why) => self.withheld(why, None),
            (Some(kept), _) => kept,
            (None, Some(Standing::Undecided)) => self.undecided(),
            (None, _) => self.withheld(Withheld::Waiting, None),
        };
        if let Some(admitted) = trace.filter(|trace| trace.withheld.is_none()) {
            steps.add_for(&self.peer.name, &self.admitted(admitted), Pass);
        }
        steps.add_for(&self.peer.name, &because, Stop);
        (PeerVerdict::Withheld, because)
    }

    fn object(&self) -> Option<String> {
        Some(self.peer.resource.clone())
    }

    fn because(&self, stage: Stage, rule: Option<&str>, text: String) -> Because {
        Because {
            stage,
            object: self.object(),
            rule: rule.map(str::to_owned),
            text,
        }
    }

    fn not_configured(&self) -> Because {
        let families = self.peer.options.families.iter();
        let families: Vec<String> = families.map(ToString::to_string).collect();
        let text = format!(
            "its session carries {} and not {} by its configuration; the annotation bgp-daemon.io/families could add it",
            families.join(" and "),
            self.situation.family()
        );
        self.because(Stage::Session, Some(NOT_CONFIGURED), text)
    }

    /// Why the session does not carry the route, whatever the route is.
    fn session_says_no(&self) -> Option<(PeerVerdict, Because)> {
        let down = |rule, text| {
            let because = self.because(Stage::Session, rule, text);
            Some((PeerVerdict::SessionDown, because))
        };
        let wrong = self.situation.unspeakable.get(&self.peer.name);
        let Some(session) = self.session else {
            let why = wrong.map_or("it does not answer", String::as_str);
            return down(None, format!("there is no session with it: {why}"));
        };
        if session.disabled {
            let name = &self.peer.name;
            let text = format!(
                "an operator has switched the session off; `birdcl enable {name}` switches it on"
            );
            return down(Some("disabled"), text);
        }
        if !session.up {
            let wrong = wrong.map_or_else(String::new, |wrong| format!("; {wrong}"));
            let text = format!("the session is not up ({}{wrong})", session.state);
            return down(None, text);
        }
        (!session.agreed).then(|| {
            let family = self.situation.family();
            let text = format!("the session is up, but the peer has not offered {family} in its OPEN; the peer must enable that family");
            let because = self.because(Stage::Session, Some("RFC 4760 8"), text);
            (PeerVerdict::NotNegotiated, because)
        })
    }

    /// Why the rules of BGP, the owner or the policy withhold the route from the peer.
    fn kept_by_rules(&self, trace: &ExportTrace) -> Option<Because> {
        let why = trace.withheld?;
        // The next hop is only known once the session is up.
        let known = trace.in_session || why != Withheld::NoNextHop;
        known.then(|| self.withheld(why, trace.policy.as_ref()))
    }

    fn admitted(&self, trace: &ExportTrace) -> Because {
        let policy = trace.policy.as_ref();
        let rule = policy.and_then(|policy| policy.rule.as_deref());
        let name = rule.map(RuleName);
        let text = match name {
            Some(name) => name.accepts(self.situation.plan),
            None => "the export policy lets it through".to_owned(),
        };
        Because {
            stage: Stage::Export,
            object: name.and_then(|name| name.object(self.situation.claims)),
            rule: rule.map(str::to_owned),
            text,
        }
    }

    fn by_policy(&self, policy: Option<&PolicyTrace>) -> Because {
        let rule = policy.and_then(|policy| policy.rule.as_deref());
        let Some(name) = rule.map(RuleName) else {
            return self.because(Stage::Export, Some("default"), NOTHING_ACCEPTS.to_owned());
        };
        Because {
            stage: Stage::Export,
            object: name.object(self.situation.claims),
            rule: rule.map(str::to_owned),
            text: name.rejects(self.situation.plan),
        }
    }

    fn withheld(&self, why: Withheld, policy: Option<&PolicyTrace>) -> Because {
        let from = self.situation.subject.best();
        let from = from.map_or_else(String::new, |best| self.situation.source(best.source));
        let (stage, rule, text) = match why {
            Withheld::Policy => return self.by_policy(policy),
            Withheld::Source => (Stage::Export, "RFC 4271 9.1.3", "the peer announced the route itself, and is not told its own route".to_owned()),
            Withheld::NextHop => (Stage::Export, "RFC 4271 5.1.3", "the peer is the next hop of the route, and is not told to send packets to itself".to_owned()),
            Withheld::NoAdvertise => (Stage::Export, "NO_ADVERTISE", format!("the route has the community NO_ADVERTISE, and no peer is told; {from} would have to announce it without")),
            Withheld::NoExport => (Stage::Export, "NO_EXPORT", format!("the route has the community NO_EXPORT, and the peer is in another AS; {from} would have to announce it without")),
            Withheld::LongLivedStale => (Stage::Export, "RFC 9494 4.3", format!("{from} has been away for long, and the peer does not know what a stale route is (LLGR_STALE); the route is told again when {from} is back")),
            Withheld::RouteLeak => (Stage::Export, "RFC 9234 5", "the route would leak: it has OTC, and is not for a provider, a peer or a route server".to_owned()),
            Withheld::Internal => (Stage::Export, "RFC 4271 9.2", format!("the route was learned inside the AS, from {from}, and is not passed on inside the AS; the peer learns it from there itself, or from a route reflector (routeReflectorClusterID)")),
            Withheld::Owner => (Stage::Export, "owner", "the owner of the route keeps it from this peer".to_owned()),
            Withheld::NoNextHop => (Stage::Export, "RFC 4760 3", format!("there is no next hop of {} that the peer could use: an address of this node in that family would be one (spec.bgp of the Node)", self.situation.family())),
            Withheld::TooLong => (Stage::Wire, "RFC 4271 9.2", "the attributes do not fit into a message; fewer communities, or bgp-daemon.io/extended-messages on both sides, would help".to_owned()),
            Withheld::Waiting => (Stage::Wire, "waiting", "the route has just changed, or the peer has much on its way: it is told soon".to_owned()),
            other => (Stage::Export, "RFC", other.to_string()),
        };
        self.because(stage, Some(rule), text)
    }

    fn undecided(&self) -> Because {
        let text = match self.situation.recovering {
            true => {
                "decisions wait, after a restart, until the peers that were up have sent their routes (RFC 4724)"
            }
            false => "the routes have just changed, and the choice is yet to be made",
        };
        self.because(Stage::Decision, None, text.to_owned())
    }

    /// Adds the object that defines the session.
    fn note_peering(&self, steps: &mut Steps) {
        if let Some(selects) = self.situation.claims.peerings.get(&self.peer.resource) {
            let because = self.because(Stage::Resource, None, selects.clone());
            steps.add_for(&self.peer.name, &because, Pass);
        }
    }

    fn note_changes(&self, trace: &ExportTrace, steps: &mut Steps) {
        for changed in trace.policy.iter().flat_map(|policy| &policy.changed_by) {
            let rule = RuleName(changed);
            let because = Because {
                stage: Stage::Export,
                object: rule.object(self.situation.claims),
                rule: Some(changed.clone()),
                text: rule.changes(self.situation.plan),
            };
            steps.add_for(&self.peer.name, &because, Change);
        }
    }

    fn note_session(&self, result: StepResult, steps: &mut Steps) {
        let Some(session) = self.session else {
            return;
        };
        let text = match session.since {
            Some(_) => "the session is up, and carries the family".to_owned(),
            None => "the session counts as up".to_owned(),
        };
        let because = self.because(Stage::Session, None, text);
        steps.add_for(&self.peer.name, &because, result);
    }

    fn note_wire(&self, told: &ViewedRoute, steps: &mut Steps) {
        let mode = match self.peer.next_hop {
            PlannedNextHop::Own => {
                "always this node's own address (nextHopMode Self, or an iBGP peer that is told it)"
            }
            PlannedNextHop::Keep => "the one that the route came with (keepOriginalNextHop)",
            PlannedNextHop::None if self.peer.internal => {
                "as it came, or this node's own address where there is none (RFC 4271 5.1.3)"
            }
            PlannedNextHop::None => "this node's own address towards another AS (RFC 4271 5.1.3)",
        };
        let told = WireAttributes::from(told);
        let next_hop = told.next_hop.clone().unwrap_or_default();
        let because = self.because(Stage::Wire, None, format!("next hop {next_hop}: {mode}"));
        steps.add_for(&self.peer.name, &because, Pass);
        let because = self.because(Stage::Wire, None, told.to_string());
        steps.add_for(&self.peer.name, &because, Info);
    }

    /// The last change of the route or of the session.
    fn sent_at(&self) -> Option<Timestamp> {
        let since = self.session.and_then(|session| session.since)?;
        Some(self.situation.since?.max(since))
    }
}

/// Whether the trace of the rules also covers this reason.
fn is_by_rules(why: Withheld) -> bool {
    !matches!(
        why,
        Withheld::Source | Withheld::NextHop | Withheld::TooLong | Withheld::Waiting
    )
}

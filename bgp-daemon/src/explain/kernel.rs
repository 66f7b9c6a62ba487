//! The kernel's state of the prefix, and the reason.

use std::net::IpAddr;

use bgp_core::rib::{Route, RouteSource};
use bgp_speaker::forwarding::{NextHops, State};
use ipnet::IpNet;

use super::answer::{KernelAnswer, KernelState, Stage, StepResult};
use super::situation::{KernelFact, Situation};
use super::steps::Steps;
use crate::desired::local_kind;
use crate::plan::trace::ClaimKind;
use crate::plan::{self, CandidateRoute, LeftOut, RouteOrigin};

impl KernelFact {
    /// The forwarding task's data about the paths of a prefix, the best one first.
    pub fn look(state: &State, paths: &[Route]) -> Self {
        let installed = paths.iter().find(|route| state.is_in_kernel(route));
        let refused = paths.iter().find_map(|route| state.refusal(route));
        let foreign = paths.first().and_then(|route| state.learned_from(route));
        Self::Known {
            installed: installed.map(|route| next_hops(&state.next_hops_in_kernel(route))),
            refused: refused.map(ToString::to_string),
            foreign: foreign.map(|route| {
                let ways = next_hops(&NextHops::from(&route.kind));
                format!(
                    "a route of {}, metric {}, {ways}",
                    program(route.protocol),
                    route.metric
                )
            }),
        }
    }
}

/// The usual programs of the protocol numbers in `linux/rtnetlink.h`.
fn program(protocol: u8) -> String {
    match protocol {
        2 => "the kernel itself".to_owned(),
        3 => "`ip route` at boot (protocol 3)".to_owned(),
        4 => "an administrator (protocol static)".to_owned(),
        80 => "Felix (protocol 80)".to_owned(),
        other => format!("protocol {other}"),
    }
}

fn next_hops(next_hops: &NextHops) -> String {
    match next_hops {
        NextHops::Via(gateways) => {
            let one = |gateway: &bgp_speaker::forwarding::Gateway| {
                format!("via {} dev {}", gateway.address, gateway.interface)
            };
            gateways.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        NextHops::Device(interface) => format!("dev {interface}"),
        NextHops::Blackhole => "blackhole".to_owned(),
        NextHops::Unreachable => "unreachable".to_owned(),
    }
}

/// The answer, and its step.
pub(super) fn answer(situation: &Situation<'_>, steps: &mut Steps) -> KernelAnswer {
    let (state, object, text) = decide(situation);
    let result = match state {
        KernelState::Installed => StepResult::Pass,
        KernelState::Refused => StepResult::Stop,
        KernelState::LeftToFelix | KernelState::NotWanted => StepResult::Info,
    };
    steps.add(Stage::Kernel, object.as_deref(), result, text.as_str());
    KernelAnswer { state, text }
}

type Decided = (KernelState, Option<String>, String);

fn decide(situation: &Situation<'_>) -> Decided {
    use KernelState::{Installed, NotWanted, Refused};
    let subject = situation.subject;
    let Some(best) = subject.best() else {
        let text = "there is no route to be written".to_owned();
        return (NotWanted, None, text);
    };
    let by_rules = || {
        rules(
            situation,
            best.source,
            best.next_hop.map(|hop| hop.address()),
        )
    };
    match &situation.kernel {
        KernelFact::LeftAlone => {
            let text = "the daemon runs with --no-kernel and writes nothing".to_owned();
            (NotWanted, None, text)
        }
        KernelFact::Known {
            refused: Some(error),
            ..
        } => {
            let text = format!("the kernel does not take the route: {error}; it is tried again every few seconds");
            (Refused, None, text)
        }
        KernelFact::Known {
            installed: Some(ways),
            ..
        } => (Installed, None, format!("{} {ways}, protocol 12", subject.prefix)),
        KernelFact::Known { .. } => by_rules().unwrap_or_else(|| {
            let text = "the route is not written yet: the kernel's table is still being read, or a local route is better".to_owned();
            (NotWanted, None, text)
        }),
        KernelFact::Foreseen => by_rules().unwrap_or_else(|| {
            let text = match best.source {
                RouteSource::Local(id) if id == local_kind::STATIC.id => "a blackhole would be written: what no workload's own route leads to is dropped",
                _ => "it would be written",
            };
            (Installed, None, text.to_owned())
        }),
    }
}

/// Why the rules keep the best route out of the kernel, if they do.
fn rules(
    situation: &Situation<'_>,
    source: RouteSource,
    next_hop: Option<IpAddr>,
) -> Option<Decided> {
    use KernelState::{LeftToFelix, NotWanted};
    let prefix = situation.subject.prefix;
    let source = match source {
        RouteSource::Peer(..) => plan::CandidateSource::Peer,
        RouteSource::Local(id) if id == local_kind::STATIC.id => {
            let mut originated = situation.plan.originate.iter();
            let service =
                originated.any(|it| it.prefix == prefix && it.origin == RouteOrigin::Service);
            match service {
                true => plan::CandidateSource::Service,
                false => plan::CandidateSource::Block,
            }
        }
        RouteSource::Local(id) if id == local_kind::HOST_ROUTE.id => {
            plan::CandidateSource::ReachableBy
        }
        RouteSource::Local(id) if id == local_kind::DIRECT.id => {
            let text = "the network is connected: the kernel has its own route".to_owned();
            return Some((NotWanted, None, text));
        }
        RouteSource::Local(_) => {
            let text = "the route is another program's, and in the kernel already".to_owned();
            return Some((NotWanted, None, text));
        }
    };
    let route = CandidateRoute {
        prefix,
        next_hop,
        local_pref: None,
        source,
    };
    let left_out = situation.plan.kernel[situation.family()].left_out(route)?;
    Some(match left_out {
        LeftOut::Service => (
            NotWanted,
            None,
            "kube-proxy serves the addresses of services: the kernel needs no route".to_owned(),
        ),
        LeftOut::ServiceRange(range) => (
            NotWanted,
            of_range(situation, range),
            format!("it lies in {range}, whose addresses kube-proxy serves on every node"),
        ),
        LeftOut::WireGuard => (
            LeftToFelix,
            None,
            "the next hop is reached by WireGuard, and Felix writes the routes through it"
                .to_owned(),
        ),
        LeftOut::PodCidr => (
            NotWanted,
            None,
            "it is this node's pod CIDR: the CNI plugin writes the routes to the pods".to_owned(),
        ),
        LeftOut::Pool(cidr) => {
            let object = of_pool(situation, cidr);
            let name = object.as_deref().unwrap_or("its IPPool");
            let text = format!(
                "{name} ({cidr}) has Felix write its routes: its encapsulation is VXLAN, or programClusterRoutes of BGPConfiguration/default leaves its kind of pool to Felix"
            );
            (LeftToFelix, object, text)
        }
    })
}

fn of_range(situation: &Situation<'_>, range: IpNet) -> Option<String> {
    claimed(situation, ClaimKind::Range, range)
}

fn of_pool(situation: &Situation<'_>, cidr: IpNet) -> Option<String> {
    claimed(situation, ClaimKind::Pool, cidr)
}

fn claimed(situation: &Situation<'_>, kind: ClaimKind, prefix: IpNet) -> Option<String> {
    let mut claims = situation.claims.covering.iter();
    let claim = claims.find(|claim| claim.kind == kind && claim.prefix == prefix)?;
    Some(claim.object.clone())
}

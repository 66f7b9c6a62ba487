//! The path of a prefix to its best route: objects, routes, import policies, decision.

use bgp_core::rib::{DecisionStep, RouteSource, Standing, Unusable, ViewedRoute};
use bgp_core::scoped::without_scope;
use ipnet::IpNet;

use super::answer::{Because, Stage, StepResult};
use super::facts::RouteFact;
use super::rule::RuleName;
use super::situation::{KernelFact, Situation};
use super::steps::Steps;
use crate::desired::local_kind;
use crate::plan::trace::{Claim, ClaimKind, ClaimStanding, Obstacle};

use StepResult::{Change, Info, Pass, Stop};

/// Adds the steps; returns the first obstacle if there is no route to advertise.
pub(super) fn walk(situation: &Situation<'_>, steps: &mut Steps) -> Option<Because> {
    let chain = Chain { situation };
    chain.resources(steps);
    chain.origins(steps);
    for fact in &situation.subject.routes {
        chain.import(fact, steps);
    }
    chain.decision(steps);
    match situation.subject.routes.first() {
        None => Some(chain.nothing()),
        Some(_) if situation.subject.best().is_some() => None,
        Some(first) => Some(chain.unusable(first)),
    }
}

struct Chain<'a> {
    situation: &'a Situation<'a>,
}

impl Chain<'_> {
    fn prefix(&self) -> IpNet {
        self.situation.subject.prefix
    }

    fn has_route(&self) -> bool {
        !self.situation.subject.routes.is_empty()
    }

    fn resources(&self, steps: &mut Steps) {
        let (plan, claims) = (self.situation.plan, self.situation.claims);
        let node = format!("Node/{}", plan.node);
        if !plan.node_exists {
            steps.add(Stage::Resource, Some(&node), Stop, NO_NODE);
        } else if plan.router_id.is_none() {
            steps.add(Stage::Resource, Some(&node), Stop, NO_ROUTER_ID);
        }
        for claim in &claims.covering {
            self.claim(claim, steps);
        }
        if let Some(workload) = &claims.workload {
            let text = format!("{} is the address of {workload}", self.situation.asked);
            steps.add(Stage::Resource, None, Info, text);
        }
        if let Some(inner) = self.situation.subject.inner {
            let text = format!(
                "{inner} is a route here; {} stands for it towards peers",
                self.prefix()
            );
            steps.add(Stage::Origin, None, Info, text);
        }
        for claim in &claims.inside {
            let text = format!("inside: {}", claim.text);
            steps.add(Stage::Resource, Some(&claim.object), Info, text);
        }
        let more = claims.inside_count - claims.inside.len();
        if more > 0 {
            let text = format!("inside: {more} more prefixes of objects");
            steps.add(Stage::Resource, None, Info, text);
        }
    }

    fn claim(&self, claim: &Claim, steps: &mut Steps) {
        let mut add = |object: &str, result, text: &str| {
            steps.add(Stage::Resource, Some(object), result, text);
        };
        match &claim.standing {
            ClaimStanding::Announced => add(&claim.object, Pass, &claim.text),
            ClaimStanding::Within(range) => {
                let text = format!("{}; {range}, which is announced, stands for it", claim.text);
                add(&claim.object, Info, &text);
            }
            // A pool, or a claim without effect because there is a route anyway, is context only.
            ClaimStanding::Refused(obstacles) => {
                add(&claim.object, Info, &claim.text);
                let result = if self.has_route() { Info } else { Stop };
                if self.decides(claim) {
                    for obstacle in obstacles {
                        add(&obstacle.object, result, &obstacle.text);
                    }
                }
            }
        }
    }

    /// Whether a claim is the reason that there is no route.
    fn decides(&self, claim: &Claim) -> bool {
        self.situation.claims.covering.first() == Some(claim)
            || (claim.kind != ClaimKind::Pool && claim.prefix == self.prefix())
    }

    fn origins(&self, steps: &mut Steps) {
        let subject = self.situation.subject;
        for fact in &subject.routes {
            let object = self.situation.source(fact.route.source);
            steps.add(Stage::Origin, Some(&object), Pass, self.origin(&fact.route));
        }
        if subject.routes.is_empty() {
            let text = format!(
                "there is no route to {}: neither of this node's own, nor from the kernel, nor from a peer",
                self.prefix()
            );
            steps.add(Stage::Origin, None, Stop, text);
        }
        if let Some(covering) = subject.covered_by {
            let text = format!("{covering} is a route here and contains {}", self.prefix());
            steps.add(Stage::Origin, None, Info, text);
        }
    }

    fn origin(&self, route: &ViewedRoute) -> String {
        let foreign = match &self.situation.kernel {
            KernelFact::Known { foreign, .. } => foreign.as_deref(),
            KernelFact::Foreseen | KernelFact::LeftAlone => None,
        };
        let stale = match route.stale {
            true => {
                "; the peer is away, and the route stays until it is back or for its restart time"
            }
            false => "",
        };
        let next_hop = route
            .next_hop
            .map(|next_hop| without_scope(next_hop.address()));
        match route.source {
            RouteSource::Peer(..) => {
                let via = next_hop.map_or_else(String::new, |it| format!(" with next hop {it}"));
                let path = route.attributes.as_path.to_string();
                let path = match path.is_empty() {
                    true => "an empty AS path".to_owned(),
                    false => format!("AS path {path}"),
                };
                format!(
                    "learned from {}{via}, {path}{stale}",
                    self.situation.source(route.source)
                )
            }
            RouteSource::Local(id) if id == local_kind::STATIC.id => {
                "this node originates it".to_owned()
            }
            RouteSource::Local(id) if id == local_kind::HOST_ROUTE.id => {
                let via = next_hop.map_or_else(|| "its gateway".to_owned(), |it| it.to_string());
                format!("the peer is reached by {via} (reachableBy)")
            }
            RouteSource::Local(id) if id == local_kind::DIRECT.id => {
                "a network that an interface of this node is connected to".to_owned()
            }
            RouteSource::Local(_) => match foreign {
                Some(foreign) => format!("learned from the kernel: {foreign}"),
                None => "learned from the kernel".to_owned(),
            },
        }
    }

    fn import(&self, fact: &RouteFact, steps: &mut Steps) {
        let RouteSource::Peer(..) = fact.route.source else {
            return;
        };
        if let Standing::Unusable(_) = fact.route.standing {
            let because = self.unusable(fact);
            return steps.add(Stage::Import, because.object.as_deref(), Stop, because.text);
        }
        let Some(import) = &fact.import else {
            return;
        };
        let from = self.situation.source(fact.route.source);
        for changed in &import.changed_by {
            let rule = RuleName(changed);
            let changes = rule.changes(self.situation.plan);
            let text = format!("the route from {from}: {changes}");
            let object = rule.object(self.situation.claims);
            steps.add(Stage::Import, object.as_deref(), Change, text);
        }
        let (object, text) = match import.rule.as_deref().map(RuleName) {
            Some(rule) => (
                rule.object(self.situation.claims),
                rule.accepts(self.situation.plan),
            ),
            None => (None, "no rule rejects it".to_owned()),
        };
        let text = format!("the route from {from}: {text}");
        steps.add(Stage::Import, object.as_deref(), Pass, text);
    }

    /// Why a route is unusable, or why there is no best route yet.
    fn unusable(&self, fact: &RouteFact) -> Because {
        let from = self.situation.source(fact.route.source);
        let about_peer = |stage, rule: Option<&str>, text: String| Because {
            stage,
            object: Some(from.clone()),
            rule: rule.map(str::to_owned),
            text,
        };
        match fact.route.standing {
            Standing::Unusable(Unusable::Policy) => {
                let import = fact.import.as_ref();
                let rule = import.and_then(|import| import.rule.as_deref());
                let name = rule.map(RuleName);
                let text = match name {
                    Some(rule) => rule.rejects(self.situation.plan),
                    None => "the import policy rejects it".to_owned(),
                };
                Because {
                    stage: Stage::Import,
                    object: name.and_then(|rule| rule.object(self.situation.claims)),
                    rule: rule.map(str::to_owned),
                    text: format!("the route from {from}: {text}"),
                }
            }
            Standing::Unusable(why) => {
                let (rule, help) = unusable_rule(why);
                let text = format!("the route from {from} cannot be used: {why}{help}");
                about_peer(Stage::Import, Some(rule), text)
            }
            Standing::Unreachable => about_peer(
                Stage::Decision,
                Some("RFC 4271 9.1.2.1"),
                format!("the route from {from} cannot be used: there is no way to its next hop; a route to {} in the kernel would help",
                    fact.route.next_hop.map_or_else(|| "it".to_owned(), |hop| hop.address().to_string())),
            ),
            Standing::Undecided if self.situation.recovering => about_peer(
                Stage::Decision,
                Some("RFC 4724 4.1"),
                "the daemon has restarted, and decisions wait until the peers that were up have sent their routes".to_owned(),
            ),
            Standing::Best
            | Standing::Lost { .. }
            | Standing::Undecided
            | Standing::Told
            | Standing::Withheld(_)
            | _ => about_peer(
                Stage::Decision,
                None,
                "the routes have just changed, and the choice is yet to be made".to_owned(),
            ),
        }
    }

    fn decision(&self, steps: &mut Steps) {
        let subject = self.situation.subject;
        let Some(best) = subject.best() else {
            return;
        };
        let name = self.situation.source(best.source);
        let text = match subject.routes.len() {
            1 => "the only route".to_owned(),
            all => format!("the best of {all} routes"),
        };
        steps.add(Stage::Decision, Some(&name), Pass, text);
        for fact in &subject.routes {
            let route = &fact.route;
            let object = self.situation.source(route.source);
            match route.standing {
                Standing::Lost { step, against } => {
                    let other = subject.routes.iter().find(|it| it.route.source == against);
                    let values = other.and_then(|other| values(step, route, &other.route));
                    let text = format!(
                        "loses against {} by {step}{}",
                        self.situation.source(against),
                        values.unwrap_or_default()
                    );
                    steps.add(Stage::Decision, Some(&object), Stop, text);
                }
                Standing::Unreachable => {
                    let text = "there is no way to its next hop";
                    steps.add(Stage::Decision, Some(&object), Stop, text);
                }
                _ => {}
            }
        }
    }

    /// Why there is no route at all.
    fn nothing(&self) -> Because {
        let plan = self.situation.plan;
        let node = format!("Node/{}", plan.node);
        let of = |stage, object: Option<&str>, rule: Option<&str>, text: String| Because {
            stage,
            object: object.map(str::to_owned),
            rule: rule.map(str::to_owned),
            text,
        };
        if !plan.node_exists {
            return of(Stage::Resource, Some(&node), None, NO_NODE.to_owned());
        }
        if plan.router_id.is_none() {
            return of(Stage::Resource, Some(&node), None, NO_ROUTER_ID.to_owned());
        }
        let Some(claim) = self.situation.claims.covering.first() else {
            let services = match self.situation.claims.without_services {
                true => {
                    "; services are not looked at: BGPConfiguration/default has no serviceClusterIPs, serviceExternalIPs or serviceLoadBalancerIPs"
                }
                false => "",
            };
            let text = format!(
                "nobody knows {}: no object of the cluster names it, and there is no route to it{services}",
                self.prefix()
            );
            return of(Stage::Origin, None, None, text);
        };
        let object = claim.object.as_str();
        match &claim.standing {
            ClaimStanding::Refused(obstacles) => match obstacles.first() {
                Some(obstacle) => because(obstacle),
                None => of(Stage::Resource, Some(object), None, claim.text.clone()),
            },
            ClaimStanding::Within(range) => {
                let text = format!("{range} is announced in its place ({})", claim.text);
                of(Stage::Resource, Some(object), None, text)
            }
            ClaimStanding::Announced if claim.prefix == self.prefix() => {
                let text = "the object is to be announced, and there is no route yet".to_owned();
                of(Stage::Origin, Some(object), None, text)
            }
            ClaimStanding::Announced => {
                let text = format!(
                    "{} is no route by itself: it lies inside {}, which {object} has announced",
                    self.prefix(),
                    claim.prefix
                );
                of(Stage::Origin, Some(object), None, text)
            }
        }
    }
}

const NO_NODE: &str =
    "the node is not in the cluster: without its Node resource nothing is announced";
const NO_ROUTER_ID: &str =
    "the node has no router ID (spec.bgp.ipv4Address), and without one no session comes up";

fn because(obstacle: &Obstacle) -> Because {
    Because {
        stage: Stage::Resource,
        object: Some(obstacle.object.clone()),
        rule: obstacle.rule.clone(),
        text: obstacle.text.clone(),
    }
}

/// The RFC that forbids the route, and how to fix it.
fn unusable_rule(why: Unusable) -> (&'static str, &'static str) {
    match why {
        Unusable::AsLoop => (
            "RFC 4271 9.1.2",
            "; numAllowedLocalASNumbers of the BGPPeer would allow it",
        ),
        Unusable::ReflectionLoop => ("RFC 4456 8", ""),
        Unusable::OwnNextHop => ("RFC 4271 5.1.3", ""),
        Unusable::LoopbackNextHop => ("RFC 4271 6.3", ""),
        Unusable::RouteLeak => ("RFC 9234 5", "; the roles of both sides say what is a leak"),
        Unusable::Policy => ("policy", ""),
        _ => ("", ""),
    }
}

/// The compared values, if they are numbers of each route.
fn values(step: DecisionStep, lost: &ViewedRoute, won: &ViewedRoute) -> Option<String> {
    let pair = |lost: Option<u32>, won: Option<u32>| {
        let text =
            |value: Option<u32>| value.map_or_else(|| "none".to_owned(), |it| it.to_string());
        Some(format!(" ({} against {})", text(lost), text(won)))
    };
    let len = |route: &ViewedRoute| Some(route.attributes.as_path.view().route_len());
    match step {
        DecisionStep::Preference => pair(Some(lost.preference), Some(won.preference)),
        DecisionStep::LocalPref => pair(lost.attributes.local_pref, won.attributes.local_pref),
        DecisionStep::AsPathLength => pair(len(lost), len(won)),
        DecisionStep::Med => pair(lost.attributes.med, won.attributes.med),
        DecisionStep::IgpMetric => pair(lost.igp_metric, won.igp_metric),
        _ => None,
    }
}

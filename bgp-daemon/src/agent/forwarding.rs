//! Between the RIB and the kernel: which routes go into the kernel's table, and what the kernel has to say to the RIB.
//!
//! Input: routes and next hops of the RIB (through a [`Mailbox`]), the plan's rules, events of the kernel. Output: changes for
//! the kernel; next hops, and routes learned from the kernel, for the RIB. Holds the last route of each prefix, so that a
//! change of the rules or of the way to a next hop is applied to the routes at hand.

pub(super) mod view;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bgp_core::rib::{ForwardRoute, Input, Resolution};
use bgp_core::types::{Family, PerFamily, family_of};
use ipnet::IpNet;
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{debug, warn};

use super::learning::{Learning, is_workload};
use crate::kernel::resolve::{Resolution as Way, ResolvedHop, Resolver};
use crate::kernel::{
    Device, Hop, Interface, Kernel, KernelEvent, KernelRoute, RouteChange, RouteKind,
};
use crate::net::{Ended, ForwardingEvent, ForwardingSink, Routes};
use crate::plan::{KernelDecision, KernelRules, Plan, RouteOrigin, RouteSource, Tunnel};
use crate::pool::Pool;
use wanted::{ByPrefix, Wanted};

/// Device of IP-in-IP tunnels.
const TUNNEL_DEVICE: &str = "tunl0";
/// The cost of a next hop that is reached through a router: unknown, and more than that of one on a link.
pub(super) const REMOTE_METRIC: u32 = 1 << 31;

/// What the plan says of forwarding.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ForwardingPlan {
    pub(super) rules: PerFamily<KernelRules>,
    /// Own prefixes, and why they are ours.
    pub(super) originated: BTreeMap<IpNet, RouteOrigin>,
    /// Peers, and the gateway by which each is reached.
    pub(super) reachable_by: BTreeMap<IpNet, IpAddr>,
    pub(super) ignored_interfaces: Vec<String>,
}

impl ForwardingPlan {
    /// The part of a plan that is about forwarding.
    pub(super) fn of(plan: &Plan) -> Self {
        let originated = plan.originate.iter();
        // Of two routes to a peer, the first one counts.
        let hosts = plan.reachable_by.iter().rev();
        Self {
            rules: plan.kernel.clone(),
            originated: originated
                .map(|route| (route.prefix, route.origin))
                .collect(),
            reachable_by: hosts.map(|route| (route.prefix, route.via)).collect(),
            ignored_interfaces: plan.ignored_interfaces.clone(),
        }
    }
}

/// What the owner wants of the forwarding task.
pub(super) enum Order {
    /// A new plan.
    Plan(Box<ForwardingPlan>),
    /// Somebody wants to know something.
    Look(view::Question),
    /// Leftovers of the last run may go.
    FinishRecovery,
    /// Leave the kernel as it is from now on.
    Stop(oneshot::Sender<()>),
}

/// The newest wishes of the RIB, each prefix at most once, so that a slow kernel never holds the RIB up.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    content: Mutex<Content>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Content {
    wishes: Wishes,
    known: Pool<ForwardRoute>,
}

#[derive(Debug, Default)]
struct Wishes {
    routes: ByPrefix<Option<Arc<ForwardRoute>>>,
    resolve: Vec<IpAddr>,
    deferral_ended: bool,
}

impl Mailbox {
    /// The end that the RIB fills.
    pub(super) fn sink(self: &Arc<Self>) -> ForwardingSink {
        let mailbox = Arc::clone(self);
        Box::new(move |event| mailbox.put(event))
    }

    fn put(&self, event: ForwardingEvent) {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let Content { wishes, known } = &mut *content;
        match event {
            ForwardingEvent::Route { prefix, route } => {
                let route = route.map(|route| known.share(route));
                wishes.routes.insert(prefix, route);
            }
            ForwardingEvent::Resolve(address) => wishes.resolve.push(address),
            ForwardingEvent::DeferralEnded => wishes.deferral_ended = true,
        }
        drop(content);
        self.filled.notify_one();
    }

    async fn take(&self) -> Wishes {
        self.filled.notified().await;
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut content.wishes)
    }
}

/// The task between the RIB and the kernel.
pub(super) struct Forwarding {
    pub(super) kernel: Kernel,
    pub(super) events: mpsc::Receiver<KernelEvent>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) routes: Routes,
    /// Told once, when the RIB has decided on all that there was to wait for.
    pub(super) deferral_ended: Option<oneshot::Sender<()>>,
}

/// Everything that decisions are made of.
#[derive(Default)]
pub(super) struct State {
    plan: ForwardingPlan,
    wanted: Wanted,
    resolver: Resolver,
    /// Next hops that the RIB wants to know about.
    watched: BTreeSet<IpAddr>,
    learning: Learning,
    interfaces: BTreeMap<u32, Interface>,
    /// Prefixes whose route is wanted, and not in the kernel.
    refused: BTreeSet<IpNet>,
    /// What the kernel knew at the start is known here. Before that nothing is decided: routes of the last run still lead
    /// the way, and must not be replaced by what is decided in the dark.
    synced: bool,
}

impl Forwarding {
    /// Runs until the owner is gone. Routes stay in the kernel.
    pub(super) async fn run(mut self) {
        let mut state = State::default();
        let mut events = Vec::new();
        loop {
            let done = tokio::select! {
                wishes = self.mailbox.take(), if state.synced => self.fulfil(&mut state, wishes).await,
                count = self.events.recv_many(&mut events, 1024) => {
                    if count == 0 {
                        warn!("routes are no longer written to the kernel: its task has ended");
                        return;
                    }
                    self.notice(&mut state, events.drain(..)).await
                }
                order = self.orders.recv() => match order {
                    Some(Order::Stop(done)) => {
                        done.send(()).ok();
                        return;
                    }
                    Some(order) => self.obey(&mut state, order).await,
                    None => return,
                },
            };
            if done.is_err() {
                return;
            }
        }
    }

    async fn fulfil(&mut self, state: &mut State, wishes: Wishes) -> Result<(), Ended> {
        for address in wishes.resolve {
            state.resolver.watch(address);
            state.watched.insert(address);
            self.tell_next_hop(state, address).await?;
        }
        let mut covered = BTreeSet::new();
        for (prefix, route) in wishes.routes {
            covered.extend(state.watched_in(prefix));
            match route {
                Some(route) => state.wanted.insert(prefix, route),
                None => state.wanted.remove(&prefix),
            }
            self.apply(state, prefix).await?;
        }
        self.next_hops_changed(state, &covered).await?;
        if wishes.deferral_ended
            && let Some(told) = self.deferral_ended.take()
        {
            // The owner may have gone.
            told.send(()).ok();
        }
        Ok(())
    }

    async fn tell_next_hop(&self, state: &State, address: IpAddr) -> Result<(), Ended> {
        let way = state.way_to(address);
        debug!(%address, ?way, "next hop");
        let resolution = way.map_or(Resolution::Unreachable, |way| Resolution::Reachable {
            metric: if way.direct { 0 } else { REMOTE_METRIC },
            interface: way.hops.first().map(|hop| Arc::clone(&hop.interface)),
        });
        self.routes
            .tell(vec![Input::NextHop {
                address,
                resolution,
            }])
            .await
    }

    async fn notice(
        &self,
        state: &mut State,
        events: impl Iterator<Item = KernelEvent>,
    ) -> Result<(), Ended> {
        let mut inputs = Vec::new();
        for event in events {
            state.resolver.apply(&event);
            inputs.extend(state.learning.apply(&event));
            match event {
                KernelEvent::Interface {
                    index,
                    interface: Some(interface),
                } => {
                    state.interfaces.insert(index, interface);
                }
                KernelEvent::Interface {
                    index,
                    interface: None,
                } => {
                    state.interfaces.remove(&index);
                }
                // What the kernel refuses is an alarm, with all of them summed up.
                KernelEvent::RouteRejected { prefix, error } => {
                    debug!(%prefix, %error, "route not installed");
                    state.refused.insert(prefix);
                }
                KernelEvent::RejectionCleared { prefix } => {
                    debug!(%prefix, "route is no longer refused");
                    state.refused.remove(&prefix);
                }
                KernelEvent::Synced => state.synced = true,
                KernelEvent::Direct { .. } | KernelEvent::Routes { .. } => {}
            }
        }
        self.routes.tell(inputs).await?;
        let changed = state.resolver.take_changed().into_iter().collect();
        self.next_hops_changed(state, &changed).await
    }

    async fn next_hops_changed(
        &self,
        state: &State,
        changed: &BTreeSet<IpAddr>,
    ) -> Result<(), Ended> {
        if changed.is_empty() {
            return Ok(());
        }
        for address in changed {
            self.tell_next_hop(state, *address).await?;
        }
        self.apply_all(state, state.wanted.through(changed)).await
    }

    async fn obey(&self, state: &mut State, order: Order) -> Result<(), Ended> {
        match order {
            Order::Plan(plan) => self.follow(state, *plan).await,
            Order::Look(question) => {
                question(state);
                Ok(())
            }
            Order::FinishRecovery => self.kernel.finish_recovery().await.map_err(|_| Ended),
            Order::Stop(_) => Ok(()),
        }
    }

    /// Applies what another plan changes.
    async fn follow(&self, state: &mut State, plan: ForwardingPlan) -> Result<(), Ended> {
        let usual = PerFamily {
            ipv4: plan.rules.ipv4.normal_priority,
            ipv6: plan.rules.ipv6.normal_priority,
        };
        let inputs = state.learning.follow(&plan.ignored_interfaces, usual);
        self.routes.tell(inputs).await?;
        let old = std::mem::replace(&mut state.plan, plan);
        self.apply_all(state, state.prefixes_changed_since(&old))
            .await?;
        let hosts = differing(&old.reachable_by, &state.plan.reachable_by);
        let hosts = hosts.map(|host| host.addr());
        let watched = hosts.filter(|host| state.watched.contains(host)).collect();
        self.next_hops_changed(state, &watched).await
    }

    async fn apply_all(
        &self,
        state: &State,
        prefixes: impl IntoIterator<Item = IpNet>,
    ) -> Result<(), Ended> {
        for prefix in prefixes {
            self.apply(state, prefix).await?;
        }
        Ok(())
    }

    async fn apply(&self, state: &State, prefix: IpNet) -> Result<(), Ended> {
        let route = state.decide(prefix);
        self.kernel
            .change(RouteChange { prefix, route })
            .await
            .map_err(|_| Ended)
    }
}

impl State {
    /// The prefixes about which this plan says something else than the old one. If rules changed, all of their family.
    fn prefixes_changed_since(&self, old: &ForwardingPlan) -> BTreeSet<IpNet> {
        let new = &self.plan;
        let own = differing(&old.originated, &new.originated);
        let hosts = differing(&old.reachable_by, &new.reachable_by);
        let mut changed: BTreeSet<IpNet> = own.chain(hosts).collect();
        for family in Family::ALL {
            if old.rules[family] != new.rules[family] {
                let own = new.originated.keys().chain(new.reachable_by.keys());
                let all = self.wanted.keys().chain(own);
                changed.extend(all.filter(|prefix| family_of(**prefix) == family));
            }
        }
        changed
    }

    /// What is to stand in the kernel for a prefix.
    fn decide(&self, prefix: IpNet) -> Option<KernelRoute> {
        let rules = &self.plan.rules[family_of(prefix)];
        match self.wanted.get(&prefix) {
            Some(route) => self.learned(rules, prefix, route),
            None => self.own(rules, prefix),
        }
    }

    /// What is to stand there if it is not learned from a peer.
    fn own(&self, rules: &KernelRules, prefix: IpNet) -> Option<KernelRoute> {
        if let Some(via) = self.plan.reachable_by.get(&prefix) {
            return install(rules, prefix, RouteSource::ReachableBy)
                .map(|_| KernelRoute::via(vec![Hop::gateway(*via)]));
        }
        match self.plan.originated.get(&prefix)? {
            // Blocks of a single address are announced, but the workload's own route leads to it.
            RouteOrigin::Block if prefix.prefix_len() == prefix.max_prefix_len() => None,
            RouteOrigin::Block => {
                install(rules, prefix, RouteSource::Block).map(|_| KernelRoute::blackhole())
            }
            RouteOrigin::Service => None,
        }
    }

    fn learned(
        &self,
        rules: &KernelRules,
        prefix: IpNet,
        route: &ForwardRoute,
    ) -> Option<KernelRoute> {
        let (mut hops, mut metric, mut allowed) = (Vec::new(), None, false);
        for (next_hop, wanted, tunnel) in installed(rules, prefix, route) {
            allowed = true;
            metric = metric.or(wanted);
            match tunnel {
                // The outer packet needs a way too.
                Some(Tunnel::Ipip) => hops.extend(self.way_to(next_hop).map(|_| {
                    Hop::gateway(next_hop)
                        .dev(Device::name(TUNNEL_DEVICE))
                        .onlink()
                })),
                None => hops.extend(self.hops_towards(next_hop)),
            }
        }
        let kind = match (allowed, hops.is_empty()) {
            (false, _) => return None,
            // With a better metric it would take the place of the route that it stands beside.
            (true, true) if route.standby => return None,
            (true, true) => RouteKind::Unreachable,
            (true, false) => RouteKind::Unicast { next_hops: hops },
        };
        Some(KernelRoute { metric, kind })
    }

    /// The way to a next hop. Where the plan says by which gateway a peer is reached, that is the way.
    fn way_to(&self, next_hop: IpAddr) -> Option<Way> {
        let prefix = IpNet::from(next_hop);
        let Some(via) = self.plan.reachable_by.get(&prefix).copied() else {
            return self.kernel_way_to(next_hop);
        };
        let mut way = self.kernel_way_to(via)?;
        for hop in &mut way.hops {
            hop.gateway.get_or_insert(via);
        }
        Some(Way {
            prefix,
            direct: false,
            ..way
        })
    }

    /// The way that the kernel has: never by a route that BGP itself brought, so that routes cannot come to lean on each other.
    /// To a workload on this node it is always its own route. Which of that and a route over BGP wins can depend on the answer
    /// given here, which must not depend on who wins in turn.
    fn kernel_way_to(&self, next_hop: IpAddr) -> Option<Way> {
        let way = self.resolver.resolve(next_hop)?;
        let to_workload = |hop: &ResolvedHop| is_workload(way.prefix, hop.gateway, &hop.interface);
        if way.hops.iter().all(to_workload) {
            return Some(way);
        }
        let mut covering = Some(IpNet::from(next_hop)).filter(|_| !self.wanted.is_empty());
        while let Some(net) = covering.filter(|net| net.prefix_len() >= way.prefix.prefix_len()) {
            if self.wanted.contains_key(&net) {
                return None;
            }
            covering = net.supernet();
        }
        Some(way)
    }

    /// The watched next hops inside a prefix.
    fn watched_in(&self, prefix: IpNet) -> impl Iterator<Item = IpAddr> {
        self.watched
            .range(prefix.network()..=prefix.broadcast())
            .copied()
    }

    fn hops_towards(&self, next_hop: IpAddr) -> Vec<Hop> {
        let way = self.way_to(next_hop);
        let hops = way.into_iter().flat_map(|way| way.hops);
        hops.map(|hop| Hop {
            gateway: Some(hop.gateway.unwrap_or(next_hop)),
            device: Some(Device::Index(hop.index)),
            onlink: false,
            weight: 1,
        })
        .collect()
    }
}

/// The keys that only one of two maps has, or that have another value.
fn differing<'a, K: Ord + Copy, V: PartialEq>(
    old: &'a BTreeMap<K, V>,
    new: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = K> + use<'a, K, V> {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let others = new
        .iter()
        .filter(|(key, value)| old.get(*key) != Some(*value));
    gone.chain(others.map(|(key, _)| key)).copied()
}

/// The next hops by which the rules let a peer's route into the kernel, each with metric and tunnel.
fn installed(
    rules: &KernelRules,
    prefix: IpNet,
    route: &ForwardRoute,
) -> impl Iterator<Item = (IpAddr, Option<u32>, Option<Tunnel>)> {
    let next_hops = route.next_hops.iter().map(|next_hop| next_hop.address());
    next_hops.filter_map(move |next_hop| {
        let decision = rules.decide(crate::plan::KernelRoute {
            prefix,
            next_hop: Some(next_hop),
            local_pref: Some(route.local_pref),
            source: RouteSource::Peer,
        });
        match decision {
            KernelDecision::Install { metric, tunnel } => Some((next_hop, metric, tunnel)),
            KernelDecision::Skip => None,
        }
    })
}

fn install(rules: &KernelRules, prefix: IpNet, source: RouteSource) -> Option<Option<u32>> {
    match rules.decide(crate::plan::KernelRoute {
        prefix,
        next_hop: None,
        local_pref: None,
        source,
    }) {
        KernelDecision::Skip => None,
        KernelDecision::Install { metric, .. } => Some(metric),
    }
}

#[cfg(test)]
mod tests;

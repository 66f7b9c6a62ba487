//! The task between the RIB and the kernel.
//!
//! Kernel changes are sent in slices, so that next hops and questions never wait for a long backlog.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::rib::{Input, Resolution};
use bgp_core::types::family_of;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, warn};

use super::default_gateway::{self, DefaultGateway};
use super::due::Step;
use super::mailbox::{Mailbox, Updates};
use super::rules::ForwardingPlan;
use super::state::State;
use crate::event::Ended;
use crate::kernel::{Kernel, KernelEvent, Room, RouteChange};
use crate::routes::Routes;
use crate::tasks::work_on;

/// The cost of a next hop behind a router: unknown, and higher than that of any connected next hop.
pub const REMOTE_METRIC: u32 = 1 << 31;
/// Steps per slice.
const SLICE: usize = 256;

/// A question to the forwarding task.
pub(super) type StateQuery = Box<dyn FnOnce(&State) + Send>;

/// A request to the forwarding task.
pub(super) enum Request {
    /// Replace the plan.
    Plan(Box<ForwardingPlan>),
    /// Run a function on the state.
    Look(StateQuery),
    /// Remove the leftovers of the last run.
    FinishRecovery,
    /// Leave the kernel as it is from now on.
    Stop(oneshot::Sender<()>),
}

/// Between the RIB and the kernel.
pub(super) struct Task {
    pub(super) kernel: Kernel,
    pub(super) events: mpsc::Receiver<KernelEvent>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) routes: Routes,
    /// The gateways of the default routes that the kernel uses, once they are known.
    pub(super) gateways: watch::Sender<Option<Vec<DefaultGateway>>>,
    /// Fires once, when the RIB has ended its deferral.
    pub(super) deferral_ended: Option<oneshot::Sender<()>>,
}

impl Task {
    /// Runs until the owner is gone. Routes stay in the kernel.
    pub(super) async fn run(mut self) {
        let mut state = State::default();
        let mut events = Vec::new();
        loop {
            let done = tokio::select! {
                updates = self.mailbox.take(), if state.synced => self.update(&mut state, updates).await,
                count = self.events.recv_many(&mut events, 1024) => {
                    if count == 0 {
                        warn!("routes are no longer written to the kernel: its task has ended");
                        return;
                    }
                    self.handle_events(&mut state, events.drain(..)).await
                }
                request = self.requests.recv() => match request {
                    Some(Request::Stop(done)) => {
                        done.send(()).ok();
                        return;
                    }
                    Some(request) => self.handle(&mut state, request).await,
                    None => return,
                },
                room = self.kernel.room(), if !state.due.is_empty() => {
                    room.map_err(|_| Ended).map(|room| self.advance(&mut state, room))
                }
            };
            if done.is_err() {
                return;
            }
        }
    }

    pub(super) async fn update(&self, state: &mut State, updates: Updates) -> Result<(), Ended> {
        for (address, wanted) in updates.next_hops {
            state.watch(address, wanted);
            if wanted {
                self.tell_next_hop(state, address).await?;
            }
        }
        let covered = work_on(updates.routes.len(), || state.take_in(updates.routes));
        self.next_hops_changed(state, &covered).await?;
        if updates.deferral_ended {
            state.due.push(Step::DeferralEnded);
        }
        Ok(())
    }

    /// Carries out some pending steps, as far as there is room.
    pub(super) fn advance(&mut self, state: &mut State, first: Room) {
        let mut room = Some(first);
        for _ in 0..SLICE {
            let Some(free) = room.take().or_else(|| self.kernel.try_room()) else {
                return;
            };
            match state.due.pop() {
                Some(Step::Route(prefix)) => {
                    let route = state.decide(prefix);
                    free.change(RouteChange { prefix, route });
                }
                Some(Step::FinishRecovery) => free.finish_recovery(),
                Some(Step::DeferralEnded) => {
                    if let Some(told) = self.deferral_ended.take() {
                        // The owner may have gone.
                        told.send(()).ok();
                    }
                }
                None => return,
            }
        }
    }

    async fn tell_next_hop(&self, state: &State, address: IpAddr) -> Result<(), Ended> {
        let way = state.path_to(address);
        debug!(%address, ?way, "next hop");
        let resolution = way.map_or(Resolution::Unreachable, |way| Resolution::Reachable {
            metric: if way.direct { 0 } else { REMOTE_METRIC },
            interface: State::interface_of(&way),
        });
        self.routes
            .tell(vec![Input::NextHop {
                address,
                resolution,
            }])
            .await
    }

    pub(super) async fn handle_events(
        &self,
        state: &mut State,
        events: impl Iterator<Item = KernelEvent>,
    ) -> Result<(), Ended> {
        let mut inputs = Vec::new();
        for event in events {
            state.resolver.apply(&event);
            inputs.extend(state.learning.apply(&event, &state.plan));
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
                // Refused routes are reported as one alarm, which sums them up.
                KernelEvent::RouteRejected { prefix, error } => {
                    debug!(%prefix, %error, "route not installed");
                    state.refused.insert(prefix, error);
                }
                KernelEvent::RejectionCleared { prefix } => {
                    debug!(%prefix, "route is no longer refused");
                    state.refused.remove(&prefix);
                }
                KernelEvent::Synced => state.synced = true,
                KernelEvent::Routes { prefix, routes } if prefix.prefix_len() == 0 => {
                    state.default_routes[family_of(prefix)] = routes;
                }
                KernelEvent::Direct { .. } | KernelEvent::Routes { .. } => {}
            }
        }
        if state.synced {
            let gateways = Some(default_gateway::of(&state.default_routes));
            self.gateways
                .send_if_modified(|before| std::mem::replace(before, gateways.clone()) != gateways);
        }
        self.routes.tell(inputs).await?;
        let changed = state.resolver.take_changed().into_iter().collect();
        self.next_hops_changed(state, &changed).await
    }

    async fn next_hops_changed(
        &self,
        state: &mut State,
        changed: &BTreeSet<IpAddr>,
    ) -> Result<(), Ended> {
        if changed.is_empty() {
            return Ok(());
        }
        for address in changed {
            self.tell_next_hop(state, *address).await?;
        }
        let dependents = state.wanted.count_through(changed);
        work_on(dependents, || {
            state.due.extend(state.wanted.through(changed))
        });
        Ok(())
    }

    pub(super) async fn handle(&self, state: &mut State, request: Request) -> Result<(), Ended> {
        match request {
            Request::Plan(plan) => self.follow(state, *plan).await,
            Request::Look(question) => {
                question(state);
                Ok(())
            }
            Request::FinishRecovery => {
                state.due.push(Step::FinishRecovery);
                Ok(())
            }
            Request::Stop(_) => Ok(()),
        }
    }

    /// Applies the differences between the old plan and a new one.
    async fn follow(&self, state: &mut State, plan: ForwardingPlan) -> Result<(), Ended> {
        let old = std::mem::replace(&mut state.plan, plan);
        let inputs = state.learning.follow(&old, &state.plan);
        self.routes.tell(inputs).await?;
        let known = state.wanted.len() + state.plan.own.len();
        work_on(known, || {
            state.due.extend(state.prefixes_changed_since(&old))
        });
        let gateways = state.plan.gateways_changed_since(&old);
        let watched = gateways.into_iter();
        let watched = watched.flat_map(|address| state.watched_in(address.into()));
        let watched = watched.collect();
        self.next_hops_changed(state, &watched).await
    }
}

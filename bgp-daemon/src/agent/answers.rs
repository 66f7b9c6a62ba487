//! Answers to questions on the control sockets: snapshots of the speaker, taken without holding it up.
//!
//! What takes time (sessions, routes) is answered by a task of its own; what changes the speaker is done at once.

mod protocols;
mod routes;

use bgp_core::session::Stop;
use bgp_core::types::{Asn, Family, RouterId};
use tokio::sync::{oneshot, watch};

use super::forwarding::Order;
use super::{Agent, Running};
use crate::control::command::{NamePattern, Query, ReloadDirection};
use crate::control::model::{
    ActionOutcome, ActionReport, AddressScope, AddressSnapshot, ConfigureOutcome,
    InterfaceSnapshot, LinkKind, MemorySnapshot, NodeSnapshot, Phase, ProblemSnapshot,
    RecoverySnapshot, StatusSnapshot,
};
use crate::control::server::{Answer, Request};
use crate::datastore::Snapshot;
use crate::kernel::Interface;
use protocols::Observer;

impl Agent {
    /// Answers, or leaves it to a task. A client that has gone is no error: the answer goes nowhere.
    pub(super) async fn answer(&mut self, request: Request, snapshots: &watch::Receiver<Snapshot>) {
        let Request {
            family,
            query,
            reply,
        } = request;
        match query {
            Query::Status => send(reply, Answer::Status(self.status())),
            Query::Protocols { name, all } => {
                let observer = self.observer(family);
                tokio::spawn(async move {
                    let found = observer.protocols(&name, all).await;
                    let none = found.is_empty() && !name.is_any();
                    send(
                        reply,
                        if none {
                            Answer::NoProtocol
                        } else {
                            Answer::Protocols(found)
                        },
                    );
                });
            }
            Query::Routes(query) => match &self.speaker {
                Some(running) => routes::answer(running, family, query, reply),
                None => send(reply, Answer::Routes(tokio::sync::mpsc::channel(1).1)),
            },
            Query::Interfaces => self.interfaces(reply).await,
            Query::Memory => send(reply, Answer::Memory(memory())),
            Query::Configure => {
                let snapshot = snapshots.borrow().clone();
                let outcome = match self.follow(&snapshot).await {
                    Ok(()) => ConfigureOutcome::Reconfigured,
                    Err(error) => ConfigureOutcome::Failed(error.to_string()),
                };
                send(reply, Answer::Configured(outcome));
            }
            Query::Enable(name) => self.act(family, &name, Action::Enable, reply).await,
            Query::Disable(name) => self.act(family, &name, Action::Disable, reply).await,
            Query::Restart(name) => self.act(family, &name, Action::Restart, reply).await,
            Query::Reload { name, direction } => {
                self.act(family, &name, Action::Reload(direction), reply)
                    .await
            }
            Query::Snapshot => self.snapshot(family, reply),
        }
    }

    fn snapshot(&self, family: Family, reply: oneshot::Sender<Answer>) {
        let (node, status, observer) = (
            self.config.node.clone(),
            self.status(),
            self.observer(family),
        );
        let local_as = self
            .speaker
            .as_ref()
            .map_or(Asn(0), |running| running.plan.local_as);
        let problems = self.problems.iter().map(|problem| ProblemSnapshot {
            object: problem.object.clone(),
            reason: problem.to_string(),
        });
        let problems = problems.collect();
        tokio::spawn(async move {
            let protocols = observer.protocols(&NamePattern::any(), true).await;
            let snapshot = NodeSnapshot {
                node,
                local_as,
                status,
                problems,
                protocols,
            };
            send(reply, Answer::Snapshot(Box::new(snapshot)));
        });
    }

    fn status(&self) -> StatusSnapshot {
        let no_router_id = RouterId::from_bits(0);
        let plan = self.speaker.as_ref().map(|running| &running.plan);
        let recovery = self.leftovers.is_some().then(|| {
            let elapsed = super::elapsed_secs(self.boot);
            let total_secs = super::RECOVERY_UNTIL.as_secs();
            let waiting = plan.map_or(0, |plan| plan.peers.len());
            RecoverySnapshot {
                waiting,
                remaining_secs: total_secs.saturating_sub(elapsed),
                total_secs,
            }
        });
        StatusSnapshot {
            router_id: plan.and_then(|plan| plan.router_id).unwrap_or(no_router_id),
            boot: self.boot,
            reconfigured: self.reconfigured,
            phase: Phase::Running,
            recovery,
        }
    }

    fn observer(&self, family: Family) -> Observer {
        Observer::new(self.speaker.as_ref(), family, self.boot)
    }

    async fn interfaces(&self, reply: oneshot::Sender<Answer>) {
        let (ask, answer) = oneshot::channel();
        if let Some(orders) = self
            .speaker
            .as_ref()
            .and_then(|running| running.forwarding.as_ref())
        {
            orders.send(Order::Interfaces(ask)).await.ok();
        }
        tokio::spawn(async move {
            let interfaces = answer.await.unwrap_or_default();
            send(
                reply,
                Answer::Interfaces(interfaces.iter().map(interface).collect()),
            );
        });
    }

    async fn act(
        &mut self,
        family: Family,
        name: &NamePattern,
        action: Action,
        reply: oneshot::Sender<Answer>,
    ) {
        let Some(running) = &mut self.speaker else {
            return send(reply, Answer::NoProtocol);
        };
        let names: Vec<_> = running
            .plan
            .peers
            .iter()
            .filter(|peer| peer.family == family && name.matches(&peer.name))
            .map(|peer| peer.name.clone())
            .collect();
        if names.is_empty() && !name.is_any() {
            return send(reply, Answer::NoProtocol);
        }
        let mut reports = Vec::new();
        for name in names {
            let outcome = running.act(&name, action).await;
            reports.push(ActionReport {
                name: name.into(),
                outcome,
            });
        }
        send(reply, Answer::Actions(reports));
    }
}

/// What an operator wants done with a session.
#[derive(Clone, Copy, Debug)]
enum Action {
    Enable,
    Disable,
    Restart,
    Reload(ReloadDirection),
}

impl Running {
    async fn act(&mut self, name: &str, action: Action) -> ActionOutcome {
        let disabled = self.disabled.contains(name);
        match (action, disabled) {
            (Action::Enable, false) => ActionOutcome::AlreadyEnabled,
            (Action::Enable, true) => {
                self.disabled.remove(name);
                self.speaker.enable_peer(name).await;
                ActionOutcome::Enabled
            }
            (Action::Disable | Action::Restart | Action::Reload(_), true) => {
                ActionOutcome::AlreadyDisabled
            }
            (Action::Disable, false) => {
                self.disabled.insert(name.into());
                self.speaker.disable_peer(name, Stop::Shutdown(None)).await;
                ActionOutcome::Disabled
            }
            (Action::Restart, false) => {
                self.speaker.disable_peer(name, Stop::Reset(None)).await;
                ActionOutcome::Restarted
            }
            (Action::Reload(direction), false) => {
                if direction != ReloadDirection::Out {
                    self.speaker.request_refresh(name).await;
                }
                if direction != ReloadDirection::In {
                    self.speaker.send_again(name).await;
                }
                ActionOutcome::Reloading
            }
        }
    }
}

fn send(reply: oneshot::Sender<Answer>, answer: Answer) {
    // Whoever asked may have gone.
    reply.send(answer).ok();
}

fn interface(interface: &Interface) -> InterfaceSnapshot {
    let loopback = interface
        .addresses
        .iter()
        .any(|address| address.address.is_loopback());
    InterfaceSnapshot {
        name: interface.name.clone(),
        index: interface.index,
        up: interface.up && interface.carrier,
        link: LinkKind::MultiAccess,
        broadcast: !loopback,
        multicast: !loopback,
        admin_up: interface.up,
        link_up: interface.carrier,
        loopback,
        ignored: loopback,
        mtu: interface.mtu,
        addresses: interface
            .addresses
            .iter()
            .enumerate()
            .filter_map(|(place, address)| {
                let address =
                    ipnet::IpNet::new(address.address, address.prefix.prefix_len()).ok()?;
                let scope = if loopback {
                    AddressScope::Host
                } else {
                    AddressScope::Universe
                };
                Some(AddressSnapshot {
                    address,
                    primary: place == 0,
                    scope,
                })
            })
            .collect(),
    }
}

/// Octets of resident memory; what belongs to what is not counted apart.
fn memory() -> MemorySnapshot {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let resident = pages
        .as_deref()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    MemorySnapshot {
        total: resident.unwrap_or(0) * 4096,
        ..MemorySnapshot::default()
    }
}

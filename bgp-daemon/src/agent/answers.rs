//! Answers to questions on the control sockets: snapshots of the speaker, taken without blocking it.
//!
//! Slow answers (sessions, routes) come from a task of their own; changes of the speaker are made at once.

mod bfd;
mod interfaces;
mod protocols;
mod routes;

use bgp_core::rib::{MemoryUse, Rib};
use bgp_core::types::{Asn, Family, RouterId};
use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

use super::node_agent::Agent;
use super::running::Action;
use crate::clock::elapsed_secs;
use crate::control::command::{NamePattern, Query};
use crate::control::model::{
    ActionReport, ConfigureOutcome, MemorySnapshot, NodeSnapshot, Phase, RecoverySnapshot,
    StatusSnapshot,
};
use crate::control::request::{Answer, Request};
use crate::datastore::Snapshot;
use bgp_speaker::Routes;
use protocols::Observer;
pub(crate) use protocols::protocols;

impl Agent {
    /// Answers, or starts a task that does. If the client is gone, the answer is dropped.
    pub(super) async fn answer(&mut self, request: Request, snapshots: &watch::Receiver<Snapshot>) {
        let Request {
            family,
            query,
            reply,
        } = request;
        match query {
            Query::Status => {
                let status = self.status(family);
                self.later(reply, async { Answer::Status(status.await) });
            }
            Query::Protocols { .. } | Query::BfdSessions { .. } | Query::Routes(_)
                if self.speaker.is_none() =>
            {
                send(reply, Answer::NoSpeaker);
            }
            Query::Protocols { name, all } => {
                let observer = self.observer(family);
                self.later(reply, async move {
                    let found = observer.protocols(&name, all).await;
                    match found.is_empty() && !name.is_any() {
                        true => Answer::NoProtocol,
                        false => Answer::Protocols(found),
                    }
                });
            }
            Query::Routes(query) => {
                if let Some(running) = &self.speaker {
                    let answer = routes::answer(&self.tasks, running, family, query);
                    send(reply, answer);
                }
            }
            Query::Interfaces => {
                let running = self.speaker.as_ref();
                let forwarding = running.and_then(|running| running.forwarding.clone());
                self.later(reply, async move {
                    Answer::Interfaces(interfaces::snapshots(forwarding.as_ref(), family).await)
                });
            }
            Query::BfdSessions { .. } => self.bfd_sessions(family, reply),
            Query::Memory => {
                let running = self.speaker.as_ref();
                let routes = running.map(|running| running.speaker.routes());
                self.later(reply, async { Answer::Memory(memory(routes).await) });
            }
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

    fn bfd_sessions(&self, family: Family, reply: oneshot::Sender<Answer>) {
        let running = self.running();
        let watched = running.and_then(|running| bfd::Watched::new(&running, family));
        self.later(reply, async {
            let Some(watched) = watched else {
                return Answer::BfdSessions(None);
            };
            Answer::BfdSessions(Some(watched.sessions().await))
        });
    }

    fn snapshot(&self, family: Family, reply: oneshot::Sender<Answer>) {
        let (node, status, observer) = (
            self.config.node.clone(),
            self.status(family),
            self.observer(family),
        );
        let local_as = self
            .speaker
            .as_ref()
            .map_or(Asn(0), |running| running.plan.local_as);
        let problems = self.all_problems();
        self.later(reply, async move {
            let protocols = observer.protocols(&NamePattern::any(), true).await;
            Answer::Snapshot(Box::new(NodeSnapshot {
                node,
                local_as,
                status: status.await,
                problems,
                protocols,
            }))
        });
    }

    /// Answers when the result is known, without blocking anything until then.
    fn later(
        &self,
        reply: oneshot::Sender<Answer>,
        answer: impl Future<Output = Answer> + Send + 'static,
    ) {
        self.tasks
            .errand("answer", async { send(reply, answer.await) });
    }

    /// The speaker as a whole, and the peers of a family that it waits for after a restart.
    fn status(&self, family: Family) -> impl Future<Output = StatusSnapshot> + Send + use<> {
        let phase = match self.speaker {
            Some(_) => Phase::Running,
            None => Phase::Reconfiguring,
        };
        let status = self.status_in(phase);
        let restarted = self.speaker.as_ref().filter(|_| self.leftovers.is_some());
        let asked = restarted.map(|running| (running.peer_ids(family), running.speaker.routes()));
        async move {
            let mut status = status;
            if let Some((peers, routes)) = asked {
                // A speaker that has ended waits for no peer.
                let awaited = routes.look(Rib::awaited).await.unwrap_or_default();
                status.recovery = recovery(awaited.intersection(&peers).count(), status.boot);
            }
            status
        }
    }

    /// As [`Self::status`], without the awaited peers.
    pub(super) fn status_in(&self, phase: Phase) -> StatusSnapshot {
        let plan = self.speaker.as_ref().map(|running| &running.plan);
        let router_id = plan.and_then(|plan| plan.router_id);
        StatusSnapshot {
            router_id: router_id.unwrap_or(RouterId::from_bits(0)),
            boot: self.boot,
            reconfigured: self.reconfigured,
            phase,
            recovery: None,
            drain: plan.and_then(|plan| plan.drain),
        }
    }

    fn observer(&self, family: Family) -> Observer {
        Observer::new(self.running().as_ref(), family, self.boot)
    }

    async fn act(
        &mut self,
        family: Family,
        name: &NamePattern,
        action: Action,
        reply: oneshot::Sender<Answer>,
    ) {
        let Some(running) = &mut self.speaker else {
            return send(reply, Answer::NoSpeaker);
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
        self.publish();
        send(reply, Answer::Actions(reports));
    }
}

fn send(reply: oneshot::Sender<Answer>, answer: Answer) {
    // The caller may be gone.
    reply.send(answer).ok();
}

/// Without awaited peers there is no recovery: held decisions proceed.
fn recovery(waiting: usize, boot: Timestamp) -> Option<RecoverySnapshot> {
    let total_secs = super::recovery::UNTIL.as_secs();
    (waiting > 0).then(|| RecoverySnapshot {
        waiting,
        remaining_secs: total_secs.saturating_sub(elapsed_secs(boot)),
        total_secs,
    })
}

/// Answers while sessions are ending: only the status is left to ask for.
pub(super) fn answer_while_ending(request: Request, status: &StatusSnapshot) {
    if request.query == Query::Status {
        send(request.reply, Answer::Status(status.clone()));
    }
}

async fn memory(routes: Option<Routes>) -> MemorySnapshot {
    let rib = match routes {
        Some(routes) => routes.look(Rib::memory).await.unwrap_or_default(),
        None => MemoryUse::default(),
    };
    MemorySnapshot {
        routing_tables: rib.tables as u64,
        route_attributes: rib.attributes as u64,
        protocols: rib.messages as u64,
        total: resident_octets(),
    }
}

fn resident_octets() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let resident = pages
        .as_deref()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    resident.unwrap_or(0) * 4096
}

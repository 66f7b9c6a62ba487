//! The metrics: names, meanings, and where their values come from.

use std::collections::BTreeMap;

use bgp_core::session::State;
use bgp_core::types::{Family, PerFamily};
use bgp_speaker::kernel::KernelCounts;

use super::gather::{STATES, Scrape, SessionSample};
use super::text::{More, Text};
use crate::control::VERSION;
use crate::plan::Drain;

/// The state of a node that is not drained.
const NOT_DRAINED: &str = "none";

pub(super) fn write(scrape: &Scrape, to: &mut Text) {
    speaker(scrape, to);
    session_states(&scrape.sessions, to);
    session_counters(&scrape.sessions, to);
    bfd(&scrape.sessions, to);
    messages(&scrape.sessions, to);
    routes(scrape, to);
    to.histogram(
        "bgp_change_to_update_seconds",
        "Time from a change in the datastore to when the UPDATEs that follow from it were handed to TCP",
        scrape.meters.change_to_update(),
    );
    to.histogram(
        "bgp_plan_seconds",
        "Time to make the plan of this node's speaker from the resources",
        scrape.meters.plan(),
    );
}

fn speaker(scrape: &Scrape, to: &mut Text) {
    let router_id = router_id(scrape);
    let plan = scrape.plan.as_deref();
    let local_as = plan.map(|plan| plan.local_as.to_string());
    let labels = [
        ("version", VERSION),
        ("node", &scrape.node),
        ("router_id", &router_id),
        ("local_as", local_as.as_deref().unwrap_or_default()),
    ];
    to.gauge("bgp_speaker_info", "The speaker of this node", |to| {
        to.count(&labels, 1);
    });
    to.gauge(
        "bgp_drain_state",
        "How far the drain of the node is: 1 for one of none, graceful-shutdown and withdrawn",
        |to| {
            let is = plan.and_then(|plan| plan.drain);
            let is = is.map_or(NOT_DRAINED, Drain::name);
            let [first, second] = [Drain::GracefulShutdown, Drain::Withdrawn].map(Drain::name);
            for state in [NOT_DRAINED, first, second] {
                to.flag(&[("state", state)], is == state);
            }
        },
    );
    to.gauge(
        "bgp_datastore_connected",
        "Whether the resources can be read (1) or their last state is in force (0)",
        |to| to.flag(&[], scrape.connected),
    );
    to.gauge(
        "bgp_datastore_last_change_timestamp_seconds",
        "When the resources last changed",
        |to| {
            if let Some(at) = scrape.last_change {
                to.value(&[], seconds(at));
            }
        },
    );
    to.gauge(
        "bgp_problems",
        "What is wrong at the moment, by kind",
        |to| {
            let kinds = &scrape.problems;
            // There is a series to compare with when nothing is wrong.
            if !kinds.contains_key("resource") {
                to.count(&[("kind", "resource")], 0);
            }
            for (kind, count) in kinds {
                to.count(&[("kind", kind)], *count);
            }
        },
    );
    to.gauge("bgp_rib_memory_bytes", "Memory of routes, by part", |to| {
        let memory = scrape.memory;
        to.size(&[("part", "tables")], memory.tables);
        to.size(&[("part", "attributes")], memory.attributes);
        to.size(&[("part", "messages")], memory.messages);
    });
}

fn session_states(sessions: &[SessionSample], to: &mut Text) {
    to.gauge(
        "bgp_session_up",
        "Whether the session is Established; of peer=\"mesh\", how many sessions are",
        |to| {
            for session in sessions {
                let up = session.count_in(State::Established);
                to.count_of(&session.label, Some(&session.about), up);
            }
        },
    );
    let states = STATES.map(|state| More::of(&[("state", word(state))]));
    to.gauge(
        "bgp_session_state",
        "Whether the session is in this state; of peer=\"mesh\", how many sessions are",
        |to| {
            for session in sessions {
                for (written, count) in states.iter().zip(session.states) {
                    to.count_of(&session.label, Some(written), count);
                }
            }
        },
    );
    to.gauge(
        "bgp_session_established_timestamp_seconds",
        "When the session came up, while it is; of peer=\"mesh\", the last one",
        |to| {
            for session in sessions {
                if let Some(at) = session.established_at {
                    to.value_of(&session.label, seconds(at));
                }
            }
        },
    );
}

fn session_counters(sessions: &[SessionSample], to: &mut Text) {
    let mut changes: BTreeMap<(State, State), More> = BTreeMap::new();
    to.counter(
        "bgp_session_transitions",
        "Changes of the state of the session",
        |to| {
            for session in sessions {
                for change in &session.tally.transitions {
                    let (from, into) = (change.from, change.to);
                    let written = changes
                        .entry((from, into))
                        .or_insert_with(|| More::of(&[("from", word(from)), ("to", word(into))]));
                    to.count_of(&session.label, Some(written), change.count);
                }
            }
        },
    );
    to.counter(
        "bgp_session_flaps",
        "Times that the session left Established",
        |to| {
            for session in sessions {
                to.count_of(&session.label, None, session.counters.flaps);
            }
        },
    );
    to.gauge(
        "bgp_session_outstanding_bytes",
        "Octets of UPDATEs that the peer's TCP has not taken yet",
        |to| {
            for session in sessions {
                to.count_of(&session.label, None, session.outstanding);
            }
        },
    );
}

fn bfd(sessions: &[SessionSample], to: &mut Text) {
    let watched = || {
        let sessions = sessions.iter();
        sessions.filter_map(|session| Some((&session.label, session.bfd?)))
    };
    to.gauge(
        "bgp_bfd_session_up",
        "Whether the BFD session of the peer is up; of peer=\"mesh\", how many are",
        |to| {
            for (peer, bfd) in watched() {
                to.count_of(peer, None, bfd.up);
            }
        },
    );
    let [up, down] = ["up", "down"].map(|way| More::of(&[("to", way)]));
    to.counter(
        "bgp_bfd_transitions",
        "Times that the BFD session of the peer went up, or down from up",
        |to| {
            for (peer, bfd) in watched() {
                to.count_of(peer, Some(&up), bfd.ups);
                to.count_of(peer, Some(&down), bfd.downs);
            }
        },
    );
}

/// The types of messages, by their names in series.
const MESSAGE_TYPES: [&str; 5] = [
    "open",
    "update",
    "notification",
    "keepalive",
    "route_refresh",
];

fn messages(sessions: &[SessionSample], to: &mut Text) {
    let series = ["received", "sent"].map(|direction| {
        MESSAGE_TYPES.map(|kind| More::of(&[("direction", direction), ("type", kind)]))
    });
    to.counter("bgp_messages", "Messages, by direction and type", |to| {
        for session in sessions {
            let both = [session.counters.received, session.counters.sent];
            for (series, counts) in series.iter().zip(both) {
                let counts = [
                    counts.open,
                    counts.update,
                    counts.notification,
                    counts.keepalive,
                    counts.route_refresh,
                ];
                for (series, count) in series.iter().zip(counts) {
                    to.count_of(&session.label, Some(series), count);
                }
            }
        }
    });
    to.counter(
        "bgp_notifications",
        "NOTIFICATIONs, by direction, error code and subcode",
        |to| {
            for session in sessions {
                for known in &session.tally.notifications {
                    let (code, subcode) = match known.code {
                        Some((code, subcode)) => (code.0.to_string(), subcode.to_string()),
                        None => ("other".into(), "other".into()),
                    };
                    let more = More::of(&[
                        ("direction", if known.sent { "sent" } else { "received" }),
                        ("code", &code),
                        ("subcode", &subcode),
                    ]);
                    to.count_of(&session.label, Some(&more), known.count);
                }
            }
        },
    );
}

fn routes(scrape: &Scrape, to: &mut Text) {
    let of_family = |family| {
        ["received", "accepted", "told", "stale"]
            .map(|view| More::of(&[("afi", afi(family)), ("safi", "unicast"), ("view", view)]))
    };
    let views = PerFamily {
        ipv4: of_family(Family::Ipv4Unicast),
        ipv6: of_family(Family::Ipv6Unicast),
    };
    to.gauge(
        "bgp_routes",
        "Routes of the session: received, accepted of these, told to the peer, stale of those received",
        |to| {
            for session in &scrape.sessions {
                for family in session.families() {
                    let counts = session.routes[family];
                    let counts = [
                        counts.received,
                        counts.imported,
                        counts.exported,
                        counts.stale,
                    ];
                    for (view, count) in views[family].iter().zip(counts) {
                        to.count_of(&session.label, Some(view), count as u64);
                    }
                }
            }
        },
    );
    route_limits(&scrape.sessions, to);
    to.gauge("bgp_best_routes", "Prefixes that have a best route", |to| {
        for family in Family::ALL {
            let labels = [("afi", afi(family)), ("safi", "unicast")];
            to.size(&labels, scrape.best[family]);
        }
    });
    kernel_routes(scrape.kernel, to);
}

fn route_limits(sessions: &[SessionSample], to: &mut Text) {
    let written = |family| More::of(&[("afi", afi(family)), ("safi", "unicast")]);
    let families = PerFamily {
        ipv4: written(Family::Ipv4Unicast),
        ipv6: written(Family::Ipv6Unicast),
    };
    to.gauge(
        "bgp_route_limit",
        "Prefixes that the peer may announce; beyond, its session is stopped",
        |to| {
            for session in sessions {
                let Some(limit) = session.limit else {
                    continue;
                };
                for family in session.families() {
                    to.count_of(&session.label, Some(&families[family]), u64::from(limit));
                }
            }
        },
    );
}

fn kernel_routes(kernel: Option<PerFamily<KernelCounts>>, to: &mut Text) {
    to.gauge(
        "bgp_kernel_routes",
        "Routes that are to be in the kernel, by what became of them",
        |to| {
            let Some(kernel) = kernel else {
                return;
            };
            for family in Family::ALL {
                let counts = kernel[family];
                let states = [
                    ("installed", counts.installed),
                    ("refused", counts.rejected),
                    ("pending", counts.pending),
                ];
                for (state, count) in states {
                    to.size(&[("family", afi(family)), ("state", state)], count);
                }
            }
        },
    );
}

const fn afi(family: Family) -> &'static str {
    match family {
        Family::Ipv4Unicast => "ipv4",
        Family::Ipv6Unicast => "ipv6",
    }
}

const fn word(state: State) -> &'static str {
    match state {
        State::Idle => "Idle",
        State::Connect => "Connect",
        State::Active => "Active",
        State::OpenSent => "OpenSent",
        State::OpenConfirm => "OpenConfirm",
        State::Established => "Established",
    }
}

/// The router ID of the plan; empty without one.
pub(super) fn router_id(scrape: &Scrape) -> String {
    let plan = scrape.plan.as_deref();
    let router_id = plan.and_then(|plan| Some(plan.router_id?.to_string()));
    router_id.unwrap_or_default()
}

pub(super) fn seconds(at: jiff::Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

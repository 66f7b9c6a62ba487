//! The metrics: names, meanings, and where their values come from.

use std::fmt;

use bgp_core::session::State;
use bgp_core::types::{Family, PerFamily};
use bgp_speaker::kernel::KernelCounts;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;

use super::gather::{Scrape, SessionSample};
use crate::control::VERSION;
use crate::plan::Drain;

/// The state of a node that is not drained.
const NOT_DRAINED: &str = "none";

/// The states that a session may be in (RFC 4271 §8.2.2).
const STATES: [State; 6] = [
    State::Idle,
    State::Connect,
    State::Active,
    State::OpenSent,
    State::OpenConfirm,
    State::Established,
];

/// Label names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// Takes one sample.
type Sink<'a> = dyn FnMut(Labels<'_>, f64) -> fmt::Result + 'a;

pub(super) fn encode(scrape: &Scrape, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    speaker(scrape, to)?;
    session_states(&scrape.sessions, to)?;
    session_counters(&scrape.sessions, to)?;
    bfd(&scrape.sessions, to)?;
    messages(&scrape.sessions, to)?;
    routes(scrape, to)?;
    histogram(
        to,
        "bgp_change_to_update_seconds",
        "Time from a change in the datastore to when the UPDATEs that follow from it were handed to TCP",
        scrape.meters.change_to_update(),
    )?;
    histogram(
        to,
        "bgp_plan_seconds",
        "Time to make the plan of this node's speaker from the resources",
        scrape.meters.plan(),
    )
}

fn speaker(scrape: &Scrape, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let router_id = router_id(scrape);
    let plan = scrape.plan.as_deref();
    let local_as = plan.map(|plan| plan.local_as.to_string());
    let labels = [
        ("version", VERSION),
        ("node", &scrape.node),
        ("router_id", &router_id),
        ("local_as", local_as.as_deref().unwrap_or_default()),
    ];
    gauge(to, "bgp_speaker_info", "The speaker of this node", |sink| {
        sink(&labels, 1.0)
    })?;
    gauge(
        to,
        "bgp_drain_state",
        "How far the drain of the node is: 1 for one of none, graceful-shutdown and withdrawn",
        |sink| {
            let is = plan.and_then(|plan| plan.drain);
            let is = is.map_or(NOT_DRAINED, Drain::name);
            let [first, second] = [Drain::GracefulShutdown, Drain::Withdrawn].map(Drain::name);
            [NOT_DRAINED, first, second]
                .into_iter()
                .try_for_each(|state| sink(&[("state", state)], f64::from(u8::from(is == state))))
        },
    )?;
    gauge(
        to,
        "bgp_datastore_connected",
        "Whether the resources can be read (1) or their last state is in force (0)",
        |sink| sink(&[], f64::from(u8::from(scrape.connected))),
    )?;
    gauge(
        to,
        "bgp_datastore_last_change_timestamp_seconds",
        "When the resources last changed",
        |sink| match scrape.last_change {
            Some(at) => sink(&[], seconds(at)),
            None => Ok(()),
        },
    )?;
    gauge(
        to,
        "bgp_problems",
        "What is wrong at the moment, by kind",
        |sink| {
            let kinds = &scrape.problems;
            // There is a series to compare with when nothing is wrong.
            if !kinds.contains_key("resource") {
                sink(&[("kind", "resource")], 0.0)?;
            }
            kinds
                .iter()
                .try_for_each(|(kind, count)| sink(&[("kind", kind)], *count as f64))
        },
    )?;
    gauge(
        to,
        "bgp_rib_memory_bytes",
        "Memory of routes, by part",
        |sink| {
            let memory = scrape.memory;
            sink(&[("part", "tables")], memory.tables as f64)?;
            sink(&[("part", "attributes")], memory.attributes as f64)?;
            sink(&[("part", "messages")], memory.messages as f64)
        },
    )
}

fn session_states(sessions: &[SessionSample], to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    gauge(
        to,
        "bgp_session_up",
        "Whether the session is Established; of peer=\"mesh\", how many sessions are",
        |sink| {
            sessions.iter().try_for_each(|session| {
                let labels = [
                    ("peer", session.name.as_str()),
                    ("peer_address", &session.address),
                    ("peer_as", &session.peer_as),
                    ("type", session.kind),
                ];
                sink(&labels, session.count_in(State::Established) as f64)
            })
        },
    )?;
    gauge(
        to,
        "bgp_session_state",
        "Whether the session is in this state; of peer=\"mesh\", how many sessions are",
        |sink| {
            for session in sessions {
                for state in STATES {
                    let labels = [("peer", session.name.as_str()), ("state", word(state))];
                    sink(&labels, session.count_in(state) as f64)?;
                }
            }
            Ok(())
        },
    )?;
    gauge(
        to,
        "bgp_session_established_timestamp_seconds",
        "When the session came up, while it is; of peer=\"mesh\", the last one",
        |sink| {
            let up = |session: &&SessionSample| session.established_at.is_some();
            sessions.iter().filter(up).try_for_each(|session| {
                let at = session.established_at.map_or(0.0, seconds);
                sink(&[("peer", &session.name)], at)
            })
        },
    )
}

fn session_counters(sessions: &[SessionSample], to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    counter(
        to,
        "bgp_session_transitions",
        "Changes of the state of the session",
        |sink| {
            for session in sessions {
                for change in &session.tally.transitions {
                    let labels = [
                        ("peer", session.name.as_str()),
                        ("from", word(change.from)),
                        ("to", word(change.to)),
                    ];
                    sink(&labels, change.count as f64)?;
                }
            }
            Ok(())
        },
    )?;
    counter(
        to,
        "bgp_session_flaps",
        "Times that the session left Established",
        |sink| {
            sessions.iter().try_for_each(|session| {
                sink(&[("peer", &session.name)], session.counters.flaps as f64)
            })
        },
    )?;
    gauge(
        to,
        "bgp_session_outstanding_bytes",
        "Octets of UPDATEs that the peer's TCP has not taken yet",
        |sink| {
            sessions.iter().try_for_each(|session| {
                sink(&[("peer", &session.name)], session.outstanding as f64)
            })
        },
    )
}

fn bfd(sessions: &[SessionSample], to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let watched = || {
        let sessions = sessions.iter();
        sessions.filter_map(|session| Some((session.name.as_str(), session.bfd?)))
    };
    gauge(
        to,
        "bgp_bfd_session_up",
        "Whether the BFD session of the peer is up; of peer=\"mesh\", how many are",
        |sink| watched().try_for_each(|(peer, bfd)| sink(&[("peer", peer)], bfd.up as f64)),
    )?;
    counter(
        to,
        "bgp_bfd_transitions",
        "Times that the BFD session of the peer went up, or down from up",
        |sink| {
            watched().try_for_each(|(peer, bfd)| {
                sink(&[("peer", peer), ("to", "up")], bfd.ups as f64)?;
                sink(&[("peer", peer), ("to", "down")], bfd.downs as f64)
            })
        },
    )
}

fn messages(sessions: &[SessionSample], to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    counter(
        to,
        "bgp_messages",
        "Messages, by direction and type",
        |sink| {
            for session in sessions {
                let both = [
                    ("received", session.counters.received),
                    ("sent", session.counters.sent),
                ];
                for (direction, counts) in both {
                    let types = [
                        ("open", counts.open),
                        ("update", counts.update),
                        ("notification", counts.notification),
                        ("keepalive", counts.keepalive),
                        ("route_refresh", counts.route_refresh),
                    ];
                    for (kind, count) in types {
                        let labels = [
                            ("peer", session.name.as_str()),
                            ("direction", direction),
                            ("type", kind),
                        ];
                        sink(&labels, count as f64)?;
                    }
                }
            }
            Ok(())
        },
    )?;
    counter(
        to,
        "bgp_notifications",
        "NOTIFICATIONs, by direction, error code and subcode",
        |sink| {
            for session in sessions {
                for known in &session.tally.notifications {
                    let (code, subcode) = match known.code {
                        Some((code, subcode)) => (code.0.to_string(), subcode.to_string()),
                        None => ("other".into(), "other".into()),
                    };
                    let labels = [
                        ("peer", session.name.as_str()),
                        ("direction", if known.sent { "sent" } else { "received" }),
                        ("code", &code),
                        ("subcode", &subcode),
                    ];
                    sink(&labels, known.count as f64)?;
                }
            }
            Ok(())
        },
    )
}

fn routes(scrape: &Scrape, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    gauge(
        to,
        "bgp_routes",
        "Routes of the session: received, accepted of these, told to the peer, stale of those received",
        |sink| {
            for session in &scrape.sessions {
                for family in &session.families {
                    let counts = session.routes[*family];
                    let views = [
                        ("received", counts.received),
                        ("accepted", counts.imported),
                        ("told", counts.exported),
                        ("stale", counts.stale),
                    ];
                    for (view, count) in views {
                        let labels = [
                            ("peer", session.name.as_str()),
                            ("afi", afi(*family)),
                            ("safi", "unicast"),
                            ("view", view),
                        ];
                        sink(&labels, count as f64)?;
                    }
                }
            }
            Ok(())
        },
    )?;
    route_limits(&scrape.sessions, to)?;
    gauge(
        to,
        "bgp_best_routes",
        "Prefixes that have a best route",
        |sink| {
            Family::ALL.into_iter().try_for_each(|family| {
                sink(
                    &[("afi", afi(family)), ("safi", "unicast")],
                    scrape.best[family] as f64,
                )
            })
        },
    )?;
    kernel_routes(scrape.kernel, to)
}

fn route_limits(sessions: &[SessionSample], to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    gauge(
        to,
        "bgp_route_limit",
        "Prefixes that the peer may announce; beyond, its session is stopped",
        |sink| {
            for session in sessions {
                let Some(limit) = session.limit else {
                    continue;
                };
                for family in &session.families {
                    let labels = [
                        ("peer", session.name.as_str()),
                        ("afi", afi(*family)),
                        ("safi", "unicast"),
                    ];
                    sink(&labels, f64::from(limit))?;
                }
            }
            Ok(())
        },
    )
}

fn kernel_routes(
    kernel: Option<PerFamily<KernelCounts>>,
    to: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    gauge(
        to,
        "bgp_kernel_routes",
        "Routes that are to be in the kernel, by what became of them",
        |sink| {
            let Some(kernel) = kernel else {
                return Ok(());
            };
            for family in Family::ALL {
                let counts = kernel[family];
                let states = [
                    ("installed", counts.installed),
                    ("refused", counts.rejected),
                    ("pending", counts.pending),
                ];
                for (state, count) in states {
                    sink(&[("family", afi(family)), ("state", state)], count as f64)?;
                }
            }
            Ok(())
        },
    )
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

/// A metric that goes up and down.
pub(super) fn gauge(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl FnOnce(&mut Sink<'_>) -> fmt::Result,
) -> fmt::Result {
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    samples(&mut |labels, value| match labels.is_empty() {
        true => metric.encode_gauge(&value),
        false => metric.encode_family(&labels)?.encode_gauge(&value),
    })
}

/// A metric that only goes up. The name is without `_total`.
pub(super) fn counter(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl FnOnce(&mut Sink<'_>) -> fmt::Result,
) -> fmt::Result {
    let none: Option<&prometheus_client::metrics::exemplar::Exemplar<[(&str, &str); 0], f64>> =
        None;
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    samples(&mut |labels, value| match labels.is_empty() {
        true => metric.encode_counter(&value, none),
        false => metric.encode_family(&labels)?.encode_counter(&value, none),
    })
}

fn histogram(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    histogram: &Histogram,
) -> fmt::Result {
    let metric = to.encode_descriptor(name, help, None, MetricType::Histogram)?;
    histogram.encode(metric)
}

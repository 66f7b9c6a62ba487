//! `show protocols [all]`.
//!
//! Readers split a row at blanks, and look for the details `BGP state:` and `Neighbor address:`, which must begin with a blank on
//! the wire. They do, because other details precede them under the same code.

use super::clock::Clock;
use crate::control::model::{
    BgpSnapshot, ChangeCounts, Countdown, EstablishedSnapshot, NeighborCapabilities,
    ProtocolSnapshot, RestartSupport, RouteChanges, Waiting,
};
use crate::control::reply::{Code, Reply};

/// The name of the only table, as in BIRD.
const TABLE: &str = "master";

/// Appends the whole reply.
pub fn render(reply: &mut Reply, clock: &Clock, protocols: &[ProtocolSnapshot], all: bool) {
    for (index, protocol) in protocols.iter().enumerate() {
        if index == 0 {
            let heading = row("name", "proto", "table", "state", "since", "info");
            reply.line(Code::PROTOCOLS_HEADING, heading);
        }
        reply.line(
            Code::PROTOCOL,
            row(
                &protocol.name,
                protocol.kind.word(),
                TABLE,
                protocol.state.word(),
                &clock.short(protocol.since),
                &protocol.info(),
            ),
        );
        if all {
            details(protocol, &mut |text| {
                reply.line(Code::PROTOCOL_DETAILS, text)
            });
        }
    }
    reply.end(Code::OK, "");
}

fn row(name: &str, kind: &str, table: &str, state: &str, since: &str, info: &str) -> String {
    format!("{name:<8} {kind:<8} {table:<8} {state:<5}  {since:<10}  {info}")
}

type Lines<'a> = dyn FnMut(String) + 'a;

fn details(protocol: &ProtocolSnapshot, line: &mut Lines<'_>) {
    if let Some(description) = &protocol.description {
        line(format!("  Description:    {description}"));
    }
    let message = protocol.bgp.as_ref().and_then(|bgp| bgp.message.as_ref());
    if let Some(message) = message {
        line(format!("  Message:        {message}"));
    }
    line(format!("  Preference:     {}", protocol.preference));
    line(format!("  Input filter:   {}", protocol.input_filter));
    line(format!("  Output filter:  {}", protocol.output_filter));
    let routes = &protocol.routes;
    line(format!(
        "  Routes:         {} imported, {} exported, {} preferred",
        routes.imported, routes.exported, routes.preferred
    ));
    changes(&protocol.changes, line);
    if let Some(bgp) = &protocol.bgp {
        session(bgp, line);
    }
    line(String::new());
}

fn changes(changes: &RouteChanges, line: &mut Lines<'_>) {
    line(
        "  Route change stats:     received   rejected   filtered    ignored   accepted".to_owned(),
    );
    for (label, counts) in [
        ("Import updates:", &changes.import_updates),
        ("Import withdraws:", &changes.import_withdraws),
        ("Export updates:", &changes.export_updates),
        ("Export withdraws:", &changes.export_withdraws),
    ] {
        line(change_row(label, counts));
    }
}

fn change_row(label: &str, counts: &ChangeCounts) -> String {
    let cell = |count: Option<u64>| count.map_or_else(|| "---".to_owned(), |n| n.to_string());
    let ChangeCounts {
        received,
        rejected,
        filtered,
        ignored,
        accepted,
    } = *counts;
    let mut row = format!("    {label:<19}");
    for count in [received, rejected, filtered, ignored, accepted] {
        row.push_str(&format!(" {:>10}", cell(count)));
    }
    row
}

fn session(bgp: &BgpSnapshot, line: &mut Lines<'_>) {
    line(format!("  BGP state:          {}", bgp.state.word()));
    line(format!("    Neighbor address: {}", bgp.neighbor_address));
    line(format!("    Neighbor AS:      {}", bgp.neighbor_as));
    if bgp.neighbor_restarting {
        line("    Neighbor graceful restart active".to_owned());
    }
    match &bgp.waiting {
        Some(Waiting::ErrorPause(left)) => line(format!("    Error wait:       {}", of(left))),
        Some(Waiting::Connect(left)) => line(format!("    Connect delay:    {}", of(left))),
        None => {}
    }
    if let Some(session) = &bgp.established {
        established(session, line);
    }
    if let Some(error) = &bgp.last_error {
        line(format!("    Last error:       {error}"));
    }
}

fn established(session: &EstablishedSnapshot, line: &mut Lines<'_>) {
    line(format!("    Neighbor ID:      {}", session.neighbor_id));
    line(format!(
        "    Neighbor caps:   {}",
        capability_words(&session.capabilities)
    ));
    line(format!("    Session:          {}", session_words(session)));
    line(format!("    Source address:   {}", session.source_address));
    if let Some(held) = session.route_limit {
        line(format!(
            "    Route limit:      {}/{}",
            held.routes, held.limit
        ));
    }
    if let Some(left) = &session.hold {
        line(format!("    Hold timer:       {}", of(left)));
    }
    if let Some(left) = &session.keepalive {
        line(format!("    Keepalive timer:  {}", of(left)));
    }
}

fn of(countdown: &Countdown) -> String {
    format!("{}/{}", countdown.remaining_secs, countdown.total_secs)
}

/// Each word is preceded by a blank, so that an empty list leaves no trailing blank.
fn capability_words(capabilities: &NeighborCapabilities) -> String {
    let restart = match capabilities.graceful_restart {
        RestartSupport::None => "",
        RestartSupport::Aware => " restart-aware",
        RestartSupport::Able => " restart-able",
    };
    let long_lived = match capabilities.long_lived_restart {
        RestartSupport::None => "",
        RestartSupport::Aware => " llgr-aware",
        RestartSupport::Able => " llgr-able",
    };
    [
        word(capabilities.route_refresh, " refresh"),
        word(capabilities.enhanced_route_refresh, " enhanced-refresh"),
        restart,
        long_lived,
        word(capabilities.four_octet_as, " AS4"),
        word(capabilities.add_path_receive, " add-path-rx"),
        word(capabilities.add_path_send, " add-path-tx"),
        word(capabilities.extended_messages, " ext-messages"),
    ]
    .concat()
}

fn session_words(session: &EstablishedSnapshot) -> String {
    [
        if session.internal {
            "internal"
        } else {
            "external"
        },
        word(session.multihop, " multihop"),
        word(session.route_reflector_client, " route-reflector"),
        word(session.four_octet_as, " AS4"),
        word(session.add_path_receive, " add-path-rx"),
        word(session.add_path_send, " add-path-tx"),
        word(session.extended_messages, " ext-messages"),
    ]
    .concat()
}

const fn word(there: bool, word: &'static str) -> &'static str {
    if there { word } else { "" }
}

//! A plan as text for people, or as JSON or YAML for programs.

use std::fmt::{self, Write};

use super::model::{ListenRange, Peer, Plan, SearchPlace, ip_version_name};
use super::originated::RouteOrigin;

/// As JSON, indented.
pub fn json(plan: &Plan) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(plan)
}

/// As YAML.
pub fn yaml(plan: &Plan) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(plan)
}

/// As tables.
pub fn table(plan: &Plan) -> String {
    let mut text = String::new();
    write_table(plan, &mut text).expect("writing to a String cannot fail");
    text
}

fn write_table(plan: &Plan, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "Node {}, AS {}, router ID {}, port {}",
        plan.node,
        plan.local_as,
        or_dash(plan.router_id),
        plan.listen_port
    )?;
    if let Some(cluster_id) = plan.cluster_id {
        writeln!(out, "Route reflector, cluster ID {cluster_id}")?;
    }
    let header = [
        "NAME", "PEER", "PORT", "AS", "LOCAL-AS", "ROLE", "IMPORT", "EXPORT", "FROM",
    ];
    let peers = plan.peers.iter().map(|peer| peer_row(peer));
    section(out, "Sessions", &header, peers)?;
    let ranges = plan.listen_ranges.iter().map(range_row);
    let header = ["RANGE", "AS", "LIMIT", "PASSWORD", "FROM"];
    section(out, "Peers are accepted from", &header, ranges)?;
    let searches = plan.searches.iter().map(|search| {
        let place = match &search.place {
            SearchPlace::DefaultGateway => "default gateways".to_owned(),
            SearchPlace::Interface(link) => format!("the router on {link}"),
        };
        vec![place, search.resource.clone()]
    });
    section(out, "Peers are looked for", &["WHOM", "FROM"], searches)?;
    let originated = plan.originate.iter().map(|originated| {
        let why = match originated.origin {
            RouteOrigin::Block => "block",
            RouteOrigin::Service => "service",
        };
        vec![originated.prefix.to_string(), why.to_owned()]
    });
    section(out, "Announced as our own", &["PREFIX", "WHY"], originated)?;
    let routes = plan
        .reachable_by
        .iter()
        .map(|route| vec![route.prefix.to_string(), route.via.to_string()]);
    section(out, "Ways to peers", &["PREFIX", "VIA"], routes)?;
    let problems = plan
        .problems
        .iter()
        .map(|problem| vec![problem.to_string()]);
    section(out, "Problems", &["WHAT"], problems)
}

fn peer_row(peer: &Peer) -> Vec<String> {
    let mut role = vec![match peer.internal {
        true => "iBGP",
        false => "eBGP",
    }];
    role.extend(peer.route_reflector_client.then_some("client"));
    role.extend(peer.range.map(|_| "dynamic"));
    role.extend(peer.passive.then_some("passive"));
    role.extend(peer.password.is_some().then_some("password"));
    vec![
        peer.name.clone(),
        address(peer),
        peer.port.to_string(),
        peer.peer_as.to_string(),
        peer.local_as.to_string(),
        format!("{} {}", ip_version_name(peer.family), role.join(",")),
        names(&peer.import_filters),
        names(&peer.export_filters),
        peer.resource.clone(),
    ]
}

fn address(peer: &Peer) -> String {
    match &peer.link {
        Some(link) => format!("{}%{}", peer.address, link.name),
        None => peer.address.to_string(),
    }
}

fn range_row(range: &ListenRange) -> Vec<String> {
    let password = if range.password.is_some() { "yes" } else { "-" };
    vec![
        range.prefix.to_string(),
        range.peer_as.to_string(),
        range.limit.to_string(),
        password.to_owned(),
        range.resource.clone(),
    ]
}

fn names(names: &[String]) -> String {
    match names {
        [] => "-".into(),
        names => names.join(","),
    }
}

fn or_dash(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Writes a titled table, or nothing if there are no rows.
pub(crate) fn section(
    out: &mut String,
    title: &str,
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> fmt::Result {
    let mut all = vec![
        header
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>(),
    ];
    all.extend(rows);
    if all.len() == 1 {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    let width = |column: usize| {
        all.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    for row in &all {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        writeln!(
            out,
            "  {}",
            cells.collect::<Vec<_>>().join("   ").trim_end()
        )?;
    }
    Ok(())
}

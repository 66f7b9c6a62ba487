//! Renders a change as tables. Equal changes of many peers are one line.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use super::attributes::WireAttributes;
use super::change::{Change, RouteAction, RouteChange, SessionChange};
use super::default_route::{DefaultRouteChange, RouteDirection};
use super::kernel::{KernelAction, KernelSubject};
use super::risk::RiskLine;
use super::summary::Summary;
use super::totals::Totals;
use crate::plan::render::section;

/// Peers named per line; the others are counted.
const NAMED: usize = 3;

/// A change of one node as tables.
pub fn table(change: &Change, node: &str) -> String {
    let mut text = String::new();
    write_table(change, node, &mut text).expect("writing to a String cannot fail");
    text
}

/// Lines shown per risk; the others are counted.
const SHOWN: usize = 5;

/// A change of a cluster as a table, the riskiest lines first.
pub fn summary_table(summary: &Summary) -> String {
    let mut text = String::new();
    write_summary(summary, &mut text).expect("writing to a String cannot fail");
    text
}

fn write_summary(summary: &Summary, out: &mut String) -> fmt::Result {
    let totals = &summary.totals;
    if summary.is_empty() {
        return writeln!(out, "{} nodes: no difference", totals.nodes.of);
    }
    let Totals {
        nodes,
        removed,
        restarted,
        added,
        ..
    } = totals;
    writeln!(
        out,
        "{} of {} nodes change\n\
         Sessions: {} removed, {} restarted, {} added, of {}\n\
         Routes: {} withdrawn, {} changed, {} announced, of {}",
        nodes.found,
        nodes.of,
        removed.found,
        restarted.found,
        added.found,
        removed.of,
        totals.withdrawn.found,
        totals.changed.found,
        totals.announced.found,
        totals.withdrawn.of
    )?;
    let kinds = summary.risks.chunk_by(|a, b| a.risk == b.risk);
    let rows = kinds.flat_map(|lines| {
        let shown = lines.iter().take(SHOWN).map(risk_row);
        let more = lines.len().saturating_sub(SHOWN);
        let rest = (more > 0).then(|| {
            let text = format!("and {more} more lines like these: -o json has all");
            vec![String::new(), String::new(), text]
        });
        shown.chain(rest)
    });
    section(out, "Riskiest first", &["TIMES", "NODES", "WHAT"], rows)
}

fn risk_row(line: &RiskLine) -> Vec<String> {
    let times = &line.times;
    let nodes = match times.nodes {
        0 => "-".to_owned(),
        1 => times.node.clone(),
        nodes => format!("{} and {} more", times.node, nodes - 1),
    };
    vec![times.times.to_string(), nodes, line.text.clone()]
}

fn write_table(change: &Change, node: &str, out: &mut String) -> fmt::Result {
    if change.is_empty() {
        return writeln!(out, "Node {node}: no difference");
    }
    writeln!(out, "Node {node}: {}", headline(change))?;
    section(
        out,
        "Sessions",
        &["CHANGE", "PEER", "BECAUSE"],
        sessions(change),
    )?;
    let header = ["CHANGE", "PREFIX", "PEERS", "ATTRIBUTES"];
    section(out, "Routes", &header, routes(&change.routes))?;
    let header = ["ROUTE", "CHANGE", "PEERS"];
    section(
        out,
        "Default routes",
        &header,
        default_routes(&change.default_routes),
    )?;
    let header = ["CHANGE", "PREFIX", "WHAT", "WAS", "BECOMES"];
    let kernel = change.kernel.iter().map(|change| {
        let action = match change.change {
            KernelAction::Added => "added",
            KernelAction::Removed => "removed",
            KernelAction::Changed => "changed",
        };
        let subject = match change.subject {
            KernelSubject::Route => "route",
            KernelSubject::LearnedRoutes => "learned routes inside",
            KernelSubject::NextHop => "routes by this next hop",
            KernelSubject::Network => "own network",
            KernelSubject::Metric => "metric",
        };
        let prefix = change.prefix.to_string();
        let (was, becomes) = (or_dash(&change.was), or_dash(&change.becomes));
        vec![action.into(), prefix, subject.into(), was, becomes]
    });
    section(out, "Kernel", &header, kernel)?;
    let settings = change.settings.iter().map(|setting| {
        let (was, becomes) = (or_dash(&setting.was), or_dash(&setting.becomes));
        vec![setting.field.to_owned(), was, becomes]
    });
    section(out, "Settings", &["WHAT", "WAS", "BECOMES"], settings)?;
    let problems = change.problems.iter();
    let problems = problems.map(|problem| vec![problem.to_string()]);
    section(out, "New problems", &["WHAT"], problems)
}

fn headline(change: &Change) -> String {
    let sessions = &change.sessions;
    let routes = |action| {
        let routes = change.routes.iter();
        routes.filter(|route| route.change == action).count()
    };
    let counts = [
        (sessions.removed.len(), "sessions removed"),
        (sessions.restarted.len(), "restarted"),
        (sessions.added.len(), "added"),
        (routes(RouteAction::Withdrawn), "routes withdrawn"),
        (routes(RouteAction::Changed), "changed"),
        (routes(RouteAction::Announced), "announced"),
    ];
    let [removed, restarted, added, withdrawn, changed, announced] =
        counts.map(|(count, what)| format!("{count} {what}"));
    format!("{removed}, {restarted}, {added}; {withdrawn}, {changed}, {announced}")
}

fn sessions(change: &Change) -> impl Iterator<Item = Vec<String>> {
    let sessions = &change.sessions;
    let plain = |what: &'static str, names: &[Arc<str>]| {
        let rows = names
            .iter()
            .map(|name| (what, Vec::new(), Arc::clone(name)));
        rows.collect::<Vec<_>>()
    };
    let because = |what: &'static str, changes: &[SessionChange]| {
        let rows = changes.iter().map(|change| {
            let because = change.because.clone();
            (what, because, Arc::clone(&change.peer))
        });
        rows.collect::<Vec<_>>()
    };
    let kinds = [
        plain("removed", &sessions.removed),
        because("restarts", &sessions.restarted),
        plain("added", &sessions.added),
        because("goes on", &sessions.changed),
    ];
    kinds.into_iter().flat_map(|rows| {
        let mut alike: BTreeMap<_, Vec<Arc<str>>> = BTreeMap::new();
        for (what, because, name) in rows {
            alike.entry((what, because)).or_default().push(name);
        }
        let alike = alike.into_iter();
        alike.map(|((what, because), names)| {
            let because = match because.is_empty() {
                true => "-".into(),
                false => because.join(", "),
            };
            vec![what.into(), peers(&names), because]
        })
    })
}

type Seen<'a> = (
    RouteAction,
    ipnet::IpNet,
    Option<&'a WireAttributes>,
    Option<&'a WireAttributes>,
);

fn routes(routes: &[RouteChange]) -> impl Iterator<Item = Vec<String>> {
    let mut alike: Vec<(Seen<'_>, Vec<Arc<str>>)> = Vec::new();
    let mut places: BTreeMap<_, usize> = BTreeMap::new();
    for route in routes {
        let (was, becomes) = (route.was.as_deref(), route.becomes.as_deref());
        let texts = (
            was.map(ToString::to_string),
            becomes.map(ToString::to_string),
        );
        let key = (withdrawn_first(route.change), route.prefix, texts);
        let place = *places.entry(key).or_insert_with(|| {
            let seen = (route.change, route.prefix, was, becomes);
            alike.push((seen, Vec::new()));
            alike.len() - 1
        });
        alike[place].1.push(Arc::clone(&route.peer));
    }
    let order: Vec<usize> = places.into_values().collect();
    let rows = order.into_iter().flat_map(move |place| {
        let ((action, prefix, was, becomes), names) = &alike[place];
        let text = |attributes: &Option<&WireAttributes>| {
            attributes.map_or_else(|| "-".to_owned(), ToString::to_string)
        };
        let row = |what: &str, attributes| {
            vec![
                what.to_owned(),
                prefix.to_string(),
                peers(names),
                attributes,
            ]
        };
        match action {
            RouteAction::Withdrawn => vec![row("withdrawn", text(was))],
            RouteAction::Announced => vec![row("announced", text(becomes))],
            RouteAction::Changed => {
                let blank = String::new;
                let second = vec![blank(), blank(), blank(), format!("now {}", text(becomes))];
                vec![row("changed", format!("was {}", text(was))), second]
            }
        }
    });
    rows.collect::<Vec<_>>().into_iter()
}

fn withdrawn_first(action: RouteAction) -> u8 {
    match action {
        RouteAction::Withdrawn => 0,
        RouteAction::Changed => 1,
        RouteAction::Announced => 2,
    }
}

fn default_routes(changes: &[DefaultRouteChange]) -> impl Iterator<Item = Vec<String>> {
    let mut alike: BTreeMap<_, Vec<Arc<str>>> = BTreeMap::new();
    for change in changes {
        let key = (change.prefix, change.direction, change.passes);
        alike.entry(key).or_default().push(Arc::clone(&change.peer));
    }
    alike
        .into_iter()
        .map(|((prefix, direction, passes), names)| {
            let what = match (direction, passes) {
                (RouteDirection::Import, true) => "is accepted from now on",
                (RouteDirection::Import, false) => "is no longer accepted",
                (RouteDirection::Export, true) => "may be announced from now on",
                (RouteDirection::Export, false) => "is no longer announced",
            };
            vec![prefix.to_string(), what.into(), peers(&names)]
        })
}

fn peers(names: &[Arc<str>]) -> String {
    let named: Vec<&str> = names.iter().take(NAMED).map(|name| &**name).collect();
    let named = named.join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn or_dash(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".into())
}

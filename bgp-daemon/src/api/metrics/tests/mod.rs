//! What is written about metrics, and what asks for them, against what there is: the page, the alerts, the dashboard. And what they cost.

mod catalogue;
mod promql;
mod scene;

use std::fs;
use std::path::Path;

use serde_json::Value;

use self::catalogue::Catalogue;
use self::promql::Names;
use super::config::{Aliases, MetricsConfig};
use super::text::Form;
use super::write;

/// Labels that Prometheus adds.
const OF_TARGETS: [&str; 2] = ["instance", "job"];
/// What Prometheus knows of a target without us.
const UP: &str = "up";
/// Labels that have no other values than those in the scene.
const CLOSED: [&str; 10] = [
    "afi",
    "direction",
    "family",
    "from",
    "part",
    "safi",
    "state",
    "to",
    "type",
    "view",
];

fn exposition(sessions: usize, routes: usize) -> String {
    let config = MetricsConfig::default();
    let scrape = scene::scrape(sessions, routes);
    write(&scrape, config, Form::Prometheus)
}

fn catalogue() -> Catalogue {
    Catalogue::read(&exposition(1, 1))
}

fn file(path: &str) -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(workspace.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All strings under a key, however deep.
fn strings<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                found.extend(field.as_str().filter(|_| name == key));
                strings(field, key, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| strings(item, key, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn strings_of<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    strings(value, key, &mut found);
    found
}

/// What a query, and a text with labels of its answer, name and is not there.
fn made_up(catalogue: &Catalogue, query: &str, shown: &[&str]) -> Vec<String> {
    let names = Names::of(query);
    let mut made_up = Vec::new();
    let mut known: Vec<&str> = OF_TARGETS.to_vec();
    for (series, matchers) in &names.series {
        let labels = match catalogue.labels_of(series) {
            Some(labels) => labels,
            None if series == UP => &[],
            None => {
                made_up.push(series.clone());
                continue;
            }
        };
        known.extend(labels.iter().map(|(name, _)| name.as_str()));
        for matcher in matchers {
            let found = labels.iter().find(|(name, _)| *name == matcher.label);
            let of_target = OF_TARGETS.contains(&matcher.label.as_str());
            let value = matcher.equals.as_ref();
            let closed = CLOSED.contains(&matcher.label.as_str());
            match (found, value) {
                (None, _) if !of_target => made_up.push(format!("{series}{{{}}}", matcher.label)),
                (Some((name, seen)), Some(value)) if closed && !seen.contains(value) => {
                    made_up.push(format!("{series}{{{name}={value:?}}}"));
                }
                _ => {}
            }
        }
    }
    let labels = names.labels.iter().map(String::as_str);
    let unknown = labels
        .chain(shown.iter().copied())
        .filter(|label| !known.contains(label));
    made_up.extend(unknown.map(str::to_owned));
    made_up
}

/// The labels in `{{ $labels.peer }}` or `{{peer}}`.
fn shown_in(text: &str) -> Vec<&str> {
    let templates = text.split("{{").skip(1);
    let templates = templates.filter_map(|rest| Some(rest.split_once("}}")?.0.trim()));
    templates
        .filter_map(|template| match template.split_once("$labels.") {
            Some((_, label)) => label.split_whitespace().next(),
            None if template.contains('$') => None,
            None => Some(template),
        })
        .collect()
}

#[test]
fn the_page_lists_every_metric() {
    let table = catalogue().table();
    assert!(
        file("docs/metrics.md").contains(&table),
        "docs/metrics.md does not have this table:\n{table}"
    );
}

#[test]
fn alerts_name_only_what_there_is() {
    let (rules, catalogue) = (yaml("deploy/monitoring/rules.yaml"), catalogue());
    let groups = rules["groups"].as_array().expect("groups");
    let rules = groups.iter().filter_map(|group| group["rules"].as_array());
    let mut count = 0;
    for rule in rules.flatten() {
        let query = rule["expr"].as_str().expect("a query");
        let texts = ["summary", "description"].map(|key| &rule["annotations"][key]);
        let texts = texts.map(|text| text.as_str().expect("a text"));
        let shown: Vec<_> = texts.iter().flat_map(|text| shown_in(text)).collect();
        let made_up = made_up(&catalogue, query, &shown);
        assert!(made_up.is_empty(), "{}: {made_up:?}", rule["alert"]);
        count += 1;
    }
    assert!(count >= 8, "{count}");
}

#[test]
fn every_alert_is_described_and_tested() {
    let rules = yaml("deploy/monitoring/rules.yaml");
    let tests = file("deploy/monitoring/rules.test.yaml");
    let page = file("docs/metrics.md");
    for alert in strings_of(&rules, "alert") {
        assert!(page.contains(&format!("| `{alert}` |")), "{alert}");
        let tested = format!("alertname: {alert}\n");
        // Once where it is raised, once where it is not.
        assert!(tests.matches(&tested).count() >= 2, "{alert}");
    }
}

#[test]
fn the_dashboard_names_only_what_there_is() {
    let dashboard = file("deploy/monitoring/dashboard.json");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    let catalogue = catalogue();
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let mut count = 0;
    for target in targets.flatten() {
        let query = target["expr"].as_str().expect("a query");
        let shown = shown_in(target["legendFormat"].as_str().unwrap_or_default());
        let made_up = made_up(&catalogue, query, &shown);
        assert!(made_up.is_empty(), "{query}: {made_up:?}");
        count += 1;
    }
    assert!(count >= 12, "{count}");
    let variables = dashboard["templating"]["list"]
        .as_array()
        .expect("variables");
    for query in variables.iter().filter_map(|one| one["query"].as_str()) {
        let Some(values) = query.strip_prefix("label_values(") else {
            continue; // Of data sources.
        };
        let (series, label) = values
            .trim_end_matches(')')
            .rsplit_once(", ")
            .expect("a label");
        let made_up = made_up(&catalogue, series, &[label]);
        assert!(made_up.is_empty(), "{query}: {made_up:?}");
    }
}

#[test]
fn made_up_names_are_found() {
    let catalogue = catalogue();
    let found = |query: &str, shown: &[&str]| made_up(&catalogue, query, shown).join(" ");
    assert_eq!(found("bgp_plan_seconds_count + up", &["job"]), "");
    assert_eq!(
        found("sum by (peer) (bgp_routes{view=\"told\"})", &["peer"]),
        ""
    );
    assert_eq!(found("bgp_rutes > 0", &[]), "bgp_rutes");
    assert_eq!(
        found("bgp_routes{view=\"sent\"}", &[]),
        "bgp_routes{view=\"sent\"}"
    );
    assert_eq!(found("bgp_routes{kind!=\"x\"}", &[]), "bgp_routes{kind}");
    assert_eq!(
        found("sum by (node) (bgp_routes)", &["family"]),
        "node family"
    );
    assert_eq!(
        shown_in("{{ $labels.peer }} {{ $value | humanize }} {{state}}"),
        ["peer", "state"]
    );
}

/// The work of a scrape is that of its series: as many more as there are peers, and none for a route.
#[test]
fn a_scrape_grows_with_the_peers_and_with_nothing_else() {
    let octets = |sessions| exposition(sessions, 1).len() - exposition(0, 1).len();
    let (some, twice) = (octets(100), octets(200));
    assert!(twice <= some * 2 + some / 20, "{some} {twice}");
    let lines = |routes| exposition(10, routes).lines().count();
    assert_eq!(lines(1), lines(1_000_000));
}

#[test]
fn names_of_others_are_told_beside_our_own() {
    let config = MetricsConfig {
        aliases: Some(Aliases::Bird),
        ..MetricsConfig::default()
    };
    let text = write(&scene::scrape(1, 1), config, Form::Prometheus);
    let all = Catalogue::read(&text);
    for name in ["bird_protocol_up", "bird_daemon_info", "bgp_session_up"] {
        assert!(all.labels_of(name).is_some(), "{name}");
    }
}

//! Names, types, meanings and labels of metrics, as a text in the format of Prometheus has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A metric.
#[derive(Debug, Default)]
pub(super) struct Metric {
    kind: String,
    help: String,
    /// Its labels, in their order, with the values that were seen.
    labels: Vec<(String, BTreeSet<String>)>,
}

/// Metrics by name.
#[derive(Debug, Default)]
pub(super) struct Catalogue(BTreeMap<String, Metric>);

impl Catalogue {
    pub(super) fn read(text: &str) -> Self {
        let mut all = Self::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a name and words");
                help.clone_into(&mut all.0.entry(name.to_owned()).or_default().help);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                kind.clone_into(&mut all.0.entry(name.to_owned()).or_default().kind);
            } else {
                all.add_sample(line);
            }
        }
        all
    }

    fn add_sample(&mut self, line: &str) {
        let (series, _) = line.rsplit_once(' ').expect("a series and a value");
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.trim_end_matches('}')),
            None => (series, ""),
        };
        let name = self.metric_of(name).expect("metrics are described first");
        let metric = self.0.get_mut(&name).expect("it was found");
        for label in labels.split_terminator("\",") {
            let (name, value) = label.split_once("=\"").expect("a name and a value");
            let value = value.trim_end_matches('"').to_owned();
            match metric.labels.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => _ = values.insert(value),
                None => metric.labels.push((name.to_owned(), [value].into())),
            }
        }
    }

    /// The metric that a series is of: one of a histogram has a longer name.
    fn metric_of(&self, series: &str) -> Option<String> {
        let suffixes = ["_bucket", "_sum", "_count"].into_iter();
        let histograms = suffixes.filter_map(|suffix| series.strip_suffix(suffix));
        let mut names = [series].into_iter().chain(histograms);
        names
            .find(|name| self.0.contains_key(*name))
            .map(str::to_owned)
    }

    /// Names and seen values of the labels of a series; `None` for one that does not exist.
    pub(super) fn labels_of(&self, series: &str) -> Option<&[(String, BTreeSet<String>)]> {
        let metric = self.0.get(&self.metric_of(series)?)?;
        if metric.kind == "histogram" && metric.labels.is_empty() {
            return Some(&[]);
        }
        Some(&metric.labels)
    }

    /// A table of all metrics in Markdown.
    pub(super) fn table(&self) -> String {
        let mut table =
            String::from("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n");
        for (name, metric) in &self.0 {
            let labels = metric.labels.iter().map(|(name, _)| name.as_str());
            // That of the buckets of a histogram is part of its type.
            let labels: Vec<_> = labels.filter(|name| *name != "le").collect();
            let Metric { kind, help, .. } = metric;
            let labels = labels.join(", ");
            writeln!(table, "| `{name}` | {kind} | {labels} | {help} |")
                .expect("a String takes all");
        }
        table
    }
}

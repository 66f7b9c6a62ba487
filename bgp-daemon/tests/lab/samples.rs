//! What a text in the format of Prometheus says: values by series.

use std::collections::BTreeMap;

/// Values by series; the labels of each are in the order of their names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Samples(BTreeMap<String, f64>);

impl Samples {
    pub(crate) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            (sorted(series), value.parse().expect("a number"))
        });
        Self(samples.collect())
    }

    /// Those whose names begin so.
    pub(crate) fn beginning(&self, prefix: &str) -> Self {
        let all = self.0.iter();
        let some = all.filter(|(series, _)| series.starts_with(prefix));
        Self(
            some.map(|(series, value)| (series.clone(), *value))
                .collect(),
        )
    }

    /// Those of a metric left out.
    pub(crate) fn without(mut self, metric: &str) -> Self {
        self.0
            .retain(|series, _| series.split('{').next() != Some(metric));
        self
    }

    /// What one has and the other has not, or has with another value.
    pub(crate) fn difference(&self, other: &Self) -> Vec<String> {
        let one_way = |these: &Self, those: &Self, sign| -> Vec<String> {
            let all = these.0.iter();
            let only = all.filter(|(series, value)| those.0.get(*series) != Some(value));
            only.map(|(series, value)| format!("{sign}{series} {value}"))
                .collect()
        };
        [one_way(self, other, '-'), one_way(other, self, '+')].concat()
    }

    /// The sum of the series of a metric that have these labels, each written as `name="value"`; `None` if there is none.
    pub(crate) fn sum(&self, metric: &str, labels: &[&str]) -> Option<f64> {
        let all = self.0.iter().filter(|(series, _)| {
            let (name, found) = series.split_once('{').unwrap_or((series, ""));
            name == metric && labels.iter().all(|label| found.contains(label))
        });
        let values: Vec<f64> = all.map(|(_, value)| *value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}

fn sorted(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else {
        return series.to_owned();
    };
    let labels = labels.trim_end_matches('}').split_terminator("\",");
    let mut labels: Vec<String> = labels
        .map(|label| format!("{}\"", label.trim_end_matches('"')))
        .collect();
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join(","))
}

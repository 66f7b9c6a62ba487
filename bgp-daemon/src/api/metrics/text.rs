//! The text that a scrape gets. Samples are written by hand: the tens of thousands of a thousand peers are to cost milliseconds.
//! Histograms are few, and their library writes them.

use std::fmt::{self, Write as _};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The last line of OpenMetrics.
const END: &str = "# EOF\n";

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The text format of Prometheus (0.0.4). It names a counter with its suffix, and has no last line.
    Prometheus,
}

impl Form {
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Label names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// The first labels of a series as they are written: made once, for many samples.
#[derive(Clone, Debug)]
pub(super) struct First(String);

impl First {
    pub(super) fn of(labels: Labels<'_>) -> Self {
        let mut text = String::with_capacity(ROOM);
        push_labels(&mut text, '{', labels);
        Self(text)
    }
}

/// The labels after the first, and what ends them.
#[derive(Clone, Debug)]
pub(super) struct More(String);

impl More {
    pub(super) fn of(labels: Labels<'_>) -> Self {
        let mut text = String::with_capacity(ROOM);
        push_labels(&mut text, ',', labels);
        text.push_str(END_OF_LABELS);
        Self(text)
    }
}

/// Room for the usual labels.
const ROOM: usize = 64;

const END_OF_LABELS: &str = "} ";

fn push_labels(text: &mut String, mut before: char, labels: Labels<'_>) {
    for (name, value) in labels {
        text.push(before);
        text.push_str(name);
        text.push_str("=\"");
        push_escaped(text, value);
        text.push('"');
        before = ',';
    }
}

fn push_escaped(text: &mut String, value: &str) {
    let is_special = |octet| matches!(octet, b'\\' | b'"' | b'\n');
    if !value.bytes().any(is_special) {
        return text.push_str(value);
    }
    for character in value.chars() {
        match character {
            '\n' => text.push_str("\\n"),
            '\\' | '"' => text.extend(['\\', character]),
            _ => text.push(character),
        }
    }
}

/// Metrics as text.
#[derive(Debug)]
pub(super) struct Text {
    form: Form,
    text: String,
}

impl Text {
    pub(super) fn new(form: Form, capacity: usize) -> Self {
        let text = String::with_capacity(capacity);
        Self { form, text }
    }

    /// A metric that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, samples: impl FnOnce(&mut Samples<'_>)) {
        self.describe(name, "gauge", help);
        samples(&mut Samples::new(&mut self.text, name));
    }

    /// A metric that only goes up. The name is without `_total`.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        samples: impl FnOnce(&mut Samples<'_>),
    ) {
        let of_samples = format!("{name}_total");
        match self.form {
            Form::OpenMetrics => self.describe(name, "counter", help),
            Form::Prometheus => self.describe(&of_samples, "counter", help),
        }
        samples(&mut Samples::new(&mut self.text, &of_samples));
    }

    pub(super) fn histogram(&mut self, name: &'static str, help: &'static str, of: &Histogram) {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(One(name, help, of.clone())));
        // A string takes all.
        let _ = encode(&mut self.text, &registry);
        if self.text.ends_with(END) {
            self.text.truncate(self.text.len() - END.len());
        }
    }

    fn describe(&mut self, name: &str, kind: &str, help: &str) {
        // A string takes all.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    pub(super) fn finish(mut self) -> String {
        if self.form == Form::OpenMetrics {
            self.text.push_str(END);
        }
        self.text
    }
}

/// A histogram, as the library wants it.
#[derive(Debug)]
struct One(&'static str, &'static str, Histogram);

impl Collector for One {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let metric = to.encode_descriptor(self.0, self.1, None, MetricType::Histogram)?;
        self.2.encode(metric)
    }
}

/// Takes the samples of one metric.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl<'a> Samples<'a> {
    fn new(text: &'a mut String, name: &'a str) -> Self {
        Self { text, name }
    }

    pub(super) fn count(&mut self, labels: Labels<'_>, value: u64) {
        self.series(labels);
        self.end(value);
    }

    /// A sample of a series whose labels are written already.
    pub(super) fn count_of(&mut self, first: &First, more: Option<&More>, value: u64) {
        self.series_of(first, more);
        self.end(value);
    }

    /// A value that is no count, of a series whose labels are written already.
    pub(super) fn value_of(&mut self, labels: &First, value: f64) {
        self.series_of(labels, None);
        self.end_value(value);
    }

    pub(super) fn size(&mut self, labels: Labels<'_>, value: usize) {
        self.count(labels, value as u64);
    }

    /// A sample that is 1 where something is so, otherwise 0.
    pub(super) fn flag(&mut self, labels: Labels<'_>, value: bool) {
        self.count(labels, u64::from(value));
    }

    pub(super) fn value(&mut self, labels: Labels<'_>, value: f64) {
        self.series(labels);
        self.end_value(value);
    }

    fn series_of(&mut self, first: &First, more: Option<&More>) {
        self.text.push_str(self.name);
        self.text.push_str(&first.0);
        self.text
            .push_str(more.map_or(END_OF_LABELS, |more| &more.0));
    }

    fn series(&mut self, labels: Labels<'_>) {
        self.text.push_str(self.name);
        push_labels(self.text, '{', labels);
        self.text.push_str(if labels.is_empty() {
            " "
        } else {
            END_OF_LABELS
        });
    }

    fn end_value(&mut self, value: f64) {
        // A string takes all.
        let _ = writeln!(self.text, "{value}");
    }

    fn end(&mut self, value: u64) {
        self.text.push_str(itoa::Buffer::new().format(value));
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(form: Form) -> String {
        let mut text = Text::new(form, 0);
        text.counter("a", "Some.", |samples| {
            samples.count(&[("x", "# 1"), ("y", "a\\b\"c\nd")], 1);
            let (first, more) = (First::of(&[("x", "# 1")]), More::of(&[("y", "a\\b\"c\nd")]));
            samples.count_of(&first, Some(&more), 2);
            samples.count_of(&first, None, 3);
        });
        text.gauge("b", "B.", |samples| samples.value(&[], 0.25));
        let seconds = Histogram::new([1.0]);
        seconds.observe(0.5);
        text.histogram("c", "C.", &seconds);
        text.finish()
    }

    #[test]
    fn both_forms_differ_in_what_they_say_of_counters_and_at_the_end() {
        let samples = "a_total{x=\"# 1\",y=\"a\\\\b\\\"c\\nd\"} 1\na_total{x=\"# 1\",y=\"a\\\\b\\\"c\\nd\"} 2\na_total{x=\"# 1\"} 3\n# HELP b B.\n# TYPE b gauge\nb 0.25\n";
        let seconds = "# HELP c C.\n# TYPE c histogram\nc_sum 0.5\nc_count 1\nc_bucket{le=\"1.0\"} 1\nc_bucket{le=\"+Inf\"} 1\n";
        let open = "# HELP a Some.\n# TYPE a counter\n";
        assert_eq!(
            some(Form::OpenMetrics),
            format!("{open}{samples}{seconds}# EOF\n")
        );
        let other = "# HELP a_total Some.\n# TYPE a_total counter\n";
        assert_eq!(some(Form::Prometheus), format!("{other}{samples}{seconds}"));
    }
}

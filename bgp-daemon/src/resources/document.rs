//! From text to documents: splits a file, reads each part by itself so that a broken one does not take its
//! neighbours with it, opens lists, and puts file and line to what is wrong.

use std::fmt;

use serde_json::Value;

use super::decode::{self, Decoded};
use super::kind::{Kind, ObjectKey};
use super::problem::{Location, Problem, Severity};
use super::set::Resource;
use super::tree::{Place, Tree};
use super::v1;

/// One object of a text.
#[derive(Clone, PartialEq)]
pub struct Document {
    /// Its kind and name.
    pub key: ObjectKey,
    /// The object.
    pub resource: Resource,
    /// The object as JSON, of Calico's v3 API even if it was written in an older one, as a datastore would keep it.
    /// Null for a Secret.
    pub value: Value,
    /// Where it begins.
    pub location: Location,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("location", &self.location)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// What a text holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// Its objects in order, without those that are wrong.
    pub documents: Vec<Document>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Reads YAML with any number of documents, or JSON. `source` is what problems call it, such as a file name.
pub fn parse(source: &str, text: &str) -> Parsed {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parsed = Parsed::default();
    for part in parts(text) {
        let mut reader = Reader {
            source,
            part,
            drawable: !part.text.contains("Secret"),
            parsed: &mut parsed,
        };
        reader.read();
    }
    parsed.problems.sort_by_key(|problem| {
        let location = problem.location.as_ref();
        location.map(|location| (location.line, location.column))
    });
    parsed
}

/// One document's text and the number of lines before it.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    pub(super) lines_before: usize,
}

/// Splits at the lines that begin with `---`: nothing else in YAML can begin so.
pub(super) fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut starts = vec![(0, 0)];
    let mut at = 0;
    for (line, content) in text.split_inclusive('\n').enumerate() {
        let is_marker = content
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if is_marker && at > 0 {
            starts.push((at, line));
        }
        at += content.len();
    }
    let ends = starts
        .iter()
        .skip(1)
        .map(|(end, _)| *end)
        .chain([text.len()])
        .collect::<Vec<_>>();
    starts
        .into_iter()
        .zip(ends)
        .map(|((start, lines_before), end)| Part {
            text: &text[start..end],
            lines_before,
        })
}

/// Whether a line, without the blanks around it, says nothing.
pub(super) fn is_noise(line: &str) -> bool {
    line.is_empty() || line.starts_with(['#', '%']) || line == "---"
}

/// Reads one part.
struct Reader<'a> {
    source: &'a str,
    part: Part<'a>,
    /// Whether lines of it may be shown.
    drawable: bool,
    parsed: &'a mut Parsed,
}

impl Reader<'_> {
    fn read(&mut self) {
        if self.part.text.lines().all(|line| is_noise(line.trim())) {
            return;
        }
        match Tree::parse(self.part.text) {
            Ok(tree) => self.object(&tree, None),
            Err(error) => {
                let problem = Problem::error(self.source, error.message);
                self.report(problem, error.place);
            }
        }
    }

    /// Reads an object, or each one of a list. `inherited` is what the list says of its items.
    fn object(&mut self, tree: &Tree, inherited: Option<(&str, &str)>) {
        if tree.is_null() {
            return;
        }
        if let Some(items) = tree.items() {
            items.iter().for_each(|item| self.object(item, None));
            return;
        }
        let (api_version, kind) = match (tree.text("apiVersion"), tree.text("kind"), inherited) {
            (Some(api_version), Some(kind), _) => (api_version, kind),
            (_, None, Some(inherited)) => inherited,
            _ => {
                let reason = "expected an object with apiVersion and kind";
                return self.report(Problem::error(self.source, reason), tree.place);
            }
        };
        if let (Some(item_kind), Some(items)) = (
            kind.strip_suffix("List"),
            tree.field("items").and_then(Tree::items),
        ) {
            let inherited = (!item_kind.is_empty()).then_some((api_version, item_kind));
            items.iter().for_each(|item| self.object(item, inherited));
            return;
        }
        match (
            v1::OldKind::from_document(api_version, kind),
            Kind::from_document(api_version, kind),
        ) {
            (Some(old), _) => self.old_resource(tree, old),
            (None, Some(kind)) => self.resource(tree, kind, tree.to_value()),
            (None, None) => self.unknown(tree, api_version, kind),
        }
    }

    fn resource(&mut self, tree: &Tree, kind: Kind, value: Value) {
        let Some(key) = decode::key_of(&value, kind) else {
            let problem = Problem::error(kind.name(), "is required").at_field("metadata.name");
            return self.report(
                problem,
                tree.find(&[decode::Step::Key("metadata".into())], true),
            );
        };
        self.drawable &= kind != Kind::Secret;
        let Decoded { resource, faults } = decode::decode(kind, &value);
        for fault in faults {
            self.report(fault.problem(&key), tree.find(&fault.path, fault.at_key));
        }
        if let Some(resource) = resource {
            self.keep(key, resource, value, tree.place);
        }
    }

    fn old_resource(&mut self, tree: &Tree, old: v1::OldKind) {
        let mut faults = Vec::new();
        let converted = v1::convert(old, &tree.to_value(), &mut faults);
        let broken = faults.iter().any(|fault| fault.severity == Severity::Error);
        for fault in faults {
            self.report(
                fault.problem(old.name()),
                tree.find(&fault.path, fault.at_key),
            );
        }
        if let Some((kind, value)) = converted.filter(|_| !broken) {
            self.resource(tree, kind, value);
        }
    }

    fn unknown(&mut self, tree: &Tree, api_version: &str, kind: &str) {
        let Some(known) = Kind::all().find(|known| known.name() == kind && known.is_calico())
        else {
            tracing::debug!(
                source = self.source,
                api_version,
                kind,
                "ignored an object of a kind that means nothing here"
            );
            return;
        };
        let problem = Problem::error(
            kind,
            format!("expected {}, found {api_version}", known.api_version()),
        )
        .at_field("apiVersion");
        self.report(
            problem,
            tree.find(&[decode::Step::Key("apiVersion".into())], false),
        );
    }

    fn keep(&mut self, key: ObjectKey, resource: Resource, value: Value, place: Place) {
        let value = match key.kind {
            Kind::Secret => Value::Null,
            _ => value,
        };
        self.parsed.documents.push(Document {
            key,
            resource,
            value,
            location: self.location(place),
        });
    }

    fn report(&mut self, mut problem: Problem, place: Place) {
        let line = self.part.text.lines().nth(place.line - 1);
        problem.line = line
            .filter(|line| self.drawable && line.len() <= MAX_DRAWN_LINE)
            .map(str::to_owned);
        problem.location = Some(self.location(place));
        self.parsed.problems.push(problem);
    }

    fn location(&self, place: Place) -> Location {
        Location {
            file: self.source.to_owned(),
            line: self.part.lines_before + place.line,
            column: place.column,
        }
    }
}

/// Longer lines, such as JSON without line breaks, are not drawn.
const MAX_DRAWN_LINE: usize = 300;

#[cfg(test)]
mod tests;

//! From text to documents: splits a file, reads each part separately so that a broken one does not affect its neighbours, expands
//! lists, and adds file and line to each fault.
//!
//! [`Text`] remembers the parts of a text by their octets. When the text is read again, only changed parts are parsed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::Value;

use super::decode::{self, Decoded};
use super::fault::Step;
use super::kind::{self, Kind, ObjectKey};
use super::limits::MAX_DOCUMENTS;
use super::problem::{Location, Problem, Severity};
use super::set::Resource;
use super::shape::Shape;
use super::suggest::did_you_mean;
use super::tree::{LineColumn, Tree};
use super::v1;

/// One object of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The key: kind and name.
    pub key: ObjectKey,
    /// The object.
    pub resource: Arc<Resource>,
    /// Where it begins.
    pub location: Location,
    /// The fields it has.
    pub(crate) shape: Shape,
    /// Line, counted from that of the object, and column of each field; empty for kinds without settings.
    pub(super) fields: Arc<[(String, (usize, usize))]>,
}

impl Document {
    /// Line and column of a field, if they are known.
    pub(super) fn place_of(&self, field: &str) -> Option<(usize, usize)> {
        let (_, (line, column)) = self.fields.iter().find(|(name, _)| name == field)?;
        Some((self.location.line + line, *column))
    }
}

/// The content of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// Its objects in order, without the invalid ones.
    pub documents: Vec<Arc<Document>>,
    /// What is wrong with the others.
    pub problems: Vec<Problem>,
    /// Part of it cannot be read at all: it is not YAML, or exceeds a limit.
    pub(crate) is_broken: bool,
    /// The last object may be incomplete: the text ends without a line end, or within braces.
    pub(crate) may_go_on: bool,
}

/// Reads YAML with any number of documents, or JSON. `source` names the text in problems, such as a file name.
pub fn parse(source: &str, text: &str) -> Parsed {
    Text::read(source, text, None).parsed()
}

/// A text, split into parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    parts: Vec<(Digest, Arc<ParsedPart>)>,
    may_go_on: bool,
}

/// Equal for equal octets.
pub(crate) type Digest = u64;

pub(crate) fn digest(text: &str) -> Digest {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The content of a part.
#[derive(Clone, Debug, Default)]
struct ParsedPart {
    /// Number of lines before the part.
    lines_before: usize,
    documents: Vec<Arc<Document>>,
    problems: Vec<Problem>,
    is_broken: bool,
}

impl Text {
    /// Reads a text. Parts that are also in `before` share its documents.
    pub(crate) fn read(source: &str, text: &str, before: Option<&Self>) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let known = before.into_iter().flat_map(|before| &before.parts);
        let known: HashMap<Digest, &Arc<ParsedPart>> =
            known.map(|(digest, part)| (*digest, part)).collect();
        let mut parts = Vec::new();
        for (at, part) in parts_of(text).filter(Part::says_something).enumerate() {
            let mut reader = Reader::new(source, part);
            if at == MAX_DOCUMENTS {
                let reason =
                    format!("has more than {MAX_DOCUMENTS} documents, from here on none is read");
                reader.give_up(reason, START);
                parts.push((0, Arc::new(reader.parsed)));
                break;
            }
            let digest = digest(part.text);
            let parsed = match known.get(&digest) {
                Some(known) => ParsedPart::moved_to(known, part.lines_before),
                None => {
                    reader.read();
                    Arc::new(reader.parsed)
                }
            };
            parts.push((digest, parsed));
        }
        Self {
            parts,
            may_go_on: !text.ends_with(['\n', '}', ']']),
        }
    }

    /// The content of all parts.
    pub(crate) fn parsed(&self) -> Parsed {
        let parts = || self.parts.iter().map(|(_, part)| part);
        let mut problems: Vec<_> = parts().flat_map(|part| &part.problems).cloned().collect();
        problems.sort_by_key(|problem| {
            let location = problem.location.as_ref();
            location.map(|location| (location.line, location.column))
        });
        Parsed {
            documents: parts().flat_map(|part| &part.documents).cloned().collect(),
            problems,
            is_broken: parts().any(|part| part.is_broken),
            may_go_on: self.may_go_on,
        }
    }
}

impl ParsedPart {
    /// The same part, with another number of lines before it.
    fn moved_to(this: &Arc<Self>, lines_before: usize) -> Arc<Self> {
        if this.lines_before == lines_before {
            return Arc::clone(this);
        }
        let mut moved = Self::clone(this);
        let move_to = |location: &mut Location| {
            location.line = location.line - this.lines_before + lines_before;
        };
        for document in &mut moved.documents {
            move_to(&mut Arc::make_mut(document).location);
        }
        for problem in &mut moved.problems {
            problem.location.as_mut().map(move_to);
        }
        moved.lines_before = lines_before;
        Arc::new(moved)
    }
}

/// One document's text and the number of lines before it.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    pub(super) lines_before: usize,
}

impl Part<'_> {
    /// Whether it contains more than comments.
    pub(super) fn says_something(&self) -> bool {
        !self.text.lines().all(|line| is_noise(line.trim()))
    }
}

/// Splits at the lines that begin with `---`; nothing else in YAML begins like that.
pub(super) fn parts_of(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = Some(text);
    let mut lines_before = 0;
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let (mut end, mut lines) = (0, 0);
        for line in text.split_inclusive('\n') {
            if end > 0 && is_marker(line) {
                rest = Some(&text[end..]);
                break;
            }
            end += line.len();
            lines += 1;
        }
        let part = Part {
            text: &text[..end],
            lines_before,
        };
        lines_before += lines;
        Some(part)
    })
}

fn is_marker(line: &str) -> bool {
    let rest = line.strip_prefix("---");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// Whether a line, without surrounding blanks, has no content.
pub(super) fn is_noise(line: &str) -> bool {
    line.is_empty() || line.starts_with(['#', '%']) || line == "---"
}

/// Reads one part.
struct Reader<'a> {
    source: &'a str,
    part: Part<'a>,
    /// Its lines, computed when a problem first needs them.
    lines: Option<Vec<&'a str>>,
    /// Whether problems may show its lines.
    drawable: bool,
    parsed: ParsedPart,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str, part: Part<'a>) -> Self {
        Self {
            source,
            part,
            lines: None,
            drawable: !part.text.contains("Secret"),
            parsed: ParsedPart {
                lines_before: part.lines_before,
                ..ParsedPart::default()
            },
        }
    }

    fn read(&mut self) {
        match Tree::parse(self.part.text) {
            Ok(tree) => self.object(&tree, None),
            Err(error) => self.give_up(error.message, error.place),
        }
    }

    /// The rest of the document cannot be read.
    fn give_up(&mut self, reason: String, place: LineColumn) {
        self.parsed.is_broken = true;
        self.report(Problem::error(self.source, reason), place);
    }

    /// Reads an object, or each item of a list. `inherited` is what the list states for its items.
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
            let problem =
                Problem::error(kind.name(), decode::nameless(&value)).at_field("metadata.name");
            return self.report(
                problem,
                tree.find(
                    &["metadata", "name"].map(|key| Step::Key(key.into())),
                    false,
                ),
            );
        };
        self.drawable &= kind != Kind::Secret;
        let Decoded { resource, faults } = decode::decode(kind, &value);
        for fault in faults {
            self.report(fault.problem(&key), tree.find(&fault.path, fault.at_key));
        }
        if let Some(resource) = resource {
            self.keep(key, resource, &value, tree);
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

    /// Calico and Kubernetes have many kinds that BGP ignores. Only a probable typing error, or an unknown kind that claims to be
    /// Calico's, is reported.
    fn unknown(&mut self, tree: &Tree, api_version: &str, kind: &str) {
        let calicos = || Kind::all().filter(|known| known.is_calico());
        let place_of = |field: &str| tree.find(&[Step::Key(field.into())], false);
        if let Some(known) = calicos().find(|known| known.name() == kind) {
            let reason = format!("expected {}, found {api_version}", known.api_version());
            let problem = Problem::error(kind, reason).at_field("apiVersion");
            return self.report(problem, place_of("apiVersion"));
        }
        let owner = kind::owner(api_version).filter(|_| !kind::UNUSED.contains(&kind));
        let Some(owner) = owner else {
            tracing::debug!(
                source = self.source,
                api_version,
                kind,
                "ignored an object of a kind that means nothing here"
            );
            return;
        };
        let hint = did_you_mean(kind, calicos().map(Kind::name).chain(kind::UNUSED));
        let name = tree
            .field("metadata")
            .and_then(|metadata| metadata.text("name"));
        let object = format!("{kind}/{}", name.unwrap_or_default());
        let reason = format!("{owner} has no kind {kind}{hint}; the object is left out");
        let problem = Problem::error(object.trim_end_matches('/'), reason).at_field("kind");
        self.report(problem, place_of("kind"));
    }

    fn keep(&mut self, key: ObjectKey, resource: Resource, value: &Value, tree: &Tree) {
        let fields = match has_settings(key.kind) {
            true => fields_of(tree),
            false => Arc::default(),
        };
        let document = Document {
            key,
            resource: Arc::new(resource),
            location: self.location(tree.place),
            shape: Shape::of(value),
            fields,
        };
        self.parsed.documents.push(Arc::new(document));
    }

    fn report(&mut self, mut problem: Problem, place: LineColumn) {
        let text = self.part.text;
        let lines = self.lines.get_or_insert_with(|| text.lines().collect());
        problem.line = lines
            .get(place.line - 1)
            .copied()
            .filter(|line| self.drawable && line.len() <= MAX_DRAWN_LINE)
            .map(str::to_owned);
        problem.location = Some(self.location(place));
        self.parsed.problems.push(problem);
    }

    fn location(&self, place: LineColumn) -> Location {
        Location {
            file: self.source.to_owned(),
            line: self.part.lines_before + place.line,
            column: place.column,
        }
    }
}

/// Whether people write objects of this kind, so that later checks may find problems in them. Of other kinds there are too many
/// objects to record where each field is.
fn has_settings(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::BgpConfiguration
            | Kind::BgpPeer
            | Kind::BgpFilter
            | Kind::BfdConfiguration
            | Kind::IpPool
    )
}

/// The fields of an object, with lines relative to its own.
fn fields_of(tree: &Tree) -> Arc<[(String, (usize, usize))]> {
    let fields = tree.fields().into_iter();
    let counted = fields.map(|(name, (line, column))| (name, (line - tree.place.line, column)));
    counted.collect()
}

/// The start of a document.
const START: LineColumn = LineColumn { line: 1, column: 1 };

/// Longer lines, such as JSON without line breaks, are not shown.
const MAX_DRAWN_LINE: usize = 300;

#[cfg(test)]
mod tests;

//! The objects of a text, each as written and with its location, valid or not: for commands that edit files or must be stricter
//! than the speaker.
//!
//! Runs before all checks. Objects of unknown kinds are listed like any other, so that an edit of the text can be checked to have
//! left them unchanged. It contains values of Secrets, so there is no `Debug`.

use std::ops::Range;

use serde_json::Value;

use super::document::{Part, parts_of};
use super::fault::Fault;
use super::kind::Kind;
use super::problem::{Location, Problem};
use super::tree::{LineColumn, Tree};
use super::v1::{self, OldKind};

/// A text, split at its `---` lines.
#[derive(Default)]
pub(crate) struct Outline {
    pub(crate) parts: Vec<OutlinePart>,
}

/// One YAML document, with the `---` line before it.
pub(crate) struct OutlinePart {
    /// The octets of the part.
    pub(crate) range: Range<usize>,
    /// The number of lines before it.
    pub(crate) lines_before: usize,
    /// Its objects: a single one, the items of a list, or none.
    pub(crate) entries: Vec<Entry>,
    /// It is not YAML.
    pub(crate) error: Option<Problem>,
}

/// One object.
pub(crate) struct Entry {
    /// Empty if not given.
    pub(crate) api_version: String,
    /// Empty if not given.
    pub(crate) kind: String,
    /// The object as written, with `apiVersion` and `kind` even if inherited from its list.
    pub(crate) value: Value,
    /// Its index in each enclosing list, from the outside in; empty if it is the whole part.
    pub(crate) path: Vec<usize>,
    /// The start of the object.
    pub(crate) location: Location,
}

/// The interpretation of an [`Entry`].
pub(crate) enum Meaning {
    /// An object of a supported kind.
    Object {
        kind: Kind,
        /// In the form of Calico's v3 API, even if written in the older one.
        value: Value,
        /// Harmless problems of an object of the older API.
        warnings: Vec<Problem>,
    },
    /// An object of the older API that cannot be read.
    Broken(Vec<Problem>),
    /// Something else.
    Unknown,
}

impl Outline {
    /// Reads YAML with any number of documents, or JSON. `source` names the text in errors.
    pub(crate) fn read(source: &str, text: &str) -> Self {
        let mark = text.len() - text.trim_start_matches('\u{feff}').len();
        let mut start = mark;
        let parts = parts_of(&text[mark..]).map(|part| {
            let range = start..start + part.text.len();
            start = range.end;
            read_part(source, range, part.text, part.lines_before)
        });
        Self {
            parts: parts.collect(),
        }
    }
}

fn read_part(source: &str, range: Range<usize>, text: &str, lines_before: usize) -> OutlinePart {
    let mut part = OutlinePart {
        range,
        lines_before,
        entries: Vec::new(),
        error: None,
    };
    let location = |place: LineColumn| Location {
        file: source.to_owned(),
        line: lines_before + place.line,
        column: place.column,
    };
    if !(Part { text, lines_before }).says_something() {
        return part;
    }
    match Tree::parse(text) {
        Ok(tree) => collect(&tree, None, &location, &mut Vec::new(), &mut part.entries),
        Err(error) => {
            part.error = Some(Problem {
                location: Some(location(error.place)),
                ..Problem::error(source, error.message)
            });
        }
    }
    part
}

/// Adds an object, or each item of a list. `inherited` is what the list states for its items.
fn collect(
    tree: &Tree,
    inherited: Option<(&str, &str)>,
    location: &dyn Fn(LineColumn) -> Location,
    path: &mut Vec<usize>,
    entries: &mut Vec<Entry>,
) {
    if tree.is_null() {
        return;
    }
    if let Some(items) = tree.items() {
        return collect_items(items, None, location, path, entries);
    }
    let api_version = tree.text("apiVersion");
    let (api_version, kind) = match (tree.text("kind"), inherited) {
        (None, Some(inherited)) => inherited,
        (kind, _) => (api_version.unwrap_or_default(), kind.unwrap_or_default()),
    };
    let items = tree.field("items").and_then(Tree::items);
    if let (Some(item_kind), Some(items)) = (kind.strip_suffix("List"), items) {
        let inherited = (!item_kind.is_empty()).then_some((api_version, item_kind));
        return collect_items(items, inherited, location, path, entries);
    }
    let mut value = tree.to_value();
    if let (Value::Object(fields), false) = (&mut value, kind.is_empty()) {
        fields.insert("apiVersion".into(), api_version.into());
        fields.insert("kind".into(), kind.into());
    }
    entries.push(Entry {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        value,
        path: path.clone(),
        location: location(tree.place),
    });
}

fn collect_items(
    items: &[Tree],
    inherited: Option<(&str, &str)>,
    location: &dyn Fn(LineColumn) -> Location,
    path: &mut Vec<usize>,
    entries: &mut Vec<Entry>,
) {
    for (at, item) in items.iter().enumerate() {
        path.push(at);
        collect(item, inherited, location, path, entries);
        path.pop();
    }
}

impl Entry {
    /// How it is interpreted.
    pub(crate) fn meaning(&self) -> Meaning {
        if let Some(old) = OldKind::from_document(&self.api_version, &self.kind) {
            return self.converted(old);
        }
        let Some(kind) = Kind::from_document(&self.api_version, &self.kind) else {
            return Meaning::Unknown;
        };
        let mut value = self.value.clone();
        value["apiVersion"] = kind.api_version().into();
        Meaning::Object {
            kind,
            value,
            warnings: Vec::new(),
        }
    }

    fn converted(&self, old: OldKind) -> Meaning {
        let mut faults = Vec::new();
        let converted = v1::convert(old, &self.value, &mut faults);
        let problem = |fault: Fault| Problem {
            location: Some(self.location.clone()),
            ..fault.problem(old.name())
        };
        let problems = faults.into_iter().map(problem).collect();
        match converted {
            Some((kind, value)) => Meaning::Object {
                kind,
                value,
                warnings: problems,
            },
            None => Meaning::Broken(problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_object_is_listed_with_its_place() {
        let text = "\u{feff}# head\n---\nkind: A\napiVersion: x/v1\n---\n- {kind: B}\n-\n  kind: CList\n  apiVersion: z/v1\n  items: [{a: 1}]\n--- # broken\nkind: [\n";
        let outline = Outline::read("f", text);
        let parts = outline.parts.iter().enumerate();
        let entries = parts.flat_map(|(at, part)| part.entries.iter().map(move |e| (at, e)));
        let seen: Vec<_> = entries
            .map(|(part, entry)| (part, entry.kind.as_str(), entry.path.clone()))
            .collect();
        assert_eq!(
            seen,
            [(1, "A", vec![]), (2, "B", vec![0]), (2, "C", vec![1, 0])]
        );
        let item = &outline.parts[2].entries[1];
        assert_eq!(
            item.value,
            json!({"a": 1, "kind": "C", "apiVersion": "z/v1"})
        );
        assert_eq!(
            &text[outline.parts[1].range.clone()],
            "---\nkind: A\napiVersion: x/v1\n"
        );
        let error = outline.parts[3].error.as_ref().expect("it is broken");
        assert_eq!(error.location.as_ref().map(|l| l.line >= 11), Some(true));
        let covered: usize = outline.parts.iter().map(|part| part.range.len()).sum();
        assert_eq!(covered + '\u{feff}'.len_utf8(), text.len());
    }

    #[test]
    fn old_objects_mean_new_ones() {
        let text = "apiVersion: v1\nkind: bgpPeer\nmetadata: {scope: global, peerIP: 192.0.2.1}\nspec: {asNumber: 64512, colour: red}\n";
        let outline = Outline::read("f", text);
        let Meaning::Object {
            kind,
            value,
            warnings,
        } = outline.parts[0].entries[0].meaning()
        else {
            panic!("it is known")
        };
        assert_eq!(
            (kind, &value["metadata"]["name"]),
            (Kind::BgpPeer, &json!("192-0-2-1"))
        );
        assert_eq!(warnings[0].field.as_deref(), Some("spec.colour"));
    }
}

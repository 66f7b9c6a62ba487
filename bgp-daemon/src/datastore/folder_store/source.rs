//! The text of one file with its objects, and edits that add, replace or remove an object.
//!
//! Pure. If possible, replacing an object changes only the values that differ; otherwise it is rewritten, and only unindented
//! comments before and after it stay. Comments before a removed object are removed with it. Every edit is parsed again, and
//! refused unless all other objects have the same meaning as before. An edit that would lose comments in a list within braces is
//! refused, too.

use std::ops::Range;

use serde_json::Value;
use thiserror::Error;

use super::edit;
use crate::datastore::yaml;
use crate::resources::{Entry, Kind, Meaning, ObjectKey, Outline, key_of};

/// The text of a file.
pub(super) struct Source {
    name: String,
    text: String,
    outline: Outline,
    objects: Vec<Object>,
    loss: Loss,
}

/// Parts of a changed object that an edit could not preserve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Loss {
    #[default]
    Nothing,
    /// Comments inside changed values.
    Comments,
    /// The object was rewritten.
    Form,
}

/// The index of an object in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(usize);

struct Object {
    key: ObjectKey,
    /// In the v3 API.
    value: Value,
    part: usize,
    entry: usize,
}

/// Why an edit is not possible without changing something else.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum EditError {
    #[error("the object cannot be changed without touching others in the file; edit it by hand")]
    WouldTouchOthers,
    #[error("a JSON file holds one document, so no object can be added to it")]
    JsonIsFull,
    #[error("the object cannot be written as YAML: {0}")]
    Unwritable(String),
}

impl Source {
    /// `name` is the file's name.
    pub(super) fn new(name: &str, text: &str) -> Self {
        let outline = Outline::read(name, text);
        let mut objects = Vec::new();
        for (part, outlined) in outline.parts.iter().enumerate() {
            for (entry, outlined) in outlined.entries.iter().enumerate() {
                if let Meaning::Object { kind, value, .. } = outlined.meaning()
                    && let Some(key) = key_of(&value, kind)
                {
                    objects.push(Object {
                        key,
                        value,
                        part,
                        entry,
                    });
                }
            }
        }
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            outline,
            objects,
            loss: Loss::Nothing,
        }
    }

    /// The loss of the edit that made this text.
    pub(super) fn loss(&self) -> Loss {
        self.loss
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// All slots of an object.
    pub(super) fn find<'a>(&'a self, key: &'a ObjectKey) -> impl Iterator<Item = Slot> + 'a {
        let objects = self.objects.iter().enumerate();
        objects
            .filter(move |(_, object)| object.key == *key)
            .map(|(at, _)| Slot(at))
    }

    /// The objects of a kind.
    pub(super) fn of(&self, kind: Kind) -> impl Iterator<Item = (ObjectKey, Slot)> + '_ {
        let objects = self.objects.iter().enumerate();
        objects
            .filter(move |(_, object)| object.key.kind == kind)
            .map(|(at, object)| (object.key.clone(), Slot(at)))
    }

    /// An object, in the v3 API.
    pub(super) fn object(&self, slot: Slot) -> &Value {
        &self.objects[slot.0].value
    }

    /// The first line of an object, starting at 1.
    pub(super) fn line(&self, slot: Slot) -> usize {
        self.entry(slot).location.line
    }

    /// With an additional object at the end.
    pub(super) fn appended(&self, object: &Value) -> Result<Self, EditError> {
        let written = written(object, Form::Yaml)?;
        let text = if self.text.trim().is_empty() {
            written
        } else if self.is_json() {
            return Err(EditError::JsonIsFull);
        } else {
            let end = if self.text.ends_with('\n') { "" } else { "\n" };
            format!("{}{end}---\n{written}", self.text)
        };
        let mut expected = self.contents();
        expected.push(Content::Object(object));
        self.verified(text, &expected)
    }

    /// With one object replaced.
    pub(super) fn replaced(&self, slot: Slot, object: &Value) -> Result<Self, EditError> {
        let mut expected = self.contents();
        expected[self.content_index(slot)] = Content::Object(object);
        if let Some((edited, loses_comments)) = self.edited(slot, object)
            && let Ok(mut edited) = self.verified(edited, &expected)
        {
            if loses_comments {
                edited.loss = Loss::Comments;
            }
            return Ok(edited);
        }
        let text = if self.is_alone(slot) {
            self.with_part(slot, object)?
        } else if self.form(slot) == Form::Json {
            self.with_list(slot, |items, at| items[at] = object.clone())?
        } else {
            self.with_item(slot, Some(object))?
        };
        let mut changed = self.verified(text, &expected)?;
        changed.loss = Loss::Form;
        Ok(changed)
    }

    /// With only the differing values of an object changed, if possible; not for one of the older API, whose meaning differs from
    /// its text.
    fn edited(&self, slot: Slot, object: &Value) -> Option<(String, bool)> {
        let entry = self.entry(slot);
        if entry.value["apiVersion"] != object["apiVersion"] {
            return None;
        }
        let range = self.outline.parts[self.objects[slot.0].part].range.clone();
        let (edited, loses) = edit::edited(&self.text[range.clone()], &entry.path, object)?;
        Some((self.spliced(range, &edited), loses))
    }

    /// Without one object; `None` if nothing is left.
    pub(super) fn removed(&self, slot: Slot) -> Result<Option<Self>, EditError> {
        let mut expected = self.contents();
        expected.remove(self.content_index(slot));
        if expected.is_empty() {
            return Ok(None);
        }
        let mut loss = Loss::Nothing;
        let text = if self.outline.parts[self.objects[slot.0].part].entries.len() == 1 {
            self.without_part(slot)
        } else if self.form(slot) == Form::Json {
            loss = Loss::Form;
            self.with_list(slot, |items, at| drop(items.remove(at)))?
        } else {
            self.with_item(slot, None)?
        };
        let mut changed = self.verified(text, &expected)?;
        changed.loss = loss;
        Ok(Some(changed))
    }

    fn verified(&self, text: String, expected: &[Content<'_>]) -> Result<Self, EditError> {
        let edited = Self::new(&self.name, &text);
        match edited.contents() == expected {
            true => Ok(edited),
            false => Err(EditError::WouldTouchOthers),
        }
    }

    /// The whole content of the file, in order.
    fn contents(&self) -> Vec<Content<'_>> {
        let mut contents = Vec::new();
        for part in &self.outline.parts {
            if part.error.is_some() {
                contents.push(Content::Broken(self.text[part.range.clone()].trim()));
            }
            contents.extend(part.entries.iter().map(|e| Content::Object(&e.value)));
        }
        contents
    }

    fn content_index(&self, slot: Slot) -> usize {
        let Object { part, entry, .. } = self.objects[slot.0];
        let before = self.outline.parts[..part].iter();
        let counts = before.map(|part| part.entries.len() + usize::from(part.error.is_some()));
        counts.sum::<usize>() + entry
    }

    fn entry(&self, slot: Slot) -> &Entry {
        let Object { part, entry, .. } = self.objects[slot.0];
        &self.outline.parts[part].entries[entry]
    }

    /// Whether the object is a document of its own.
    fn is_alone(&self, slot: Slot) -> bool {
        self.entry(slot).path.is_empty()
    }

    fn is_json(&self) -> bool {
        self.name.ends_with(".json")
    }

    fn form(&self, slot: Slot) -> Form {
        let body = &self.text[self.body(slot)];
        match self.is_json()
            || body
                .trim_start_matches("---")
                .trim()
                .starts_with(['{', '['])
        {
            true => Form::Json,
            false => Form::Yaml,
        }
    }

    /// The octets of an object's document, without the `---` line and surrounding comments.
    fn body(&self, slot: Slot) -> Range<usize> {
        let part = &self.outline.parts[self.objects[slot.0].part];
        let (mut first, mut end) = (None, part.range.start);
        let mut at = part.range.start;
        for line in self.text[part.range.clone()].split_inclusive('\n') {
            let start = at;
            at += line.len();
            if !is_marginal(line) {
                first = first.or(Some(start));
                end = at;
            }
        }
        first.unwrap_or(part.range.start)..end
    }

    fn with_part(&self, slot: Slot, object: &Value) -> Result<String, EditError> {
        let body = self.body(slot);
        let marker = match self.text[body.clone()].starts_with("---") {
            true => "---\n",
            false => "",
        };
        let written = written(object, self.form(slot))?;
        Ok(self.spliced(body, &format!("{marker}{written}")))
    }

    fn without_part(&self, slot: Slot) -> String {
        let start = self.outline.parts[self.objects[slot.0].part].range.start;
        self.spliced(start..self.body(slot).end, "")
    }

    /// With a list in braces rewritten after `change`.
    fn with_list(
        &self,
        slot: Slot,
        change: impl FnOnce(&mut Vec<Value>, usize),
    ) -> Result<String, EditError> {
        let body = self.body(slot);
        let old = &self.text[body.clone()];
        if old.contains('#') && !self.is_json() {
            return Err(EditError::WouldTouchOthers);
        }
        let mut list: Value = serde_json::from_str(old).map_err(|_| EditError::WouldTouchOthers)?;
        let [at] = self.entry(slot).path[..] else {
            return Err(EditError::WouldTouchOthers);
        };
        let items = match list.is_array() {
            true => Some(&mut list),
            false => list.get_mut("items"),
        };
        let items = items.and_then(Value::as_array_mut);
        change(items.ok_or(EditError::WouldTouchOthers)?, at);
        Ok(self.spliced(body, &written(&list, Form::Json)?))
    }

    /// With the lines of one item of a list replaced or removed.
    fn with_item(&self, slot: Slot, object: Option<&Value>) -> Result<String, EditError> {
        let (lines, indent) = self.item_lines(slot).ok_or(EditError::WouldTouchOthers)?;
        let Some(object) = object else {
            return Ok(self.spliced(lines, ""));
        };
        let written = written(object, Form::Yaml)?;
        let item: String = written
            .lines()
            .enumerate()
            .map(|(at, line)| match (at, line) {
                (0, _) => format!("{:indent$}- {line}\n", ""),
                (_, "") => "\n".to_owned(),
                _ => format!("{:indent$}  {line}\n", ""),
            })
            .collect();
        Ok(self.spliced(lines, &item))
    }

    /// The lines of an item, and the indentation of its `-`. `None` if it has no lines of its own.
    fn item_lines(&self, slot: Slot) -> Option<(Range<usize>, usize)> {
        let part = &self.outline.parts[self.objects[slot.0].part];
        let entry = self.entry(slot);
        let mut start = part.range.start;
        let mut lines = self.text[part.range.clone()].split_inclusive('\n');
        for line in lines
            .by_ref()
            .take(entry.location.line - part.lines_before - 1)
        {
            start += line.len();
        }
        let first = lines.next()?;
        let indent = first
            .find(|c| c != ' ')
            .filter(|at| first[*at..].starts_with("- "))?;
        if entry.location.column != indent + 3 {
            return None;
        }
        let mut at = start + first.len();
        let mut end = at;
        for line in lines {
            let depth = line.find(|c| c != ' ').unwrap_or(line.len());
            let says_nothing = line.trim().is_empty() || line.trim_start().starts_with('#');
            if depth <= indent && !says_nothing {
                break;
            }
            at += line.len();
            if depth > indent && !line.trim().is_empty() {
                end = at;
            }
        }
        Some((start..end, indent))
    }

    fn spliced(&self, range: Range<usize>, with: &str) -> String {
        let (before, after) = (&self.text[..range.start], &self.text[range.end..]);
        format!("{before}{with}{after}")
    }
}

/// Content that an edit must not change by accident.
#[derive(PartialEq)]
enum Content<'a> {
    Object(&'a Value),
    Broken(&'a str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Yaml,
    Json,
}

fn written(object: &Value, form: Form) -> Result<String, EditError> {
    match form {
        Form::Yaml => yaml::write(object).map_err(|error| EditError::Unwritable(error.to_string())),
        Form::Json => Ok(format!("{object:#}\n")),
    }
}

/// Whether a line is blank, the `---` line, a directive, or an unindented comment. An indented comment belongs to the surrounding
/// object.
fn is_marginal(line: &str) -> bool {
    let rest = line.strip_prefix("---").map_or(line, str::trim_start);
    rest.trim().is_empty() || rest.starts_with(['#', '%'])
}

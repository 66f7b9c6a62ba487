//! Edits values of a YAML or JSON document in place: all other octets, including comments, order and style, stay.
//!
//! Pure. It ignores YAML features that people do not write, so the caller must parse the result again.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::datastore::yaml;
use crate::resources::{LineColumn, Tree, TreeContent};

/// The text of a document with one of its objects changed. `path` leads to the object through the enclosing lists. Returns also
/// whether comments inside changed values were lost. `None` if it cannot be edited in place.
pub(super) fn edited(text: &str, path: &[usize], object: &Value) -> Option<(String, bool)> {
    let tree = Tree::parse(text).ok()?;
    let mut editor = Editor {
        text,
        splices: Vec::new(),
        loses_comments: false,
    };
    let (mut target, mut end) = (&tree, text.len());
    for at in path {
        let items = target.items().or_else(|| target.field("items")?.items())?;
        end = match items.get(at + 1) {
            Some(next) => editor.line_start(editor.offset(next.place)?),
            None => end,
        };
        target = items.get(*at)?;
    }
    let mut object = object.clone();
    if let (Some(fields), None) = (object.as_object_mut(), target.field("kind")) {
        // The list has them for its items.
        fields.retain(|key, _| key != "apiVersion" && key != "kind");
    }
    editor.change(target, &object, end, false)?;
    let loses_comments = editor.loses_comments;
    Some((editor.done(), loses_comments))
}

struct Editor<'a> {
    text: &'a str,
    splices: Vec<(Range<usize>, String)>,
    loses_comments: bool,
}

type Entry = (String, LineColumn, Tree);

impl Editor<'_> {
    fn done(mut self) -> String {
        self.splices.sort_by_key(|(range, _)| range.start);
        let mut text = String::new();
        let mut at = 0;
        for (range, with) in self.splices {
            text.push_str(self.text.get(at..range.start).unwrap_or_default());
            text.push_str(&with);
            at = range.end;
        }
        text.push_str(&self.text[at..]);
        text
    }

    /// Changes a value that ends before `end`; `in_flow` if it is within braces or brackets.
    fn change(&mut self, tree: &Tree, new: &Value, end: usize, in_flow: bool) -> Option<()> {
        if tree.to_value() == *new {
            return Some(());
        }
        let start = self.offset(tree.place)?;
        let in_flow = in_flow || self.text[start..].starts_with(['{', '[']);
        let before = self.splices.len();
        let changed = self.change_parts(tree, start, new, end, in_flow);
        if changed.is_some() || !in_flow {
            return changed;
        }
        self.splices.truncate(before);
        let range = match tree.content {
            TreeContent::Scalar(_) => self.scalar(start, true)?,
            TreeContent::Mapping(_) | TreeContent::Sequence(_) => start..self.flow_end(start)?,
        };
        self.splices.push((range, flow(new, self.is_json())?));
        Some(())
    }

    /// Changes a value by changing its parts.
    fn change_parts(
        &mut self,
        tree: &Tree,
        start: usize,
        new: &Value,
        end: usize,
        in_flow: bool,
    ) -> Option<()> {
        match (&tree.content, new) {
            (TreeContent::Mapping(entries), Value::Object(fields)) if in_flow => {
                self.flow_mapping(start, entries, fields)
            }
            (TreeContent::Mapping(entries), Value::Object(fields)) => {
                self.block_mapping(entries, fields, end)
            }
            (TreeContent::Sequence(items), Value::Array(values)) if items.len() == values.len() => {
                for (at, (item, value)) in items.iter().zip(values).enumerate() {
                    let end = match items.get(at + 1) {
                        Some(next) if !in_flow => self.line_start(self.offset(next.place)?),
                        _ => end,
                    };
                    self.change(item, value, end, in_flow)?;
                }
                Some(())
            }
            (TreeContent::Sequence(items), Value::Array(values)) if !in_flow => {
                self.block_sequence(items, values, end)
            }
            (TreeContent::Scalar(_), new) if !new.is_object() && !new.is_array() => {
                let range = self.scalar(start, in_flow)?;
                let with = match in_flow {
                    true => flow(new, self.is_json())?,
                    false => yaml::write(new).ok()?.trim_end().to_owned(),
                };
                self.splices.push((range, with));
                Some(())
            }
            _ => None,
        }
    }

    fn block_mapping(
        &mut self,
        entries: &[Entry],
        fields: &Map<String, Value>,
        end: usize,
    ) -> Option<()> {
        let indent = entries.first()?.1.column - 1;
        let mut last_end = end;
        let mut kept = 0;
        for (at, (key, place, field)) in entries.iter().enumerate() {
            let start = self.offset(*place)?;
            let end = match entries.get(at + 1) {
                Some((_, next, _)) => self.line_start(self.offset(*next)?),
                None => end,
            };
            let end = self.without_comments(start..end);
            last_end = end;
            let line = self.line_start(start);
            let has_lines = self.text[line..start].trim().is_empty();
            match fields.get(key) {
                None if field.is_null() => {}
                None if has_lines => self.splices.push((line..end, String::new())),
                None => return None,
                Some(new) => {
                    kept += 1;
                    let before = self.splices.len();
                    if self.change(field, new, end, false).is_none() {
                        self.splices.truncate(before);
                        let lines = block(key, new, indent)?;
                        self.loses_comments |= has_comment(&self.text[start..end]);
                        self.splices.push((start..end, lines[indent..].to_owned()));
                    }
                }
            }
        }
        let is_new = |key: &String| entries.iter().all(|(known, _, _)| known != key);
        let mut lines = String::new();
        for (key, new) in fields.iter().filter(|(key, _)| is_new(key)) {
            lines += &block(key, new, indent)?;
            kept += 1;
        }
        if !lines.is_empty() {
            let ended = self.text[..last_end].ends_with('\n');
            let start = if ended { "" } else { "\n" };
            self.splices
                .push((last_end..last_end, format!("{start}{lines}")));
        }
        // Without any field it would be null.
        (kept > 0).then_some(())
    }

    /// Equal items at both ends of the list stay; in between, each item replaces one, as far as there are as many.
    fn block_sequence(&mut self, items: &[Tree], values: &[Value], end: usize) -> Option<()> {
        let is_same = |(item, value): &(&Tree, &Value)| item.to_value() == **value;
        let head = items.iter().zip(values).take_while(is_same).count();
        let rest = items[head..].iter().rev().zip(values[head..].iter().rev());
        let tail = rest.take_while(is_same).count();
        let new = &values[head..values.len() - tail];
        let starts = items
            .iter()
            .map(|item| self.item_start(item))
            .collect::<Option<Vec<_>>>()?;
        let last = items.len() - tail;
        let mut at = match head.checked_sub(1) {
            Some(before) => self.item_end(&starts, before, end),
            None => *starts.first()?,
        };
        for (place, item) in items[..last].iter().enumerate().skip(head) {
            let next = starts.get(place + 1).copied().unwrap_or(end);
            at = self.item_end(&starts, place, end);
            match new.get(place - head) {
                Some(value) => self.change(item, value, next, false)?,
                None => self.splices.push((starts[place]..at, String::new())),
            }
        }
        let indent = self.text[starts[0]..].find('-')?;
        let fresh = if self.text[..at].ends_with('\n') || at == 0 {
            ""
        } else {
            "\n"
        };
        let mut lines = String::new();
        for value in new.iter().skip(last - head) {
            lines += &block_item(value, indent)?;
        }
        if !lines.is_empty() {
            self.splices.push((at..at, format!("{fresh}{lines}")));
        }
        // Without any item it would be null.
        (!values.is_empty()).then_some(())
    }

    /// The first line of an item, if only its `-` precedes the item there.
    fn item_start(&self, item: &Tree) -> Option<usize> {
        let at = self.offset(item.place)?;
        let line = self.line_start(at);
        (self.text[line..at].trim() == "-").then_some(line)
    }

    /// The end of an item, without the comments after it.
    fn item_end(&self, starts: &[usize], at: usize, end: usize) -> usize {
        let next = starts.get(at + 1).copied().unwrap_or(end);
        self.without_comments(starts[at]..next)
    }

    fn flow_mapping(
        &mut self,
        start: usize,
        entries: &[Entry],
        fields: &Map<String, Value>,
    ) -> Option<()> {
        let close = self.flow_end(start)? - 1;
        let inside = self.text[..close].trim_end().len();
        let is_kept = |(key, _, _): &&Entry| fields.contains_key(key);
        for (at, (key, place, field)) in entries.iter().enumerate() {
            let start = self.offset(*place)?;
            match (fields.get(key), entries.get(at + 1)) {
                (Some(new), _) => self.change(field, new, close, true)?,
                (None, Some((_, next, _))) => {
                    self.splices
                        .push((start..self.offset(*next)?, String::new()));
                }
                // The comma before the last entry is removed with it, or with the entries removed before it.
                (None, None) if entries.iter().take(at).any(|entry| is_kept(&entry)) => {
                    let kept_before = entries[..at].iter().rposition(|entry| is_kept(&entry))?;
                    let first_gone = self.offset(entries[kept_before + 1].1)?;
                    let comma = self.text[..first_gone].rfind(',')?;
                    self.splices
                        .retain(|(range, _)| range.start < first_gone || range.start >= inside);
                    self.splices.push((comma..inside, String::new()));
                }
                (None, None) => self.splices.push((start..inside, String::new())),
            }
        }
        let mut is_first = !entries.iter().any(|entry| is_kept(&entry));
        for (key, new) in fields {
            if entries.iter().any(|(known, _, _)| known == key) {
                continue;
            }
            let comma = if is_first { "" } else { ", " };
            is_first = false;
            let key = flow(&Value::from(key.as_str()), self.is_json())?;
            let value = flow(new, self.is_json())?;
            self.splices
                .push((inside..inside, format!("{comma}{key}: {value}")));
        }
        Some(())
    }

    /// The octets of a string, number or boolean on one line.
    fn scalar(&self, start: usize, in_flow: bool) -> Option<Range<usize>> {
        let line = self.text[start..].lines().next()?;
        let len = match line.chars().next()? {
            quote @ ('"' | '\'') => quoted_len(line, quote)?,
            '|' | '>' | '&' | '*' | '!' | '#' => return None,
            _ => {
                let comment = line.find(" #").unwrap_or(line.len());
                let ends = |c: char| in_flow && matches!(c, ',' | '}' | ']');
                let plain = line[..comment].find(ends).unwrap_or(comment);
                line[..plain].trim_end().len()
            }
        };
        (len > 0).then_some(start..start + len)
    }

    /// The position after the brace that closes the one at `start`.
    fn flow_end(&self, start: usize) -> Option<usize> {
        let mut depth = 0;
        let mut at = start;
        while let Some(c) = self.text[at..].chars().next() {
            match c {
                '{' | '[' => depth += 1,
                '}' | ']' => depth -= 1,
                '"' | '\'' => at += quoted_len(&self.text[at..], c)? - 1,
                '#' => return None,
                _ => {}
            }
            at += c.len_utf8();
            if depth == 0 {
                return Some(at);
            }
        }
        None
    }

    fn is_json(&self) -> bool {
        let text = self.text.trim_start();
        text.starts_with('{') && text[1..].trim_start().starts_with('"')
    }

    fn offset(&self, place: LineColumn) -> Option<usize> {
        let mut lines = self.text.split_inclusive('\n');
        let before: usize = lines.by_ref().take(place.line - 1).map(str::len).sum();
        let line = lines.next().unwrap_or_default();
        let (at, _) = line.char_indices().nth(place.column - 1)?;
        Some(before + at)
    }

    fn line_start(&self, offset: usize) -> usize {
        self.text[..offset].rfind('\n').map_or(0, |at| at + 1)
    }

    /// The end of a range without trailing blank lines, comments and markers.
    fn without_comments(&self, range: Range<usize>) -> usize {
        let mut end = range.start;
        let mut at = range.start;
        for line in self.text[range].split_inclusive('\n') {
            at += line.len();
            let says = line.trim();
            if !(says.is_empty() || says.starts_with('#') || says == "...") {
                end = at;
            }
        }
        end
    }
}

fn quoted_len(text: &str, quote: char) -> Option<usize> {
    let mut at = 1;
    loop {
        let rest = text.get(at..)?;
        let c = rest.chars().next()?;
        match c {
            '\\' if quote == '"' => at += 1 + rest.chars().nth(1)?.len_utf8(),
            _ if c != quote => at += c.len_utf8(),
            '\'' if rest.starts_with("''") => at += 2,
            _ => return Some(at + 1),
        }
    }
}

/// A field on lines of its own.
fn block(key: &str, value: &Value, indent: usize) -> Option<String> {
    let field = Value::Object(Map::from_iter([(key.to_owned(), value.clone())]));
    let written = yaml::write(&field).ok()?;
    let lines = written
        .lines()
        .map(|line| format!("{:indent$}{line}\n", ""));
    Some(lines.collect())
}

/// An item on lines of its own.
fn block_item(value: &Value, indent: usize) -> Option<String> {
    let written = yaml::write(value).ok()?;
    let lines = written.lines().enumerate().map(|(at, line)| {
        let dash = if at == 0 { "- " } else { "  " };
        format!("{:indent$}{dash}{line}\n", "")
    });
    Some(lines.collect())
}

/// Whether the text may contain a comment: a `#` within a string looks the same.
fn has_comment(text: &str) -> bool {
    text.lines()
        .any(|line| line.trim_start().starts_with('#') || line.contains(" #"))
}

/// A value within braces.
fn flow(value: &Value, is_json: bool) -> Option<String> {
    let written = match value {
        Value::String(_) if !is_json => yaml::write(value).ok()?.trim_end().to_owned(),
        other => other.to_string(),
    };
    let is_quoted = written.starts_with(['"', '\'', '{', '[']);
    Some(
        match is_quoted || !written.contains([',', '{', '}', '[', ']', '#', ':']) {
            true => written,
            false => value.to_string(),
        },
    )
}

#[cfg(test)]
mod tests;

//! Problems of objects: in one line for logs and status, and with the line of text for people.

use std::fmt;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The object is used, but something in it has no effect.
    Warning,
    /// The object, or part of it, is left out.
    Error,
}

/// A location in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Location {
    /// The file, by the path it was requested with.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Something wrong with one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The object, such as `BGPPeer/tor`; the file if the object is unknown.
    pub object: String,
    /// What is wrong, and what was expected.
    pub reason: String,
    /// How bad it is.
    pub severity: Severity,
    /// The location, if it came from a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The field, such as `spec.peerIP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Only the field, or the entry of a list, is left out; the rest of the object is used.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub field_only: bool,
    /// The line of text to show; absent if it could contain a secret.
    #[serde(skip)]
    pub(super) line: Option<String>,
}

impl Problem {
    /// An object, or part of it, is left out.
    pub fn error(object: impl fmt::Display, reason: impl Into<String>) -> Self {
        Self {
            object: object.to_string(),
            reason: reason.into(),
            severity: Severity::Error,
            location: None,
            field: None,
            field_only: false,
            line: None,
        }
    }

    /// A setting has no effect.
    pub fn warning(object: impl fmt::Display, reason: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(object, reason)
        }
    }

    /// The same, at a field.
    #[must_use]
    pub fn at_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same, at a location in a file.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// The problem with the line of text below it, as compilers print it; without ANSI colours.
    pub fn render(&self) -> String {
        self.draw(&Renderer::plain())
    }

    /// The same with ANSI colours, for a terminal.
    pub fn render_coloured(&self) -> String {
        self.draw(&Renderer::styled())
    }

    fn draw(&self, renderer: &Renderer) -> String {
        let (Some(location), Some(line)) = (&self.location, &self.line) else {
            return self.to_string();
        };
        let start = line
            .char_indices()
            .nth(location.column.saturating_sub(1))
            .map_or(line.len(), |(at, _)| at);
        let end = start + word_len(&line[start..]);
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = printable(&format!("{}{}", self.who(), self.what()));
        let snippet = Snippet::source(line.as_str())
            .line_start(location.line)
            .path(location.file.as_str())
            .annotation(AnnotationKind::Primary.span(start..end));
        renderer.render(&[level.primary_title(title.as_str()).element(snippet)])
    }

    /// The object, unless it is the file, which the location names.
    fn who(&self) -> String {
        let file = self
            .location
            .as_ref()
            .map(|location| location.file.as_str());
        match file == Some(self.object.as_str()) {
            true => String::new(),
            false => format!("{}: ", self.object),
        }
    }

    fn what(&self) -> String {
        let ending = match self.field_only {
            true => "; only this is left out",
            false => "",
        };
        match &self.field {
            Some(field) => format!("{field}: {}{ending}", self.reason),
            None => self.reason.clone(),
        }
    }
}

impl fmt::Display for Problem {
    /// One line: `FILE:LINE:COLUMN: OBJECT: FIELD: REASON`; the file is not named twice.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        let text = format!("{}{}", self.who(), self.what());
        f.write_str(&printable(&text))
    }
}

/// The text without characters that a terminal or a log would interpret.
fn printable(text: &str) -> String {
    let escaped = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// Length in bytes of the value or key at the start of `rest`: up to a blank, `,`, `]`, `}` or `:`, or a whole quoted text.
fn word_len(rest: &str) -> usize {
    match rest.chars().next() {
        None => 0,
        Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
        Some(_) => rest
            .find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}'))
            .unwrap_or(rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_the_value_under_its_line() {
        let problem = Problem {
            location: Some(Location {
                file: "tor.yaml".into(),
                line: 6,
                column: 11,
            }),
            line: Some("  peerIP: \"10.0.0.300\" # the rack".into()),
            ..Problem::error("BGPPeer/tor", "expected an address").at_field("spec.peerIP")
        };
        assert_eq!(
            problem.to_string(),
            "tor.yaml:6:11: BGPPeer/tor: spec.peerIP: expected an address"
        );
        let drawn = problem.render();
        assert!(
            drawn.contains("^^^^^^^^^^^^\n") || drawn.ends_with("^^^^^^^^^^^^"),
            "{drawn}"
        );
        assert!(drawn.contains("6 |   peerIP: \"10.0.0.300\""), "{drawn}");
    }

    #[test]
    fn control_characters_of_a_document_reach_no_terminal() {
        let problem = Problem::warning("BGPPeer/a\u{1b}[31m", "unknown field").at_field("spec.\n");
        assert_eq!(
            problem.to_string(),
            "BGPPeer/a\\u{1b}[31m: spec.\\n: unknown field"
        );
    }

    #[test]
    fn a_column_past_the_end_is_no_harm() {
        let problem = Problem {
            location: Some(Location {
                file: "x".into(),
                line: 1,
                column: 99,
            }),
            line: Some("é".into()),
            ..Problem::error("x", "unexpected end")
        };
        assert!(problem.render().contains("unexpected end"));
    }
}

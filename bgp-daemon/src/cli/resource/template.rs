//! Go templates (`text/template`), as far as printing objects needs them: `if`, `else`, `range`, `with`, `end`, comments,
//! trim markers, fields, variables, pipelines, parentheses, literals, and the functions in `functions`.
//!
//! Not known are `define`, `template`, `block`, `break`, `continue`, method calls and complex numbers; a template that uses
//! one is refused before anything is printed. What a template prints is limited, so that loops in loops come to an end.

mod error;
mod execute;
mod functions;
mod lex;
mod parse;

use serde_json::Value;

use self::error::TemplateError;

/// A template that can be executed.
pub(super) struct Template {
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// It is not one, or uses something that is not known here.
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        let pieces = lex::pieces(text)?;
        let nodes = parse::parse(pieces)?;
        Ok(Self { nodes })
    }

    /// What the template makes of the objects. `as_number` is what the function `config "asnumber"` gives.
    ///
    /// # Errors
    ///
    /// An object is not what the template takes it for, or the output exceeds 64 MiB.
    pub(super) fn execute(
        &self,
        objects: Vec<Value>,
        as_number: &dyn Fn() -> String,
    ) -> Result<String, TemplateError> {
        execute::execute(&self.nodes, Value::Array(objects), as_number)
    }
}

#[cfg(test)]
mod tests;

//! Go templates (`text/template`), as far as printing objects needs them: `if`, `else`, `range`, `with`, `end`, comments,
//! trim markers, fields, variables, pipelines, parentheses, literals, and the functions in `functions`.
//!
//! `define`, `template`, `block`, `break`, `continue`, method calls and complex numbers are not supported; a template that uses
//! one is refused before anything is printed. The output is limited, so that nested loops end.

mod error;
mod execute;
mod functions;
mod lex;
mod parse;

use serde_json::Value;

use self::error::TemplateError;

/// A parsed template.
pub(super) struct Template {
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// The template is invalid, or uses an unsupported feature.
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        let pieces = lex::pieces(text)?;
        let nodes = parse::parse(pieces)?;
        Ok(Self { nodes })
    }

    /// The output of the template for the objects. `as_number` is the result of the function `config "asnumber"`.
    ///
    /// # Errors
    ///
    /// An object does not have the expected form, or the output exceeds 64 MiB.
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

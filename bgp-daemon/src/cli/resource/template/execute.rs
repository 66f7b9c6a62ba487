//! Executes templates.

use serde_json::Value;

use super::error::TemplateError;
use super::functions::Surroundings;
use super::parse::{Choice, Node, Operand, Pipeline};
use crate::cli::resource::go_value;

/// Limit of the output.
const MAX_OUTPUT: usize = 64 << 20;

/// Executes a template on a value.
pub(super) fn execute(
    nodes: &[Node],
    root: Value,
    as_number: &dyn Fn() -> String,
) -> Result<String, TemplateError> {
    let mut run = Run {
        out: String::new(),
        steps: 0,
        variables: vec![(String::new(), root.clone())],
        surroundings: Surroundings { as_number },
    };
    run.all(nodes, &root)?;
    Ok(run.out)
}

struct Run<'a> {
    out: String,
    /// Iterations of loops, which limits loops without output.
    steps: usize,
    /// The last one of a name is in force; the first is `$`.
    variables: Vec<(String, Value)>,
    surroundings: Surroundings<'a>,
}

impl Run<'_> {
    fn all(&mut self, nodes: &[Node], dot: &Value) -> Result<(), TemplateError> {
        for node in nodes {
            self.one(node, dot)?;
            if self.out.len() > MAX_OUTPUT {
                return Err(TemplateError::new(1, "the output is too long"));
            }
        }
        Ok(())
    }

    fn one(&mut self, node: &Node, dot: &Value) -> Result<(), TemplateError> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Print(pipeline) => {
                let value = self.value(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.out.push_str(&go_value::text(&value));
                }
            }
            Node::If(choice) => {
                self.in_scope(|run| {
                    let value = run.value(&choice.on, dot)?;
                    match go_value::is_true(&value) {
                        true => run.all(&choice.then, dot),
                        false => run.all(&choice.otherwise, dot),
                    }
                })?;
            }
            Node::With(choice) => {
                self.in_scope(|run| {
                    let value = run.value(&choice.on, dot)?;
                    match go_value::is_true(&value) {
                        true => run.all(&choice.then, &value),
                        false => run.all(&choice.otherwise, dot),
                    }
                })?;
            }
            Node::Range(choice) => self.in_scope(|run| run.range(choice, dot))?,
        }
        Ok(())
    }

    /// Variables declared inside are dropped afterwards.
    fn in_scope(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<(), TemplateError>,
    ) -> Result<(), TemplateError> {
        let known = self.variables.len();
        let done = act(self);
        self.variables.truncate(known);
        done
    }

    fn range(&mut self, choice: &Choice, dot: &Value) -> Result<(), TemplateError> {
        let line = choice.on.line;
        let items: Vec<(Value, Value)> = match self.piped(&choice.on, dot)? {
            Value::Null => Vec::new(),
            Value::Array(items) => (0_u64..).map(Value::from).zip(items).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(key, field)| (key.into(), field))
                .collect(),
            other => {
                let reason = format!("range can't iterate over {}", go_value::text(&other));
                return Err(TemplateError::new(line, reason));
            }
        };
        if items.is_empty() {
            return self.all(&choice.otherwise, dot);
        }
        for (index, item) in items {
            self.steps += 1;
            if self.steps > MAX_OUTPUT {
                return Err(TemplateError::new(line, "the loops do not come to an end"));
            }
            self.in_scope(|run| {
                match &choice.on.variables[..] {
                    [value] => run.set(&choice.on, value, item.clone())?,
                    [key, value] => {
                        run.set(&choice.on, key, index)?;
                        run.set(&choice.on, value, item.clone())?;
                    }
                    _ => {}
                }
                run.all(&choice.then, &item)
            })?;
        }
        Ok(())
    }

    /// The value of a pipeline, assigned to its variable.
    fn value(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, TemplateError> {
        let value = self.piped(pipeline, dot)?;
        if let [variable] = &pipeline.variables[..] {
            self.set(pipeline, variable, value.clone())?;
        }
        Ok(value)
    }

    fn set(&mut self, at: &Pipeline, name: &str, value: Value) -> Result<(), TemplateError> {
        if at.declares {
            self.variables.push((name.to_owned(), value));
            return Ok(());
        }
        let mut known = self.variables.iter_mut().rev();
        match known.find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => return Err(undefined(at.line, name)),
        }
        Ok(())
    }

    fn piped(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, TemplateError> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, value, dot, pipeline.line)?);
        }
        Ok(value.unwrap_or_default())
    }

    fn command(
        &mut self,
        operands: &[Operand],
        piped: Option<Value>,
        dot: &Value,
        line: usize,
    ) -> Result<Value, TemplateError> {
        let Some((Operand::Function(function), arguments)) = operands.split_first() else {
            return self.operand(&operands[0], dot, line);
        };
        let mut values = Vec::with_capacity(arguments.len() + 1);
        for argument in arguments {
            // `and` and `or` stop as soon as the result is known, so that they can guard the following arguments.
            if function.is_decided(&values) {
                break;
            }
            values.push(self.operand(argument, dot, line)?);
        }
        if !function.is_decided(&values) {
            values.extend(piped);
        }
        function
            .call(&values, &self.surroundings)
            .map_err(|reason| TemplateError::new(line, reason))
    }

    fn operand(
        &mut self,
        operand: &Operand,
        dot: &Value,
        line: usize,
    ) -> Result<Value, TemplateError> {
        match operand {
            Operand::Literal(value) => Ok(value.clone()),
            Operand::Dot(fields) => follow(dot, fields, line),
            Operand::Variable(name, fields) => {
                let mut known = self.variables.iter().rev();
                let found = known.find(|(known, _)| known == name);
                let (_, value) = found.ok_or_else(|| undefined(line, name))?;
                follow(value, fields, line)
            }
            Operand::Nested(pipeline, fields) => {
                let value = self.piped(pipeline, dot)?;
                follow(&value, fields, line)
            }
            Operand::Function(function) => function
                .call(&[], &self.surroundings)
                .map_err(|reason| TemplateError::new(line, reason)),
        }
    }
}

/// A nested field of a value. A missing field is nil; nil and lists have no fields.
fn follow(value: &Value, fields: &[String], line: usize) -> Result<Value, TemplateError> {
    let mut value = value;
    for field in fields {
        value = match value {
            Value::Object(_) => go_value::field(value, field).unwrap_or(&Value::Null),
            Value::Null => {
                let reason = format!("nil pointer evaluating .{}", fields.join("."));
                return Err(TemplateError::new(line, reason));
            }
            other => {
                let what = match other {
                    Value::Array(_) => "a list".to_owned(),
                    other => go_value::text(other),
                };
                let reason = format!("can't evaluate field {field} in {what}");
                return Err(TemplateError::new(line, reason));
            }
        };
    }
    Ok(value.clone())
}

fn undefined(line: usize, name: &str) -> TemplateError {
    TemplateError::new(line, format!("undefined variable \"${name}\""))
}

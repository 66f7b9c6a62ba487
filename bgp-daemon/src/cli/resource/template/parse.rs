//! Parses words into a tree.

use std::vec::IntoIter;

use serde_json::Value;

use super::error::TemplateError;
use super::functions::Function;
use super::lex::{Piece, Word};

/// A statement.
#[derive(Debug)]
pub(super) enum Node {
    /// Prints text.
    Text(String),
    /// Prints the value, unless it declares a variable.
    Print(Pipeline),
    If(Choice),
    With(Choice),
    Range(Choice),
}

/// A pipeline that decides, and the two branches.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) on: Pipeline,
    pub(super) then: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Commands, each of which gets the value of the previous one as its last argument.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) line: usize,
    /// Variables that are assigned the value.
    pub(super) variables: Vec<String>,
    /// The variables are declared here.
    pub(super) declares: bool,
    pub(super) commands: Vec<Vec<Operand>>,
}

/// A value, or a function at the beginning of a command.
#[derive(Debug)]
pub(super) enum Operand {
    Literal(Value),
    Dot(Vec<String>),
    Variable(String, Vec<String>),
    Function(Function),
    Nested(Pipeline, Vec<String>),
}

/// Limit of the nesting of blocks and parentheses.
const MAX_DEPTH: usize = 100;

/// Reads a whole template.
pub(super) fn parse(pieces: Vec<Piece>) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser {
        pieces: pieces.into_iter(),
        depth: 0,
    };
    let (nodes, end) = parser.nodes()?;
    match end {
        End::OfText => Ok(nodes),
        End::Else(line, _) => Err(TemplateError::new(line, "unexpected {{else}}")),
        End::Closed(line) => Err(TemplateError::new(line, "unexpected {{end}}")),
    }
}

struct Parser {
    pieces: IntoIter<Piece>,
    depth: usize,
}

/// The end of a block.
enum End {
    OfText,
    /// `else`, with the words after it.
    Else(usize, Words),
    Closed(usize),
}

impl Parser {
    fn nodes(&mut self) -> Result<(Vec<Node>, End), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (line, words) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action { line, words } => (line, words),
            };
            let mut words = Words {
                line,
                depth: 0,
                rest: words.into_iter().peekable(),
            };
            match words.keyword().as_deref() {
                Some("end") => {
                    words.finish()?;
                    return Ok((nodes, End::Closed(line)));
                }
                Some("else") => return Ok((nodes, End::Else(line, words))),
                Some(keyword) => nodes.push(self.block(keyword, words)?),
                None => {
                    let pipeline = words.pipeline(false)?;
                    words.finish()?;
                    nodes.push(Node::Print(pipeline));
                }
            }
        }
        Ok((nodes, End::OfText))
    }

    fn block(&mut self, keyword: &str, mut words: Words) -> Result<Node, TemplateError> {
        let line = words.line;
        let make = match keyword {
            "if" => Node::If,
            "with" => Node::With,
            "range" => Node::Range,
            other => {
                let reason = format!("{other} is not supported");
                return Err(TemplateError::new(line, reason));
            }
        };
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(TemplateError::new(line, "blocks are nested too deep"));
        }
        let on = words.pipeline(keyword == "range")?;
        words.finish()?;
        let (then, end) = self.nodes()?;
        let otherwise = self.otherwise(keyword, line, end)?;
        self.depth -= 1;
        Ok(make(Choice {
            on,
            then,
            otherwise,
        }))
    }

    /// The statements between an `{{else}}` and the `{{end}}` of the block.
    fn otherwise(
        &mut self,
        keyword: &str,
        line: usize,
        end: End,
    ) -> Result<Vec<Node>, TemplateError> {
        match end {
            End::Closed(_) => Ok(Vec::new()),
            End::OfText => Err(TemplateError::new(
                line,
                format!("{keyword} without {{{{end}}}}"),
            )),
            End::Else(_, mut words) => match words.keyword().as_deref() {
                // `{{else if}}` shares the `{{end}}`.
                Some(again) if again == keyword && keyword != "range" => {
                    Ok(vec![self.block(keyword, words)?])
                }
                None if words.rest.peek().is_none() => match self.nodes()? {
                    (nodes, End::Closed(_)) => Ok(nodes),
                    (_, End::Else(line, _)) => {
                        Err(TemplateError::new(line, "expected end; found {{else}}"))
                    }
                    (_, End::OfText) => Err(TemplateError::new(line, "else without {{end}}")),
                },
                _ => Err(TemplateError::new(
                    words.line,
                    "unexpected words after else",
                )),
            },
        }
    }
}

/// The words of an action.
struct Words {
    line: usize,
    depth: usize,
    rest: std::iter::Peekable<IntoIter<Word>>,
}

/// Names that are not functions.
const KEYWORDS: [&str; 11] = [
    "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue", "nil",
];

impl Words {
    /// Takes the next keyword, if there is one.
    fn keyword(&mut self) -> Option<String> {
        let found = self
            .rest
            .next_if(|word| matches!(word, Word::Name(name) if KEYWORDS.contains(&name.as_str())));
        match found {
            Some(Word::Name(name)) => Some(name),
            _ => None,
        }
    }

    fn finish(&mut self) -> Result<(), TemplateError> {
        match self.rest.next() {
            None => Ok(()),
            Some(_) => Err(self.error("unexpected words at the end of the action")),
        }
    }

    fn pipeline(&mut self, in_range: bool) -> Result<Pipeline, TemplateError> {
        let (variables, declares) = self.declaration(in_range)?;
        let mut commands = vec![self.command()?];
        while self.rest.next_if_eq(&Word::Pipe).is_some() {
            commands.push(self.command()?);
        }
        let later = commands.iter().skip(1);
        if later
            .map(|command| &command[0])
            .any(|first| !matches!(first, Operand::Function(_)))
        {
            return Err(self.error("only a function can stand after |"));
        }
        Ok(Pipeline {
            line: self.line,
            variables,
            declares,
            commands,
        })
    }

    /// `$x :=`, `$x =`, and for `range` also `$i, $x :=`.
    fn declaration(&mut self, in_range: bool) -> Result<(Vec<String>, bool), TemplateError> {
        let mut ahead = self.rest.clone();
        let mut variables = Vec::new();
        while let Some(Word::Variable(name, fields)) = ahead.next() {
            if !fields.is_empty() {
                break;
            }
            variables.push(name);
            match ahead.next() {
                Some(Word::Comma) if in_range && variables.len() == 1 => {}
                Some(word @ (Word::Declare | Word::Assign)) => {
                    self.rest = ahead;
                    return Ok((variables, word == Word::Declare));
                }
                Some(Word::Comma) => return Err(self.error("too many declarations")),
                _ => break,
            }
        }
        Ok((Vec::new(), false))
    }

    fn command(&mut self) -> Result<Vec<Operand>, TemplateError> {
        let mut operands = Vec::new();
        while let Some(word) = self.rest.next_if(starts_operand) {
            operands.push(self.operand(word)?);
        }
        match &operands[..] {
            [] => Err(self.error("missing value for command")),
            [Operand::Function(_), ..] | [_] => Ok(operands),
            _ => Err(self.error("can't give argument to non-function")),
        }
    }

    fn operand(&mut self, word: Word) -> Result<Operand, TemplateError> {
        Ok(match word {
            Word::Literal(value) => Operand::Literal(value),
            Word::Nil => Operand::Literal(Value::Null),
            Word::Dot(fields) => Operand::Dot(fields),
            Word::Variable(name, fields) => Operand::Variable(name, fields),
            Word::Name(name) => match Function::named(&name) {
                Some(function) => Operand::Function(function),
                None => return Err(self.error(format!("function {name:?} not defined"))),
            },
            Word::Open => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(self.error("parentheses are nested too deep"));
                }
                let pipeline = self.pipeline(false)?;
                self.depth -= 1;
                match self.rest.next() {
                    Some(Word::Close(fields)) => Operand::Nested(pipeline, fields),
                    _ => return Err(self.error("unclosed left paren")),
                }
            }
            _ => return Err(self.error("unexpected word in operand")),
        })
    }

    fn error(&self, reason: impl Into<String>) -> TemplateError {
        TemplateError::new(self.line, reason)
    }
}

fn starts_operand(word: &Word) -> bool {
    !matches!(
        word,
        Word::Close(_) | Word::Pipe | Word::Comma | Word::Declare | Word::Assign
    )
}

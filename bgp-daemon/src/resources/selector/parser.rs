//! Reads a selector: recursive descent over the text itself, nested at most [`MAX_DEPTH`] deep.

use std::collections::BTreeSet;
use std::fmt;

use super::expression::Expression;

/// Text that is not a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError {
    /// What is expected at the column.
    pub expected: &'static str,
    /// The column, in characters from 1.
    pub column: usize,
    /// What was found instead.
    pub found: String,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a selector: expected {} at character {}, found ",
            self.expected, self.column
        )?;
        match self.found.as_str() {
            "" => f.write_str("the end"),
            found => write!(f, "`{found}`"),
        }
    }
}

impl std::error::Error for SelectorError {}

/// Limit for nesting of parentheses and negations.
const MAX_DEPTH: usize = 64;

pub(super) fn parse(text: &str) -> Result<Expression, SelectorError> {
    let mut parser = Parser {
        text,
        rest: text.trim_start(),
    };
    if parser.rest.is_empty() {
        return Ok(Expression::All);
    }
    let expression = parser.expression(0)?;
    match parser.rest {
        "" => Ok(expression),
        _ => Err(parser.expected("&&, || or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// The remaining text; never begins with a blank.
    rest: &'a str,
}

type Read<T> = Result<T, SelectorError>;

impl<'a> Parser<'a> {
    fn expression(&mut self, depth: usize) -> Read<Expression> {
        let mut any = vec![self.conjunction(depth)?];
        while self.take("||") {
            any.push(self.conjunction(depth)?);
        }
        Ok(one_or(any, Expression::Or))
    }

    fn conjunction(&mut self, depth: usize) -> Read<Expression> {
        let mut all = vec![self.term(depth)?];
        while self.take("&&") {
            all.push(self.term(depth)?);
        }
        Ok(one_or(all, Expression::And))
    }

    fn term(&mut self, depth: usize) -> Read<Expression> {
        if depth > MAX_DEPTH {
            return Err(self.expected("at most 64 levels of nesting"));
        }
        // `!=` cannot occur here, so `!` is a negation.
        if self.take("!") {
            return Ok(Expression::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.expression(depth + 1)?;
            self.need(")", "&&, || or )")?;
            return Ok(inner);
        }
        if self.take("all(") {
            self.need(")", ")")?;
            return Ok(Expression::All);
        }
        if self.take("global(") {
            self.need(")", ")")?;
            return Ok(Expression::Global);
        }
        if self.take("has(") {
            let label = self.label("the name of a label")?;
            self.need(")", ")")?;
            return Ok(Expression::Has(label));
        }
        let label = self.label("a label, has(), all(), global(), ! or (")?;
        self.operator(label)
    }

    fn operator(&mut self, label: String) -> Read<Expression> {
        if self.take("==") {
            return Ok(Expression::Equal(label, self.quoted()?));
        }
        if self.take("!=") {
            return Ok(Expression::NotEqual(label, self.quoted()?));
        }
        if self.take_words(&["not", "in"]) {
            return Ok(Expression::NotIn(label, self.set()?));
        }
        if self.take_words(&["in"]) {
            return Ok(Expression::In(label, self.set()?));
        }
        if self.take_words(&["contains"]) {
            return Ok(Expression::Contains(label, self.quoted()?));
        }
        if self.take_words(&["starts", "with"]) {
            return Ok(Expression::StartsWith(label, self.quoted()?));
        }
        if self.take_words(&["ends", "with"]) {
            return Ok(Expression::EndsWith(label, self.quoted()?));
        }
        Err(self.expected("==, !=, in, not in, contains, starts with or ends with"))
    }

    fn label(&mut self, expected: &'static str) -> Read<String> {
        let end = self
            .rest
            .find(|c: char| !is_label_char(c))
            .unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.expected(expected));
        }
        let label = self.rest[..end].to_owned();
        self.skip(end);
        Ok(label)
    }

    fn quoted(&mut self) -> Read<String> {
        let quote = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let Some(quote) = quote else {
            return Err(self.expected("a text in quotes"));
        };
        let Some(end) = self.rest[1..].find(quote) else {
            return Err(self.expected("a text whose quotes are closed"));
        };
        let text = self.rest[1..=end].to_owned();
        self.skip(end + 2);
        Ok(text)
    }

    fn set(&mut self) -> Read<BTreeSet<String>> {
        self.need("{", "{")?;
        let mut set = BTreeSet::new();
        if self.take("}") {
            return Ok(set);
        }
        loop {
            set.insert(self.quoted()?);
            if self.take("}") {
                return Ok(set);
            }
            self.need(",", ", or }")?;
        }
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest.starts_with(token);
        if found {
            self.skip(token.len());
        }
        found
    }

    /// Takes words with blanks between them, unless the last one is the beginning of a longer word.
    fn take_words(&mut self, words: &[&str]) -> bool {
        let mut rest = self.rest;
        for word in words {
            match rest.trim_start().strip_prefix(word) {
                Some(after) if !after.starts_with(is_label_char) => rest = after,
                _ => return false,
            }
        }
        self.rest = rest.trim_start();
        true
    }

    fn need(&mut self, token: &str, expected: &'static str) -> Read<()> {
        match self.take(token) {
            true => Ok(()),
            false => Err(self.expected(expected)),
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest[bytes..].trim_start();
    }

    fn expected(&self, expected: &'static str) -> SelectorError {
        let before = &self.text[..self.text.len() - self.rest.len()];
        SelectorError {
            expected,
            column: before.chars().count() + 1,
            found: self.rest.chars().take(20).collect(),
        }
    }
}

fn is_label_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-')
}

fn one_or(mut list: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match list.len() {
        1 => list.swap_remove(0),
        _ => many(list),
    }
}

//! Splits a template into pieces: literal text, and the words of actions.

use serde_json::Value;

use super::error::TemplateError;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Action { line: usize, words: Vec<Word> },
}

/// A word of an action.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// `range`, `printf`, ...
    Name(String),
    /// `.`, `.Spec.PeerIP`: the fields.
    Dot(Vec<String>),
    /// `$x`, `$x.Spec`, `$`: the variable without its `$`, and the fields.
    Variable(String, Vec<String>),
    Literal(Value),
    Nil,
    Open,
    /// `)`, or `).Spec`: the fields.
    Close(Vec<String>),
    Pipe,
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";

/// Splits a template.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut line = 1;
    let mut trim = false;
    while let Some(at) = rest.find(LEFT) {
        let (before, action) = (&rest[..at], &rest[at + LEFT.len()..]);
        let trims_before = action.starts_with('-') && action[1..].starts_with(char::is_whitespace);
        push_text(&mut pieces, before, trim, trims_before);
        line += before.matches('\n').count();
        let action = if trims_before { &action[1..] } else { action };
        let mut scanner = Scanner::new(action, line);
        let words = scanner.action()?;
        trim = scanner.trims_after;
        line = scanner.line;
        rest = scanner.rest;
        if let Some(words) = words {
            pieces.push(Piece::Action { line, words });
        }
    }
    push_text(&mut pieces, rest, trim, false);
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Scans one action.
struct Scanner<'a> {
    rest: &'a str,
    line: usize,
    /// Whether blanks after the action are dropped.
    trims_after: bool,
}

impl<'a> Scanner<'a> {
    fn new(rest: &'a str, line: usize) -> Self {
        Self {
            rest,
            line,
            trims_after: false,
        }
    }

    /// The words up to the closing braces; `None` if it is a comment.
    fn action(&mut self) -> Result<Option<Vec<Word>>, TemplateError> {
        self.skip_blanks();
        if let Some(comment) = self.rest.strip_prefix("/*") {
            let end = comment
                .find("*/")
                .ok_or_else(|| self.error("unclosed comment"))?;
            self.advance(end + "/**/".len());
            return match self.closes() {
                true => Ok(None),
                false => Err(self.error("comment ends before closing delimiter")),
            };
        }
        let mut words = Vec::new();
        while !self.closes() {
            if self.rest.is_empty() {
                return Err(self.error("unclosed action"));
            }
            words.push(self.word()?);
        }
        Ok(Some(words))
    }

    /// Whether the action ends here; if so, its end is consumed.
    fn closes(&mut self) -> bool {
        let blanks = self.rest.len() - self.rest.trim_start().len();
        let end = &self.rest[blanks..];
        let trims = blanks > 0 && end.starts_with('-') && end[1..].starts_with(RIGHT);
        self.advance(blanks + usize::from(trims));
        if !self.rest.starts_with(RIGHT) {
            return false;
        }
        self.trims_after = trims;
        self.advance(RIGHT.len());
        true
    }

    fn word(&mut self) -> Result<Word, TemplateError> {
        let first = self.rest.chars().next().unwrap_or_default();
        for (symbol, word) in [
            (":=", Word::Declare),
            ("=", Word::Assign),
            ("|", Word::Pipe),
            (",", Word::Comma),
            ("(", Word::Open),
        ] {
            if self.rest.starts_with(symbol) {
                self.advance(symbol.len());
                return Ok(word);
            }
        }
        match first {
            ')' => {
                self.advance(1);
                Ok(Word::Close(self.fields()))
            }
            '"' => self.quoted(),
            '`' => self.raw(),
            '$' => {
                self.advance(1);
                let name = self.take(is_name);
                Ok(Word::Variable(name, self.fields()))
            }
            '.' if self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(),
            '.' => Ok(Word::Dot(self.dot())),
            '-' | '+' | '0'..='9' => self.number(),
            c if is_name(c) => Ok(self.name()),
            c => Err(self.error(format!("unexpected {c:?} in command"))),
        }
    }

    fn dot(&mut self) -> Vec<String> {
        let fields = self.fields();
        if fields.is_empty() {
            self.advance(1);
        }
        fields
    }

    /// `.A.B`, as long as a name follows each dot.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(rest) = self.rest.strip_prefix('.') {
            if !rest.starts_with(is_name) {
                break;
            }
            self.advance(1);
            fields.push(self.take(is_name));
        }
        fields
    }

    fn name(&mut self) -> Word {
        let name = self.take(is_name);
        match name.as_str() {
            "true" => Word::Literal(true.into()),
            "false" => Word::Literal(false.into()),
            "nil" => Word::Nil,
            _ => Word::Name(name),
        }
    }

    fn number(&mut self) -> Result<Word, TemplateError> {
        let text = self.take(|c| c.is_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'));
        let digits = text.trim_start_matches(['+', '-']);
        let whole = match digits.strip_prefix("0x") {
            Some(hexadecimal) => i64::from_str_radix(hexadecimal, 16),
            None => digits.parse::<i64>(),
        };
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let value = match whole {
            Ok(number) => Some(Value::from(number * sign)),
            Err(_) => {
                serde_json::Number::from_f64(text.parse().unwrap_or(f64::NAN)).map(Value::from)
            }
        };
        match value {
            Some(value) => Ok(Word::Literal(value)),
            None => Err(self.error(format!("bad number syntax: {text:?}"))),
        }
    }

    /// Text in double quotes, with a few more escapes than JSON.
    fn quoted(&mut self) -> Result<Word, TemplateError> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.advance(at + 1);
                    return Ok(Word::Literal(text.into()));
                }
                '\n' => break,
                '\\' => {
                    let escaped = characters.next().and_then(|(_, c)| escape(c));
                    text.push(escaped.ok_or_else(|| self.error("unknown escape in string"))?);
                }
                c => text.push(c),
            }
        }
        Err(self.error("unterminated quoted string"))
    }

    fn raw(&mut self) -> Result<Word, TemplateError> {
        let end = self.rest[1..].find('`');
        let end = end.ok_or_else(|| self.error("unterminated raw quoted string"))?;
        let text = self.rest[1..=end].to_owned();
        self.advance(end + 2);
        Ok(Word::Literal(text.into()))
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let taken = self.rest[..end].to_owned();
        self.advance(end);
        taken
    }

    fn skip_blanks(&mut self) {
        self.advance(self.rest.len() - self.rest.trim_start().len());
    }

    fn advance(&mut self, octets: usize) {
        let (passed, rest) = self.rest.split_at(octets);
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }

    fn error(&self, reason: impl Into<String>) -> TemplateError {
        TemplateError::new(self.line, reason)
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn escape(c: char) -> Option<char> {
    Some(match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        '\\' | '"' | '\'' => c,
        _ => return None,
    })
}

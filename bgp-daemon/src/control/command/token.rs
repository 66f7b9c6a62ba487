//! The words of a command line.

use std::collections::VecDeque;

use super::syntax_error::SyntaxError;

/// A word, or text in double quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
}

impl Token {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Quoted(text) => text,
        }
    }
}

/// The words that were not read yet.
#[derive(Debug)]
pub(super) struct Tokens(VecDeque<Token>);

/// Splits at blanks; text between double quotes is one word.
pub(super) fn split(line: &str) -> Result<Tokens, SyntaxError> {
    let mut tokens = VecDeque::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let after = if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted
                .split_once('"')
                .ok_or_else(|| SyntaxError::new("a quotation mark is not closed"))?;
            tokens.push_back(Token::Quoted(text.to_owned()));
            after
        } else {
            let end = rest
                .find(|c: char| c.is_whitespace() || c == '"')
                .unwrap_or(rest.len());
            tokens.push_back(Token::Word(rest[..end].to_owned()));
            &rest[end..]
        };
        rest = after.trim_start();
    }
    Ok(Tokens(tokens))
}

impl Tokens {
    pub(super) fn next(&mut self) -> Option<Token> {
        self.0.pop_front()
    }

    pub(super) fn expect(&mut self, what: &str) -> Result<Token, SyntaxError> {
        self.next()
            .ok_or_else(|| SyntaxError::new(format!("{what} is missing")))
    }

    /// Takes the next word if it equals `option`.
    pub(super) fn take_option(&mut self, option: &str) -> bool {
        let there = matches!(self.0.front(), Some(Token::Word(word)) if word == option);
        if there {
            self.0.pop_front();
        }
        there
    }

    /// Takes the next word as one of `choices`, or as an unambiguous beginning of one.
    pub(super) fn keyword<'a>(&mut self, choices: &[&'a str]) -> Result<&'a str, SyntaxError> {
        let token = self.expect("a command")?;
        let Token::Word(word) = &token else {
            return Err(SyntaxError::unexpected(token.text()));
        };
        if let Some(&exact) = choices.iter().find(|choice| **choice == word) {
            return Ok(exact);
        }
        let mut matching = choices.iter().filter(|choice| choice.starts_with(word));
        match (matching.next(), matching.next()) {
            (Some(&only), None) => Ok(only),
            (Some(a), Some(b)) => Err(SyntaxError::new(format!("`{word}` may be `{a}` or `{b}`"))),
            (None, _) => Err(SyntaxError::no_choice(word, choices)),
        }
    }

    pub(super) fn end(&mut self) -> Result<(), SyntaxError> {
        match self.next() {
            Some(token) => Err(SyntaxError::unexpected(token.text())),
            None => Ok(()),
        }
    }
}

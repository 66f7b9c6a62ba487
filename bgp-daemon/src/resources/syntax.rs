//! Syntax errors of YAML and JSON, in our own words.
//!
//! The parser identifies its errors by kinds; each has a sentence here, and a new kind gets a general one. The parser's own
//! messages are never shown: they mention its tokens and options, and may repeat secrets.

use serde_json::error::Category;
use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::granit_parser::ErrorKind;
use serde_saphyr::localizer::ExternalMessageSource;

use super::limits::{MAX_NESTED, MAX_NODES, MAX_REPLAYED};

/// Line and column of the error, from 1. A tab is searched for, because the parser points at the value before it.
pub(super) fn place(error: &Error, text: &str) -> (usize, usize) {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
    let (line, column) = error
        .location()
        .map_or((1, 1), |at| (number(at.line()), number(at.column())));
    if in_words(error) != TAB {
        return (line, column);
    }
    let indented = text.lines().enumerate().skip(line - 1);
    let tabs = indented.filter_map(|(at, line)| {
        let blanks = line.find(|c| c != ' ')?;
        line[blanks..]
            .starts_with('\t')
            .then_some((at + 1, blanks + 1))
    });
    tabs.into_iter().next().unwrap_or((line, column))
}

/// The error, without its location, which is reported separately.
pub(super) fn in_words(error: &Error) -> String {
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => in_words(error),
        Error::ExternalMessage { source, .. } => match source.as_ref() {
            ExternalMessageSource::Parser(error) => of_the_parser(error.kind()),
            _ => UNKNOWN.to_owned(),
        },
        Error::Eof { .. } => UNFINISHED.to_owned(),
        Error::MultipleDocuments { .. } => ANOTHER_DOCUMENT.to_owned(),
        Error::DuplicateMappingKey { key, .. } => match key {
            Some(key) => format!("the key {} stands here twice", shown(key)),
            None => "a key stands here twice".to_owned(),
        },
        Error::UnknownAnchor { .. } => UNKNOWN_ANCHOR.to_owned(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "an alias stands inside of what it is an alias of".to_owned()
        }
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            format!("the aliases of a document stand for more than {MAX_REPLAYED} values")
        }
        Error::Budget { breach, .. } => beyond(breach),
        Error::MergeValueNotMapOrSeqOfMaps { .. } | Error::MergeKeyNotAllowed { .. } => {
            "the merge key << takes nothing but mappings".to_owned()
        }
        Error::UnsupportedTag { tag, .. } => format!("the tag {} means nothing here", shown(tag)),
        Error::NonFiniteFloat { value, .. } => {
            format!("{} is no number that JSON has", shown(value))
        }
        Error::InvalidUtf8Input | Error::BinaryNotUtf8 { .. } => "text is not UTF-8".to_owned(),
        Error::InvalidBinaryBase64 { .. } => "!!binary is not base64".to_owned(),
        Error::InvalidScalar { .. } | Error::TaggedScalarCannotDeserializeIntoString { .. } => {
            "a value is not what its tag says".to_owned()
        }
        Error::FoldedBlockScalarMustIndentContent { .. } => TEXT_INDENT.to_owned(),
        Error::Unexpected { .. }
        | Error::SerdeInvalidType { .. }
        | Error::SerdeInvalidValue { .. }
        | Error::NullIntoString { .. } => "a key must be a text".to_owned(),
        _ => UNKNOWN.to_owned(),
    }
}

const UNKNOWN: &str = "it is not well-formed";
const UNFINISHED: &str = "the text ends within the document";
const UNCLOSED: &str = "a value is missing, or a [ or { is not closed";
const ANOTHER_DOCUMENT: &str =
    "something follows the end of the document; another one needs a line of --- before it";
const UNKNOWN_ANCHOR: &str = "an alias names no anchor that stands before it";
const TAB: &str = "a tab stands where only blanks may indent";
const INDENT: &str = "a line is not indented like those that it belongs to";
const TEXT_INDENT: &str = "a line of a text is not indented far enough";
const DIRECTIVE: &str = "a line that begins with % is not %YAML or %TAG as they must be";
const TAG: &str = "a tag (!) is not well-formed";
const ESCAPE: &str = "a text in double quotes has an escape (\\) that YAML does not know";
const UNICODE: &str = "a text in double quotes has an escape (\\) that is no character";

#[rustfmt::skip]
fn of_the_parser(kind: &ErrorKind) -> String {
    use ErrorKind as E;
    let fixed = match kind {
        // The parser reports a superfluous comma as one of these.
        E::UnexpectedEofFlowSequence | E::UnexpectedEofFlowMapping | E::UnexpectedEofImplicitFlowMapping => UNCLOSED,
        E::UnexpectedEofBlockSequence | E::UnexpectedEofBlockMapping | E::UnexpectedEof => UNFINISHED,
        E::ExpectedDocumentStart | E::MultipleDocumentsUnsupported => ANOTHER_DOCUMENT,
        E::InvalidDocumentEnd => "something follows the ... that ends a document",
        E::BomInsideDocument => "a byte order mark stands within the text",
        E::UnknownAnchor => UNKNOWN_ANCHOR,
        E::MissingAnchorOrAliasName => "an anchor (&) or alias (*) has no name",
        E::AnchorCountOverflow => "there are too many anchors",
        E::ExpectedNodeContent => "a value is missing",
        E::ExpectedBlockMappingKey => "expected another key of the mapping, or a line that is indented less",
        E::ExpectedBlockSequenceEntry => "expected another - of the list, or a line that is indented less",
        E::ExpectedFlowMappingSeparator => "expected , or } of a mapping that began with {",
        E::ExpectedFlowSequenceSeparator => "expected , or ] of a list that began with [",
        E::SimpleKeyExpected => "a key has no : behind it",
        E::InvalidSimpleKey => "a key must stand on one line, with its : behind it",
        E::InvalidIndentation | E::InvalidFlowScalarIndent => INDENT,
        E::TabNotAllowed | E::TabInBlockIndentation | E::TabInIndentation | E::TabAtBlockScalarStart | E::TabInPlainScalar => TAB,
        E::CommentInterceptedScalar => "a comment stands between the lines of a text",
        E::CommentNotSeparated => "a comment (#) needs a blank before it",
        E::TooManyComments => "there are too many comments in one place",
        E::ExpectedWhitespace => "a blank is missing",
        E::DuplicateVersionDirective | E::UnsupportedYamlMajorVersion | E::DuplicateTagDirective
        | E::MissingDocumentEndBeforeDirective | E::ExpectedTagDirectiveBang | E::InvalidDirectiveTerminator
        | E::DirectiveDisallowed | E::MissingYamlVersionSeparator | E::MissingDirectiveName | E::InvalidDirectiveName
        | E::DirectiveByteLimitExceeded { .. } | E::TooManyReservedDirectiveParams { .. } | E::YamlVersionTooLong
        | E::MissingYamlVersion | E::InvalidTagDirectiveTerminator => DIRECTIVE,
        E::UndeclaredTagHandle | E::ExpectedTagBang | E::InvalidGlobalTagCharacter | E::InvalidTagTerminator
        | E::MissingTagUri | E::UnclosedVerbatimTag | E::InvalidTagEscape | E::InvalidTagUtf8LeadingByte
        | E::InvalidTagUtf8TrailingByte | E::InvalidTagUtf8 => TAG,
        E::MisplacedFlowCollectionEnd => "a ] or } closes nothing",
        E::MismatchedFlowCollectionEnd { open: '[', .. } => "a list that began with [ ends with }",
        E::MismatchedFlowCollectionEnd { .. } => "a mapping that began with { ends with ]",
        E::UnclosedFlowCollection { open: '[' } => "a list has [ and no ]",
        E::UnclosedFlowCollection { .. } => "a mapping has { and no }",
        E::RecursionLimitExceeded => return too_deep(),
        E::BlockEntryInFlowCollection => "a list with - stands within brackets or braces",
        E::BlockSequenceEntryNotAllowed => "a list with - cannot begin here; it needs a line of its own",
        E::InvalidBlockEntryWhitespace => "a - needs a blank behind it",
        E::ZeroBlockScalarIndent | E::InvalidBlockScalarHeader => "nothing but + - and a number may follow | or > on their line",
        E::InvalidBlockScalarIndent | E::InvalidQuotedScalarIndent => TEXT_INDENT,
        E::DocumentIndicatorInQuotedScalar => "a line of --- or ... stands within a text in quotes",
        E::UnclosedQuotedScalar => "a text begins with a quote and does not end with one",
        E::InvalidTrailingSingleQuotedScalar | E::InvalidTrailingDoubleQuotedScalar => "something follows the quote that ends a text",
        E::UnknownQuotedScalarEscape | E::InvalidQuotedScalarHexEscape => ESCAPE,
        E::InvalidLowSurrogateHexEscape | E::InvalidLowSurrogate | E::MissingLowSurrogate | E::UnpairedLowSurrogate
        | E::InvalidUnicodeEscape => UNICODE,
        E::PlainScalarStartsWithDashFlowIndicator | E::UnexpectedEndOfPlainScalar => "a text that begins with a special character needs quotes",
        E::MappingKeyNotAllowed => "a key cannot begin here; it needs a line of its own",
        E::FlowMappingValueAdjacentCollection | E::InvalidMappingValueWhitespace => "a : needs a blank behind it",
        E::InvalidColonPlacement | E::MappingValueNotAllowed => "a : cannot stand here; a text with a : needs quotes",
        E::UnexpectedCharacter { character } if character.is_ascii_graphic() => {
            return format!("a text that begins with {character} needs quotes");
        }
        E::UnexpectedCharacter { character } => {
            return format!("the character {} cannot stand here", character.escape_default());
        }
        E::InputDecoding { .. } => "text is not UTF-8",
        _ => UNKNOWN,
    };
    fixed.to_owned()
}

fn beyond(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Depth { .. } => too_deep(),
        BudgetBreach::Events { .. } | BudgetBreach::Nodes { .. } => {
            format!("a document has at most {MAX_NODES} values")
        }
        _ => {
            "a document has no more anchors, aliases and merge keys than a person writes".to_owned()
        }
    }
}

fn too_deep() -> String {
    format!("values are nested more than {MAX_NESTED} deep")
}

/// The error of a text that is not JSON, and its location.
pub(crate) fn not_json(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Eof => "is not JSON: it ends within a value".to_owned(),
        Category::Syntax | Category::Data | Category::Io => {
            format!("is not JSON at line {line}, column {column}")
        }
    }
}

/// Longest part of the text to repeat, in characters.
const MAX_SHOWN: usize = 60;

/// A part of the text, without characters that a terminal or log would interpret.
fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let shown: String = characters
        .by_ref()
        .take(MAX_SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    match characters.next() {
        Some(_) => format!("{shown} (cut)"),
        None => shown,
    }
}

#[cfg(test)]
mod tests;

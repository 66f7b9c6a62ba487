//! The names of metrics and labels in a query of Prometheus. Whether a query can be read at all is promtool's to say.

/// What a query names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// Series, each with its matchers.
    pub(super) series: Vec<(String, Vec<Matcher>)>,
    /// Labels by which is grouped or matched.
    pub(super) labels: Vec<String>,
}

/// A condition on a label.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Matcher {
    pub(super) label: String,
    /// The value that it equals; `None` where the condition is another.
    pub(super) equals: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Text(&'a str),
    Sign(char),
}

const GROUPINGS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
const KEYWORDS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

impl Names {
    pub(super) fn of(query: &str) -> Self {
        let mut names = Self::default();
        let tokens = tokens(query);
        let mut rest = tokens.as_slice();
        while let [token, following @ ..] = rest {
            rest = following;
            let Token::Word(word) = token else {
                continue;
            };
            match following {
                [Token::Sign('('), inner @ ..] if GROUPINGS.contains(word) => {
                    rest = names.take_labels(inner);
                }
                // A function; an aggregation may say by what before its argument.
                [Token::Sign('(') | Token::Word("by" | "without"), ..] => {}
                _ if GROUPINGS.contains(word) || KEYWORDS.contains(word) => {}
                [Token::Sign('{'), inner @ ..] => rest = names.take_series(word, inner),
                _ => names.series.push(((*word).to_owned(), Vec::new())),
            }
        }
        names
    }

    fn take_labels<'a, 'b>(&mut self, tokens: &'a [Token<'b>]) -> &'a [Token<'b>] {
        let end = position(tokens, ')');
        let words = tokens[..end].iter().filter_map(|token| match token {
            Token::Word(word) => Some((*word).to_owned()),
            Token::Text(_) | Token::Sign(_) => None,
        });
        self.labels.extend(words);
        &tokens[end..]
    }

    fn take_series<'a, 'b>(&mut self, name: &str, tokens: &'a [Token<'b>]) -> &'a [Token<'b>] {
        let end = position(tokens, '}');
        let matchers = tokens[..end].split(|token| *token == Token::Sign(','));
        let matchers = matchers.filter_map(|matcher| {
            let [Token::Word(label), condition @ ..] = matcher else {
                return None;
            };
            let equals = match condition {
                [Token::Sign('='), Token::Text(value)] => Some((*value).to_owned()),
                _ => None,
            };
            let label = (*label).to_owned();
            Some(Matcher { label, equals })
        });
        self.series.push((name.to_owned(), matchers.collect()));
        &tokens[end..]
    }
}

fn position(tokens: &[Token<'_>], sign: char) -> usize {
    let end = tokens.iter().position(|token| *token == Token::Sign(sign));
    end.unwrap_or(tokens.len())
}

fn tokens(query: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let in_word = |sign: char| sign.is_ascii_alphanumeric() || "_:.".contains(sign);
        let (token, left) = match first {
            '"' | '\'' => {
                let (text, left) = after.split_once(first).unwrap_or((after, ""));
                (Some(Token::Text(text)), left)
            }
            // A range, which may be a variable of Grafana's.
            '[' => (None, after.split_once(']').map_or("", |(_, left)| left)),
            _ if in_word(first) => {
                let end = rest.find(|sign| !in_word(sign)).unwrap_or(rest.len());
                let word = Some(&rest[..end]).filter(|_| !first.is_ascii_digit());
                (word.map(Token::Word), &rest[end..])
            }
            _ if first.is_whitespace() => (None, after),
            _ => (Some(Token::Sign(first)), after),
        };
        tokens.extend(token);
        rest = left;
    }
    tokens
}

#[test]
fn names_are_found_wherever_they_are() {
    let query = "sum by (job, peer) (rate(a_total{x=\"1\", y=~\"2|3\"}[$__rate_interval])) / on (peer) group_left (z) b > 0.8 and c offset 5m";
    let names = Names::of(query);
    let matcher = |label: &str, equals: Option<&str>| Matcher {
        label: label.into(),
        equals: equals.map(str::to_owned),
    };
    let expected = [
        ("a_total", vec![matcher("x", Some("1")), matcher("y", None)]),
        ("b", vec![]),
        ("c", vec![]),
    ];
    assert_eq!(
        names.series,
        expected.map(|(name, of)| (name.to_owned(), of))
    );
    assert_eq!(names.labels, ["job", "peer", "peer", "z"]);
}

//! The result of a command, with calicoctl's messages.

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;

/// A command that changes or checks objects of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Verb {
    Create,
    Apply,
    Replace,
    Delete,
    Validate,
}

impl Verb {
    fn infinitive(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Apply => "apply",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Validate => "validate",
        }
    }

    fn past(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Apply => "applied",
            Self::Replace => "replaced",
            Self::Delete => "deleted",
            Self::Validate => "validated",
        }
    }
}

/// The number of objects, and the results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Outcome<'a> {
    /// Objects given.
    pub(in crate::cli) given: usize,
    /// Objects processed.
    pub(in crate::cli) done: usize,
    /// The kind, if all have the same.
    pub(in crate::cli) kind: Option<&'a str>,
    /// The errors of the others.
    pub(in crate::cli) errors: Vec<String>,
}

/// Prints the result of a command on files, or returns it if it is an error.
pub(in crate::cli) fn conclude(
    verb: Verb,
    outcome: &Outcome<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    if outcome.given == 0 {
        writeln!(out, "No resources specified")?;
    } else if verb == Verb::Delete {
        deleted(outcome, out)?;
    } else if outcome.done == 0 {
        bail!("failed to {} {}", verb.infinitive(), nothing(verb, outcome));
    } else if outcome.errors.is_empty() {
        success(verb, outcome, out)?;
    } else {
        if verb == Verb::Replace || outcome.done > outcome.errors.len() {
            partial(verb, outcome, out)?;
        }
        bail!("hit error: {}", errors(verb, outcome));
    }
    Ok(ExitCode::SUCCESS)
}

fn success(verb: Verb, outcome: &Outcome<'_>, out: &mut dyn Write) -> std::io::Result<()> {
    let (past, done) = (verb.past(), outcome.done);
    match outcome.kind {
        Some(kind) => writeln!(out, "Successfully {past} {done} '{kind}' resource(s)"),
        None => writeln!(out, "Successfully {past} {done} resource(s)"),
    }
}

fn partial(verb: Verb, outcome: &Outcome<'_>, out: &mut dyn Write) -> std::io::Result<()> {
    let (past, done, given) = (verb.past(), outcome.done, outcome.given);
    let kind = outcome.kind.map(|kind| format!("'{kind}' "));
    writeln!(
        out,
        "Partial success: {past} the first {done} out of {given} {}resources:",
        kind.unwrap_or_default()
    )
}

fn nothing(verb: Verb, outcome: &Outcome<'_>) -> String {
    let errors = errors(verb, outcome);
    match (outcome.given, outcome.kind) {
        (1, kind) => format!("'{}' resource: {errors}", kind.unwrap_or_default()),
        (_, Some(kind)) => format!("any '{kind}' resources: {errors}"),
        (_, None) => format!("any resources: {errors}"),
    }
}

/// calicoctl prints several errors in brackets, and those of `replace` as one.
fn errors(verb: Verb, outcome: &Outcome<'_>) -> String {
    match verb {
        Verb::Replace => outcome.errors.join("\n"),
        _ => format!("[{}]", outcome.errors.join(" ")),
    }
}

fn deleted(outcome: &Outcome<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    if outcome.done > 0 {
        success(Verb::Delete, outcome, out)?;
    }
    if outcome.errors.is_empty() {
        return Ok(());
    }
    let kind = outcome.kind.map(|kind| format!("'{kind}' "));
    let kind = kind.unwrap_or_default();
    let lines = outcome
        .errors
        .iter()
        .map(|error| format!("Failed to delete {kind}resource: {error}\n"));
    bail!(lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(
        verb: Verb,
        given: usize,
        done: usize,
        kind: bool,
        errors: &[&str],
    ) -> (String, String) {
        let outcome = Outcome {
            given,
            done,
            kind: kind.then_some("BGPPeer"),
            errors: errors.iter().map(|error| (*error).to_owned()).collect(),
        };
        let mut out = Vec::new();
        let result = conclude(verb, &outcome, &mut out);
        let error = result.err().map(|error| error.to_string());
        (
            String::from_utf8(out).expect("UTF-8"),
            error.unwrap_or_default(),
        )
    }

    #[test]
    fn every_outcome_has_its_words() {
        use Verb::{Apply, Create, Delete, Replace, Validate};
        #[rustfmt::skip]
        let cases = [
            (said(Create, 0, 0, false, &[]), "No resources specified\n", ""),
            (said(Create, 3, 3, true, &[]), "Successfully created 3 'BGPPeer' resource(s)\n", ""),
            (said(Apply, 3, 3, false, &[]), "Successfully applied 3 resource(s)\n", ""),
            (said(Replace, 1, 1, true, &[]), "Successfully replaced 1 'BGPPeer' resource(s)\n", ""),
            (said(Delete, 1, 1, true, &[]), "Successfully deleted 1 'BGPPeer' resource(s)\n", ""),
            (said(Validate, 2, 2, true, &[]), "Successfully validated 2 'BGPPeer' resource(s)\n", ""),
            (said(Create, 1, 0, true, &["a"]), "", "failed to create 'BGPPeer' resource: [a]"),
            (said(Create, 2, 0, true, &["a", "b"]), "", "failed to create any 'BGPPeer' resources: [a b]"),
            (said(Apply, 2, 0, false, &["a", "b"]), "", "failed to apply any resources: [a b]"),
            (said(Replace, 1, 0, true, &["a"]), "", "failed to replace 'BGPPeer' resource: a"),
            (said(Create, 3, 2, true, &["a"]), "Partial success: created the first 2 out of 3 'BGPPeer' resources:\n", "hit error: [a]"),
            (said(Create, 3, 2, false, &["a"]), "Partial success: created the first 2 out of 3 resources:\n", "hit error: [a]"),
            (said(Create, 2, 1, true, &["a"]), "", "hit error: [a]"),
            (said(Replace, 2, 1, true, &["a"]), "Partial success: replaced the first 1 out of 2 'BGPPeer' resources:\n", "hit error: a"),
            (said(Delete, 2, 1, true, &["a"]), "Successfully deleted 1 'BGPPeer' resource(s)\n", "Failed to delete 'BGPPeer' resource: a\n"),
            (said(Delete, 2, 0, false, &["a", "b"]), "", "Failed to delete resource: a\nFailed to delete resource: b\n"),
        ];
        for ((out, error), expected_out, expected_error) in cases {
            assert_eq!(
                (out.as_str(), error.as_str()),
                (expected_out, expected_error)
            );
        }
    }
}

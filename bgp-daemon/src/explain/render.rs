//! The text form of the answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::answer::{
    Explanation, KernelState, PeerAnswer, PeerVerdict, Stage, Step, StepResult, Verdict,
};
use super::towards::NOT_CONFIGURED;

/// Peers named per result.
const NAMED: usize = 5;

/// The answer as lines; equal results of several peers are listed once.
pub fn text(explanation: &Explanation) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(explanation, &mut out);
    out
}

fn write(explanation: &Explanation, out: &mut String) -> std::fmt::Result {
    let (other_family, peers): (Vec<&PeerAnswer>, Vec<&PeerAnswer>) = explanation
        .peers
        .iter()
        .partition(|peer| is_of_other_family(peer));
    let told = peers
        .iter()
        .filter(|peer| peer.verdict == PeerVerdict::Advertised);
    let word = match explanation.verdict {
        Verdict::Advertised => "advertised".to_owned(),
        Verdict::PartlyAdvertised => {
            format!("advertised to {} of {} peers", told.count(), peers.len())
        }
        Verdict::NotAdvertised => "not advertised".to_owned(),
        Verdict::UnknownPrefix => "unknown".to_owned(),
    };
    write!(
        out,
        "{} on node {}: {word}",
        explanation.prefix, explanation.node
    )?;
    match explanation.asked == explanation.prefix.to_string() {
        true => writeln!(out)?,
        false => writeln!(out, " (asked for {})", explanation.asked)?,
    }
    if let Some(because) = &explanation.because {
        writeln!(out, "  {}", because.text)?;
    }
    for nearest in &explanation.nearest {
        writeln!(out, "  near it: {} {}", nearest.object, nearest.prefix)?;
    }
    writeln!(out, "\nHow it goes:")?;
    for step in &explanation.steps {
        write_step(step, peers.len(), out)?;
    }
    if !explanation.peers.is_empty() {
        writeln!(out, "\nTowards peers:")?;
    }
    match (&peers[..], &other_family[..]) {
        ([], all) => write_peers(explanation, all, out)?,
        (all, []) => write_peers(explanation, all, out)?,
        (all, others) => {
            write_peers(explanation, all, out)?;
            let others = others.len();
            writeln!(
                out,
                "  ({others} more do not carry the family by their configuration)"
            )?;
        }
    }
    let state = match explanation.kernel.state {
        KernelState::Installed => "installed",
        KernelState::Refused => "refused",
        KernelState::LeftToFelix => "left to Felix",
        KernelState::NotWanted => "not wanted",
    };
    writeln!(out, "\nKernel: {state}: {}", explanation.kernel.text)
}

fn write_step(step: &Step, peers: usize, out: &mut String) -> std::fmt::Result {
    let mark = match step.result {
        StepResult::Pass => "+",
        StepResult::Stop => "x",
        StepResult::Change => "~",
        StepResult::Info => " ",
    };
    let stage = match step.stage {
        Stage::Resource => "resource",
        Stage::Origin => "origin",
        Stage::Import => "import",
        Stage::Decision => "decision",
        Stage::Export => "export",
        Stage::Session => "session",
        Stage::Wire => "wire",
        Stage::Kernel => "kernel",
    };
    write!(out, "  {mark} {stage:<9}")?;
    if let Some(object) = &step.object {
        write!(out, "{object}: ")?;
    }
    write!(out, "{}", step.text)?;
    match step.peers.len() {
        0 => writeln!(out),
        all if all == peers && all > 1 => writeln!(out, " (all {all} peers)"),
        _ => writeln!(out, " ({})", names(&step.peers)),
    }
}

/// Whether the session is configured for the other family.
fn is_of_other_family(peer: &PeerAnswer) -> bool {
    peer.verdict == PeerVerdict::NotNegotiated
        && peer.because.rule.as_deref() == Some(NOT_CONFIGURED)
}

fn write_peers(
    explanation: &Explanation,
    peers: &[&PeerAnswer],
    out: &mut String,
) -> std::fmt::Result {
    let first = explanation
        .because
        .as_ref()
        .map(|because| because.text.as_str());
    let mut alike: BTreeMap<(PeerVerdict, String, Option<String>), Vec<String>> = BTreeMap::new();
    for peer in peers {
        let attributes = peer.attributes.as_ref().map(ToString::to_string);
        let key = (peer.verdict, peer.because.text.clone(), attributes);
        alike.entry(key).or_default().push(peer.peer.clone());
    }
    for ((verdict, because, attributes), peers) in alike {
        let verdict = match verdict {
            PeerVerdict::Advertised => "advertised",
            PeerVerdict::Withheld => "withheld",
            PeerVerdict::SessionDown => "session down",
            PeerVerdict::NotNegotiated => "not negotiated",
        };
        let because = match first == Some(because.as_str()) {
            true => "as above",
            false => because.as_str(),
        };
        writeln!(out, "  {}: {verdict}: {because}", names(&peers))?;
        if let Some(attributes) = attributes {
            writeln!(out, "    {attributes}")?;
        }
    }
    let times = peers.iter().filter_map(|peer| peer.sent_at.as_deref());
    match times.max() {
        Some(last) => writeln!(out, "  last change of the route or of a session: {last}"),
        None => Ok(()),
    }
}

fn names(peers: &[String]) -> String {
    let named = peers
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect::<Vec<_>>();
    match peers.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

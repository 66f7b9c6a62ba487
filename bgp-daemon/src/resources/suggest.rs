//! "Did you mean ...?": the known name nearest to an unknown one.

use strsim::osa_distance;

/// ` (did you mean NAME?)` if a known name is near, otherwise empty.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(name, known) {
        Some(known) => format!(" (did you mean {known}?)"),
        None => String::new(),
    }
}

/// The nearest name within a few typing errors; of equally near ones the first.
fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_LEN {
        return None;
    }
    let lower = name.to_lowercase();
    let within = 1 + name.len() / 4;
    known
        .into_iter()
        .map(|known| (osa_distance(&lower, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= within && *distance < known.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Longer names are not compared: it would take too long.
const MAX_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        let kinds = ["BGPPeer", "BGPFilter", "BGPConfiguration", "IPPool"];
        for (name, meant) in [
            ("BGPPeeer", Some("BGPPeer")),
            ("BgpPeer", Some("BGPPeer")),
            ("BGPPere", Some("BGPPeer")),
            ("BGPFilters", Some("BGPFilter")),
            ("IPool", Some("IPPool")),
            ("BGPConfig", None),
            ("NetworkPolicy", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, kinds), meant, "{name}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), kinds), None);
        assert_eq!(
            did_you_mean("hold-tme", ["hold-time"]),
            " (did you mean hold-time?)"
        );
    }
}

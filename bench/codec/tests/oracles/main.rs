//! Our encoding, decoded by others: two foreign codecs and tshark find the encoded meaning.
//!
//! Messages come from the strategies of bgp-core's own tests; `meaning` is the expected meaning, in plain numbers. If an oracle
//! is wrong or knows less, its module leaves that out and says why. These tests are here and not in bgp-core because this package
//! depends on the other codecs anyway.

mod bgpkit;
mod meaning;
mod netgauze;
mod tshark;

#[path = "../../../../bgp-core/tests/wire_strategies/mod.rs"]
mod wire_strategies;

use bgp_core::wire::{Context, Open};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use meaning::{
    Meaning, Written, encode_open, has_extended_parameters, without_what_others_refuse, written,
};
use wire_strategies::open;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn netgauze_reads_updates_as_they_are_meant(mut written in written(0)) {
        written.meaning = netgauze::as_far_as_it_can_tell(written.meaning);
        check(&written, netgauze::read_update)?;
    }

    #[test]
    fn bgpkit_reads_updates_as_they_are_meant(written in written(bgpkit::SHORTEST)) {
        let written = bgpkit::as_far_as_it_can_tell(written);
        check(&written, bgpkit::read_update)?;
    }

    #[test]
    fn netgauze_reads_opens_as_they_are_meant(open in open()) {
        let open = without_what_others_refuse(open);
        let octets = encode_open(&open);
        prop_assume!(!has_extended_parameters(&octets));
        prop_assert_eq!(netgauze::read_open(&octets), open);
    }
}

/// All messages have equal attributes, and together all prefixes in order.
fn check(
    written: &Written,
    read: impl Fn(&Bytes, &Context) -> Meaning,
) -> Result<(), TestCaseError> {
    let mut prefixes = Vec::new();
    for message in &written.messages {
        let mut meaning = read(message, &written.context);
        prefixes.append(&mut meaning.prefixes);
        prop_assert_eq!(
            &meaning,
            &Meaning {
                prefixes: Vec::new(),
                ..written.meaning.clone()
            }
        );
    }
    prop_assert_eq!(&prefixes, &written.meaning.prefixes);
    Ok(())
}

/// All at once: the program takes longer to start than to read.
#[test]
fn tshark_reads_messages_as_they_are_meant() {
    if !tshark::is_installed() {
        return;
    }
    let mut runner = TestRunner::deterministic();
    let updates: Vec<Written> = (0..200)
        .map(|_| {
            written(tshark::SHORTEST)
                .new_tree(&mut runner)
                .expect("a value")
                .current()
        })
        .collect();
    let opens: Vec<Open> = (0..100)
        .map(|_| open().new_tree(&mut runner).expect("a value").current())
        .map(without_what_others_refuse)
        .filter(|open| !has_extended_parameters(&encode_open(open)))
        .collect();
    tshark::check_updates(&updates);
    tshark::check_opens(&opens);
}

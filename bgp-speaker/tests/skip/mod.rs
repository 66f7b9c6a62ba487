//! How a test reports that it cannot run on this machine.

/// Says that the running test is skipped, or fails it where skipping is not allowed.
///
/// The line `SKIPPED: reason` is what the summary of a run counts. With `BGP_LAB_REQUIRE=1` in the environment, which
/// continuous integration sets, the test fails instead. The caller returns after it.
#[allow(clippy::print_stdout, reason = "for who reads what a run says")]
pub(crate) fn skip(reason: &str) {
    let required = std::env::var_os("BGP_LAB_REQUIRE").is_some_and(|value| value == "1");
    assert!(!required, "BGP_LAB_REQUIRE=1, but {reason}");
    println!("SKIPPED: {reason}");
}

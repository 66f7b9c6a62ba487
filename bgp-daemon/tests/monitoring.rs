//! What `deploy/monitoring/` has for Prometheus, judged by promtool. Whether names in it exist is a test beside the metrics.

#[path = "../../bgp-speaker/tests/skip/mod.rs"]
mod skip;

use std::process::Command;

use skip::skip;

/// What promtool prints; it must agree. `None` where it is not installed.
fn promtool(arguments: &[&str]) -> Option<String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/monitoring");
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(directory)
        .output();
    let Ok(output) = output else {
        skip("the program promtool is not installed");
        return None;
    };
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    assert!(output.status.success(), "{arguments:?}: {printed}");
    Some(printed)
}

#[test]
fn the_alerts_can_be_read() {
    if let Some(printed) = promtool(&["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"])
    {
        assert!(printed.contains("SUCCESS"), "{printed}");
    }
}

#[test]
fn alerts_are_raised_where_they_should_be_and_nowhere_else() {
    if let Some(printed) = promtool(&["test", "rules", "rules.test.yaml"]) {
        assert!(printed.contains("SUCCESS"), "{printed}");
    }
}

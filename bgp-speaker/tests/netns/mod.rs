//! Runs a test in a separate network namespace.
//!
//! The test binary starts itself again for that one test under `unshare --net`. The namespace lives and dies with that
//! process, so nothing is left behind, however the test ends. Without the right to make a namespace the test is skipped.

#[path = "../skip/mod.rs"]
pub(crate) mod skip;

use std::process::Command;
use std::time::Duration;

/// Runs `body` of the test called `name` in a fresh namespace with loopback up.
pub(crate) fn run(name: &str, body: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        ip("link set lo up");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let bounded = async { tokio::time::timeout(LIMIT, body).await };
        return runtime.block_on(bounded).expect("the test ends in time");
    }
    match Command::new("unshare").args(["--net", "true"]).output() {
        Ok(output) if output.status.success() => {}
        _ => return skip::skip("no network namespace, run as root"),
    }
    let binary = std::env::current_exe().expect("path of this test binary");
    // With as many open files as are allowed.
    let inner = Command::new("sh")
        .args([
            "-c",
            r#"ulimit -n "$(ulimit -Hn)"; exec unshare --net "$@""#,
            "sh",
        ])
        .arg(binary)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output();
    let output = inner.expect("unshare starts");
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs `ip` with these arguments and answers what it printed.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .expect("ip (iproute2) starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const INSIDE: &str = "BGP_DAEMON_TEST_IN_NAMESPACE";
const LIMIT: Duration = Duration::from_secs(240);

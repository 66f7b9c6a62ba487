//! `scripts/run-tests`, with a fake `cargo`: what it counts, and when it fails.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Reports four tests. Two were skipped, as libtest prints it on many cores and on one; the third line is no skip.
const CARGO: &str = r#"#!/bin/sh
case "$*" in *--no-run*) exit 0 ;; esac
mkdir -p target/nextest/count
cat >target/nextest/count/junit.xml <<END
<testsuites name="count" tests="4" failures="$FAILURES" errors="0">
<system-out>running 1 test
SKIPPED: many cores
test many ... ok</system-out>
<system-out>test one ... SKIPPED: one core
ok</system-out>
<system-out>this line is not SKIPPED: at all</system-out>
</testsuites>
END
exit "$FAILURES"
"#;

#[test]
fn every_skip_is_counted() {
    let output = run(0, false);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        printed.ends_with("\n2 passed, 0 failed, 2 skipped\n"),
        "{printed}"
    );
    assert!(printed.contains("1 SKIPPED: many cores\n"), "{printed}");
    assert!(printed.contains("1 SKIPPED: one core\n"), "{printed}");
    assert!(output.status.success());
}

#[test]
fn a_skip_fails_the_run_where_nothing_may_be_skipped() {
    assert!(!run(0, true).status.success());
}

#[test]
fn a_failed_test_fails_the_run() {
    let output = run(1, false);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        printed.ends_with("\n1 passed, 1 failed, 2 skipped\n"),
        "{printed}"
    );
    assert!(!output.status.success());
}

fn run(failures: u32, required: bool) -> Output {
    let root = TempDir::new().expect("a directory");
    let programs = root.path().join("programs");
    let scripts = root.path().join("scripts");
    fs::create_dir(&programs).expect("a directory");
    fs::create_dir(&scripts).expect("a directory");
    for name in ["run-tests", "tick"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
        fs::copy(source.join(name), scripts.join(name)).expect("a script of this project");
    }
    program(&programs.join("cargo"), CARGO);
    program(&programs.join("cargo-nextest"), "#!/bin/sh\n");
    program(&programs.join("mold"), "#!/bin/sh\nshift\nexec \"$@\"\n");
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new(scripts.join("run-tests"))
        .arg("unit")
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("FAILURES", failures.to_string())
        .env("BGP_LAB_REQUIRE", if required { "1" } else { "0" })
        .output()
        .expect("bash starts")
}

fn program(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("a file of ours");
}

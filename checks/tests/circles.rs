//! No file of these crates imports itself through others.

use std::fmt::Write;
use std::path::Path;

use workspace_checks::{Crate, Import, circles};

/// Folders of the workspace, each with a `src/lib.rs`.
const CRATES: [&str; 3] = ["bgp-core", "bgp-speaker", "bgp-daemon"];

#[test]
fn no_files_import_each_other_in_a_circle() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the checks are in a folder of the workspace");
    let mut report = String::new();
    for name in CRATES {
        let root = workspace.join(name).join("src/lib.rs");
        let read = Crate::read(&root).expect("every crate can be read");
        for (number, circle) in circles(&read.imports()).iter().enumerate() {
            let _ = writeln!(report, "circle {} of {name}:", number + 1);
            for import in circle {
                let _ = writeln!(report, "  {}", line(workspace, import));
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

fn line(workspace: &Path, import: &Import) -> String {
    let short = |file: &Path| {
        file.strip_prefix(workspace)
            .unwrap_or(file)
            .display()
            .to_string()
    };
    let names: Vec<&str> = import.names.iter().map(String::as_str).collect();
    format!(
        "{} -> {}: {}",
        short(&import.from),
        short(&import.to),
        names.join(", ")
    )
}

//! Plans of whole clusters, compared exactly with `testdata/plans`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bgp_daemon::plan::{Environment, plan, render};
use bgp_daemon::resources::ResourceSet;

/// Seen from the folder that cargo runs tests in, so that file names in problems are the same everywhere.
const CLUSTERS: &str = "../testdata/plans";

#[test]
fn plans_of_whole_clusters() {
    let update = std::env::var_os("UPDATE_PLANS").is_some();
    let mut compared = 0;
    for cluster in sorted(Path::new(CLUSTERS))
        .into_iter()
        .filter(|path| path.is_dir())
    {
        for expected in sorted(&cluster) {
            let name = expected
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let node = name
                .strip_prefix("expected-")
                .and_then(|rest| rest.strip_suffix(".json"));
            let Some(node) = node else {
                continue;
            };
            let actual = planned(&cluster, node) + "\n";
            if update {
                fs::write(&expected, &actual).expect("the folder can be written");
            }
            let text = fs::read_to_string(&expected).expect("the file was just listed");
            assert!(text == actual, "{}", difference(&expected, &text, &actual));
            compared += 1;
        }
    }
    assert!(compared >= 10, "only {compared} plans were found");
}

fn planned(cluster: &Path, node: &str) -> String {
    let files = sorted(cluster)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    let loaded = ResourceSet::load(&files.collect::<Vec<_>>());
    let mut plan = plan(&loaded.set, node, &environment(cluster));
    plan.problems.extend(loaded.problems);
    render::json(&plan).expect("a plan is JSON")
}

fn environment(cluster: &Path) -> Environment {
    let text = fs::read_to_string(cluster.join("environment")).unwrap_or_default();
    let variables = text.lines().filter_map(|line| line.split_once('='));
    let variables: BTreeMap<_, _> = variables
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    Environment::from_map(&variables)
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be listed").path())
        .collect();
    paths.sort();
    paths
}

/// The first line that differs.
fn difference(file: &Path, expected: &str, actual: &str) -> String {
    let lines = expected.lines().chain(std::iter::repeat("(end)"));
    let lines = lines.zip(actual.lines().chain(["(end)"])).enumerate();
    let first = lines
        .into_iter()
        .find(|(_, (expected, actual))| expected != actual);
    format!(
        "{}: first difference (line, (expected, actual)): {first:?}",
        file.display()
    )
}

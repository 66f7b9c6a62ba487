//! Import cycles: the strongly connected components of the imports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::resolve::{Import, Imports};

/// Every cycle, as the imports between its files.
pub fn circles(imports: &Imports) -> Vec<Vec<Import>> {
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = imports
        .keys()
        .map(|file| (file.as_path(), reach(imports, file)))
        .collect();
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for (file, targets) in &reached {
        if !targets.contains(file) || seen.contains(file) {
            continue;
        }
        let members: BTreeSet<&Path> = targets
            .iter()
            .filter(|target| reached[*target].contains(file))
            .copied()
            .collect();
        circles.push(imports_within(imports, &members));
        seen.extend(members);
    }
    circles
}

/// The files that a file imports, directly or through others.
fn reach<'a>(imports: &'a Imports, file: &'a Path) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut next = vec![file];
    while let Some(file) = next.pop() {
        let targets = imports.get(file).into_iter().flat_map(BTreeMap::keys);
        next.extend(
            targets
                .map(PathBuf::as_path)
                .filter(|target| reached.insert(*target)),
        );
    }
    reached
}

fn imports_within(imports: &Imports, members: &BTreeSet<&Path>) -> Vec<Import> {
    let mut within = Vec::new();
    for from in members {
        for (to, names) in &imports[*from] {
            if members.contains(to.as_path()) {
                within.push(Import {
                    from: from.to_path_buf(),
                    to: to.clone(),
                    names: names.clone(),
                });
            }
        }
    }
    within
}

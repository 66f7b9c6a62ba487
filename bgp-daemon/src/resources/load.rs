//! Reads files and folders into a [`ResourceSet`].

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::document::{Document, parse};
use super::kind::ObjectKey;
use super::problem::{Location, Problem};
use super::set::ResourceSet;

/// What files hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// The objects that are right.
    pub set: ResourceSet,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// How deep folders may be nested; also what ends a circle of symbolic links.
const MAX_DEPTH: usize = 16;
/// Larger files are refused.
const MAX_FILE_SIZE: u64 = 256 << 20;

impl ResourceSet {
    /// Reads files, and folders with their sub-folders: what ends in `.yaml`, `.yml` or `.json`, in the order of names.
    /// A file that is named itself is read whatever it is called. Symbolic links are followed; names that begin with
    /// a dot are skipped, and with them the `..data` folders behind a mounted ConfigMap.
    pub fn load(paths: &[PathBuf]) -> Loaded {
        let mut problems = Vec::new();
        let mut documents = Vec::new();
        for path in paths {
            let mut files = Vec::new();
            if let Err(error) = collect(path, 0, &mut files, &mut problems) {
                problems.push(unreadable(path, &error));
            }
            for file in files {
                read(&file, &mut documents, &mut problems);
            }
        }
        let mut loaded = Self::from_documents(documents);
        problems.append(&mut loaded.problems);
        Loaded {
            set: loaded.set,
            problems,
        }
    }

    /// Puts documents together. Of several with the same kind and name the first is used and the others are problems.
    pub fn from_documents(documents: impl IntoIterator<Item = Document>) -> Loaded {
        let mut loaded = Loaded::default();
        let mut seen: BTreeMap<ObjectKey, Location> = BTreeMap::new();
        for document in documents {
            match seen.get(&document.key) {
                Some(first) => {
                    let reason = format!("is already defined at {first}; this one is left out");
                    loaded.problems.push(Problem {
                        location: Some(document.location),
                        ..Problem::error(&document.key, reason)
                    });
                }
                None => {
                    seen.insert(document.key, document.location);
                    loaded.set.insert(document.resource);
                }
            }
        }
        loaded
    }
}

/// The files that [`ResourceSet::load`] reads for a path, in its order, and what cannot be listed.
///
/// # Errors
///
/// The path itself cannot be listed.
pub(crate) fn files_below(path: &Path) -> io::Result<(Vec<PathBuf>, Vec<Problem>)> {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    collect(path, 0, &mut files, &mut problems)?;
    Ok((files, problems))
}

/// Adds the files below a path.
fn collect(
    path: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
    problems: &mut Vec<Problem>,
) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    if depth > MAX_DEPTH {
        return Err(io::Error::other(format!(
            "folders are nested more than {MAX_DEPTH} deep"
        )));
    }
    let mut entries = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries.into_iter().filter(|entry| is_wanted(entry)) {
        if let Err(error) = collect(&entry, depth + 1, files, problems) {
            problems.push(unreadable(&entry, &error));
        }
    }
    Ok(())
}

fn is_wanted(entry: &Path) -> bool {
    let name = entry.file_name().unwrap_or_default().to_string_lossy();
    let extension = entry.extension().and_then(|extension| extension.to_str());
    !name.starts_with('.') && (matches!(extension, Some("yaml" | "yml" | "json")) || entry.is_dir())
}

fn read(file: &Path, documents: &mut Vec<Document>, problems: &mut Vec<Problem>) {
    let text = fs::metadata(file).and_then(|metadata| match metadata.len() {
        ..=MAX_FILE_SIZE => fs::read_to_string(file),
        size => Err(io::Error::other(format!("{size} bytes are too many"))),
    });
    match text {
        Ok(text) => {
            let mut parsed = parse(&file.display().to_string(), &text);
            documents.append(&mut parsed.documents);
            problems.append(&mut parsed.problems);
        }
        Err(error) => problems.push(unreadable(file, &error)),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::error(path.display(), format!("cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: NAME}\nspec: {peerIP: 192.0.2.1, asNumber: 65001}\n";

    fn names(loaded: &Loaded) -> Vec<&str> {
        loaded
            .set
            .bgp_peers()
            .map(|peer| peer.metadata.name.as_str())
            .collect()
    }

    #[test]
    fn folders_are_read_like_a_mounted_config_map() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let peer = |name: &str| PEER.replace("NAME", name);
        fs::create_dir_all(root.join("..2026_01_01/")).unwrap();
        fs::write(root.join("..2026_01_01/a.yaml"), peer("a")).unwrap();
        std::os::unix::fs::symlink("..2026_01_01", root.join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/a.yaml", root.join("a.yaml")).unwrap();
        fs::create_dir(root.join("sub")).unwrap();
        fs::write(root.join("sub/b.yml"), peer("b")).unwrap();
        fs::write(root.join("sub/c.json"), r#"{"apiVersion":"projectcalico.org/v3","kind":"BGPPeer","metadata":{"name":"c"},"spec":{"peerIP":"192.0.2.3","asNumber":1}}"#).unwrap();
        fs::write(root.join(".hidden.yaml"), peer("hidden")).unwrap();
        fs::write(root.join("README.md"), "not: [yaml").unwrap();
        std::os::unix::fs::symlink(root, root.join("circle")).unwrap();

        let loaded = ResourceSet::load(&[root.to_owned()]);
        assert_eq!(names(&loaded), ["a", "b", "c"]);
        // The circle brings the same objects again, until it is cut.
        assert!(
            loaded
                .problems
                .iter()
                .all(|p| p.reason.contains("already defined")
                    || p.reason.contains("nested")
                    || p.reason.contains("cannot be read"))
        );
    }

    #[test]
    fn the_first_of_two_equal_names_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("1.yaml"), PEER.replace("NAME", "tor")).unwrap();
        fs::write(
            root.join("2.yaml"),
            PEER.replace("NAME", "tor")
                .replace("192.0.2.1", "192.0.2.2"),
        )
        .unwrap();
        let loaded = ResourceSet::load(&[root.to_owned()]);
        let peer = loaded.set.bgp_peer("tor").unwrap();
        assert_eq!(
            peer.spec.peer_ip.map(|p| p.to_string()).as_deref(),
            Some("192.0.2.1")
        );
        let [problem] = &loaded.problems[..] else {
            panic!("{:?}", loaded.problems)
        };
        assert!(
            problem
                .to_string()
                .contains("2.yaml:1:1: BGPPeer/tor: is already defined at "),
            "{problem}"
        );
    }

    #[test]
    fn a_path_that_is_not_there_is_a_problem() {
        let loaded = ResourceSet::load(&["/nonexistent/x.yaml".into()]);
        assert!(loaded.set.is_empty());
        assert_eq!(loaded.problems.len(), 1);
    }
}

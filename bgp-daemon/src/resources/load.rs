//! Reads files and folders into a [`ResourceSet`].

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use super::document::{Document, MAX_DOCUMENTS, Parsed, parse};
use super::files::{self, FileId, unreadable};
use super::kind::ObjectKey;
use super::places::Places;
use super::problem::{Location, Problem};
use super::set::ResourceSet;

/// What files hold. Two are equal if they mean the same, wherever it is written.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The objects that are right.
    pub set: ResourceSet,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Where the objects are written.
    pub(crate) places: Places,
}

impl PartialEq for Loaded {
    fn eq(&self, other: &Self) -> bool {
        (&self.set, &self.problems) == (&other.set, &other.problems)
    }
}

impl Loaded {
    /// The problem with its place in a file, if its object comes from one.
    pub fn located(&self, problem: Problem) -> Problem {
        self.places.locate(problem)
    }
}

impl ResourceSet {
    /// Reads files, and folders with their sub-folders: what ends in `.yaml`, `.yml` or `.json`, in the order of names.
    /// A file that is named itself is read whatever it is called. Symbolic links are followed; names that begin with
    /// a dot are skipped, and with them the `..data` folders behind a mounted ConfigMap.
    pub fn load(paths: &[PathBuf]) -> Loaded {
        let mut problems = Vec::new();
        let mut documents = Vec::new();
        for path in paths {
            let listing = match Listing::read(path) {
                Ok(listing) => listing,
                Err(error) => {
                    problems.push(unreadable(path, &error));
                    continue;
                }
            };
            problems.extend(listing.problems);
            for (_, content) in listing.files {
                match content {
                    Ok(content) => {
                        problems.extend(content.parsed.problems);
                        documents.extend(content.parsed.documents);
                    }
                    Err(problem) => problems.push(problem),
                }
            }
        }
        let mut loaded = Self::from_documents(documents);
        problems.append(&mut loaded.problems);
        loaded.problems = problems;
        loaded
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
                    loaded.places.add(&document);
                    seen.insert(document.key, document.location);
                    loaded.set.insert_shared(document.resource);
                }
            }
        }
        loaded
    }
}

/// One reading of a path.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The files in their order, and what they hold.
    pub(crate) files: Vec<(PathBuf, Result<Content, Problem>)>,
    /// Paths below which there may be other files.
    pub(crate) unlisted: Vec<PathBuf>,
    /// Why.
    pub(crate) problems: Vec<Problem>,
}

/// One reading of a file.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) id: FileId,
    /// Equal for equal octets.
    pub(crate) digest: u64,
    /// There is nothing in it but blanks.
    pub(crate) is_empty: bool,
    pub(crate) parsed: Parsed,
}

impl Content {
    /// Reads a text.
    pub(crate) fn read(path: &Path, id: FileId, text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self {
            id,
            digest: hasher.finish(),
            is_empty: text.trim().is_empty(),
            parsed: parse(&path.display().to_string(), text),
        }
    }
}

impl Listing {
    /// Reads what is below a path.
    ///
    /// # Errors
    ///
    /// The path itself cannot be listed.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let walk = files::walk(path)?;
        let mut listing = Self {
            files: Vec::new(),
            unlisted: walk.unlisted,
            problems: walk.problems,
        };
        let mut room = MAX_DOCUMENTS;
        for path in walk.files {
            let content = match files::read_text(&path) {
                Ok((text, id)) => Ok(Content::read(&path, id, &text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => Err(unreadable(&path, &error)),
            };
            let documents = content
                .as_ref()
                .map_or(0, |content| content.parsed.documents.len());
            let content = match room.checked_sub(documents) {
                Some(left) => {
                    room = left;
                    content
                }
                None => {
                    let reason = format!("left out: there are more than {MAX_DOCUMENTS} objects");
                    Err(Problem::error(path.display(), reason))
                }
            };
            listing.files.push((path, content));
        }
        Ok(listing)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        let [circle] = &loaded.problems[..] else {
            panic!("{:?}", loaded.problems)
        };
        assert!(
            circle.reason.contains("second name of a folder"),
            "{circle}"
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

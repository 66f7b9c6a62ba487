//! Reads files and folders into a [`ResourceSet`].

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::combine::Combiner;
use super::document::{Digest, Document, Parsed, Text, digest};
use super::files::{self, FileId, MAX_FILES, Stamp, unreadable};
use super::limits::MAX_DOCUMENTS;
use super::loaded::Loaded;
use super::problem::Problem;
use super::set::ResourceSet;

impl ResourceSet {
    /// Reads files, and folders with their subfolders: names that end in `.yaml`, `.yml` or `.json`, in order. A file given as a
    /// path is read whatever its name. Symbolic links are followed. Names that begin with a dot are skipped, including the
    /// `..data` folders of a mounted ConfigMap.
    pub fn load(paths: &[PathBuf]) -> Loaded {
        let mut problems = Vec::new();
        let mut documents = Vec::new();
        for path in paths {
            let listing = match Reader::default().read(path) {
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
                        problems.extend_from_slice(&content.parsed.problems);
                        documents.extend_from_slice(&content.parsed.documents);
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

    /// Combines documents. Of several with the same kind and name the first is used; the others are problems.
    pub fn from_documents(documents: impl IntoIterator<Item = impl Into<Arc<Document>>>) -> Loaded {
        Combiner::default().combine(documents.into_iter().map(Into::into))
    }
}

/// The result of reading a path once.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The files in order, and their content.
    pub(crate) files: Vec<(PathBuf, Result<Arc<Content>, Problem>)>,
    /// Paths that could not be listed, below which there may be other files.
    pub(crate) unlisted: Vec<PathBuf>,
    /// The reasons.
    pub(crate) problems: Vec<Problem>,
}

/// The content of a file.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) id: FileId,
    /// Equal for equal octets.
    pub(crate) digest: Digest,
    /// It contains only blanks.
    pub(crate) is_empty: bool,
    pub(crate) parsed: Parsed,
    text: Text,
}

impl Content {
    /// Reads a text. Parts shared with `before` are not parsed again.
    pub(crate) fn read(path: &Path, id: FileId, text: &str, before: Option<&Self>) -> Self {
        let source = path.display().to_string();
        let before = before.map(|before| &before.text);
        let (digest, is_empty) = (digest(text), text.trim().is_empty());
        let text = Text::read(&source, text, before);
        Self {
            id,
            digest,
            is_empty,
            parsed: text.parsed(),
            text,
        }
    }
}

/// Reads a path repeatedly, parsing only what has changed.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    known: HashMap<PathBuf, Known>,
    /// The number of documents in all files.
    documents: usize,
    /// The folders that were listed.
    folders: BTreeSet<PathBuf>,
    has_links: bool,
    /// Some files or folders are left out.
    is_partial: bool,
}

/// A file as last read.
#[derive(Debug)]
struct Known {
    content: Arc<Content>,
    /// The file's stamp when it was read; `None` if the file may change without a change of the stamp.
    stamp: Option<Stamp>,
}

/// The result of reading some files again: their content, or `None` for a file that is gone.
pub(crate) type Reread = Vec<(PathBuf, Option<Result<Arc<Content>, Problem>>)>;

impl Reader {
    /// Reads the files below a path. An unchanged file has the same [`Content`] as in the previous reading.
    ///
    /// # Errors
    ///
    /// The path itself cannot be listed.
    pub(crate) fn read(&mut self, path: &Path) -> io::Result<Listing> {
        let walk = files::walk(path)?;
        self.is_partial = !walk.unlisted.is_empty();
        (self.folders, self.has_links) = (walk.folders, walk.has_links);
        let mut listing = Listing {
            files: Vec::new(),
            unlisted: walk.unlisted,
            problems: walk.problems,
        };
        let mut before = std::mem::take(&mut self.known);
        self.documents = 0;
        for path in walk.files {
            let Some(content) = self.read_known(&path, before.remove(&path)) else {
                continue;
            };
            let content = match self.documents.checked_add(documents_in(&content)) {
                Some(documents) if documents <= MAX_DOCUMENTS => {
                    self.documents = documents;
                    content
                }
                _ => {
                    self.is_partial = true;
                    let reason = format!("left out: there are more than {MAX_DOCUMENTS} objects");
                    Err(Problem::error(path.display(), reason))
                }
            };
            listing.files.push((path, content));
        }
        Ok(listing)
    }

    /// Whether a link may lead to a file that was not read under its own name.
    pub(crate) fn has_links(&self) -> bool {
        self.has_links
    }

    /// Whether this is a folder, or was one when everything was read.
    pub(crate) fn is_folder(&self, path: &Path) -> bool {
        self.folders.contains(path) || path.is_dir()
    }

    /// Reads some files again, as [`Reader::read`] of all would do. `None`: all must be read, because these files do not tell what
    /// the change was.
    pub(crate) fn reread<'a>(
        &mut self,
        paths: impl Iterator<Item = &'a PathBuf>,
    ) -> Option<Reread> {
        let mut reread = Vec::new();
        for path in paths {
            let before = self.known.remove(path);
            let is_listed = || path.parent().is_some_and(|it| self.folders.contains(it));
            let is_file = match fs::symlink_metadata(path) {
                Ok(metadata) => metadata.is_file(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => true,
                Err(_) => false,
            };
            if self.is_partial || !is_file || (before.is_none() && !is_listed()) {
                return None;
            }
            self.documents -= before
                .as_ref()
                .map_or(0, |known| known.content.parsed.documents.len());
            let content = self.read_known(path, before);
            self.documents += content.as_ref().map_or(0, documents_in);
            if self.documents > MAX_DOCUMENTS || self.known.len() > MAX_FILES {
                return None;
            }
            reread.push((path.clone(), content));
        }
        Some(reread)
    }

    /// Reads a file, if it exists.
    fn read_known(
        &mut self,
        path: &Path,
        before: Option<Known>,
    ) -> Option<Result<Arc<Content>, Problem>> {
        match read_file(path, before) {
            Ok(known) => {
                let content = Arc::clone(&known.content);
                self.known.insert(path.to_owned(), known);
                Some(Ok(content))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(Err(unreadable(path, &error))),
        }
    }
}

fn documents_in(content: &Result<Arc<Content>, Problem>) -> usize {
    content
        .as_ref()
        .map_or(0, |content| content.parsed.documents.len())
}

impl Known {
    /// Whether the file is unchanged.
    fn is_current(&self, path: &Path) -> io::Result<bool> {
        match self.stamp {
            Some(stamp) => Ok(Stamp::of(&fs::metadata(path)?) == stamp),
            None => Ok(false),
        }
    }
}

fn read_file(path: &Path, before: Option<Known>) -> io::Result<Known> {
    let before = match before {
        Some(known) if known.is_current(path)? => return Ok(known),
        before => before.map(|known| known.content),
    };
    let (text, stamp) = files::read_text(path)?;
    let content = match before {
        Some(content) if (content.id, content.digest) == (stamp.id, digest(&text)) => content,
        before => Arc::new(Content::read(path, stamp.id, &text, before.as_deref())),
    };
    Ok(Known {
        content,
        stamp: stamp.is_settled().then_some(stamp),
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

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

    #[test]
    fn only_a_file_that_has_changed_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        let write = |name: &str, text: &str| fs::write(at(name), text).unwrap();
        let mut reader = Reader::default();
        let mut read = || {
            let files = reader.read(folder.path()).unwrap().files.into_iter();
            files
                .map(|(_, content)| content.unwrap())
                .collect::<Vec<_>>()
        };
        write("a.yaml", &PEER.replace("NAME", "a"));
        write("b.yaml", &PEER.replace("NAME", "b"));
        let first = read();
        let again = read();
        assert!(Arc::ptr_eq(&first[0], &again[0]));
        write("b.yaml", &PEER.replace("NAME", "c"));
        // With the time and size of the old file.
        let file = fs::File::options().write(true).open(at("b.yaml")).unwrap();
        file.set_modified(long_ago).unwrap();
        let changed = read();
        assert!(Arc::ptr_eq(&first[0], &changed[0]));
        assert_eq!(changed[1].parsed.documents[0].key.name, "c");
    }

    #[test]
    fn a_stamp_of_just_now_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "").unwrap();
        assert!(!Stamp::of(&fs::metadata(&path).unwrap()).is_settled());
    }
}

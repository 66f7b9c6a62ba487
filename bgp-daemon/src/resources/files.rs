//! Reads files and folders: regular files only, opened without blocking, within limits.

use std::collections::BTreeSet;
use std::fs::{self, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::problem::Problem;

/// Largest file, octets.
pub(crate) const MAX_FILE: u64 = 16 << 20;
/// Most files below one path.
pub(crate) const MAX_FILES: usize = 10_000;
/// How deep folders may be nested.
pub(crate) const MAX_DEPTH: usize = 16;

/// The identity of a file, independent of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The identity of the file or folder with this metadata.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// For tests.
    #[cfg(test)]
    pub(crate) fn new(inode: u64) -> Self {
        Self { device: 0, inode }
    }
}

/// Changes with every change of a file, unless changes are very close to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) id: FileId,
    size: u64,
    /// Times of the last change of the content and of anything, in seconds and nanoseconds since 1970.
    modified: (i64, i64),
    changed: (i64, i64),
}

/// File times are coarse: two changes within so many seconds may leave the same stamp.
const COARSE: i64 = 2;

impl Stamp {
    /// The stamp of a file.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            id: FileId::of(metadata),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a change now would give the file another stamp. The file's clock may be that of another machine and wrong: such a
    /// file is read each time.
    pub(crate) fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        self.changed.0.max(self.modified.0).saturating_add(COARSE) < now
    }
}

/// The files below a path.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Files that end in `.yaml`, `.yml` or `.json`, ordered by name; for a path that is not a folder, the path itself.
    pub(crate) files: Vec<PathBuf>,
    /// The folders that were listed.
    pub(crate) folders: BTreeSet<PathBuf>,
    /// Some files or folders are symbolic links.
    pub(crate) has_links: bool,
    /// Paths that could not be listed, below which there may be more files.
    pub(crate) unlisted: Vec<PathBuf>,
    /// The reasons.
    pub(crate) problems: Vec<Problem>,
}

/// Lists the files below a path. Symbolic links are followed, but no folder is listed twice. Names that begin with a dot are
/// skipped, including the `..data` folders of a mounted ConfigMap.
///
/// # Errors
///
/// The path itself cannot be listed.
pub(crate) fn walk(path: &Path) -> io::Result<Walk> {
    let mut walker = Walker::default();
    walker.enter(path, 0)?;
    Ok(walker.walk)
}

#[derive(Default)]
struct Walker {
    walk: Walk,
    folders: BTreeSet<FileId>,
    is_full: bool,
}

impl Walker {
    fn enter(&mut self, path: &Path, depth: usize) -> io::Result<()> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_dir() {
            self.add(path);
            return Ok(());
        }
        if !self.folders.insert(FileId::of(&metadata)) {
            let reason = "is a second name of a folder that is read already, and is skipped";
            let problem = Problem::warning(path.display(), reason);
            self.walk.problems.push(problem);
            return Ok(());
        }
        if depth > MAX_DEPTH {
            let reason = format!("folders are nested more than {MAX_DEPTH} deep");
            return Err(io::Error::other(reason));
        }
        let entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        let mut entries: Vec<_> = entries
            .into_iter()
            .map(|entry| {
                (
                    entry.path(),
                    entry.file_type().is_ok_and(|it| it.is_symlink()),
                )
            })
            .filter(|(entry, _)| is_wanted(entry))
            .collect();
        entries.sort();
        self.walk.folders.insert(path.to_owned());
        for (entry, is_link) in entries {
            if self.is_full {
                break;
            }
            self.walk.has_links |= is_link;
            match self.enter(&entry, depth + 1) {
                // It was removed in the meantime.
                Err(_) if fs::symlink_metadata(&entry).is_err() => {}
                Err(error) => self.leave_out(&entry, &error),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path) {
        if self.walk.files.len() < MAX_FILES {
            self.walk.files.push(path.to_owned());
            return;
        }
        self.is_full = true;
        let reason = format!("there are more than {MAX_FILES} files, from here on none is read");
        self.walk.unlisted.push(PathBuf::new());
        self.walk
            .problems
            .push(Problem::error(path.display(), reason));
    }

    fn leave_out(&mut self, path: &Path, error: &io::Error) {
        self.walk.unlisted.push(path.to_owned());
        self.walk.problems.push(unreadable(path, error));
    }
}

fn is_wanted(entry: &Path) -> bool {
    !is_hidden(entry) && (is_document_name(entry) || entry.is_dir())
}

/// Whether a file of this name in a folder may have documents.
pub(crate) fn is_document_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    !is_hidden(path) && matches!(extension, Some("yaml" | "yml" | "json"))
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
}

/// The text of a regular file. A FIFO, device or socket is rejected without opening it.
///
/// # Errors
///
/// The file cannot be read, is not regular, is larger than [`MAX_FILE`], or is not UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<(String, Stamp)> {
    // Opening a device may have an effect.
    expect_regular(fs::metadata(path)?.file_type())?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let metadata = file.metadata()?;
    expect_regular(metadata.file_type())?;
    let text = read_limited(&file)?;
    Ok((text, Stamp::of(&metadata)))
}

/// All text of a reader.
///
/// # Errors
///
/// The text cannot be read, is longer than [`MAX_FILE`], or is not UTF-8.
pub(crate) fn read_limited(from: impl Read) -> io::Result<String> {
    let mut octets = Vec::new();
    from.take(MAX_FILE + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > MAX_FILE {
        let reason = format!("is larger than {} MiB", MAX_FILE >> 20);
        return Err(io::Error::other(reason));
    }
    String::from_utf8(octets).map_err(|_| io::Error::other("is not UTF-8"))
}

fn expect_regular(found: FileType) -> io::Result<()> {
    let what = match found {
        found if found.is_file() => return Ok(()),
        found if found.is_dir() => "a folder",
        found if found.is_fifo() => "a FIFO",
        found if found.is_socket() => "a socket",
        _ => "a device",
    };
    Err(io::Error::other(format!("is {what}, not a regular file")))
}

/// The problem of a path that cannot be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::error(path.display(), format!("cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo.yaml"), fifo, mode, 0).unwrap();
        let _socket = UnixListener::bind(at("socket.yaml")).unwrap();
        symlink("/dev/zero", at("zero.yaml")).unwrap();
        symlink("/", at("folder.yaml")).unwrap();
        fs::write(at("file.yaml"), "a: 1\n").unwrap();
        for (name, expected) in [
            ("fifo.yaml", Some("is a FIFO, not a regular file")),
            ("socket.yaml", Some("is a socket, not a regular file")),
            ("zero.yaml", Some("is a device, not a regular file")),
            ("folder.yaml", Some("is a folder, not a regular file")),
            ("file.yaml", None),
        ] {
            let error = read_text(&at(name)).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn no_more_is_read_than_the_limit_says() {
        let most = usize::try_from(MAX_FILE).unwrap();
        assert_eq!(read_limited(&*vec![b'a'; most]).unwrap().len(), most);
        let endless = io::repeat(b'a');
        let error = read_limited(endless).unwrap_err();
        assert_eq!(error.to_string(), "is larger than 16 MiB");
    }

    #[test]
    fn no_folder_is_listed_twice_and_none_too_deep() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let deep = root.join(vec!["d"; MAX_DEPTH + 1].join("/"));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("deep.yaml"), "").unwrap();
        fs::write(root.join("a.yaml"), "").unwrap();
        for name in ["b", "c", "d/again"] {
            symlink(root, root.join(name)).unwrap();
        }
        let walk = walk(root).unwrap();
        assert_eq!(walk.files, [root.join("a.yaml")]);
        assert_eq!(walk.unlisted, [deep]);
        let reasons: Vec<_> = walk.problems.iter().map(|p| p.reason.as_str()).collect();
        let circle = "is a second name of a folder that is read already, and is skipped";
        let nested = "cannot be read: folders are nested more than 16 deep";
        assert_eq!(reasons, [circle, circle, circle, nested]);
    }

    #[test]
    fn files_beyond_the_limit_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..MAX_FILES + 2 {
            fs::write(folder.path().join(format!("{number}.yaml")), "").unwrap();
        }
        let walk = walk(folder.path()).unwrap();
        assert_eq!((walk.files.len(), walk.problems.len()), (MAX_FILES, 1));
    }
}

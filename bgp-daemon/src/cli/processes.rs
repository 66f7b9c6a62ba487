//! The processes of this machine by their argument lists, compared as calicoctl does.

use std::io;
use std::path::Path;

/// Octets of an argument list that are read; only the first two arguments matter.
const COMMAND_LINE_LEN: usize = 64 * 1024;

/// The argument lists of all processes at one moment.
#[derive(Clone, Debug, Default)]
pub struct Processes(Vec<Vec<String>>);

impl Processes {
    /// Reads the processes from `proc`, usually `/proc`. A process that ends meanwhile or cannot be read is left out.
    ///
    /// # Errors
    ///
    /// `proc` cannot be listed.
    pub fn scan(proc: &Path) -> io::Result<Self> {
        let mut processes = Vec::new();
        for entry in std::fs::read_dir(proc)? {
            let entry = entry?;
            let is_process = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()));
            if is_process && let Some(arguments) = arguments(&entry.path().join("cmdline")) {
                processes.push(arguments);
            }
        }
        Ok(Self(processes))
    }

    /// Whether some process has one of the `wanted` texts at the same position as in `wanted`. As in calicoctl, one equal
    /// position is enough, and the text must be equal as a whole.
    pub fn any_position_equals(&self, wanted: &[&str]) -> bool {
        self.0
            .iter()
            .any(|arguments| arguments.iter().zip(wanted).any(|(has, want)| has == want))
    }

    /// Whether Felix runs, in any of the forms known to calicoctl.
    pub fn felix(&self) -> bool {
        self.any_position_equals(&["calico-felix"])
            || self.any_position_equals(&["calico-node", "-felix"])
    }
}

fn arguments(path: &Path) -> Option<Vec<String>> {
    let mut octets = std::fs::read(path).ok()?;
    octets.truncate(COMMAND_LINE_LEN);
    let octets = octets.strip_suffix(b"\0").unwrap_or(&octets);
    if octets.is_empty() {
        return None;
    }
    let arguments = octets.split(|&b| b == 0);
    Some(
        arguments
            .map(|argument| String::from_utf8_lossy(argument).into_owned())
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processes(command_lines: &[&str]) -> Processes {
        let proc = tempfile::tempdir().expect("a directory");
        for (index, line) in command_lines.iter().enumerate() {
            let process = proc.path().join((index + 1).to_string());
            std::fs::create_dir(&process).expect("a directory");
            std::fs::write(process.join("cmdline"), line).expect("a file");
        }
        std::fs::create_dir(proc.path().join("99")).expect("a process that cannot be read");
        std::fs::create_dir(proc.path().join("self")).expect("no process");
        std::fs::write(proc.path().join("self/cmdline"), "bird\0").expect("a file");
        Processes::scan(proc.path()).expect("a list")
    }

    #[test]
    fn felix_by_each_of_its_names() {
        assert!(processes(&["sh\0", "calico-felix\0"]).felix());
        assert!(processes(&["calico-node\0-confd\0"]).felix());
        assert!(processes(&["whatever\0-felix\0"]).felix());
        assert!(!processes(&["calico\0component\0felix\0", "/bin/calico-felix\0", ""]).felix());
    }

    #[test]
    fn the_whole_first_argument_must_be_equal() {
        let bird = |line| processes(&[line]).any_position_equals(&["bird"]);
        assert!(bird("bird\0-R\0"));
        assert!(bird("bird"));
        assert!(!bird("/usr/bin/bird\0"));
        assert!(!bird("bird6\0"));
        assert!(!bird("sh\0bird\0"));
    }
}

//! Finds the program that listens on a TCP port, when the port is in use.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Known programs with listening sockets. A process that may not inspect another program now may have done so before: see
/// [`Occupants::note`].
#[derive(Clone, Debug)]
pub struct Occupants {
    proc: PathBuf,
    /// By inode of the socket; only sockets that still listen.
    known: BTreeMap<u64, String>,
}

/// A line of `/proc/net/tcp` for a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listening {
    address: SocketAddr,
    uid: u32,
    inode: u64,
}

impl Default for Occupants {
    fn default() -> Self {
        Self::of(Path::new("/proc"))
    }
}

impl Occupants {
    fn of(proc: &Path) -> Self {
        Self {
            proc: proc.to_owned(),
            known: BTreeMap::new(),
        }
    }

    /// Finds the program that listens on a port, while this process has the privilege.
    pub fn note(&mut self, port: u16) {
        for socket in self.listening(|address| address.port() == port) {
            self.name(socket);
        }
    }

    /// The program that blocks an address: `bird` (pid 4711). `None` if there is none, as far as visible.
    pub fn at(&mut self, wanted: SocketAddr) -> Option<String> {
        let sockets = self.listening(|address| clash(wanted, address));
        self.known
            .retain(|inode, _| sockets.iter().any(|socket| socket.inode == *inode));
        let names = sockets.into_iter().map(|socket| self.name(socket));
        names.reduce(|names, name| {
            if names.contains(&name) {
                names
            } else {
                format!("{names}, {name}")
            }
        })
    }

    /// Inspects each socket once, as its owner rarely changes.
    fn name(&mut self, socket: Listening) -> String {
        let proc = &self.proc;
        let look = || match holder(proc, socket.inode) {
            Some((pid, program)) => format!("`{program}` (pid {pid})"),
            None => format!(
                "a program of user {} that is hidden from this one",
                socket.uid
            ),
        };
        self.known.entry(socket.inode).or_insert_with(look).clone()
    }

    fn listening(&self, is_wanted: impl Fn(SocketAddr) -> bool) -> Vec<Listening> {
        let tables = ["net/tcp", "net/tcp6"].map(|table| {
            // A system may lack one of the families.
            fs::read_to_string(self.proc.join(table)).unwrap_or_default()
        });
        let sockets = tables.iter().flat_map(|table| table.lines());
        let listening = sockets.filter_map(listening);
        listening
            .filter(|socket| is_wanted(socket.address))
            .collect()
    }
}

fn clash(wanted: SocketAddr, other: SocketAddr) -> bool {
    let wide = wanted.ip().is_unspecified() || other.ip().is_unspecified();
    let same_family = wanted.is_ipv4() == other.is_ipv4();
    // An IPv6 socket may serve both families.
    let both = other.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    wanted.port() == other.port() && (wanted.ip() == other.ip() || (wide && same_family) || both)
}

fn listening(line: &str) -> Option<Listening> {
    let mut fields = line.split_whitespace();
    let address = address(fields.nth(1)?)?;
    let state = fields.nth(1)?;
    let uid = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    (state == LISTEN).then_some(Listening {
        address,
        uid,
        inode,
    })
}

/// The state of a socket in those tables.
const LISTEN: &str = "0A";

/// `0100007F:00B3`: words of 32 bits, each in the order of the machine.
pub(crate) fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let word = ip.get(8 * at..8 * at + 8)?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut octets = [0; 16];
            for (at, place) in octets.chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&word(at)?);
            }
            IpAddr::from(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The process that holds a socket, and its name. Processes that may not be inspected are skipped.
fn holder(proc: &Path, inode: u64) -> Option<(u32, String)> {
    let socket = PathBuf::from(format!("socket:[{inode}]"));
    let entries = fs::read_dir(proc).ok()?.flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pid = pids.find(|pid| {
        let descriptors = fs::read_dir(proc.join(pid.to_string()).join("fd"));
        let mut links = descriptors.into_iter().flatten().flatten();
        links.any(|link| fs::read_link(link.path()).is_ok_and(|target| target == socket))
    })?;
    let name = fs::read_to_string(proc.join(pid.to_string()).join("comm")).ok()?;
    Some((pid, name.trim_end().escape_debug().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_port_is_taken_by_a_program_with_a_name() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = listener.local_addr().expect("an address");
        let mut occupants = Occupants::default();
        let here = format!("(pid {})", std::process::id());
        let found = occupants.at(taken).expect("this process");
        assert!(found.ends_with(&here), "{found}");
        let anywhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), taken.port());
        assert_eq!(occupants.at(anywhere).as_deref(), Some(&*found));
        let elsewhere = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 9).into(), taken.port());
        assert_eq!(occupants.at(elsewhere), None);
        drop(listener);
        assert_eq!(occupants.at(taken), None);
    }

    /// The tables of a machine with BIRD.
    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
         0: 00000000:00B3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1 0 100 0 0 10 0\n   \
         1: 0100007F:00B3 0200007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 1002 1 0 100 0 0 10 0\n";
    const TCP6: &str = "  sl  local_address                         remote_address                        st\n   \
         0: 00000000000000000000000001000000:00B3 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1003 1 0 100 0 0 10 0\n";

    #[test]
    fn what_was_seen_before_is_remembered() {
        let proc = tempfile::tempdir().expect("a folder");
        let path = proc.path();
        for folder in ["net", "12/fd"] {
            fs::create_dir_all(path.join(folder)).expect("a folder");
        }
        fs::write(path.join("net/tcp"), TCP).expect("a file");
        fs::write(path.join("net/tcp6"), TCP6).expect("a file");
        fs::write(path.join("12/comm"), "bird\n").expect("a file");
        symlink("socket:[1001]", path.join("12/fd/7")).expect("a link");
        let mut occupants = Occupants::of(path);
        occupants.note(179);
        fs::remove_dir_all(path.join("12/fd")).expect("no right to look");
        let mut at = |text: &str| occupants.at(text.parse().expect("an address"));
        assert_eq!(at("192.0.2.1:179").as_deref(), Some("`bird` (pid 12)"));
        let hidden = "a program of user 1000 that is hidden from this one";
        assert_eq!(at("[::]:179").as_deref(), Some(hidden));
        assert_eq!(at("[::1]:179").as_deref(), Some(hidden));
        assert_eq!(at("[::2]:179"), None);
        assert_eq!(at("0.0.0.0:1790"), None);
    }
}

//! The privileges of this process on the machine: reduced to what its work needs before it starts its first thread.
//!
//! Capabilities belong to threads, and a new thread inherits those of its parent. So call this on the main thread, before any
//! other exists.

use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use rustix::process::{Gid, getgroups};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs, set_thread_groups,
};

/// What the speaker needs: ports below 1024; and routes, TCP MD5 keys, and buffers of netlink sockets.
const OF_SPEAKER: CapabilitySet = CapabilitySet::NET_BIND_SERVICE.union(CapabilitySet::NET_ADMIN);

/// A group of this machine, by its name in `/etc/group` or its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(pub u32);

/// The group does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no group in /etc/group is called `{0}`")]
pub struct GroupError(String);

impl FromStr for Group {
    type Err = GroupError;

    fn from_str(text: &str) -> Result<Self, GroupError> {
        let number = text.parse().ok();
        // A file that cannot be read contains no groups.
        let named = || find(&fs::read_to_string(GROUPS).unwrap_or_default(), text);
        let known = number.or_else(named).map(Self);
        known.ok_or_else(|| GroupError(text.to_owned()))
    }
}

const GROUPS: &str = "/etc/group";

/// `name:password:number:members`
fn find(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let number = (fields.next() == Some(name)).then(|| fields.nth(1))?;
        number?.parse().ok()
    })
}

/// Keeps only the capabilities that the speaker needs, as far as they are available. Running another program does not regain the
/// others.
///
/// A process that now may give files to any group, but later may not, becomes a member of `group`, so that it can give the
/// control sockets to that group.
///
/// # Errors
///
/// An operation that the system refuses. The process must then stop.
pub fn confine_speaker(group: Option<Group>) -> io::Result<()> {
    if let Some(group) = group {
        join(group)?;
    }
    confine(OF_SPEAKER)
}

/// Keeps nothing.
///
/// # Errors
///
/// As [`confine_speaker`].
pub fn confine_bystander() -> io::Result<()> {
    confine(CapabilitySet::empty())
}

fn confine(wanted: CapabilitySet) -> io::Result<()> {
    let has = capabilities(None)?;
    let kept = has.permitted & wanted;
    // Without this right the set has no effect on us either: it only matters to programs with file capabilities.
    if has.effective.contains(CapabilitySet::SETPCAP) {
        limit(wanted)?;
    }
    clear_ambient_capability_set()?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(set_no_new_privs(true)?)
}

/// Removes all other capabilities from the bounding set.
fn limit(wanted: CapabilitySet) -> io::Result<()> {
    let all = (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit));
    // The kernel knows fewer capabilities than there are bits.
    let known = all.map_while(|one| Some((one, capability_is_in_bounding_set(one).ok()?)));
    for (one, _) in known.filter(|(one, there)| *there && !wanted.contains(*one)) {
        remove_capability_from_bounding_set(one)?;
    }
    Ok(())
}

fn join(group: Group) -> io::Result<()> {
    let may = capabilities(None)?.effective;
    let group = Gid::from_raw(group.0);
    let mut groups = getgroups()?;
    let needs = may.contains(CapabilitySet::CHOWN) && !groups.contains(&group);
    if needs && may.contains(CapabilitySet::SETGID) && may_set_groups() {
        groups.push(group);
        set_thread_groups(&groups)?;
    }
    Ok(())
}

/// A user namespace may deny this right to everything in it (`user_namespaces(7)`).
fn may_set_groups() -> bool {
    let setting = fs::read_to_string(Path::new("/proc/self/setgroups"));
    setting.is_ok_and(|setting| setting.trim() == "allow")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_name_and_a_number() {
        let groups = "root:x:0:\nbgp:x:4711:alice,bob\nodd\n";
        assert_eq!(find(groups, "bgp"), Some(4711));
        assert_eq!(find(groups, "odd"), None);
        assert_eq!(find(groups, "alice"), None);
        assert_eq!("4711".parse(), Ok(Group(4711)));
        let error = "no such group".parse::<Group>().expect_err("nobody");
        assert_eq!(
            error.to_string(),
            "no group in /etc/group is called `no such group`"
        );
    }
}

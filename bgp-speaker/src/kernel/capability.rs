//! Whether this process may change routes.

use std::fs;

/// `CAP_NET_ADMIN` of `linux/capability.h`.
const CAP_NET_ADMIN: u32 = 12;

/// Whether the calling thread lacks CAP_NET_ADMIN. If that cannot be determined, `false`: the kernel will report the error.
pub(super) fn is_missing() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status");
    let effective = status.ok().and_then(|status| effective(&status));
    effective.is_some_and(|set| set & (1 << CAP_NET_ADMIN) == 0)
}

/// The effective set in the text of `/proc/<pid>/status`.
fn effective(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_set_is_the_one_that_counts() {
        let status = "Name:\tbgp-daemon\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000001400\nSeccomp:\t0\n";
        assert_eq!(effective(status), Some(0x1400));
        assert_eq!(effective("CapEff:\tmany\n"), None);
        assert_eq!(effective(""), None);
    }
}

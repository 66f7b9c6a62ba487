//! `init --demo`: two nodes and a router in a lab of network namespaces on this machine. The lab is that of `make demo`.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};

use anyhow::{Context, bail};

/// The files of the lab, by their places below a folder.
const FILES: [(&str, &str); 3] = [
    ("scripts/demo", include_str!("../../../demo/lab")),
    (
        "testdata/labs/demo/cluster.yaml",
        include_str!("../../../demo/cluster.yaml"),
    ),
    (
        "testdata/labs/demo/tor.yaml",
        include_str!("../../../demo/tor.yaml"),
    ),
];

/// The programs that the lab needs, with their packages in Debian.
const PROGRAMS: [(&str, &str); 6] = [
    ("bash", "bash"),
    ("ip", "iproute2"),
    ("ping", "iputils-ping"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
];

/// The environment variables that the lab gets: settings of a real node are not for its daemons.
const KEPT: [&str; 6] = ["HOME", "LANG", "LC_ALL", "NO_COLOR", "TERM", "TMPDIR"];

/// Becomes the program that shows the lab and removes everything at its end; returns only on failure.
///
/// # Errors
///
/// A program is missing, or there are no rights to make namespaces.
pub(super) fn show() -> anyhow::Result<process::ExitCode> {
    let path = search_path();
    require_programs(&path)?;
    let as_root = as_root(&path)?;
    let own = env::current_exe().context("cannot find this program")?;
    let folder = write_files()?;
    let error = Command::new("unshare")
        .arg("--net")
        .args(as_root)
        .arg("bash")
        .arg(folder.join("scripts/demo"))
        .env_clear()
        .envs(
            KEPT.iter()
                .filter_map(|name| Some((name, env::var_os(name)?))),
        )
        .env("PATH", path)
        .env("DEMO_INSIDE", "1")
        .env("DEMO_DAEMON", own)
        .env("DEMO_FOLDER", &folder)
        .exec();
    fs::remove_dir_all(&folder).ok();
    Err(error).context("cannot start unshare")
}

/// The search path, with the folders of system programs, which only root has.
fn search_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

fn require_programs(path: &OsString) -> anyhow::Result<()> {
    let is_there = |name: &str| env::split_paths(path).any(|folder| folder.join(name).is_file());
    let missing: Vec<_> = PROGRAMS
        .iter()
        .filter(|(program, _)| !is_there(program))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    bail!(
        "the demo needs {}: apt install {}",
        programs.join(", "),
        packages.join(" ")
    )
}

/// The option with which others than root make namespaces.
fn as_root(path: &OsString) -> anyhow::Result<Option<&'static str>> {
    if rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let option = "--map-root-user";
    let tried = Command::new("unshare")
        .args(["--net", option, "true"])
        .env("PATH", path)
        .stderr(Stdio::null())
        .status();
    if tried.is_ok_and(|status| status.success()) {
        return Ok(Some(option));
    }
    bail!("the demo needs root: this kernel allows no user namespaces to others")
}

/// Writes the files to a new folder, which the script removes.
fn write_files() -> anyhow::Result<PathBuf> {
    let folder = env::temp_dir().join(format!("bgp-daemon-demo.{}", process::id()));
    // Fails if somebody else made it.
    fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let write = |(name, text): &(&str, &str)| {
        let file = folder.join(name);
        file.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(file, text)
    };
    FILES
        .iter()
        .try_for_each(write)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    Ok(folder)
}

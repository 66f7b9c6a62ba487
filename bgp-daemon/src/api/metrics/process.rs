//! What the operating system knows of the process, under the names that all Prometheus libraries use.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::text::Text;

/// Fields of `/proc/self/stat` after the name of the program, counted from 0.
const UTIME: usize = 11;
const STIME: usize = 12;
const THREADS: usize = 17;
const START_TIME: usize = 19;
const VSIZE: usize = 20;
const RSS: usize = 21;

/// What cannot be read is left out.
pub(super) fn write(to: &mut Text) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name may hold anything, brackets too.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<f64> = after_name
        .split_whitespace()
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    let field = |place: usize| fields.get(place).copied();
    let (ticks, page) = (
        rustix::param::clock_ticks_per_second(),
        rustix::param::page_size(),
    );
    let (ticks, page) = (ticks as f64, page as f64);
    let cpu = field(UTIME)
        .zip(field(STIME))
        .map(|(user, system)| (user + system) / ticks);
    counter_of(to, "process_cpu_seconds", "CPU time of the process", cpu);
    let resident = field(RSS).map(|pages| pages * page);
    gauge_of(
        to,
        "process_resident_memory_bytes",
        "Resident memory",
        resident,
    );
    gauge_of(
        to,
        "process_virtual_memory_bytes",
        "Virtual memory",
        field(VSIZE),
    );
    let started = field(START_TIME)
        .zip(boot_time())
        .map(|(since_boot, boot)| boot + since_boot / ticks);
    gauge_of(
        to,
        "process_start_time_seconds",
        "When the process started",
        started,
    );
    gauge_of(to, "process_threads", "Threads", field(THREADS));
    gauge_of(
        to,
        "process_open_fds",
        "Open file descriptors",
        open_files(),
    );
    let limit = getrlimit(Resource::Nofile)
        .current
        .map(|limit| limit as f64);
    gauge_of(
        to,
        "process_max_fds",
        "Limit of open file descriptors",
        limit,
    );
}

/// Linux 6.2 and later have the number as the size of the folder; before, it is 0, and entries are counted.
fn open_files() -> Option<f64> {
    let folder = "/proc/self/fd";
    let known = fs::metadata(folder).ok().map(|folder| folder.len());
    match known.filter(|known| *known > 0) {
        Some(known) => Some(known as f64),
        None => Some(fs::read_dir(folder).ok()?.count() as f64),
    }
}

/// When the machine started, in seconds.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

fn gauge_of(to: &mut Text, name: &str, help: &str, value: Option<f64>) {
    if let Some(value) = value {
        to.gauge(name, help, |to| to.value(&[], value));
    }
}

fn counter_of(to: &mut Text, name: &str, help: &str, value: Option<f64>) {
    if let Some(value) = value {
        to.counter(name, help, |to| to.value(&[], value));
    }
}

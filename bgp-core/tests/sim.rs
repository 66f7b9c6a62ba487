//! A thousand simulated networks: see [`bgp_core::sim`].
//!
//! `SIM_SEEDS=first..end` chooses other seeds, `SIM_SEED=n` one to [`replay`] with its trace.

#![cfg(feature = "sim")]

use std::ops::Range;
use std::time::Instant;

use bgp_core::sim::{Failure, Report, Scenario, run, run_hostile};

#[expect(clippy::disallowed_methods, reason = "time zero of a virtual clock")]
fn simulate(seed: u64, record: bool) -> Result<Report, Box<Failure>> {
    run(&Scenario::of_seed(seed), Instant::now(), record)
}

/// The seeds of one of eight parts, which may run side by side.
fn seeds(part: u64) -> impl Iterator<Item = u64> {
    let Range { start, end } = std::env::var("SIM_SEEDS").map_or(0..1000, |text| {
        let (start, end) = text.split_once("..").expect("SIM_SEEDS is first..end");
        start.parse().expect("a number")..end.parse().expect("a number")
    });
    (start..end).filter(move |seed| seed % 8 == part)
}

fn storm(part: u64) {
    let failures: Vec<String> = seeds(part)
        .filter_map(|seed| simulate(seed, false).err())
        .map(|failure| format!("{failure}\n    {}", replay_command(failure.seed)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn replay_command(seed: u64) -> String {
    format!(
        "SIM_SEED={seed} cargo test -p bgp-core --features sim --test sim replay -- --ignored --nocapture"
    )
}

#[test]
fn storm_1() {
    storm(0);
}

#[test]
fn storm_2() {
    storm(1);
}

#[test]
fn storm_3() {
    storm(2);
}

#[test]
fn storm_4() {
    storm(3);
}

#[test]
fn storm_5() {
    storm(4);
}

#[test]
fn storm_6() {
    storm(5);
}

#[test]
fn storm_7() {
    storm(6);
}

#[test]
fn storm_8() {
    storm(7);
}

/// Beside peers that do all the harm they can, honest ones notice nothing.
#[test]
fn hostile_peers_harm_nobody() {
    let mut losses = 0;
    for seed in 0..40 {
        #[expect(clippy::disallowed_methods, reason = "time zero of a virtual clock")]
        let live = || run_hostile(seed, Instant::now());
        let report = live().unwrap_or_else(|problem| panic!("{problem}"));
        losses += report.losses;
        if seed % 10 == 0 {
            assert_eq!(live(), Ok(report), "seed {seed}");
        }
    }
    assert!(losses > 40, "they tried hard: {losses}");
}

/// All that happens follows from the seed.
#[test]
fn equal_seeds_have_equal_traces() {
    for seed in (0..1000).step_by(50) {
        let (first, second) = (simulate(seed, false), simulate(seed, true));
        assert_eq!(first.unwrap(), second.unwrap(), "seed {seed}");
    }
    assert_ne!(
        simulate(1, false).unwrap().trace_hash,
        simulate(2, false).unwrap().trace_hash
    );
}

/// Prints what happens with the seed in `SIM_SEED`.
#[test]
#[ignore = "no test of its own: shows one seed"]
fn replay() {
    let seed = std::env::var("SIM_SEED").expect("SIM_SEED names the seed");
    let seed = seed.parse().expect("SIM_SEED is a number");
    let scenario = Scenario::of_seed(seed);
    println!("{:?}\n{:?}", scenario.network.terms, scenario.weather);
    match simulate(seed, true) {
        Ok(report) => println!("{report:?}"),
        Err(failure) => panic!("{failure}"),
    }
}

//! Limits: allowed changes, rejected changes, and invalid limits.

use super::*;

fn totals(change: impl FnOnce(&mut Totals)) -> Totals {
    let mut totals = Totals::default();
    change(&mut totals);
    totals
}

fn count(found: usize, of: usize) -> Count {
    Count { found, of }
}

fn exceeded(guard: &str, totals: &Totals) -> Vec<String> {
    let guard: Guard = guard.parse().expect("a guard");
    let exceeded = guard.exceeded_by(totals);
    exceeded.iter().map(ToString::to_string).collect()
}

#[test]
fn a_limit_allows_what_is_at_it() {
    let ten = totals(|it| it.withdrawn = count(10, 100));
    for (guard, is_too_much) in [
        ("max-withdrawn=10%", false),
        ("max-withdrawn=9.9%", true),
        ("max-withdrawn=10", false),
        ("max-withdrawn=9", true),
        ("max-withdrawn=0", true),
        ("max-withdrawn=0%", true),
        ("max-withdrawn=100%", false),
        (" max-withdrawn = 10 , max-restarts=0", false),
    ] {
        assert_eq!(!exceeded(guard, &ten).is_empty(), is_too_much, "{guard}");
    }
}

#[test]
fn each_limit_is_about_its_own_number() {
    let all = totals(|it| {
        it.nodes = count(1, 9);
        it.added = count(2, 9);
        it.removed = count(3, 9);
        it.restarted = count(4, 9);
        it.announced = count(5, 9);
        it.withdrawn = count(6, 9);
        it.changed = count(7, 9);
        it.default_routes = 8;
        it.problems = 9;
    });
    let guard = "max-nodes=0,max-added=0,max-removed=0,max-restarts=0,max-announced=0,max-withdrawn=0,\
                 max-changed=0,default-route=never,max-problems=0";
    let guard: Guard = guard.parse().expect("a guard");
    let found: Vec<usize> = guard.exceeded_by(&all).iter().map(|it| it.found).collect();
    assert_eq!(found, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(guard.exceeded_by(&Totals::default()), []);
    assert_eq!(
        exceeded("max-restarts=3,default-route=never", &all),
        [
            "max-restarts=3: sessions restarted: 4 of 9 (44.4 %)",
            "default-route=never: default routes that change: 8",
        ]
    );
}

/// Nothing was withdrawn of nothing; but of what was not there, anything is all.
#[test]
fn a_share_of_nothing() {
    let nothing = totals(|it| it.announced = count(0, 0));
    assert_eq!(exceeded("max-announced=0%", &nothing), [""; 0]);
    let first = totals(|it| it.announced = count(5, 0));
    assert_eq!(exceeded("max-announced=100%", &first), [""; 0]);
    assert_eq!(
        exceeded("max-announced=50%", &first),
        ["max-announced=50%: routes announced: 5"]
    );
}

#[test]
fn what_is_no_limit_is_said() {
    for (text, error) in [
        ("", r#"--guard: expected name=value, found """#),
        (
            "max-restarts",
            r#"--guard: expected name=value, found "max-restarts""#,
        ),
        (
            "max-restarts=1,",
            r#"--guard: expected name=value, found """#,
        ),
        (
            "max-restarts=",
            r#"--guard: max-restarts: expected a number, or a percentage from 0% to 100%, found """#,
        ),
        (
            "max-restarts=-1",
            r#"--guard: max-restarts: expected a number, or a percentage from 0% to 100%, found "-1""#,
        ),
        (
            "max-restarts=+1",
            r#"--guard: max-restarts: expected a number, or a percentage from 0% to 100%, found "+1""#,
        ),
        (
            "max-restarts=1.5",
            r#"--guard: max-restarts: expected a number, or a percentage from 0% to 100%, found "1.5""#,
        ),
        (
            "max-withdrawn=101%",
            r#"--guard: max-withdrawn: expected a number, or a percentage from 0% to 100%, found "101%""#,
        ),
        (
            "max-withdrawn=NaN%",
            r#"--guard: max-withdrawn: expected a number, or a percentage from 0% to 100%, found "NaN%""#,
        ),
        (
            "max-withdrawn=%",
            r#"--guard: max-withdrawn: expected a number, or a percentage from 0% to 100%, found "%""#,
        ),
        (
            "max-withdrawn=1e1%",
            r#"--guard: max-withdrawn: expected a number, or a percentage from 0% to 100%, found "1e1%""#,
        ),
        (
            "max-problems=5%",
            r#"--guard: max-problems: expected a number, found "5%""#,
        ),
        (
            "default-route=1",
            r#"--guard: default-route: expected never, found "1""#,
        ),
        (
            "max-restarts=1,max-restarts=2",
            "--guard: max-restarts is there twice",
        ),
    ] {
        let found = text.parse::<Guard>().expect_err(text).to_string();
        assert_eq!(found, error);
    }
    let unknown = "max-restart=1".parse::<Guard>().expect_err("unknown");
    let unknown = unknown.to_string();
    assert!(
        unknown.contains("(did you mean max-restarts?)") && unknown.contains("default-route"),
        "{unknown}"
    );
}

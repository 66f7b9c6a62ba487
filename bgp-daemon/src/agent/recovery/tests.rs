use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use tempfile::TempDir;

use super::*;

fn register() -> (TempDir, Register) {
    let folder = tempfile::tempdir().expect("a folder");
    let register = Register {
        file: folder.path().join(FILE_NAME),
        node: "node".to_owned(),
    };
    (folder, register)
}

fn names(texts: &[&str]) -> BTreeSet<Arc<str>> {
    texts.iter().map(|text| Arc::from(*text)).collect()
}

fn texts(texts: &[&str]) -> Option<BTreeSet<String>> {
    Some(texts.iter().map(|text| (*text).to_owned()).collect())
}

/// Promise 16.5.
#[test]
fn what_is_written_is_read_by_the_same_node() {
    let (folder, register) = register();
    assert_eq!(register.read(), None, "there is none");
    for up in [&["Global_a", "Mesh_b"][..], &[]] {
        register.write(&names(up)).expect("it is writable");
        assert_eq!(register.read(), texts(up));
    }
    let files = fs::read_dir(folder.path()).expect("it is there");
    assert_eq!(files.count(), 1, "no draft is left");
    let node = "other".to_owned();
    assert_eq!(Register { node, ..register }.read(), None);
}

/// Promise 16.5.
#[test]
fn a_file_that_is_none_of_ours_is_as_if_there_were_none() {
    let (_folder, register) = register();
    let good = r#"{"version":1,"node":"node","up":["a"]}"#;
    fs::write(&register.file, good).expect("it is writable");
    assert_eq!(register.read(), texts(&["a"]));
    for bad in [
        "",
        &good[..20],
        "[]",
        r#"{"version":2,"node":"node","up":["a"]}"#,
        r#"{"version":1,"node":"other","up":["a"]}"#,
        r#"{"version":1,"node":"node","up":[7]}"#,
        &format!("{good}{}", " ".repeat(1 << 20)),
    ] {
        fs::write(&register.file, bad).expect("it is writable");
        assert_eq!(register.read(), None, "{bad:.40}");
    }
}

#[test]
fn nothing_but_a_regular_file_is_opened_for_long() {
    let (folder, register) = register();
    let made = Command::new("mkfifo").arg(&register.file).status();
    assert!(made.expect("mkfifo is there").success());
    assert_eq!(register.read(), None);
    fs::remove_file(&register.file).expect("it is there");
    symlink("/dev/zero", &register.file).expect("it is writable");
    assert_eq!(register.read(), None);
    fs::remove_file(&register.file).expect("it is there");
    fs::create_dir(&register.file).expect("it is writable");
    assert_eq!(register.read(), None);
    fs::remove_dir(&register.file).expect("it is there");

    let secret = folder.path().join("secret");
    fs::write(&secret, "kept").expect("it is writable");
    symlink(&secret, draft_of(&register.file)).expect("it is writable");
    register.write(&names(&["a"])).expect("it is writable");
    assert_eq!(register.read(), texts(&["a"]));
    assert_eq!(fs::read_to_string(&secret).expect("it is there"), "kept");
}

#[test]
fn more_sessions_than_it_may_hold_are_not_known() {
    let (_folder, register) = register();
    register.write(&names(&["a"])).expect("it is writable");
    let name = |number| Arc::from(format!("Global_{number:050}"));
    let many = (0..20_000).map(name).collect();
    register.write(&many).expect_err("it is too large");
    assert!(!register.file.exists(), "the old one tells of the past");
}

/// A job that keeps the register, and its strings.
struct Kept {
    register: Register,
    established: watch::Sender<BTreeSet<Arc<str>>>,
    recovered: CancellationToken,
    stop: CancellationToken,
    alarms: Alarms,
    job: tokio::task::JoinHandle<()>,
}

impl Kept {
    fn start(register: &Register, awaited: &[&str]) -> Self {
        let (established, receiver) = watch::channel(BTreeSet::new());
        let (recovered, stop) = (CancellationToken::new(), CancellationToken::new());
        let alarms = Alarms::default();
        let kept = register.clone().keep(
            receiver,
            names(awaited),
            recovered.clone(),
            stop.clone(),
            alarms.clone(),
        );
        Self {
            register: register.clone(),
            established,
            recovered,
            stop,
            alarms,
            job: tokio::spawn(kept),
        }
    }

    async fn wait(&self, up: &[&str]) {
        while self.register.read() != texts(up) {
            tokio::task::yield_now().await;
        }
    }
}

/// Promise 16.5.
#[tokio::test]
async fn who_is_awaited_stays_until_the_peers_have_spoken() {
    let (_folder, register) = register();
    let kept = Kept::start(&register, &["a", "b"]);
    kept.wait(&["a", "b"]).await;
    kept.established.send_replace(names(&["b", "c"]));
    kept.wait(&["a", "b", "c"]).await;
    kept.recovered.cancel();
    kept.wait(&["b", "c"]).await;
    kept.established.send_replace(names(&["c"]));
    kept.wait(&["c"]).await;
}

/// Promise 16.5.
#[tokio::test]
async fn sessions_that_end_at_a_stop_were_up() {
    let (_folder, register) = register();
    let kept = Kept::start(&register, &[]);
    kept.established.send_replace(names(&["a"]));
    kept.wait(&["a"]).await;
    kept.stop.cancel();
    kept.established.send_replace(names(&[]));
    kept.job.await.expect("no panic");
    assert_eq!(register.read(), texts(&["a"]));
}

#[tokio::test]
async fn a_register_that_cannot_be_written_is_an_alarm_until_it_can() {
    let (folder, register) = register();
    let file = folder.path().join("later").join(FILE_NAME);
    let register = Register { file, ..register };
    let kept = Kept::start(&register, &[]);
    while kept.alarms.list().is_empty() {
        tokio::task::yield_now().await;
    }
    fs::create_dir(folder.path().join("later")).expect("it is writable");
    kept.established.send_replace(names(&["a"]));
    kept.wait(&["a"]).await;
    while !kept.alarms.list().is_empty() {
        tokio::task::yield_now().await;
    }
}

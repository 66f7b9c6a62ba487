use std::io;

use proptest::prelude::*;

use super::*;
use crate::resources::{FileId, Problem, ResourceSet};

const QUIET: Duration = Duration::from_secs(2);
const A_SECOND: Duration = Duration::from_secs(1);

fn peer(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: {name}\nspec:\n  peerIP: 192.0.2.1\n{spec}"
    )
}

/// A folder under a clock that the test controls.
struct Scene {
    state: FolderState,
    now: Instant,
    files: BTreeMap<PathBuf, (u64, String)>,
    moved: Moved,
    inodes: u64,
    /// What was read last.
    known: BTreeMap<PathBuf, Arc<Content>>,
}

impl Scene {
    fn new() -> Self {
        Self {
            state: FolderState::new(QUIET),
            now: Instant::now(),
            files: BTreeMap::new(),
            moved: Moved::default(),
            inodes: 0,
            known: BTreeMap::new(),
        }
    }

    fn with(name: &str, text: &str) -> Self {
        let mut scene = Self::new();
        scene.write(name, text);
        scene.read();
        scene
    }

    /// Writes in place.
    fn write(&mut self, name: &str, text: &str) {
        self.inodes += 1;
        let inode = self.inodes;
        let file = self
            .files
            .entry(name.into())
            .or_insert((inode, String::new()));
        text.clone_into(&mut file.1);
    }

    /// Writes elsewhere and moves that to the name.
    fn replace(&mut self, name: &str, text: &str) {
        self.inodes += 1;
        self.files
            .insert(name.into(), (self.inodes, text.to_owned()));
        self.moved.to.insert(name.into());
    }

    fn remove(&mut self, name: &str) {
        self.files.remove(Path::new(name));
    }

    fn move_away(&mut self, name: &str) {
        self.remove(name);
        self.moved.from.insert(name.into());
    }

    fn listing(&mut self) -> Listing {
        let known = &mut self.known;
        let content = |(path, (inode, text)): (&PathBuf, &(u64, String))| {
            let before = known.get(path);
            let content = Content::read(path, FileId::new(*inode), text, before.map(|it| &**it));
            let is_same =
                |before: &&Arc<Content>| (before.id, before.digest) == (content.id, content.digest);
            let content = match before.filter(is_same) {
                Some(before) => Arc::clone(before),
                None => Arc::new(content),
            };
            known.insert(path.clone(), Arc::clone(&content));
            (path.clone(), Ok(content))
        };
        Listing {
            files: self.files.iter().map(content).collect(),
            ..Listing::default()
        }
    }

    fn read(&mut self) {
        let moved = std::mem::take(&mut self.moved);
        let listing = self.listing();
        self.state.observe(self.now, listing, &moved);
    }

    /// As a follower does it: time passes, with a reading at each deadline.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.state.deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline.max(self.now);
            self.read();
            assert_ne!(
                self.state.deadline(),
                Some(deadline),
                "a deadline is kept once"
            );
        }
        self.now = end;
    }

    fn names(&mut self) -> Vec<String> {
        let snapshot = self.state.snapshot();
        let peers = snapshot.set.bgp_peers();
        peers.map(|peer| peer.metadata.name.clone()).collect()
    }

    fn problems(&mut self) -> Vec<String> {
        let problems = self.state.snapshot().problems;
        problems.iter().map(ToString::to_string).collect()
    }

    /// The objects in the files, or only in those whose last line is complete.
    fn said(&mut self, whole: bool) -> ResourceSet {
        let mut state = FolderState::new(QUIET);
        let mut listing = self.listing();
        let is_whole = |path: &PathBuf| self.files[path].1.ends_with('\n');
        listing.files.retain(|(path, _)| !whole || is_whole(path));
        state.observe(self.now, listing, &Moved::default());
        state.snapshot().set
    }
}

/// Promise 18.6.
#[test]
fn a_file_that_is_written_in_two_steps_takes_nothing_away() {
    let (one, two) = (peer("one", ""), peer("two", "  filters: [a, b]\n"));
    let whole = format!("{one}{two}");
    for cut in 0..whole.len() {
        let mut scene = Scene::with("x.yaml", &whole);
        let before = scene.state.snapshot().set;
        scene.write("x.yaml", &whole[..cut]);
        scene.read();
        scene.pass(A_SECOND);
        assert_eq!(scene.state.snapshot().set, before, "cut at {cut}");
        scene.write("x.yaml", &whole);
        scene.read();
        scene.pass(QUIET * 2);
        assert_eq!(scene.state.snapshot().set, before);
        assert_eq!(scene.problems(), [] as [&str; 0]);
    }
}

/// Promise 18.6.
#[test]
fn a_loss_waits_and_a_gain_does_not() {
    let mut scene = Scene::with("x.yaml", &(peer("one", "") + &peer("two", "")));
    scene.write("x.yaml", &(peer("two", "") + &peer("three", "")));
    scene.read();
    assert_eq!(scene.names(), ["one", "three", "two"]);
    scene.pass(QUIET - Duration::from_millis(1));
    assert_eq!(scene.names(), ["one", "three", "two"]);
    scene.pass(Duration::from_millis(1));
    assert_eq!(scene.names(), ["three", "two"]);
    assert_eq!(scene.state.deadline(), None);
}

/// Promise 18.6.
#[test]
fn every_change_of_the_file_begins_the_quiet_time_anew() {
    let mut scene = Scene::with("x.yaml", &(peer("one", "") + &peer("two", "")));
    for step in 0..10 {
        scene.write("x.yaml", &format!("{}# {step}\n", peer("two", "")));
        scene.read();
        scene.pass(A_SECOND);
        assert_eq!(scene.names(), ["one", "two"], "{step}");
    }
    scene.pass(QUIET);
    assert_eq!(scene.names(), ["two"]);
}

/// Promise 18.6.
#[test]
fn a_new_value_does_not_wait_and_a_lost_field_does() {
    let filters = |scene: &mut Scene| {
        let snapshot = scene.state.snapshot();
        snapshot
            .set
            .bgp_peer("tor")
            .map(|peer| peer.spec.filters.clone())
    };
    let text = peer("tor", "  filters: [a, b]\n");
    let mut scene = Scene::with("x.yaml", &text);
    scene.write("x.yaml", &text.replace("[a, b]", "[a, c, b]"));
    scene.read();
    assert_eq!(
        filters(&mut scene),
        Some(vec!["a".into(), "c".into(), "b".into()])
    );
    scene.write("x.yaml", &peer("tor", ""));
    scene.read();
    assert_eq!(filters(&mut scene).map(|filters| filters.len()), Some(3));
    scene.pass(QUIET);
    assert_eq!(filters(&mut scene), Some(vec![]));
    // An AS number that is cut is still one.
    let mut scene = Scene::with("x.yaml", &peer("tor", "  asNumber: 65001\n"));
    scene.write("x.yaml", &peer("tor", "  asNumber: 65"));
    scene.read();
    let asn = |scene: &mut Scene| scene.state.snapshot().set.bgp_peer("tor")?.spec.as_number;
    assert_eq!(asn(&mut scene).map(|asn| asn.0), Some(65001));
    scene.pass(QUIET);
    assert_eq!(asn(&mut scene).map(|asn| asn.0), Some(65));
}

/// Promise 18.6.
#[test]
fn what_is_broken_or_empty_keeps_its_last_state_for_as_long_as_it_is() {
    for (text, problem) in [
        (
            "",
            "x.yaml: is empty: what it held before stays in force (2 objects)",
        ),
        (
            "kind: [\n",
            "x.yaml: cannot be read as a whole: what it held before stays in force (2 objects)",
        ),
    ] {
        let mut scene = Scene::with("x.yaml", &(peer("one", "") + &peer("two", "")));
        scene.write("x.yaml", text);
        scene.read();
        scene.pass(QUIET * 10);
        scene.read();
        assert_eq!(scene.names(), ["one", "two"]);
        assert_eq!(scene.problems().last().map(String::as_str), Some(problem));
        scene.write(
            "x.yaml",
            &(peer("two", "") + &peer("three", "") + "---\nkind: [\n"),
        );
        scene.read();
        assert_eq!(scene.names(), ["one", "three", "two"], "what is new counts");
        scene.write("x.yaml", &peer("three", ""));
        scene.read();
        scene.pass(QUIET);
        assert_eq!(scene.names(), ["three"]);
        assert_eq!(scene.problems(), [] as [&str; 0]);
    }
}

/// Promise 18.6.
#[test]
fn moves_take_effect_at_once() {
    let mut scene = Scene::with("x.yaml", &(peer("one", "") + &peer("two", "")));
    scene.replace("x.yaml", &peer("two", ""));
    scene.read();
    assert_eq!(scene.names(), ["two"]);
    scene.replace("x.yaml", "");
    scene.read();
    assert_eq!(
        scene.names(),
        [] as [&str; 0],
        "who moves an empty file there means it"
    );
    scene.replace("x.yaml", &peer("one", ""));
    scene.read();
    scene.move_away("x.yaml");
    scene.read();
    assert_eq!(scene.names(), [] as [&str; 0]);
    assert_eq!(scene.state.deadline(), None);
}

/// Promise 18.6.
#[test]
fn a_file_that_is_removed_and_written_anew_loses_nothing() {
    let text = peer("one", "") + &peer("two", "");
    let mut scene = Scene::with("x.yaml", &text);
    scene.remove("x.yaml");
    scene.read();
    scene.pass(A_SECOND);
    scene.write("x.yaml", &peer("one", ""));
    scene.read();
    scene.pass(A_SECOND);
    assert_eq!(scene.names(), ["one", "two"]);
    scene.write("x.yaml", &text);
    scene.read();
    scene.pass(QUIET);
    assert_eq!(scene.names(), ["one", "two"]);
    scene.remove("x.yaml");
    scene.read();
    scene.pass(QUIET);
    assert_eq!(scene.names(), [] as [&str; 0]);
}

#[test]
fn an_object_that_goes_from_file_to_file_is_not_named_twice() {
    let mut scene = Scene::with("a.yaml", &peer("one", ""));
    scene.write("b.yaml", &peer("one", "  asNumber: 7\n"));
    scene.write("a.yaml", "# moved\n");
    scene.read();
    assert_eq!(scene.problems(), [] as [&str; 0]);
    let asn = |scene: &mut Scene| scene.state.snapshot().set.bgp_peer("one")?.spec.as_number;
    assert_eq!(asn(&mut scene).map(|asn| asn.0), Some(7));
}

/// Promise 1.13.
#[test]
fn what_cannot_be_listed_stays() {
    let mut scene = Scene::with("sub/x.yaml", &peer("one", ""));
    let hidden = Listing {
        unlisted: vec!["sub".into()],
        ..Listing::default()
    };
    scene
        .state
        .observe(scene.now + QUIET * 9, hidden, &Moved::default());
    assert_eq!(scene.names(), ["one"]);
    scene
        .state
        .unreadable(Problem::error(".", io::Error::other("gone").to_string()));
    assert_eq!((scene.names().len(), scene.problems().len()), (1, 1));
    assert_eq!(scene.state.deadline(), None);
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize, Vec<usize>),
    /// Writes, but not all of it.
    Cut(usize, Vec<usize>, usize),
    Replace(usize, Vec<usize>),
    Remove(usize),
    MoveAway(usize),
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let objects = || prop::collection::vec(0usize..4, 0..4);
    prop_oneof![
        (0usize..3, objects()).prop_map(|(file, objects)| Step::Write(file, objects)),
        (0usize..3, objects(), 0usize..400).prop_map(|(file, o, at)| Step::Cut(file, o, at)),
        (0usize..3, objects()).prop_map(|(file, objects)| Step::Replace(file, objects)),
        (0usize..3).prop_map(Step::Remove),
        (0usize..3).prop_map(Step::MoveAway),
        (1u64..3000).prop_map(Step::Pass),
    ]
}

fn text(objects: &[usize]) -> String {
    let objects = objects.iter().map(|object| peer(&format!("p{object}"), ""));
    format!("# objects\n{}", objects.collect::<String>())
}

proptest! {
    /// Under any changes of files: objects in all versions are always in force, and objects in none are gone in the end.
    #[test]
    fn in_the_end_the_files_are_in_force(steps in prop::collection::vec(any_step(), 1..30)) {
        let mut scene = Scene::new();
        let name = |file: usize| format!("{file}.yaml");
        for step in steps {
            match step {
                Step::Write(file, objects) => scene.write(&name(file), &text(&objects)),
                Step::Cut(file, objects, at) => {
                    let text = text(&objects);
                    scene.write(&name(file), &text[..at.min(text.len())]);
                }
                Step::Replace(file, objects) => scene.replace(&name(file), &text(&objects)),
                Step::Remove(file) => scene.remove(&name(file)),
                Step::MoveAway(file) => scene.move_away(&name(file)),
                Step::Pass(time) => scene.pass(Duration::from_millis(time)),
            }
            scene.read();
            let in_force = scene.state.snapshot().set;
            for (key, _) in scene.said(true).iter() {
                prop_assert!(in_force.get(key).is_some(), "{key} is said and not in force");
            }
        }
        // Nothing is cut or empty any more.
        for file in 0..3 {
            if scene.files.contains_key(Path::new(&name(file))) {
                scene.write(&name(file), &text(&[file]));
            }
        }
        scene.read();
        scene.pass(QUIET);
        prop_assert_eq!(scene.state.snapshot().set, scene.said(false));
        prop_assert_eq!(scene.state.deadline(), None);
    }
}

//! Clients that are slow, silent, or too many. Time is that of the runtime: it passes when everybody waits.

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::agent::Views;
use crate::datastore::{DatastoreSpec, Settings};
use crate::doctor::online::DoctorSettings;
use crate::occupant::Occupants;
use crate::plan::Environment;

/// A server without a speaker, and the folder of its socket.
struct Scene {
    server: Arc<Server>,
    clients: Clients,
    directory: TempDir,
    _views: Views,
}

impl Scene {
    fn new() -> Self {
        let views = Views::new("a");
        let settings = DoctorSettings {
            environment: Environment::default(),
            datastore: DatastoreSpec::Folder("nowhere".into()),
            settings: Settings::default(),
            listen_port: None,
            kernel: false,
            occupants: Occupants::default(),
        };
        let doctor = Doctor::new(views.subscribe(), settings);
        let shared = Shared::new(views.subscribe(), doctor, MetricsConfig::default());
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(SOCKET_NAME);
        let server = Server::unix(&path, None, &shared).expect("a socket");
        Self {
            server: Arc::new(server),
            clients: Clients::default(),
            directory,
            _views: views,
        }
    }

    /// Somebody who is served, with so much room for what was not read yet.
    async fn client(&self, room: usize) -> Client {
        let (ours, theirs) = duplex(room);
        let (server, place) = (
            Arc::clone(&self.server),
            self.clients.enter(CONNECTIONS).await,
        );
        let served = tokio::spawn(async move { server.talk(theirs, &place).await });
        Client {
            stream: ours,
            served,
            since: Instant::now(),
        }
    }
}

struct Client {
    stream: DuplexStream,
    served: JoinHandle<()>,
    since: Instant,
}

impl Client {
    async fn says(&mut self, text: &str) {
        let said = self.stream.write_all(text.as_bytes()).await;
        said.expect("the server listens");
    }

    /// What is answered up to the end of the connection.
    async fn hears(&mut self) -> String {
        let mut heard = String::new();
        let read = self.stream.read_to_string(&mut heard).await;
        read.expect("text");
        heard
    }

    /// After how long the server has done with it.
    async fn lasts(self) -> Duration {
        self.served.await.expect("no panic");
        self.since.elapsed()
    }
}

fn question(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn proposal(length: usize) -> String {
    format!(
        "POST /v1/change HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Nothing waits longer than it may, and not much shorter.
fn assert_about(found: Duration, expected: Duration) {
    let tolerance = Duration::from_millis(100);
    assert!(
        found >= expected && found <= expected + tolerance,
        "{found:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_disconnected() {
    let scene = Scene::new();
    let silent = scene.client(1024).await;
    assert_about(silent.lasts().await, QUESTION);
    let mut halfway = scene.client(1024).await;
    halfway.says("GET /livez HT").await;
    assert_about(halfway.lasts().await, QUESTION);
}

#[tokio::test(start_paused = true)]
async fn who_says_little_again_and_again_is_disconnected() {
    let scene = Scene::new();
    let mut slow = scene.client(1024).await;
    slow.says("GET /livez HTTP/1.1\r\n").await;
    while !slow.served.is_finished() {
        // Nobody may hear it any more.
        slow.stream.write_all(b"X: y\r\n").await.ok();
        sleep(Duration::from_secs(1)).await;
    }
    let lasted = slow.lasts().await;
    assert!(lasted <= QUESTION + Duration::from_secs(2), "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn who_asks_nothing_more_is_disconnected() {
    let scene = Scene::new();
    let mut client = scene.client(1024).await;
    client.says(&question("/livez")).await;
    let heard = client.hears().await;
    assert!(
        heard.starts_with("HTTP/1.1 200 OK\r\n") && heard.ends_with("\r\n\r\nok\n"),
        "{heard}"
    );
    assert_about(client.lasts().await, QUESTION);
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_of_its_answer_is_disconnected() {
    let scene = Scene::new();
    let mut client = scene.client(64).await;
    client.says(&question("/v1/openapi.json")).await;
    assert_about(client.lasts().await, WRITE);
}

#[tokio::test(start_paused = true)]
async fn who_takes_its_answer_slowly_gets_all_of_it() {
    let scene = Scene::new();
    let mut client = scene.client(4096).await;
    client
        .says("GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let (mut heard, mut part) = (Vec::new(), [0; 4096]);
    loop {
        sleep(WRITE / 2).await;
        match client.stream.read(&mut part).await.expect("octets") {
            0 => break,
            count => heard.extend_from_slice(&part[..count]),
        }
    }
    let text = String::from_utf8(heard).expect("text");
    let (_, body) = text.split_once("\r\n\r\n").expect("a body");
    let document: serde_json::Value = serde_json::from_str(body).expect("all of the document");
    assert_eq!(document, crate::api::document());
}

#[tokio::test(start_paused = true)]
async fn too_long_a_question_is_refused() {
    let scene = Scene::new();
    let mut client = scene.client(2 * QUESTION_LEN).await;
    let cookie = "x".repeat(QUESTION_LEN);
    client
        .says(&format!("GET /livez HTTP/1.1\r\nCookie: {cookie}\r\n\r\n"))
        .await;
    let heard = client.hears().await;
    assert!(heard.starts_with("HTTP/1.1 431 "), "{heard}");
    assert_about(client.lasts().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn too_long_a_proposal_is_refused() {
    let scene = Scene::new();
    let mut client = scene.client(1 << 16).await;
    let length = (16 << 20) + 1;
    client.says(&proposal(length)).await;
    let (mut reader, mut writer) = tokio::io::split(client.stream);
    let says = async {
        // The server may have hung up before the end.
        writer.write_all(&vec![b' '; length]).await.ok();
    };
    let mut heard = Vec::new();
    let hears = reader.read_to_end(&mut heard);
    let (_, heard_all) = tokio::join!(says, hears);
    heard_all.expect("an answer");
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.starts_with("HTTP/1.1 400 "), "{heard}");
    assert!(
        heard.contains("the resources: length limit exceeded"),
        "{heard}"
    );
}

/// One that is slow holds up nobody; as many as are read at a time hold up others for as long as each may take.
#[tokio::test(start_paused = true)]
async fn slow_proposals_are_not_waited_for() {
    let scene = Scene::new();
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut client = scene.client(1024).await;
        client.says(&proposal(1000)).await;
        slow.push(client);
    }
    tokio::task::yield_now().await;
    let answered = async |scene: &Scene| {
        let mut quick = scene.client(1024).await;
        quick.says(&(proposal(13) + r#"{"files": []}"#)).await;
        let heard = quick.hears().await;
        assert!(
            heard.starts_with("HTTP/1.1 503 "),
            "there is no speaker: {heard}"
        );
        quick.lasts().await
    };
    assert_about(answered(&scene).await, Duration::ZERO);
    let mut fourth = scene.client(1024).await;
    fourth.says(&proposal(1000)).await;
    slow.push(fourth);
    tokio::task::yield_now().await;
    assert_about(answered(&scene).await, Duration::from_secs(3));
    for mut client in slow {
        let heard = client.hears().await;
        assert!(heard.starts_with("HTTP/1.1 400 "), "{heard}");
        assert!(heard.contains("did not come within 3 s"), "{heard}");
    }
}

/// Real connections: as many as there may be say nothing, and one more is answered in the place of the first.
#[tokio::test]
async fn there_is_room_for_one_more_than_there_may_be() {
    const LIMIT: Duration = Duration::from_secs(60);
    let scene = Scene::new();
    let path = scene.directory.path().join(SOCKET_NAME);
    let shutdown = CancellationToken::new();
    let server = Arc::into_inner(scene.server).expect("nobody else has it");
    let running = tokio::spawn(server.run(shutdown.clone()));
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = UnixStream::connect(&path).await;
        silent.push(stream.expect("a connection"));
    }
    let mut further = UnixStream::connect(&path).await.expect("a connection");
    let said = further.write_all(question("/livez").as_bytes()).await;
    said.expect("the server listens");
    let mut heard = [0; 15];
    let answer = timeout(LIMIT, further.read_exact(&mut heard)).await;
    answer.expect("an answer in time").expect("an answer");
    assert_eq!(&heard, b"HTTP/1.1 200 OK");
    let gone = timeout(LIMIT, silent[0].read(&mut heard)).await;
    assert_eq!(
        gone.expect("the end in time").ok(),
        Some(0),
        "the first is gone"
    );
    shutdown.cancel();
    timeout(LIMIT, running)
        .await
        .expect("an end in time")
        .expect("no panic");
}

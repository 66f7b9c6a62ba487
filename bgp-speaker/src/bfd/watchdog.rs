//! A neighbour's end of the watch over its path, and the handle on the thread.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustix::event::{EventfdFlags, epoll, eventfd};
use tokio::sync::{oneshot, watch};

use super::command::{Command, Watcher, WatcherId};
use super::handover::{Given, TakenPaths};
use super::spec::BfdSpec;
use super::status::BfdStatus;
use super::thread::{Receivers, Thread, WAKE};
use crate::alarms::Alarms;
use crate::connect::words;
use crate::namespace::Namespace;
use crate::tasks::Tasks;

/// Commands that wait for the thread; beyond it callers wait, for as long as the thread takes to send a few packets.
const COMMANDS: usize = 1024;

/// The handle on the thread, which starts with the first path and ends with the last clone.
#[derive(Clone)]
pub(crate) struct Bfd(Arc<Shared>);

struct Shared {
    /// Commands that wait for [`Bfd::resume`].
    held: Mutex<Option<Vec<Command>>>,
    /// Paths of another process, for the thread to start with.
    taken: Mutex<Given>,
    thread: Mutex<Option<Line>>,
    next: AtomicU64,
    tasks: Tasks,
    namespace: Option<Namespace>,
    alarms: Alarms,
}

/// The line to the thread.
#[derive(Clone)]
struct Line {
    commands: SyncSender<Command>,
    wake: Arc<OwnedFd>,
}

impl Bfd {
    pub(crate) fn new(tasks: Tasks, namespace: Option<Namespace>, alarms: Alarms) -> Self {
        Self(Arc::new(Shared {
            held: Mutex::default(),
            taken: Mutex::default(),
            thread: Mutex::default(),
            next: AtomicU64::new(0),
            tasks,
            namespace,
            alarms,
        }))
    }

    /// The line to the thread, which is started if need be.
    fn line(&self) -> io::Result<Line> {
        let mut thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = &*thread {
            return Ok(line.clone());
        }
        let line = self.0.start()?;
        *thread = Some(line.clone());
        Ok(line)
    }

    /// Watches nothing until [`Bfd::resume`].
    pub(crate) fn hold(&self) {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(Vec::new());
    }

    /// All paths for another process, if any is watched. The thread does nothing until `thawed` fires or its sender is gone.
    pub(crate) async fn hand_over(&self, thawed: oneshot::Receiver<()>) -> Option<Given> {
        {
            let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner);
            thread.as_ref()?;
        }
        let (reply, given) = oneshot::channel();
        self.tell(Command::HandOver(reply, thawed));
        given.await.ok()
    }

    /// Does what was asked for meanwhile, with the paths of another process.
    pub(crate) fn resume(&self, given: Given) {
        let has_paths = !given.paths.is_empty();
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = given;
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held.take().unwrap_or_default();
        // The thread starts with the first command.
        let is_over = (has_paths || !held.is_empty()).then_some(Command::AllOpen);
        held.into_iter()
            .chain(is_over)
            .for_each(|command| self.tell_now(command));
    }

    fn tell(&self, command: Command) {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *held {
            Some(held) => held.push(command),
            None => {
                drop(held);
                self.tell_now(command);
            }
        }
    }

    fn tell_now(&self, command: Command) {
        match self.line() {
            Ok(line) => {
                // Where the thread has ended, the speaker ends.
                line.commands.send(command).ok();
                rustix::io::write(&line.wake, &1_u64.to_ne_bytes()).ok();
            }
            Err(error) => {
                let reason = format!("no thread can be started: {}", words(&error));
                self.0.alarms.raise("bfd", "thread", &reason);
            }
        }
    }
}

impl Shared {
    fn start(&self) -> io::Result<Line> {
        let (commands, receiver) = sync_channel(COMMANDS);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let data = epoll::EventData::new_u64(WAKE);
        epoll::add(&epoll, &wake, data, epoll::EventFlags::IN)?;
        let given = std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner));
        let mut receivers = Receivers::default();
        for (local, socket) in given.receivers {
            receivers.add(&epoll, local, socket)?;
        }
        let thread = Thread {
            epoll,
            wake: Arc::clone(&wake),
            commands: receiver,
            namespace: self.namespace.clone(),
            alarms: self.alarms.clone(),
            paths: Default::default(),
            receivers,
            taken: TakenPaths::new(given.paths),
            waiting: Default::default(),
            retry_at: None,
        };
        let (alive, ended) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("bfd".into())
            .spawn(move || {
                thread.run();
                drop(alive);
            })?;
        // The owner of the tasks sees the thread end, if it does so by itself.
        self.tasks.service("bfd", async move {
            ended.await.ok();
        });
        Ok(Line { commands, wake })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(Line { commands, wake }) = thread.take() {
            drop(commands);
            rustix::io::write(&wake, &1_u64.to_ne_bytes()).ok();
        }
    }
}

/// A neighbour's end of the watch over its path; no watch is kept unless the neighbour's settings say so.
pub(crate) struct Watchdog {
    bfd: Bfd,
    name: Arc<str>,
    remote: SocketAddr,
    source: Option<IpAddr>,
    watch: Option<Watch>,
}

struct Watch {
    id: WatcherId,
    spec: BfdSpec,
    status: watch::Receiver<BfdStatus>,
    /// Failures that the neighbour knows of.
    failures: u64,
}

impl Watchdog {
    pub(crate) fn new(
        bfd: Bfd,
        name: Arc<str>,
        remote: SocketAddr,
        source: Option<IpAddr>,
    ) -> Self {
        Self {
            bfd,
            name,
            remote,
            source,
            watch: None,
        }
    }

    /// Other settings; `None`: no watch. No change of them is a failure.
    pub(crate) fn configure(&mut self, spec: Option<BfdSpec>) {
        let same_path = |watch: &&mut Watch| {
            spec.is_some_and(|spec| spec.path.port() == watch.spec.path.port())
        };
        match (self.watch.as_mut().filter(same_path), spec) {
            (Some(watch), Some(spec)) if watch.spec != spec => {
                watch.spec = spec;
                let command = Command::Change(watch.id, spec);
                self.bfd.tell(command);
            }
            (Some(_), _) => {}
            (None, spec) => {
                // Nobody waits: the peer may learn it late.
                drop(self.end(false));
                self.watch = spec.map(|spec| self.begin(spec));
            }
        }
    }

    fn begin(&self, spec: BfdSpec) -> Watch {
        let id = WatcherId(self.bfd.0.next.fetch_add(1, Ordering::Relaxed));
        let (sender, status) = watch::channel(BfdStatus::new(spec.path));
        let watcher = Watcher {
            name: Arc::clone(&self.name),
            remote: self.remote,
            source: self.source,
            spec,
            held: false,
            status: sender,
            failures: 0,
        };
        self.bfd.tell(Command::Open(id, Box::new(watcher)));
        Watch {
            id,
            spec,
            status,
            failures: 0,
        }
    }

    /// Waits until the path is otherwise than before; for ever if nobody watches.
    pub(crate) async fn changed(&mut self) {
        let changed = match &mut self.watch {
            Some(watch) => watch.status.changed().await,
            None => std::future::pending().await,
        };
        if changed.is_err() {
            // The thread has ended, and so does the speaker.
            std::future::pending().await
        }
    }

    /// If the path was found dead since this was last asked: until when it worked.
    pub(crate) fn take_failure(&mut self) -> Option<Instant> {
        let watch = self.watch.as_mut()?;
        let (failures, worked_at) = {
            let status = watch.status.borrow_and_update();
            (status.failures, status.worked_at)
        };
        let has_failed = std::mem::replace(&mut watch.failures, failures) < failures;
        worked_at.filter(|_| has_failed)
    }

    /// Whether BGP has to wait for BFD.
    pub(crate) fn blocks_bgp(&self) -> bool {
        self.is_strict() && !self.lets_bgp_up()
    }

    /// Whether a session that waits for BFD may come up.
    pub(crate) fn lets_bgp_up(&self) -> bool {
        let lets = |watch: &Watch| watch.status.borrow().lets_bgp_up();
        self.watch.as_ref().is_none_or(lets)
    }

    /// Whether the path is watched.
    pub(crate) fn watches(&self) -> bool {
        self.watch.is_some()
    }

    /// Whether BGP has to wait for BFD whenever it is not up.
    pub(crate) fn is_strict(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.spec.strict)
    }

    pub(crate) fn status(&self) -> Option<BfdStatus> {
        self.watch
            .as_ref()
            .map(|watch| watch.status.borrow().clone())
    }

    /// An operator holds the session down, or no longer does. Returns when the peer has been told.
    pub(crate) async fn hold(&self, held: bool) {
        if let Some(watch) = &self.watch {
            let (done, told) = oneshot::channel();
            self.bfd.tell(Command::Hold(watch.id, held, done));
            told.await.ok();
        }
    }

    /// Ends the watch; unless it is to be silent, the peer is told that this is no failure when the future returns.
    pub(crate) fn end(&mut self, silent: bool) -> impl Future<Output = ()> + Send + use<> {
        let ended = self.watch.take().map(|watch| {
            let (done, told) = oneshot::channel();
            let watcher = watch.id;
            self.bfd.tell(Command::End {
                watcher,
                silent,
                done,
            });
            told
        });
        async move {
            if let Some(told) = ended {
                told.await.ok();
            }
        }
    }
}

impl Drop for Watchdog {
    /// As after a crash: the peer is not told.
    fn drop(&mut self) {
        drop(self.end(true));
    }
}

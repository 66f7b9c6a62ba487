//! Tasks with an owner that sees them end.
//!
//! If a tokio task panics after its handle was dropped, nobody notices. Here each task has a name, and its owner learns of every
//! unexpected end: see [`Tasks::failed`]. The owner's other tasks end as well, so that nothing runs on without a part that it
//! needs.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;
use tracing::error;

/// A task ended unexpectedly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task `{task}` {reason}")]
#[non_exhaustive]
pub struct Failure {
    /// The task's name.
    pub task: Arc<str>,
    /// How it ended.
    pub reason: Reason,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// With a panic, and this message.
    Panicked(String),
    /// It returned, but should have kept running.
    Returned,
    /// It was cancelled by something other than its owner.
    Cancelled,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Returned => f.write_str("ended by itself"),
            Self::Cancelled => f.write_str("was cancelled"),
        }
    }
}

/// Work of at least this many pieces runs in a blocking section: a task that is woken stays on its thread of the runtime, and
/// would otherwise wait.
const LONG_WORK: usize = 256;

/// Runs long work in a blocking section, so that other tasks move to another thread of the runtime. Must be called within a tokio
/// runtime.
pub fn work_aside<T>(work: impl FnOnce() -> T) -> T {
    work_on(LONG_WORK, work)
}

/// Runs work of this many pieces, each of which takes a few microseconds.
pub(crate) fn work_on<T>(pieces: usize, work: impl FnOnce() -> T) -> T {
    let flavor = Handle::current().runtime_flavor();
    match pieces >= LONG_WORK && flavor != RuntimeFlavor::CurrentThread {
        true => tokio::task::block_in_place(work),
        false => work(),
    }
}

/// Owns tasks. Clones own the same ones.
#[derive(Clone, Debug)]
pub struct Tasks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tracker: TaskTracker,
    failure: watch::Sender<Option<Failure>>,
    register: Mutex<Register>,
}

#[derive(Debug, Default)]
struct Register {
    next: u64,
    /// The handle is added after the start, by which time the task may have ended.
    running: BTreeMap<u64, (Arc<str>, Option<AbortHandle>)>,
    /// From now on every end is expected.
    closed: bool,
    /// No further task is started.
    cancelled: bool,
}

/// Which end of a task is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    /// Any end.
    Service,
    /// Any end but a return.
    Job,
    /// None: the task that waits for the result notices.
    Errand,
}

impl Default for Tasks {
    fn default() -> Self {
        Self(Arc::new(Inner {
            tracker: TaskTracker::new(),
            failure: watch::Sender::new(None),
            register: Mutex::default(),
        }))
    }
}

impl Tasks {
    /// Starts a task that runs until its owner closes.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime. The same holds for [`Tasks::job`] and [`Tasks::errand`].
    pub fn service(
        &self,
        name: impl Into<Arc<str>>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.spawn(name.into(), Duty::Service, task);
    }

    /// Starts a task that returns when its work is done.
    pub fn job(&self, name: impl Into<Arc<str>>, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(name.into(), Duty::Job, task);
    }

    /// Starts a task that serves one client. A panic is logged and affects nothing else.
    pub fn errand(
        &self,
        name: impl Into<Arc<str>>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.spawn(name.into(), Duty::Errand, task);
    }

    fn spawn(&self, name: Arc<str>, duty: Duty, task: impl Future<Output = ()> + Send + 'static) {
        let Some(id) = self.0.register().enter(&name) else {
            return;
        };
        let watched = Watched {
            id,
            name,
            duty,
            owner: Arc::clone(&self.0),
            ended: false,
            task: Box::pin(task),
        };
        let handle = self.0.tracker.spawn(watched).abort_handle();
        self.0.register().started(id, handle);
    }

    /// Waits for the first task that ends unexpectedly. By then all other tasks have been cancelled.
    pub async fn failed(&self) -> Failure {
        let mut failure = self.0.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await;
        let failed = failed.ok().and_then(|failure| failure.clone());
        match failed {
            Some(failure) => failure,
            // We hold the sender ourselves.
            None => std::future::pending().await,
        }
    }

    /// From now on every end of a task is expected.
    pub fn close(&self) {
        self.0.register().closed = true;
        self.0.tracker.close();
    }

    /// Waits, after [`Tasks::close`], until all have ended.
    pub async fn ended(&self) {
        self.0.tracker.wait().await;
    }

    /// Closes, and cancels all running tasks; no further task is started.
    pub fn cancel(&self) {
        self.close();
        self.0.register().cancel_all();
    }

    /// Names of the running tasks, in the order of their start.
    pub fn names(&self) -> Vec<Arc<str>> {
        let register = self.0.register();
        let names = register.running.values().map(|(name, _)| Arc::clone(name));
        names.collect()
    }

    /// Cancels the tasks of a name as if they had failed. For tests.
    #[doc(hidden)]
    pub fn fail(&self, name: &str) {
        let register = self.0.register();
        let running = register.running.values();
        let named = running.filter(|(other, _)| **other == *name);
        named
            .filter_map(|(_, handle)| handle.as_ref())
            .for_each(AbortHandle::abort);
    }
}

impl Inner {
    fn register(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, id: u64, name: &Arc<str>, duty: Duty, reason: Option<Reason>) {
        let mut register = self.register();
        register.running.remove(&id);
        let Some(reason) = reason.filter(|_| !register.closed) else {
            return;
        };
        let failure = Failure {
            task: Arc::clone(name),
            reason,
        };
        if duty == Duty::Errand {
            return error!("{failure}");
        }
        register.closed = true;
        self.tracker.close();
        register.cancel_all();
        self.failure.send_replace(Some(failure));
    }
}

impl Register {
    /// Registers a task, unless no further task is started.
    fn enter(&mut self, name: &Arc<str>) -> Option<u64> {
        if self.cancelled {
            return None;
        }
        self.next += 1;
        self.running.insert(self.next, (Arc::clone(name), None));
        Some(self.next)
    }

    fn started(&mut self, id: u64, handle: AbortHandle) {
        match self.running.get_mut(&id) {
            // All tasks were cancelled while this one started.
            Some(_) if self.cancelled => handle.abort(),
            Some((_, place)) => *place = Some(handle),
            None => {}
        }
    }

    fn cancel_all(&mut self) {
        self.cancelled = true;
        let handles = self
            .running
            .values()
            .filter_map(|(_, handle)| handle.as_ref());
        handles.for_each(AbortHandle::abort);
    }
}

/// A task that tells its owner how it ends.
struct Watched<F> {
    id: u64,
    name: Arc<str>,
    duty: Duty,
    owner: Arc<Inner>,
    ended: bool,
    task: Pin<Box<F>>,
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let task = self.task.as_mut();
        // State left inconsistent by a panic is dropped with the task, and with its owner.
        let polled = catch_unwind(AssertUnwindSafe(|| task.poll(cx)));
        let reason = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => (self.duty == Duty::Service).then_some(Reason::Returned),
            Err(panic) => Some(Reason::Panicked(message(&*panic))),
        };
        self.ended = true;
        self.owner.ended(self.id, &self.name, self.duty, reason);
        Poll::Ready(())
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        if !self.ended {
            let reason = (self.duty != Duty::Errand).then_some(Reason::Cancelled);
            self.owner.ended(self.id, &self.name, self.duty, reason);
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn failure_of(start: impl FnOnce(&Tasks)) -> Failure {
        let tasks = Tasks::default();
        tasks.service("bystander", std::future::pending());
        start(&tasks);
        let failure = tasks.failed().await;
        tasks.ended().await;
        assert_eq!(tasks.names(), []);
        failure
    }

    #[tokio::test]
    async fn an_end_that_nobody_asked_for_is_told_and_ends_the_others() {
        let failure = failure_of(|tasks| tasks.service("a", async {})).await;
        assert_eq!(failure.to_string(), "the task `a` ended by itself");
        let failure = failure_of(|tasks| tasks.job("b", async { panic!("no {}", "way") })).await;
        assert_eq!(failure.to_string(), "the task `b` panicked: no way");
        let failure = failure_of(|tasks| tasks.fail("bystander")).await;
        assert_eq!(failure.to_string(), "the task `bystander` was cancelled");
    }

    #[tokio::test]
    async fn other_ends_are_no_failures() {
        let tasks = Tasks::default();
        tasks.job("job", async {});
        tasks.errand("errand", async { panic!("alone") });
        tasks.service("service", std::future::pending());
        while tasks.names().len() > 1 {
            tokio::task::yield_now().await;
        }
        tasks.cancel();
        tasks.ended().await;
        assert_eq!(*tasks.0.failure.borrow(), None);
        tasks.service("late", async {});
        assert_eq!(tasks.names(), []);
    }
}

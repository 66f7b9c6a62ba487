//! Tasks with an owner that sees them end.
//!
//! A tokio task whose handle is dropped may panic, and nobody notices. Here each task has a name, and its owner learns of an end
//! that nobody asked for: see [`Tasks::failed`]. The owner's other tasks end with it, so that nothing goes on beside a part that
//! is missing.

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

/// A task ended, and nobody had asked it to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task `{task}` {reason}")]
#[non_exhaustive]
pub struct Failure {
    /// The task's name.
    pub task: Arc<str>,
    /// What became of it.
    pub reason: Reason,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// With a panic, whose message this is.
    Panicked(String),
    /// It returned, though it was to run on.
    Returned,
    /// Somebody else cancelled it.
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

/// While a task works on so many pieces without a pause, it leaves its thread of the runtime to others: whom a task wakes stays on
/// the thread that it is on, and would wait.
const LONG_WORK: usize = 256;

/// Works for long, which leaves the thread of the runtime to others. Must be called within a tokio runtime.
pub fn work_aside<T>(work: impl FnOnce() -> T) -> T {
    work_on(LONG_WORK, work)
}

/// Works on so many pieces, each of which takes a microsecond or a few.
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
    /// The handle comes after the start, which may be the end as well.
    running: BTreeMap<u64, (Arc<str>, Option<AbortHandle>)>,
    /// Every end is asked for from now on.
    closed: bool,
    /// No task is started any more.
    cancelled: bool,
}

/// Which end of a task is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    /// Any end.
    Service,
    /// Any but a return.
    Job,
    /// None: whoever waits for the result notices.
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
    /// Outside a tokio runtime, as the other two.
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

    /// Starts a task that does something for one client. A panic in it is logged and harms nobody else.
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

    /// Waits for the first task that ends without having been asked to. All others have been cancelled then.
    pub async fn failed(&self) -> Failure {
        let mut failure = self.0.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await;
        let failed = failed.ok().and_then(|failure| failure.clone());
        match failed {
            Some(failure) => failure,
            // The sender is ours.
            None => std::future::pending().await,
        }
    }

    /// From now on every end is asked for.
    pub fn close(&self) {
        self.0.register().closed = true;
        self.0.tracker.close();
    }

    /// Waits, after [`Tasks::close`], until all have ended.
    pub async fn ended(&self) {
        self.0.tracker.wait().await;
    }

    /// Closes, and cancels all that still run; none is started any more.
    pub fn cancel(&self) {
        self.close();
        self.0.register().cancel_all();
    }

    /// Names of the tasks that run, in the order of their start.
    pub fn names(&self) -> Vec<Arc<str>> {
        let register = self.0.register();
        let names = register.running.values().map(|(name, _)| Arc::clone(name));
        names.collect()
    }

    /// Cancels the tasks of a name, as if they had failed: for tests of what follows.
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
    /// A place for a task, unless none is started any more.
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
            // All were cancelled while it started.
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
        // What a panic leaves half done is dropped with the task, and the owner with it.
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

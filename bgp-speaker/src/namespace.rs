//! A network namespace in which a speaker makes its sockets.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace. Clones share it.
///
/// A dedicated thread enters the namespace and makes the sockets of listeners, connections and netlink there. The thread ends
/// with the last clone. Sockets stay in their namespace wherever they are used, so the speaker itself runs on the threads of its
/// runtime.
///
/// # Example
///
/// Two speakers in one process, one of them in the namespace `blue` of `ip netns`:
///
/// ```no_run
/// use bgp_core::types::{Asn, RouterId};
/// use bgp_speaker::{Environment, Namespace, Speaker, SpeakerConfig};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = SpeakerConfig::new(Asn(65001), RouterId::from_bits(1));
/// let blue = Namespace::of(std::fs::File::open("/run/netns/blue")?)?;
/// let _here = Speaker::start(config.clone(), None);
/// let there = Speaker::start_in(config, Environment::default().with_namespace(blue));
/// there.listen(vec!["0.0.0.0:179".parse()?]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Namespace(Arc<Mutex<mpsc::Sender<Job>>>);

type Job = Box<dyn FnOnce() + Send>;

impl Namespace {
    /// The network namespace of an open file, such as `/run/netns/NAME` or `/proc/PID/ns/net`. The file may be closed afterwards.
    ///
    /// # Errors
    ///
    /// The file is not a network namespace, the process may not enter it (CAP_SYS_ADMIN in both namespaces), or no thread can be
    /// started.
    pub fn of(file: impl AsFd + Send + 'static) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (reply, entered) = mpsc::channel();
        let thread = thread::Builder::new().name("network namespace".into());
        thread.spawn(move || {
            let kind = Some(LinkNameSpaceType::Network);
            let result = move_into_link_name_space(file.as_fd(), kind);
            drop(file);
            let is_inside = result.is_ok();
            // The caller waits for the reply.
            reply.send(result).ok();
            if is_inside {
                queue.into_iter().for_each(|job| job());
            }
        })?;
        entered.recv().map_err(|_| ended())??;
        Ok(Self(Arc::new(Mutex::new(jobs))))
    }

    /// Runs `make` inside the namespace and blocks the calling thread meanwhile, so `make` must be short.
    fn make<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (reply, made) = mpsc::channel();
        let job = Box::new(move || {
            // The caller waits for it.
            reply.send(make()).ok();
        });
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.send(job).map_err(|_| ended())?;
        drop(jobs);
        made.recv().map_err(|_| ended())?
    }
}

/// Runs `make` in a namespace, or in that of the calling thread.
///
/// # Errors
///
/// Those of `make`.
pub(crate) fn make_in<T: Send + 'static>(
    namespace: Option<&Namespace>,
    make: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match namespace {
        Some(namespace) => namespace.make(make),
        None => make(),
    }
}

impl PartialEq for Namespace {
    /// Whether both are clones of one.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Namespace {}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Namespace(..)")
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread of the network namespace has ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_network_namespace_is_entered() {
        for other in ["/dev/null", "/proc/self/ns/uts"] {
            let file = std::fs::File::open(other).expect("it is there");
            assert!(Namespace::of(file).is_err(), "{other}");
        }
    }
}

//! The clients of a server, and which of them goes when there is no room for another.
//!
//! A client that is waited for may go: first those that say nothing, then those that take nothing of a reply, in each case the one
//! that has been waited for the longest. One that waits for us never goes; it does not wait long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The clients. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clients(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    register: Mutex<Register>,
    /// One has left, or is waited for.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Register {
    /// Of whatever happens next: the order of things.
    next: u64,
    clients: BTreeMap<u64, Client>,
}

#[derive(Debug)]
struct Client {
    /// What it is waited for to do, and since when.
    awaited: Option<(Awaited, u64)>,
    sent_away: CancellationToken,
}

/// What a client is waited for to do; those that may go first come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Awaited {
    /// To say something.
    Command,
    /// To take what it asked for.
    Reading,
}

/// A client's place, which is free again when this value goes away.
#[derive(Debug)]
pub(crate) struct ClientSlot {
    clients: Clients,
    id: u64,
    sent_away: CancellationToken,
}

impl Clients {
    /// A place among at most `limit`. Waits while all that are there wait for us.
    pub(crate) async fn enter(&self, limit: usize) -> ClientSlot {
        loop {
            let changed = self.0.changed.notified();
            if let Some(place) = self.try_enter(limit) {
                return place;
            }
            changed.await;
        }
    }

    fn try_enter(&self, limit: usize) -> Option<ClientSlot> {
        let mut register = self.register();
        if register.clients.len() >= limit {
            let clients = register.clients.iter();
            let awaited = clients.filter_map(|(id, client)| Some((client.awaited?, *id)));
            let (_, last) = awaited.min()?;
            register.clients.remove(&last)?.sent_away.cancel();
        }
        let (id, sent_away) = (register.turn(), CancellationToken::new());
        let client = Client {
            awaited: None,
            sent_away: sent_away.clone(),
        };
        register.clients.insert(id, client);
        Some(ClientSlot {
            clients: self.clone(),
            id,
            sent_away,
        })
    }

    fn register(&self) -> MutexGuard<'_, Register> {
        let register = &self.0.register;
        register.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Register {
    fn turn(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl ClientSlot {
    /// Waits for the client to do something.
    pub(crate) async fn awaiting<T>(&self, what: Awaited, deed: impl Future<Output = T>) -> T {
        self.set(Some(what));
        let done = deed.await;
        self.set(None);
        done
    }

    /// Cancelled when the client has to go.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.sent_away.clone()
    }

    /// What it is waited for from now on; `None`: it waits for us.
    pub(crate) fn set(&self, what: Option<Awaited>) {
        let mut register = self.clients.register();
        let turn = register.turn();
        if let Some(client) = register.clients.get_mut(&self.id) {
            client.awaited = what.map(|what| (what, turn));
        }
        if what.is_some() {
            self.clients.0.changed.notify_waiters();
        }
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        self.clients.register().clients.remove(&self.id);
        self.clients.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(clients: &Clients, awaited: Option<Awaited>) -> Option<ClientSlot> {
        let place = clients.try_enter(3)?;
        place.set(awaited);
        Some(place)
    }

    #[test]
    fn who_says_nothing_goes_before_who_takes_nothing() {
        use Awaited::{Command, Reading};
        let clients = Clients::default();
        let awaited = [Some(Reading), Some(Command), Some(Command)];
        let places = awaited.map(|awaited| enter(&clients, awaited).expect("room"));
        // It has said something since.
        places[1].set(None);
        places[1].set(Some(Command));
        let gone = || {
            let gone = places.iter().map(|place| place.sent_away.is_cancelled());
            gone.collect::<Vec<_>>()
        };
        let _fourth = enter(&clients, None).expect("a place");
        assert_eq!(gone(), [false, false, true]);
        let _fifth = enter(&clients, None).expect("a place");
        assert_eq!(gone(), [false, true, true]);
        let sixth = enter(&clients, None).expect("a place");
        assert_eq!(gone(), [true, true, true]);
        assert!(enter(&clients, None).is_none(), "all of them wait for us");
        // Places of those that had to go are others' now.
        drop(places);
        assert!(enter(&clients, None).is_none());
        drop(sixth);
        assert!(enter(&clients, None).is_some());
    }
}

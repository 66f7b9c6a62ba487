//! The clients of a server, and which one is disconnected to make room for another.
//!
//! A client that the server waits for may be disconnected: first those that send nothing, then those that do not read a reply, in
//! each case the one with the longest wait. A client that waits for the server is never disconnected; its wait is short.

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
    /// A client has left, or the server has begun to wait for one.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Register {
    /// The next sequence number.
    next: u64,
    clients: BTreeMap<u64, Client>,
}

#[derive(Debug)]
struct Client {
    /// What the server waits for, and since when.
    awaited: Option<(Awaited, u64)>,
    sent_away: CancellationToken,
}

/// What the server waits for; clients in the first variant are disconnected first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Awaited {
    /// A command.
    Command,
    /// The client reading its reply.
    Reading,
}

/// The slot of a client, which is free again when this value is dropped.
#[derive(Debug)]
pub(crate) struct ClientSlot {
    clients: Clients,
    id: u64,
    sent_away: CancellationToken,
}

impl Clients {
    /// Takes one of `limit` slots. Waits while all other clients wait for the server.
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

    /// Cancelled when the client is disconnected.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.sent_away.clone()
    }

    /// What the server waits for from now on; `None` if the client waits for the server.
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
        // It has sent something since.
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
        // The slots of disconnected clients now belong to others.
        drop(places);
        assert!(enter(&clients, None).is_none());
        drop(sixth);
        assert!(enter(&clients, None).is_some());
    }
}

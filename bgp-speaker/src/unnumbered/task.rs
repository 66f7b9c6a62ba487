//! The task of all links, and the handle on it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, netdevice, socket};
use tokio::sync::watch;
use tracing::{debug, info};

use super::link::{Found, Link};
use super::message::Message;
use super::socket::{DiscoverySocket, Raw};
use crate::alarms::Alarms;
use crate::connect::words;
use crate::namespace::{Namespace, make_in};
use crate::tasks::Tasks;
use crate::timer::{now, sleep_until};

/// How often interfaces are looked up, which come and go.
const LOOK: Duration = Duration::from_secs(1);
const ALARM: &str = "unnumbered";

/// Routers by the name of their link, without links that do not exist.
pub type Links = BTreeMap<Arc<str>, Found>;

/// A handle on the discovery of routers. When the last one is dropped, the task ends without a word, as before a restart that no
/// router is to notice.
#[derive(Clone, Debug)]
pub struct Discovery {
    wanted: Arc<watch::Sender<BTreeSet<Arc<str>>>>,
    found: watch::Receiver<Arc<Links>>,
}

impl Discovery {
    /// Starts the task. Interfaces are looked up in `namespace`, in which the socket was opened. Faults of links are alarms. Routers
    /// that are `expected`, because another process has found them, count for a minute unless they are heard.
    ///
    /// # Errors
    ///
    /// The socket cannot be used.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(
        socket: DiscoverySocket,
        namespace: Option<Namespace>,
        expected: Links,
        tasks: &Tasks,
        alarms: &Alarms,
    ) -> io::Result<Self> {
        let raw = socket.begin()?;
        let (wanted, orders) = watch::channel(BTreeSet::new());
        let (reports, found) = watch::channel(Arc::new(expected.clone()));
        let task = Task {
            raw,
            namespace,
            alarms: alarms.clone(),
            expected,
            links: BTreeMap::new(),
            faults: BTreeMap::new(),
            reports,
            looked_at: None,
        };
        tasks.job("unnumbered links", task.run(orders));
        Ok(Self {
            wanted: Arc::new(wanted),
            found,
        })
    }

    /// Looks for routers on exactly these links from now on, and is a router there. On a link that is left, the others are told.
    pub fn only(&self, links: BTreeSet<Arc<str>>) {
        self.wanted.send_if_modified(|before| {
            let changed = *before != links;
            *before = links;
            changed
        });
    }

    /// Follows the routers that are found.
    pub fn found(&self) -> watch::Receiver<Arc<Links>> {
        self.found.clone()
    }

    /// Leaves all links: returns when the others have been told that this node is no router any more.
    pub async fn leave(&self) {
        self.only(BTreeSet::new());
        let mut found = self.found.clone();
        // A task that has ended tells nobody.
        found.wait_for(|links| links.is_empty()).await.ok();
    }
}

struct Task {
    raw: Raw,
    namespace: Option<Namespace>,
    alarms: Alarms,
    /// Links of another process that were not looked for yet.
    expected: Links,
    links: BTreeMap<Arc<str>, Link>,
    /// What is wrong with links that exist.
    faults: BTreeMap<Arc<str>, String>,
    reports: watch::Sender<Arc<Links>>,
    looked_at: Option<Instant>,
}

impl Task {
    async fn run(mut self, mut orders: watch::Receiver<BTreeSet<Arc<str>>>) {
        loop {
            let wanted = orders.borrow_and_update().clone();
            self.look(&wanted);
            self.send_due();
            self.tell_faults(&wanted);
            self.report();
            let wake = self.wake(&wanted);
            tokio::select! {
                changed = orders.changed() => {
                    self.looked_at = None;
                    if changed.is_err() {
                        return;
                    }
                }
                datagram = self.raw.receive() => match datagram {
                    Ok(datagram) => self.hear(&datagram.source, datagram.interface, Message::decode(datagram.octets(), datagram.ttl)),
                    // Errors of single packets, such as an interface that went down.
                    Err(error) => debug!(%error, "nothing was received"),
                },
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Compares the links with the interfaces that exist.
    fn look(&mut self, wanted: &BTreeSet<Arc<str>>) {
        let now = now();
        if self.looked_at.is_some_and(|at| now < at + LOOK) {
            return;
        }
        self.looked_at = Some(now);
        let present = self.indexes(wanted);
        let is_gone = |(name, link): &(&Arc<str>, &Link)| present.get(*name) != Some(&link.index());
        let gone: Vec<_> = self
            .links
            .iter()
            .filter(is_gone)
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for name in gone {
            if let Some(link) = self.links.remove(&name) {
                self.leave(&name, &link);
            }
        }
        self.faults.retain(|name, _| present.contains_key(name));
        for (name, index) in present {
            if self.links.contains_key(&name) {
                continue;
            }
            match self.raw.join(index) {
                Ok(()) => {
                    info!(link = %name, "looking for a router");
                    let expected = self.expected.remove(&name);
                    let link = match expected.filter(|found| found.index == index) {
                        Some(found) => Link::expecting(index, now, &found.routers),
                        None => Link::new(index, now),
                    };
                    self.links.insert(name, link);
                }
                Err(error) => {
                    let reason = format!("cannot be joined: {}", words(&error));
                    self.faults.insert(name, reason);
                }
            }
        }
    }

    /// Raises an alarm for each link with a fault.
    fn tell_faults(&self, wanted: &BTreeSet<Arc<str>>) {
        let faults = wanted.iter().filter_map(|name| {
            let absent = || "there is no such interface".to_owned();
            let fault = self.faults.get(name).cloned();
            let fault = fault.or_else(|| (!self.links.contains_key(name)).then(absent));
            Some((format!("interface {name}"), fault?))
        });
        self.alarms.only(ALARM, &faults.collect());
    }

    /// The wanted interfaces that exist, with their indexes.
    fn indexes(&self, wanted: &BTreeSet<Arc<str>>) -> BTreeMap<Arc<str>, u32> {
        if wanted.is_empty() {
            return BTreeMap::new();
        }
        let names = wanted.clone();
        let looked_up = make_in(self.namespace.as_ref(), move || {
            let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
            let index = |name: Arc<str>| {
                let index = netdevice::name_to_index(&socket, &name).ok()?;
                Some((name, index))
            };
            Ok(names.into_iter().filter_map(index).collect())
        });
        looked_up.unwrap_or_default()
    }

    /// Tells the others on the link that we are no router any more (RFC 4861 §6.2.5).
    fn leave(&self, name: &Arc<str>, link: &Link) {
        info!(link = %name, "no longer looking for a router");
        let end = Message::Advertisement {
            lifetime: Duration::ZERO,
        };
        // An interface that is gone has nobody to tell.
        self.raw.send(link.index(), end).ok();
        self.raw.leave(link.index());
    }

    fn hear(&mut self, source: &SocketAddr, interface: Option<u32>, message: Option<Message>) {
        let (Some(index), Some(message), SocketAddr::V6(source)) = (interface, message, source)
        else {
            return;
        };
        let mut links = self.links.values_mut();
        if let Some(link) = links.find(|link| link.index() == index) {
            link.hear(now(), *source.ip(), message);
        }
    }

    fn send_due(&mut self) {
        let now = now();
        for (name, link) in &mut self.links {
            for message in link.due(now) {
                match self.raw.send(link.index(), message) {
                    Ok(()) => drop(self.faults.remove(name)),
                    Err(error) => {
                        let reason =
                            format!("cannot send router advertisements: {}", words(&error));
                        self.faults.insert(Arc::clone(name), reason);
                    }
                }
            }
        }
    }

    fn report(&self) {
        let links = self.links.iter();
        let found: Links = links
            .map(|(name, link)| (Arc::clone(name), link.found()))
            .collect();
        self.reports.send_if_modified(|before| {
            let changed = **before != found;
            if changed {
                *before = Arc::new(found);
            }
            changed
        });
    }

    /// When there is something to do without an event.
    fn wake(&self, wanted: &BTreeSet<Arc<str>>) -> Option<Instant> {
        let look = self
            .looked_at
            .filter(|_| !wanted.is_empty())
            .map(|at| at + LOOK);
        self.links.values().map(Link::deadline).chain(look).min()
    }
}

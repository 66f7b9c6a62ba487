//! The side of the successor.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bgp_core::handover::{Malformed, Reader, VERSION, Writer};
use bgp_core::rib::{Input, PeerUp};
use bgp_core::session::{self, ConnId, Output, Stop};
use bgp_core::speaker::SessionAdapter;
use bgp_core::types::PeerId;
use bytes::{Bytes, BytesMut};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use super::error::{FINAL_PATIENCE, HandoverError, PATIENCE};
use super::line::{Kind, Line, Message};
use super::state::{Taken, TakenOver, stream};
use crate::acceptor::AcceptorCommand;
use crate::bfd::{Given, GivenPath};
use crate::command::NeighbourCommand;
use crate::connection::TcpConnection;
use crate::dynamic::GivenPeer;
use crate::event::Ended;
use crate::given_listener::GivenListener;
use crate::sockopt::Md5Key;
use crate::speaker::Speaker;
use crate::spec::PeerSettings;
use crate::table::{TableInput, TakeOver};

/// In the place of our address in a session that ends.
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// What has come so far.
#[derive(Default)]
struct Arrived {
    /// Sessions that go on, by the name of the peer.
    going_on: BTreeMap<Arc<str>, IpAddr>,
    sessions: Vec<(Arc<str>, Taken)>,
    /// Sessions that end.
    leaving: Vec<(Taken, Stop)>,
    listeners: Vec<GivenListener>,
    bfd: Given,
}

impl Speaker {
    /// Takes everything over from a process that calls [`Speaker::hand_over`] on the other end of the socket. This speaker was
    /// started with [`Environment::taking_over`](crate::Environment::taking_over), and has its peers and local routes already.
    ///
    /// When it returns, the sessions go on here and the sockets listen. Nothing is decided before [`Speaker::go_on`], so that
    /// the owner can add routes that the kernel knows.
    ///
    /// # Errors
    ///
    /// Why nothing was taken over. This speaker is of no use then; drop it.
    pub async fn take_over(
        &self,
        stream: UnixStream,
        owner: &str,
    ) -> Result<TakenOver, HandoverError> {
        let mut line = Line::new(stream);
        let config = self.config();
        let mut hello = Writer::default();
        hello.u16(VERSION);
        hello.u32(config.local_as.0);
        hello.u32(config.rib.router_id.to_bits());
        hello.octets(owner.as_bytes());
        line.send(Kind::Hello, &hello.finish(), None).await?;
        line.expect(Kind::Welcome, PATIENCE).await?;
        let desired = self.desired().await;
        let mut settings: BTreeMap<Arc<str>, PeerSettings> = desired
            .peers
            .iter()
            .map(|(name, spec)| (Arc::clone(name), spec.settings(config)))
            .collect();
        let mut arrived = Arrived::default();
        self.take_routes(&mut line, &mut settings, &mut arrived)
            .await?;
        line.send(Kind::RoutesHeld, &[], None).await?;
        loop {
            let message = line.receive_within(FINAL_PATIENCE).await?;
            match message.kind {
                Kind::Session => arrived.session(message, &settings)?,
                Kind::Listener => arrived.listener(message)?,
                Kind::Bfd | Kind::BfdReceiver => arrived.bfd(message)?,
                Kind::End => break,
                _ => return Err(message.unexpected()),
            }
        }
        line.send(Kind::Holding, &[], None).await?;
        line.expect(Kind::Commit, FINAL_PATIENCE).await?;
        Ok(self.use_all(arrived).await?)
    }

    /// Decides from now on, see [`Speaker::take_over`].
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn go_on(&self) -> Result<(), Ended> {
        self.table_takes(TakeOver::GoOn).await.map_err(|_| Ended)
    }

    async fn take_routes(
        &self,
        line: &mut Line,
        settings: &mut BTreeMap<Arc<str>, PeerSettings>,
        arrived: &mut Arrived,
    ) -> Result<(), HandoverError> {
        let mut peers = BTreeMap::new();
        let mut begun = false;
        loop {
            let message = line.receive_within(PATIENCE).await?;
            match message.kind {
                Kind::Peer => {
                    self.peer(&message.body, settings, arrived, &mut peers)
                        .await?;
                }
                Kind::Routes | Kind::EndOfRoutes if !begun => {
                    begun = true;
                    let begin = TakeOver::Begin(std::mem::take(&mut peers));
                    self.table_takes(begin).await?;
                    if message.kind == Kind::EndOfRoutes {
                        return self.table_takes(TakeOver::Finish).await;
                    }
                    self.table_takes(TakeOver::Chunk(message.body)).await?;
                }
                Kind::Routes => self.table_takes(TakeOver::Chunk(message.body)).await?,
                Kind::EndOfRoutes => return self.table_takes(TakeOver::Finish).await,
                _ => return Err(message.unexpected()),
            }
        }
    }

    /// A peer of the other process. One that we have too, or accept from a range, keeps its routes; its session goes on if our
    /// settings allow it.
    async fn peer(
        &self,
        body: &[u8],
        settings: &mut BTreeMap<Arc<str>, PeerSettings>,
        arrived: &mut Arrived,
        peers: &mut BTreeMap<PeerId, (PeerId, Option<PeerUp>)>,
    ) -> Result<(), HandoverError> {
        let mut body = Reader::new(body);
        let name: Arc<str> = body.text()?.into();
        let number = PeerId(body.u32()?);
        let mut up = None;
        if body.flag()? {
            let session = session::Handover::decode(&mut body)?;
            let local: IpAddr = body.text()?.parse().map_err(|_| HandoverError::Malformed)?;
            let key = body.option(|body| Md5Key::new(body.octets()?).map_err(|_| Malformed))?;
            up = Some((session, local, key));
        }
        if let Some(given) = body.option(GivenPeer::decode)?
            && !settings.contains_key(&name)
            && let Some(accepted) = self.dynamic().take_over(&name, given).await
        {
            settings.insert(Arc::clone(&name), accepted);
        }
        let (Some(id), Some(settings)) = (self.peer_id(&name), settings.get(&name)) else {
            return Ok(());
        };
        let Some((session, local, key)) = up else {
            peers.insert(number, (id, None));
            return Ok(());
        };
        let is_allowed =
            settings.dial.source.is_none_or(|source| source == local) && settings.dial.md5 == key;
        if let Some(up) = peer_up(id, settings, &session, local).filter(|_| is_allowed) {
            peers.insert(number, (id, Some(up)));
            arrived.going_on.insert(name, local);
        }
        Ok(())
    }

    async fn table_takes(&self, step: TakeOver) -> Result<(), HandoverError> {
        let (reply, done) = oneshot::channel();
        self.tell_table_directly(TableInput::TakeOver(step, reply))
            .await?;
        Ok(done.await.map_err(|_| Ended)??)
    }

    /// The sockets are ours.
    async fn use_all(&self, arrived: Arrived) -> Result<TakenOver, Ended> {
        let mut taken = TakenOver {
            sessions: arrived.sessions.len(),
            ended: arrived.leaving.len(),
        };
        self.bfd().resume(arrived.bfd);
        let mut going_on = Vec::new();
        for (name, session) in arrived.sessions {
            let Some(peer) = self.peer_of(&name) else {
                taken.sessions -= 1;
                continue;
            };
            let (reply, done) = oneshot::channel();
            let command = NeighbourCommand::TakeOver(Box::new(session), reply);
            peer.commands.send(command).await.map_err(|_| Ended)?;
            going_on.push(done);
        }
        for (session, why) in arrived.leaving {
            self.part_from(session, &why);
        }
        for done in going_on {
            done.await.map_err(|_| Ended)?;
        }
        self.tell_acceptor(AcceptorCommand::TakeOver(arrived.listeners))
            .await?;
        Ok(taken)
    }

    /// Ends a session that does not go on.
    fn part_from(&self, session: Taken, why: &Stop) {
        let goodbye = session.session.goodbye(why);
        let stream = stream(session.socket);
        let connection = stream.and_then(|stream| TcpConnection::new(ConnId(0), stream));
        // A connection that is gone needs no end.
        if let Ok(mut connection) = connection {
            connection.push(session.output, false);
            if let Some(goodbye) = goodbye {
                connection.push(goodbye, false);
            }
            self.farewells().add(connection);
        }
    }
}

impl Arrived {
    fn session(
        &mut self,
        message: Message,
        settings: &BTreeMap<Arc<str>, PeerSettings>,
    ) -> Result<(), HandoverError> {
        let socket = message.socket.ok_or(HandoverError::Malformed)?;
        let mut body = Reader::new(&message.body);
        let name: Arc<str> = body.text()?.into();
        let session = session::Handover::decode(&mut body)?;
        let input = BytesMut::from(body.octets()?);
        let output = Bytes::copy_from_slice(body.octets()?);
        let going_on = self.going_on.get(&name);
        let taken = Taken {
            session,
            local: going_on.copied().unwrap_or(NO_ADDRESS),
            input,
            output,
            socket,
        };
        match (going_on.is_some(), settings.contains_key(&name)) {
            (true, _) => self.sessions.push((name, taken)),
            (false, true) => self.leaving.push((taken, Stop::ConfigChange)),
            (false, false) => self.leaving.push((taken, Stop::Deconfigured)),
        }
        Ok(())
    }

    fn bfd(&mut self, message: Message) -> Result<(), HandoverError> {
        let socket = message.socket.ok_or(HandoverError::Malformed)?;
        if message.kind == Kind::Bfd {
            self.bfd
                .paths
                .push(GivenPath::decode(&message.body, socket)?);
            return Ok(());
        }
        let local = std::str::from_utf8(&message.body).ok();
        let local = local.and_then(|local| local.parse().ok());
        let local = local.ok_or(HandoverError::Malformed)?;
        self.bfd.receivers.push((local, socket.into()));
        Ok(())
    }

    fn listener(&mut self, message: Message) -> Result<(), HandoverError> {
        let socket = message.socket.ok_or(HandoverError::Malformed)?;
        let listener = GivenListener::decode(&message.body, socket)?;
        self.listeners.push(listener);
        Ok(())
    }
}

/// The properties of a session that goes on; `None` if the settings ask for another one.
fn peer_up(
    id: PeerId,
    settings: &PeerSettings,
    session: &session::Handover,
    local: IpAddr,
) -> Option<PeerUp> {
    let config = &settings.neighbour;
    let negotiated = session.negotiated(&config.session).ok()?;
    let conn = ConnId(0);
    let mut link = SessionAdapter::new(id);
    link.connected(conn, local);
    match link.split(config, Output::Up { conn, negotiated }) {
        (Some(Input::Up { up, .. }), _) => Some(up),
        _ => None,
    }
}

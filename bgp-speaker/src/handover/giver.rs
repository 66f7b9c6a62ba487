//! The side of the old process.

use std::os::fd::AsFd;
use std::sync::Arc;

use bgp_core::handover::{Reader, VERSION, Writer};
use bgp_core::types::PeerId;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::error::{FINAL_PATIENCE, HandoverError, PATIENCE};
use super::line::{Kind, Line};
use super::state::{Frozen, HandedOver, Quiet};
use crate::acceptor::AcceptorCommand;
use crate::command::NeighbourCommand;
use crate::dynamic::GivenPeer;
use crate::event::Ended;
use crate::given_listener::GivenListener;
use crate::speaker::Speaker;
use crate::starter::Peer;
use crate::table::{self, TableInput};
use crate::timer::now;

/// Chunks of routes on their way to the socket.
const CHUNKS: usize = 4;

/// Gives neighbours their voice back, unless the handover is complete.
struct Held {
    peers: Vec<(Arc<str>, Peer)>,
    complete: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.complete {
            return;
        }
        for (_, peer) in &self.peers {
            let commands = peer.commands.clone();
            // A task that is full of commands gets this one once it has handled them.
            if commands.try_send(NeighbourCommand::GoOn).is_err() {
                tokio::spawn(async move { commands.send(NeighbourCommand::GoOn).await.ok() });
            }
        }
    }
}

impl Speaker {
    /// Hands everything over to a process that calls [`Speaker::take_over`] on the other end of the socket. `owner` must be the
    /// same there: it names what this speaker is.
    ///
    /// While it waits, no peer or route is changed; after it has returned an error, the speaker goes on as if nothing had
    /// happened. The caller has checked who is on the other end.
    ///
    /// # Errors
    ///
    /// Why nothing was handed over.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, the speaker goes on, unless the handover was complete.
    pub async fn hand_over(
        &self,
        stream: UnixStream,
        owner: &str,
    ) -> Result<HandedOver, HandoverError> {
        let mut line = Line::new(stream);
        let given = self.give(&mut line, owner).await;
        if let Err(error) = &given {
            // The other side may be gone.
            let reason = error.to_string();
            let told = line.send(Kind::Refused, reason.as_bytes(), None);
            tokio::time::timeout(FINAL_PATIENCE, told).await.ok();
        }
        given
    }

    async fn give(&self, line: &mut Line, owner: &str) -> Result<HandedOver, HandoverError> {
        let hello = line.expect(Kind::Hello, PATIENCE).await?;
        self.check(&hello.body, owner)?;
        let _unchanged = self.lock_changes().await;
        if self.dynamic().is_starting() {
            return refuse("a session has just come up");
        }
        let (reply, deferred) = oneshot::channel();
        self.tell_table_directly(TableInput::Ask(Box::new(|rib| {
            reply.send(rib.is_deferred()).ok();
        })))
        .await?;
        if deferred.await.map_err(|_| Ended)? {
            return refuse("it waits for its own peers");
        }
        let mut held = Held {
            peers: self.all_peers(),
            complete: false,
        };
        let quiet = hush(&held.peers).await?;
        let given = self.given(&held.peers, &quiet)?;
        line.send(Kind::Welcome, &VERSION.to_be_bytes(), None)
            .await?;
        let (thaw_table, thawed) = oneshot::channel();
        let (chunks, received) = mpsc::channel(CHUNKS);
        let handover = table::HandOver { chunks, thawed };
        self.tell_table_directly(TableInput::HandOver(handover))
            .await?;
        let sending = send_routes(line, &held.peers, &quiet, &given, received);
        tokio::time::timeout(PATIENCE, sending)
            .await
            .map_err(|_| HandoverError::Late)??;
        line.expect(Kind::RoutesHeld, PATIENCE).await?;
        // From here on nobody serves the sessions.
        let began = now();
        let finish = self.finish(line, &held.peers, &quiet);
        let finished = tokio::time::timeout(FINAL_PATIENCE, finish).await;
        let (mut standstill, sessions) = finished.map_err(|_| HandoverError::Late)??;
        line.send(Kind::Commit, &[], None).await?;
        held.complete = true;
        standstill.push(thaw_table);
        Ok(HandedOver {
            sessions,
            silence: now().saturating_duration_since(began),
            _standstill: standstill,
        })
    }

    fn check(&self, hello: &[u8], owner: &str) -> Result<(), HandoverError> {
        let mut hello = Reader::new(hello);
        if hello.u16()? != VERSION {
            return refuse("it speaks another version");
        }
        let config = self.config();
        let (asn, id) = (hello.u32()?, hello.u32()?);
        if (asn, id) != (config.local_as.0, config.rib.router_id.to_bits()) {
            return refuse("it has another AS number or identifier");
        }
        match hello.text()? == owner {
            true => Ok(()),
            false => refuse("it is somebody else"),
        }
    }

    /// Freezes the neighbours and sends what they are made of, until the other side holds it.
    async fn finish(
        &self,
        line: &mut Line,
        peers: &[(Arc<str>, Peer)],
        quiet: &[Quiet],
    ) -> Result<(Vec<oneshot::Sender<()>>, usize), HandoverError> {
        let mut standstill = Vec::new();
        let mut freezing = Vec::new();
        for (_, peer) in peers {
            let (reply, frozen) = oneshot::channel();
            let (thaw, thawed) = oneshot::channel();
            let command = NeighbourCommand::Freeze(reply, thawed);
            peer.commands.send(command).await.map_err(|_| Ended)?;
            standstill.push(thaw);
            freezing.push(frozen);
        }
        let mut sessions = 0;
        for (((name, _), quiet), frozen) in peers.iter().zip(quiet).zip(freezing) {
            match (frozen.await.map_err(|_| Ended)?, quiet.session.is_some()) {
                (Some(frozen), true) => {
                    send_session(line, name, &frozen).await?;
                    sessions += 1;
                }
                (None, false) => {}
                _ => return refuse("a session has just come up or ended"),
            }
        }
        for given in self.listening_sockets().await? {
            line.send(Kind::Listener, &given.encode(), Some(given.socket.as_fd()))
                .await?;
        }
        if self.all_peers().len() != peers.len() {
            return refuse("a session has just come up or ended");
        }
        // Last, because its peers are the first to miss something.
        let (thaw, thawed) = oneshot::channel();
        standstill.push(thaw);
        let given = self.bfd().hand_over(thawed).await.unwrap_or_default();
        for path in &given.paths {
            line.send(Kind::Bfd, &path.encode(), Some(path.socket().as_fd()))
                .await?;
        }
        for (local, socket) in &given.receivers {
            let local = local.to_string();
            line.send(Kind::BfdReceiver, local.as_bytes(), Some(socket.as_fd()))
                .await?;
        }
        line.send(Kind::End, &[], None).await?;
        line.expect(Kind::Holding, FINAL_PATIENCE).await?;
        Ok((standstill, sessions))
    }

    /// How each dynamic peer came, in the order of `peers`.
    fn given(
        &self,
        peers: &[(Arc<str>, Peer)],
        quiet: &[Quiet],
    ) -> Result<Vec<Option<GivenPeer>>, HandoverError> {
        let given: Vec<_> = peers
            .iter()
            .map(|(name, _)| self.dynamic().given(name))
            .collect();
        let mut all = given.iter().zip(quiet).zip(peers);
        let down = all.find(|((given, quiet), _)| given.is_some() && quiet.session.is_none());
        match down {
            Some((_, (name, _))) => refuse(&format!("peer {name}: its session is not up")),
            None => Ok(given),
        }
    }

    /// Copies of the listening sockets; no connection is accepted for a while.
    async fn listening_sockets(&self) -> Result<Vec<GivenListener>, HandoverError> {
        let (reply, sockets) = oneshot::channel();
        self.tell_acceptor(AcceptorCommand::HandOver(reply)).await?;
        Ok(sockets.await.map_err(|_| Ended)?)
    }
}

/// The neighbours read no more, and everything that they read is in the table.
async fn hush(peers: &[(Arc<str>, Peer)]) -> Result<Vec<Quiet>, HandoverError> {
    let mut answers = Vec::new();
    for (_, peer) in peers {
        let (reply, answer) = oneshot::channel();
        let command = NeighbourCommand::Hush(reply);
        peer.commands.send(command).await.map_err(|_| Ended)?;
        answers.push(answer);
    }
    let mut quiet = Vec::new();
    for ((name, _), answer) in peers.iter().zip(answers) {
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer
            .map_err(|_| HandoverError::Late)?
            .map_err(|_| Ended)?;
        if let Some(obstacle) = answer.obstacle {
            return refuse(&format!("peer {name}: {obstacle}"));
        }
        quiet.push(answer);
    }
    Ok(quiet)
}

async fn send_routes(
    line: &Line,
    peers: &[(Arc<str>, Peer)],
    quiet: &[Quiet],
    given: &[Option<GivenPeer>],
    mut chunks: mpsc::Receiver<Vec<u8>>,
) -> Result<(), HandoverError> {
    for (((name, peer), quiet), given) in peers.iter().zip(quiet).zip(given) {
        let PeerId(id) = peer.id;
        let mut out = Writer::default();
        out.octets(name.as_bytes());
        out.u32(id);
        out.option(quiet.session.as_ref(), |out, session| {
            session.session.encode(out);
            out.octets(session.local.to_string().as_bytes());
            // The socket has it, and both ends of this line belong to the same user.
            out.option(session.md5.as_ref(), |out, key| out.octets(key.octets()));
        });
        out.option(given.as_ref(), |out, given| given.encode(out));
        line.send(Kind::Peer, &out.finish(), None).await?;
    }
    while let Some(chunk) = chunks.recv().await {
        line.send(Kind::Routes, &chunk, None).await?;
    }
    Ok(line.send(Kind::EndOfRoutes, &[], None).await?)
}

async fn send_session(line: &Line, name: &str, frozen: &Frozen) -> Result<(), HandoverError> {
    let mut out = Writer::default();
    out.octets(name.as_bytes());
    frozen.session.encode(&mut out);
    out.octets(&frozen.input);
    out.octets(&frozen.output);
    let socket = Some(frozen.socket.as_fd());
    Ok(line.send(Kind::Session, &out.finish(), socket).await?)
}

fn refuse<T>(reason: &str) -> Result<T, HandoverError> {
    Err(HandoverError::Refused(reason.to_owned()))
}

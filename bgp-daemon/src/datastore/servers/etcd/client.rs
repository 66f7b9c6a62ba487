//! A connection to one of etcd's members, and the requests on it.
//!
//! All requests of a process share one connection. After a failure the next member is tried, with the current TLS files and a new
//! authentication.

use std::error::Error;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;
use tonic::transport::{self, Channel};
use tonic::{Code, Status, Streaming};

use super::api::{
    self, AuthenticateRequest, Call, KeyValue, RangeRequest, ResponseHeader, Token,
    WatchCreateRequest, WatchResponse,
};
use super::error::EtcdError;
use super::keys::KeyPrefix;
use super::settings::{Endpoint, EtcdSettings, User};

/// Limit of TCP connect and TLS handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// Limit of the first answer of a connected member, and of the start of a watch.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// Limit of an answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Interval of keepalives on a connection with watches, and their timeout.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(10);
/// Keys in a page of a list.
const PAGE: i64 = 500;
/// A key that is read to test a member; it need not exist.
const PROBE: &str = "/calico/v1/Ready";

/// The etcd client of a process.
pub(super) struct Client {
    settings: EtcdSettings,
    state: Mutex<State>,
    /// Completed attempts to connect.
    attempts: AtomicU64,
}

struct State {
    current: Option<EtcdConnection>,
    /// The member to try first.
    member: usize,
    /// Why the last attempt failed.
    failed: Option<EtcdError>,
}

/// A connection to a member that has answered.
#[derive(Clone)]
pub(super) struct EtcdConnection {
    channel: Channel,
    endpoint: Arc<Endpoint>,
    /// The user name, for messages.
    user: Option<String>,
    token: Option<Token>,
    /// A hint for the case that a member does not answer at all.
    hint: &'static str,
    /// The attempt that created it.
    attempt: u64,
}

/// All objects with a key prefix at one moment.
pub(super) struct Listed {
    pub(super) header: ResponseHeader,
    pub(super) entries: Vec<KeyValue>,
}

impl Client {
    /// Creates a client without connecting. Clients with different seeds start with different members.
    pub(super) fn new(settings: EtcdSettings, seed: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        let members = settings.endpoints.len();
        let member = usize::try_from(hasher.finish() >> 32).unwrap_or_default() % members.max(1);
        Self {
            settings,
            state: Mutex::new(State {
                current: None,
                member,
                failed: None,
            }),
            attempts: AtomicU64::new(0),
        }
    }

    /// The current connection, or a new one. Of several concurrent callers one connects, and all share the result.
    pub(super) async fn connection(&self) -> Result<EtcdConnection, EtcdError> {
        let before = self.attempts.load(Ordering::Relaxed);
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.current {
            return Ok(connection.clone());
        }
        let attempt = self.attempts.load(Ordering::Relaxed);
        if let Some(error) = state.failed.as_ref().filter(|_| attempt != before) {
            return Err(error.clone());
        }
        let connected = self.connect(&mut state.member, attempt + 1).await;
        state.failed = connected.as_ref().err().cloned();
        state.current = connected.as_ref().ok().cloned();
        self.attempts.store(attempt + 1, Ordering::Relaxed);
        connected
    }

    /// Records a failure: the next call gets a new connection if this one may be the cause.
    pub(super) async fn note_failure(&self, connection: &EtcdConnection, error: &EtcdError) {
        if !error.is_of_connection() {
            return;
        }
        let mut state = self.state.lock().await;
        let current = state.current.as_ref();
        if current.is_some_and(|current| current.attempt == connection.attempt) {
            state.current = None;
            state.member += 1;
        }
    }

    /// Sends a request on a connection. If the authentication has expired, it is renewed and the request repeated.
    pub(super) async fn ask<T, F>(
        &self,
        question: impl Fn(EtcdConnection) -> F,
    ) -> Result<T, EtcdError>
    where
        F: Future<Output = Result<T, EtcdError>>,
    {
        let connection = self.connection().await?;
        let answer = question(connection.clone()).await;
        let Err(error) = answer else {
            return answer;
        };
        self.note_failure(&connection, &error).await;
        match error {
            EtcdError::TokenExpired(_) => question(self.connection().await?).await,
            error => Err(error),
        }
    }

    /// Tries all members, starting at `member`.
    async fn connect(&self, member: &mut usize, attempt: u64) -> Result<EtcdConnection, EtcdError> {
        let mut reasons = Vec::new();
        for _ in &self.settings.endpoints {
            let endpoint = &self.settings.endpoints[*member % self.settings.endpoints.len()];
            match self.connect_to(endpoint, attempt).await {
                Err(EtcdError::Unreachable(reason)) => reasons.push(reason),
                done => return done,
            }
            *member += 1;
        }
        Err(EtcdError::Unreachable(reasons.join("; ")))
    }

    async fn connect_to(
        &self,
        endpoint: &Endpoint,
        attempt: u64,
    ) -> Result<EtcdConnection, EtcdError> {
        let channel = self.open(endpoint).await?;
        let mut connection = EtcdConnection {
            channel,
            endpoint: Arc::new(endpoint.clone()),
            user: self.settings.user.as_ref().map(|user| user.name.clone()),
            token: None,
            hint: match (endpoint.is_tls(), self.settings.files.has_certificate()) {
                (false, _) => "; does it speak TLS? Its endpoint then begins with https://",
                // A server that requires a client certificate may just close the connection, or stay silent.
                (true, false) => {
                    "; does it ask for a client certificate? ETCD_CERT_FILE and ETCD_KEY_FILE are not set"
                }
                (true, true) => "",
            },
            attempt,
        };
        connection.greet(self.settings.user.as_ref()).await?;
        connection.hint = "";
        Ok(connection)
    }

    async fn open(&self, endpoint: &Endpoint) -> Result<Channel, EtcdError> {
        let failed = |error: transport::Error| {
            EtcdError::Unreachable(format!("{}: {}", endpoint.text, innermost(&error)))
        };
        let mut builder = Channel::builder(endpoint.uri.clone())
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_ANSWER);
        if endpoint.is_tls() {
            let tls = self.settings.files.read()?.timeout(CONNECT);
            builder = builder.tls_config(tls).map_err(failed)?;
        }
        builder.connect().await.map_err(failed)
    }
}

impl EtcdConnection {
    /// Sends one request.
    pub(super) async fn call<C: Call>(&self, message: C) -> Result<C::Answer, EtcdError> {
        self.call_within(ANSWER, message).await
    }

    /// All keys with a prefix, as of one moment.
    pub(super) async fn list(&self, place: &KeyPrefix) -> Result<Listed, EtcdError> {
        let mut request = RangeRequest {
            key: place.prefix.clone().into_bytes(),
            range_end: place.end(),
            limit: PAGE,
            ..RangeRequest::default()
        };
        let mut listed = Listed {
            header: ResponseHeader::default(),
            entries: Vec::new(),
        };
        loop {
            let page = self.call(request.clone()).await?;
            if request.revision == 0 {
                listed.header = page.header.unwrap_or_default();
                request.revision = listed.header.revision;
            }
            let last = page.kvs.last().map(|entry| entry.key.clone());
            listed.entries.extend(page.kvs);
            match last.filter(|_| page.more) {
                // The first key after it.
                Some(last) => request.key = [&last[..], &[0]].concat(),
                None => return Ok(listed),
            }
        }
    }

    /// Watches all keys with a prefix, starting at a change.
    pub(super) async fn watch(&self, place: &KeyPrefix, from: i64) -> Result<Watch, EtcdError> {
        let request = WatchCreateRequest {
            key: place.prefix.clone().into_bytes(),
            range_end: place.end(),
            start_revision: from,
            progress_notify: true,
        };
        let begun = api::watch(&self.channel, self.token.as_ref(), request);
        let messages = self.within(FIRST_ANSWER, begun).await?;
        Ok(Watch {
            connection: self.clone(),
            messages,
        })
    }

    /// The member, for messages.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint.text
    }

    /// Authenticates, and tests whether the member answers.
    async fn greet(&mut self, user: Option<&User>) -> Result<(), EtcdError> {
        if let Some(user) = user {
            self.token = self.authenticate(user).await?;
        }
        let probe = RangeRequest {
            key: PROBE.into(),
            keys_only: true,
            ..RangeRequest::default()
        };
        match self.call_within(FIRST_ANSWER, probe).await {
            // A missing permission is reported where it matters.
            Ok(_) | Err(EtcdError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn authenticate(&self, user: &User) -> Result<Option<Token>, EtcdError> {
        let request = AuthenticateRequest {
            name: user.name.clone(),
            password: String::from_utf8_lossy(user.password.expose()).into_owned(),
        };
        let answer = match self.call_within(FIRST_ANSWER, request).await {
            // If authentication is enabled later, we authenticate then.
            Err(EtcdError::Refused { reason, .. }) if reason.contains("not enabled") => {
                return Ok(None);
            }
            answer => answer?,
        };
        let token = answer.token.parse::<Token>();
        let mut token = token.map_err(|_| self.refused("its token cannot be read"))?;
        token.set_sensitive(true);
        Ok(Some(token))
    }

    async fn call_within<C: Call>(
        &self,
        limit: Duration,
        message: C,
    ) -> Result<C::Answer, EtcdError> {
        let answer = api::call(&self.channel, self.token.as_ref(), message);
        self.within(limit, answer).await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, EtcdError> {
        match timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|status| self.error(&status)),
            Err(_) => {
                let reason = format!("no answer within {} s{}", limit.as_secs(), self.hint);
                Err(self.unreachable(&reason))
            }
        }
    }

    /// Converts a status.
    fn error(&self, status: &Status) -> EtcdError {
        let told = status.message();
        let told = told.strip_prefix("etcdserver: ").unwrap_or(told);
        if told.contains("required revision has been compacted") {
            return EtcdError::Compacted(self.endpoint.text.clone());
        }
        // The second message appears if users or roles have changed.
        if told.contains("invalid auth token") || told.contains("revision of auth store is old") {
            return EtcdError::TokenExpired(self.endpoint.text.clone());
        }
        match status.code() {
            Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::NotFound
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::OutOfRange
            | Code::ResourceExhausted => self.refused(told),
            // An error of the transport, or of a member without quorum.
            _ if status.source().is_some() => {
                self.unreachable(&format!("{}{}", innermost(status), self.hint))
            }
            _ => self.unreachable(told),
        }
    }

    fn refused(&self, reason: &str) -> EtcdError {
        let user = match &self.user {
            Some(user) => format!(" for the user {user}"),
            None if reason == "user name is empty" => {
                ": ETCD_USERNAME and ETCD_PASSWORD are not set".to_owned()
            }
            None => String::new(),
        };
        EtcdError::Refused {
            endpoint: self.endpoint.text.clone(),
            reason: format!("{reason}{user}"),
        }
    }

    fn unreachable(&self, reason: &str) -> EtcdError {
        EtcdError::Unreachable(format!("{}: {reason}", self.endpoint.text))
    }
}

/// A watch on a key prefix.
pub(super) struct Watch {
    connection: EtcdConnection,
    messages: Streaming<WatchResponse>,
}

impl Watch {
    /// The next message. The first one confirms the watch.
    pub(super) async fn next(&mut self) -> Result<WatchResponse, EtcdError> {
        let message = self.messages.message().await;
        let message = message.map_err(|status| self.connection.error(&status))?;
        let message = message.ok_or_else(|| self.connection.unreachable("the watch was closed"))?;
        if message.compact_revision != 0 {
            return Err(EtcdError::Compacted(self.connection.endpoint.text.clone()));
        }
        if message.canceled {
            // A status in the form of text.
            let status = match message.cancel_reason.contains("permission denied") {
                true => Status::permission_denied(message.cancel_reason),
                false => Status::unavailable(message.cancel_reason),
            };
            return Err(self.connection.error(&status));
        }
        Ok(message)
    }
}

/// The root cause of an error: the first in the chain only says that there is one.
fn innermost(mut error: &dyn Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

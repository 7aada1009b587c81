//! Service clients: made and revoked by administrators and operators, known by their secret (RFC 6749 section 2).
//!
//! Nodes remember clients for a while, so that who introspects does not cost a statement each time. Whoever
//! revokes one puts its id on the list of revocations, and that list is asked every time: the client ends at once
//! on every node, and its access tokens with it, whose `sid` it is. As that list forgets, so do nodes: what they
//! remember of a client is never older than an access token gets.

use std::sync::Arc;

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::client::{GrantTypes, ServiceClient};
use portcullis_core::ids::ClientId;
use portcullis_core::scope::Scopes;
use portcullis_core::secret_token::{Kind, SecretToken};
use portcullis_core::time::Timestamp;
use portcullis_core::validation::{FieldError, line};
use portcullis_store::{audit, clients, revocations};
use thiserror::Error;

use crate::bearer::Caller;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;

const LONGEST_NAME: usize = 100;
/// `gen` of every token of a client: a client has no chain, it is revoked as a whole.
pub(crate) const GENERATION: u64 = 1;

/// What is asked for.
#[derive(Debug)]
pub struct ClientRequest {
    /// What operators call it.
    pub name: String,
    /// The grants that it may use; none is right for one that only introspects.
    pub grant_types: Vec<String>,
    /// The scopes that it may ask for in its own name.
    pub scopes: Vec<String>,
    /// The audiences that it serves; `None`: all of the installation's.
    pub audience: Option<Vec<String>>,
}

/// A client that has just been made.
pub struct NewClient {
    /// The only time it is seen.
    pub secret: SecretToken,
    /// The client.
    pub client: ServiceClient,
}

/// What a node remembers of a client.
#[derive(Clone)]
pub(crate) struct KnownClient {
    client: Arc<ServiceClient>,
    read_at: Timestamp,
}

/// Who makes or revokes.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// An administrator in a session of their own, over HTTP.
    Administrator(&'a Caller, &'a Client),
    /// Whoever may run commands on the server.
    Operator,
}

/// Why there is no client.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Fields are wrong.
    #[error("{}", .0.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" "))]
    Invalid(Vec<FieldError>),
    /// Who asks is no administrator any more, or their session has ended.
    #[error("the administrator has changed meanwhile")]
    Moved,
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Cx {
    /// Makes a client.
    pub async fn create_client(&self, request: ClientRequest, by: By<'_>) -> Result<NewClient, ClientError> {
        let secret = SecretToken::new(Kind::ClientSecret, &*self.random);
        let client = self.check_client(request, &secret).map_err(ClientError::Invalid)?;
        let mut event = self.client_event(EventKind::ClientCreated, client.id, by);
        event.detail.insert("name".into(), client.name.as_str().into());
        let asker = match by {
            By::Administrator(caller, _) => Some(caller.asker().ok_or(ClientError::Moved)?),
            By::Operator => None,
        };
        let new = client.clone();
        let done = self.store.write(move |tx| {
            let (new, event) = (new.clone(), event.clone());
            Box::pin(async move {
                let done = clients::insert(tx, &new, asker).await?;
                if done {
                    audit::append(tx, &event).await?;
                }
                Ok(done)
            })
        });
        let done = done.await.map_err(Fault::from)?;
        if done { Ok(NewClient { secret, client }) } else { Err(ClientError::Moved) }
    }

    fn check_client(
        &self,
        request: ClientRequest,
        secret: &SecretToken,
    ) -> Result<ServiceClient, Vec<FieldError>> {
        let now = self.clock.now();
        let name = line("name", &request.name, LONGEST_NAME);
        let grant_types = GrantTypes::parse_list("grant_types", &request.grant_types);
        let scopes = Scopes::parse_list("scopes", &request.scopes);
        let audiences = self.check_audiences(request.audience);
        match (name, grant_types, scopes, audiences) {
            (Ok(name), Ok(grant_types), Ok(scopes), Ok(audiences)) => Ok(ServiceClient {
                id: ClientId::new(now, &*self.random),
                name,
                secret: secret.digest(),
                grant_types,
                scopes,
                audiences,
                created_at: now,
            }),
            (name, grant_types, scopes, audiences) => {
                let errors = [name.err(), grant_types.err(), scopes.err(), audiences.err()];
                Err(errors.into_iter().flatten().collect())
            }
        }
    }

    /// Only audiences of the installation: a token for another would be refused by our own endpoints.
    fn check_audiences(&self, wanted: Option<Vec<String>>) -> Result<Option<Vec<String>>, FieldError> {
        let Some(mut wanted) = wanted else { return Ok(None) };
        wanted.sort();
        wanted.dedup();
        if wanted.is_empty() {
            let message = "Name an audience, or leave `audience` out for all.";
            return Err(FieldError::new("audience", "blank", message));
        }
        if let Some(unknown) = wanted.iter().find(|one| !self.is_audience(one)) {
            // It is an operator who asks: the value is no secret, and long ones do not get in.
            let shown: String = unknown.chars().filter(|c| !c.is_control()).take(100).collect();
            let message = format!("`{shown}` is not among `tokens.audience`; add it there first.");
            return Err(FieldError::new("audience", "unknown", message));
        }
        Ok(Some(wanted))
    }

    /// Whether tokens for `audience` are made here.
    pub(crate) fn is_audience(&self, audience: &str) -> bool {
        audience == self.settings.issuer || self.settings.audiences.iter().any(|one| one == audience)
    }

    /// Whether `audience` is that of a service behind a proxy of ours: its tokens open nothing here.
    pub(crate) fn is_upstream_audience(&self, audience: &str) -> bool {
        let settings = &self.settings;
        let mut known = settings
            .forward_auth
            .rules
            .audiences()
            .chain(settings.gateway_audiences.iter().map(String::as_str));
        audience != settings.issuer && known.any(|known| known == audience)
    }

    /// Clients that have not been revoked, newest first, made before one.
    pub async fn list_clients(
        &self,
        before: Option<ClientId>,
        limit: i64,
    ) -> Result<Vec<ServiceClient>, Fault> {
        Ok(self.store.clients(before, limit).await?)
    }

    /// Revokes a client, and the access tokens it has got; `false`: there is none.
    pub async fn revoke_client(&self, id: ClientId, by: By<'_>) -> Result<bool, Fault> {
        let event = self.client_event(EventKind::ClientRevoked, id, by);
        let span = self.span();
        let revoked = self
            .store
            .write(move |tx| {
                let event = event.clone();
                Box::pin(async move {
                    let revoked = clients::revoke(tx, id, span.now).await?;
                    if revoked {
                        audit::append(tx, &event).await?;
                        revocations::append(tx, id.uuid(), span).await?;
                    }
                    Ok(revoked)
                })
            })
            .await?;
        if revoked {
            self.revoke_here(&[id.uuid()], span);
        }
        Ok(revoked)
    }

    /// A client that has not been revoked.
    pub(crate) async fn service_client(&self, id: ClientId) -> Result<Option<Arc<ServiceClient>>, Fault> {
        let is_revoked = || self.revoked.revokes(id.uuid(), GENERATION);
        let now = self.clock.now();
        let known = self.clients.get(&id).filter(|known| !self.is_too_old(known.read_at, now));
        let found = match known.filter(|_| !is_revoked()) {
            Some(known) => Some(known.client),
            None => self.read_client(id, now).await?,
        };
        self.fresh_for()?;
        // Revoked while it was read.
        Ok(found.filter(|_| !is_revoked()))
    }

    async fn read_client(&self, id: ClientId, now: Timestamp) -> Result<Option<Arc<ServiceClient>>, Fault> {
        let found = self.store.client(id).await?.map(Arc::new);
        match &found {
            Some(client) => self.clients.insert(id, KnownClient { client: client.clone(), read_at: now }),
            None => self.clients.invalidate(&id),
        }
        Ok(found)
    }

    fn client_event(&self, kind: EventKind, id: ClientId, by: By<'_>) -> Event {
        let mut event = self.event(kind);
        match by {
            By::Administrator(caller, client) => {
                (event.actor, event.address) = (Some(caller.user), Some(client.address));
            }
            By::Operator => {
                event.detail.insert("by".into(), "operator".into());
            }
        }
        event.detail.insert("client".into(), id.to_string().into());
        event
    }
}

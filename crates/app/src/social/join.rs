//! Who somebody is here whom a provider knows.

use portcullis_core::audit::{Event, EventKind};
use portcullis_core::external::{Arrival, Identity, Joining, Owner, Told, join};
use portcullis_core::ids::{IdentityId, UserId};
use portcullis_core::mail::{Mail, Template};
use portcullis_core::user::{Email, Login, User};
use portcullis_core::validation::line;
use portcullis_store::addresses::Standing;
use portcullis_store::identities::{self, Found};
use portcullis_store::users::NewUser;
use portcullis_store::{audit, outbox};

use super::SocialError;
use super::finish::Taken;
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::me::locale;
use crate::providers::{ExternalIdentity, Provider};
use crate::register::{Checked, Making, RegisterError, Standing as NewStanding};
use crate::registration_hook::Candidate;

/// How often is decided anew what somebody else has changed meanwhile.
const ROUNDS: usize = 6;

/// Who has come.
pub(super) enum Arrived {
    User(Box<User>),
    Later { browser: String },
}

/// What the decision is made of.
struct Seen {
    known: Option<Found>,
    legacy: Option<String>,
    owner: Option<User>,
    arrival: Arrival,
}

/// A language as profiles have it. Some providers write `de_AT` (OpenID Connect Core section 5.1); what is none is no
/// reason to turn somebody away.
fn spoken(text: &str) -> Option<String> {
    locale(&text.replace('_', "-")).ok()
}

impl Cx {
    /// Makes `person` known here, if they may be. Each write is followed by another look: the last one finds them.
    pub(super) async fn arrive(
        &self,
        taken: &Taken,
        person: &ExternalIdentity,
        client: &Client,
    ) -> Result<Arrived, SocialError> {
        let mut counted = false;
        for _ in 0..ROUNDS {
            let seen = self.look_for(&taken.provider, person).await?;
            let joining = join(seen.arrival);
            let registers =
                matches!(joining, Joining::Register | Joining::RegisterUnverified | Joining::RegisterLater);
            if registers && !counted {
                let rate = self.settings.rates.map(|rates| rates.register);
                self.limit("register", rate, client).await?;
                counted = true;
            }
            match joining {
                Joining::SignIn => {
                    let Some(found) = seen.known else { continue };
                    self.note_identity_use(&found, person).await?;
                    return Ok(Arrived::User(Box::new(found.user)));
                }
                Joining::TakeLegacy => {
                    let Some(name) = seen.legacy else { continue };
                    self.take_legacy(&taken.provider, &name, person, client).await?;
                }
                Joining::Register => self.register_arrival(taken, person, true, client).await?,
                Joining::RegisterUnverified => self.register_arrival(taken, person, false, client).await?,
                Joining::RegisterLater => return self.register_arrival_later(taken, person, client).await,
                Joining::Join => {
                    let Some(owner) = seen.owner else { continue };
                    self.join_owner(&taken.provider, person, &owner, client).await?;
                }
                Joining::Claim => {
                    let Some(owner) = seen.owner else { continue };
                    if owner.disabled_at.is_some() {
                        self.note_login_failed(Some(owner.id), "disabled", client).await?;
                        return Err(SocialError::NotSignedIn("disabled"));
                    }
                    self.claim_for(&taken.provider, person, &owner, client).await?;
                }
                Joining::LinkRequired => {
                    if person.email.as_ref().is_some_and(|email| !email.vouched) {
                        // Whoever could not register learns nothing of who has.
                        if !counted {
                            let rate = self.settings.rates.map(|rates| rates.register);
                            self.limit("register", rate, client).await?;
                        }
                        self.admit_arrival(taken, person, client).await?;
                    }
                    if let Some(owner) = &seen.owner {
                        self.note_login_failed(Some(owner.id), "link required", client).await?;
                    }
                    return Err(SocialError::LinkRequired);
                }
                Joining::NoAddress => return Err(SocialError::NoAddress),
            }
        }
        Err(Fault::StoreUnavailable("who comes by way of a provider keeps changing".into()).into())
    }

    async fn look_for(&self, provider: &Provider, person: &ExternalIdentity) -> Result<Seen, Fault> {
        let name = provider.name();
        let known = self.store.user_of_identity(name, &person.subject).await?;
        let vouched = person.email.as_ref().is_some_and(|email| email.vouched);
        let mut legacy = None;
        if known.is_none() && vouched {
            for old in &person.legacy_subjects {
                if self.store.user_of_identity(name, old).await?.is_some() {
                    legacy = Some(old.clone());
                    break;
                }
            }
        }
        let owner = match &person.email {
            Some(email) => self.holder_of(&email.address).await?,
            None => None,
        };
        let told = match &person.email {
            None => Told::Nothing,
            Some(email) if email.vouched => Told::Vouched,
            Some(_) => Told::Unvouched,
        };
        let arrival = Arrival {
            known: known.is_some(),
            legacy: legacy.is_some(),
            told,
            owner: Owner::of(owner.as_ref()),
            hidden: self.runtime().require_email_verification,
        };
        Ok(Seen { known, legacy, owner, arrival })
    }

    /// Whoever has an address, be they whoever they are.
    async fn holder_of(&self, email: &Email) -> Result<Option<User>, Fault> {
        let found = self.store.find_login(&Login::new(email.as_str())).await?;
        Ok(found.map(|found| found.user).filter(|user| user.email.key() == email.key()))
    }

    async fn note_identity_use(&self, found: &Found, person: &ExternalIdentity) -> Result<(), Fault> {
        let (id, now) = (found.identity, self.clock.now());
        let email = person.email.as_ref().map(|email| email.address.as_str().to_owned());
        let noted = self.store.write_one(move |tx| {
            let email = email.clone();
            Box::pin(async move { identities::note_use(tx, id, email.as_deref(), now).await })
        });
        Ok(noted.await?)
    }

    /// An imported identity gets its lasting name. If somebody else gives it that first, nothing is left to do.
    async fn take_legacy(
        &self,
        provider: &Provider,
        old: &str,
        person: &ExternalIdentity,
        client: &Client,
    ) -> Result<(), Fault> {
        let Some(found) = self.store.user_of_identity(provider.name(), old).await? else { return Ok(()) };
        let mut event = self.identity_event(EventKind::IdentityRenamed, found.user.id, provider.name());
        event.address = Some(client.address);
        let names = (provider.name().to_owned(), old.to_owned(), person.subject.clone());
        let renamed = self.store.write(move |tx| {
            let ((provider, old, new), event) = (names.clone(), event.clone());
            Box::pin(async move {
                if identities::rename(tx, &provider, &old, &new).await? {
                    audit::append(tx, &event).await?;
                }
                Ok(())
            })
        });
        Ok(renamed.await?)
    }

    /// Registers somebody, as anybody is.
    async fn register_arrival(
        &self,
        taken: &Taken,
        person: &ExternalIdentity,
        vouched: bool,
        client: &Client,
    ) -> Result<(), SocialError> {
        let Some((new, admission)) = self.admit_arrival(taken, person, client).await? else { return Ok(()) };
        let mut new = NewUser { email_verified_at: vouched.then_some(new.now), ..new };
        admission.settle(&mut new);
        let email = Some(new.email.as_str().to_owned());
        let named = (taken.provider.name().to_owned(), person.subject.clone());
        let identity = Some(self.new_identity(new.id, named, email));
        match self.make_admitted(Making { new, admission, confirmed: None, identity }, client).await {
            // Somebody else came first, perhaps they themselves.
            Ok(_) | Err(RegisterError::EmailTaken | RegisterError::IdentityTaken) => Ok(()),
            Err(RegisterError::NotAdmitted(not)) => Err(not.into()),
            Err(RegisterError::HookUnavailable(why)) => Err(SocialError::HookUnavailable(why)),
            Err(RegisterError::Limited(limited)) => Err(SocialError::Limited(limited)),
            Err(RegisterError::Fault(fault)) => Err(fault.into()),
            Err(
                error @ (RegisterError::Invalid(_)
                | RegisterError::UsernameTaken
                | RegisterError::NotSignedIn
                | RegisterError::InvalidLink),
            ) => Err(Fault::Internal(error.to_string()).into()),
        }
    }

    /// The same where nobody may learn whether the address is known: its owner gets a mail, whoever that is.
    async fn register_arrival_later(
        &self,
        taken: &Taken,
        person: &ExternalIdentity,
        client: &Client,
    ) -> Result<Arrived, SocialError> {
        let Some((new, admission)) = self.admit_arrival(taken, person, client).await? else {
            return Err(SocialError::NoAddress);
        };
        let named = (taken.provider.name().to_owned(), person.subject.clone());
        let browser = self.register_later(new, &admission, Some(named)).await?;
        Ok(Arrived::Later { browser })
    }

    /// The row of somebody who may register.
    async fn admit_arrival(
        &self,
        taken: &Taken,
        person: &ExternalIdentity,
        client: &Client,
    ) -> Result<Option<(NewUser, crate::admission::Admission)>, SocialError> {
        let Some(email) = &person.email else { return Ok(None) };
        // What the provider calls them, and the language it knows them to speak, is theirs to change later.
        let name = person.name.as_deref().and_then(|name| line("name", name, 100).ok());
        let language = person.locale.as_deref().and_then(spoken);
        let who = Candidate { email: &email.address, name: name.as_deref(), username: None };
        let admission = self.admit_registration(who, &taken.codes, client).await?;
        let checked = Checked { email: email.address.clone(), password: None, name, username: None };
        let standing = NewStanding { role: self.runtime().default_role.clone(), must_change_password: false };
        let new = NewUser { locale: language, ..self.new_user(checked, standing).await? };
        Ok(Some((new, admission)))
    }

    /// Joins somebody to the user who has shown that the address is theirs.
    async fn join_owner(
        &self,
        provider: &Provider,
        person: &ExternalIdentity,
        owner: &User,
        client: &Client,
    ) -> Result<(), SocialError> {
        if owner.disabled_at.is_some() {
            self.note_login_failed(Some(owner.id), "disabled", client).await?;
            return Err(SocialError::NotSignedIn("disabled"));
        }
        let email = Some(owner.email.as_str().to_owned());
        let named = (provider.name().to_owned(), person.subject.clone());
        let new = self.new_identity(owner.id, named, email);
        let standing = Standing { user: owner.id, epoch: owner.credential_epoch, email: owner.email.clone() };
        let mut event = self.identity_event(EventKind::IdentityLinked, owner.id, provider.name());
        event.address = Some(client.address);
        event.detail.insert("by".into(), "address".into());
        let mail = self.linked_mail(owner, provider);
        let joined = self.store.write(move |tx| {
            let (new, standing) = (new.clone(), standing.clone());
            let (event, mail) = (event.clone(), mail.clone());
            Box::pin(async move {
                if identities::join(tx, &new, &standing).await? {
                    audit::append(tx, &event).await?;
                    outbox::enqueue(tx, &mail).await?;
                }
                Ok(())
            })
        });
        joined.await?;
        self.mail_nudge();
        Ok(())
    }

    /// Who `user` is at a provider, from now on.
    pub(crate) fn new_identity(
        &self,
        user: UserId,
        (provider, subject): (String, String),
        email: Option<String>,
    ) -> Identity {
        let now = self.clock.now();
        let id = IdentityId::new(now, &*self.random);
        Identity { id, provider, subject, user, email, created_at: now, last_used_at: None }
    }

    /// An event about who a user is at a provider.
    pub(super) fn identity_event(&self, kind: EventKind, user: UserId, provider: &str) -> Event {
        let mut event = self.event(kind);
        (event.user, event.actor) = (Some(user), Some(user));
        event.detail.insert("provider".into(), provider.into());
        event
    }

    /// What tells a user that they are known by way of a provider now.
    pub(super) fn linked_mail(&self, user: &User, provider: &Provider) -> Mail {
        let mut mail = self.mail_to(Template::IdentityLinked, &user.email, Some(user));
        mail.parameters.insert("provider".into(), provider.title().into());
        mail
    }
}

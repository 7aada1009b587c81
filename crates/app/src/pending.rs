//! Registering where an address must be shown to be one's own first (`registration.require_email_verification`).
//!
//! 1. Whatever the address, the same work and the same answer: a hash, a row, a mail that is asked for. Whether somebody
//!    has the address is looked up behind the answer; then they get a mail, and the registration waits in vain.
//! 2. The link in the mail makes the user, in the browser that registered; anywhere else with the registration's password
//!    or a new one. Whoever only reads the mail of somebody who signed up with a wrong address gets no account that
//!    somebody else knows the password of.
//! 3. "This was not me" takes the registration away ([`crate::disown_address`]).
//!
//! Who came by way of a provider that does not vouch for the address has no password, and is who they are there only if
//! the browser that came from there confirms: whoever else reads the mail sets a password, and gets a user whom nobody at
//! that provider can sign in as.

use portcullis_core::base62;
use portcullis_core::ids::EventId;
use portcullis_core::link::LinkPurpose;
use portcullis_core::password::Password;
use portcullis_core::random;
use portcullis_core::secret_token::SecretDigest;
use portcullis_core::user::{Login, Username};
use portcullis_core::validation::FieldError;
use portcullis_store::links::Link;
use portcullis_store::mail_requests::{self, Asker};
use portcullis_store::pending::{self, Pending};
use portcullis_store::users::{Credentials, NewUser};
use subtle::ConstantTimeEq as _;

use crate::admission::{Admission, AdmissionError};
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::hashing::{Lane, Verified};
use crate::login::{Check, Outcome};
use crate::register::{Checked, Confirmed, Making, RegisterError, Standing, made, new_password};
use crate::reset_password::LinkError;

/// What shows that whoever opened the mail is who registered.
#[derive(Default)]
pub struct Confirmation {
    /// What the browser that registered was given.
    pub browser: Option<String>,
    /// The registration's password.
    pub password: Option<Password>,
    /// Another one in its place.
    pub new_password: Option<String>,
}

impl Cx {
    /// Keeps a registration until its address is shown; what the browser shall hold.
    pub(crate) async fn register_later(
        &self,
        new: NewUser,
        admission: &Admission,
        identity: Option<(String, String)>,
    ) -> Result<String, Fault> {
        let mut browser = String::new();
        base62::encode_into(&random::bytes::<16>(&*self.random), &mut browser);
        let pending = Pending {
            id: EventId::new(new.now, &*self.random).uuid(),
            email: new.email,
            name: new.name,
            username: new.username,
            password_hash: new.password_hash,
            browser_hash: SecretDigest::of(&browser).0.to_vec(),
            invite: admission.invite(),
            expires_at: new.now + self.link_lifetime(LinkPurpose::Register),
            identity,
        };
        let asker = Asker::Registration(pending.id);
        let request = self.mail_request(LinkPurpose::Register, pending.email.clone(), asker);
        let now = new.now;
        self.store
            .write(move |tx| {
                let (pending, request) = (pending.clone(), request.clone());
                Box::pin(async move {
                    pending::put(tx, &pending).await?;
                    mail_requests::put(tx, &request, now).await
                })
            })
            .await?;
        Ok(browser)
    }

    /// Whether `password` is the one of a registration that waits for the address `login`. Asked after a password that
    /// nobody signs in with, for known and unknown addresses alike.
    pub(crate) async fn is_password_of_pending(
        &self,
        login: &Login,
        password: Password,
    ) -> Result<bool, Fault> {
        if !self.runtime().require_email_verification {
            return Ok(false);
        }
        let pending = self.store.newest_pending(login.key(), self.clock.now()).await?;
        // The same work whether one waits or not.
        let hash = pending.as_ref().and_then(|pending| pending.password_hash.as_deref());
        let verified = self.hasher.verify(Lane::Stranger, password, hash).await?;
        Ok(matches!(verified, Verified::Match { .. }))
    }

    /// Step 2.
    pub(crate) async fn confirm_registration(
        &self,
        link: &Link,
        confirmation: Confirmation,
        client: &Client,
    ) -> Result<(), LinkError> {
        let pending = self.store.pending(link.facts.subject, self.clock.now()).await.map_err(Fault::from)?;
        let pending = pending.ok_or(LinkError::InvalidLink)?;
        let new = self.user_of_pending(&pending).await?;
        let is_browser = holds_registration(&pending, confirmation.browser.as_deref());
        let password_hash = self.prove_registration(&pending, &new, (confirmation, is_browser)).await?;
        let mut new = NewUser { password_hash, ..new };
        let admission = self.admitted_by(&new.email, pending.invite).await.map_err(LinkError::from)?;
        admission.settle(&mut new);
        let confirmed = Confirmed { link: link.facts.id, pending: pending.id };
        let identity = pending.identity.filter(|_| is_browser);
        let identity = identity.map(|(provider, subject)| {
            self.new_identity(new.id, (provider, subject), Some(new.email.as_str().to_owned()))
        });
        match self
            .make_admitted(Making { new, admission, confirmed: Some(confirmed), identity }, client)
            .await
        {
            Ok(_) => Ok(()),
            Err(RegisterError::EmailTaken) => Err(LinkError::EmailTaken),
            Err(RegisterError::NotAdmitted(not)) => Err(LinkError::NotAdmitted(not)),
            Err(RegisterError::InvalidLink | RegisterError::UsernameTaken | RegisterError::IdentityTaken) => {
                Err(LinkError::InvalidLink)
            }
            Err(RegisterError::Fault(fault)) => Err(fault.into()),
            Err(error) => Err(Fault::Internal(error.to_string()).into()),
        }
    }

    async fn user_of_pending(&self, pending: &Pending) -> Result<NewUser, Fault> {
        let checked = Checked {
            email: pending.email.clone(),
            password: None,
            name: pending.name.clone(),
            username: pending.username.clone(),
        };
        let standing = Standing { role: self.runtime().default_role.clone(), must_change_password: false };
        let new = self.new_user(checked, standing).await?;
        Ok(NewUser { email_verified_at: Some(new.now), password_hash: pending.password_hash.clone(), ..new })
    }

    /// The hash of the password that the user shall have; none: they sign in by way of the provider that they came from.
    async fn prove_registration(
        &self,
        pending: &Pending,
        new: &NewUser,
        (confirmation, is_browser): (Confirmation, bool),
    ) -> Result<Option<String>, LinkError> {
        if let Some(text) = confirmation.new_password {
            let mut context = vec![new.email.as_str()];
            context.extend(new.name.as_deref());
            context.extend(new.username.as_ref().map(Username::as_str));
            let password = new_password("new_password", text, &self.settings.password_policy, &context)
                .map_err(|error| LinkError::Invalid(vec![error]))?;
            let hash = self.hasher.hash(Lane::Stranger, password, random::bytes(&*self.random)).await;
            return Ok(Some(hash.map_err(Fault::from)?));
        }
        let kept = pending.password_hash.clone();
        if is_browser {
            return Ok(kept);
        }
        let Some(password) = confirmation.password else {
            let message = "Give the password of the registration, or a new one in `new_password`.";
            return Err(LinkError::Invalid(vec![FieldError::new("password", "required", message)]));
        };
        let found = Credentials { user: made(new), password_hash: kept.clone() };
        let bucket = self.counter("attempts on registration", &[pending.id.as_bytes()]);
        let check = Check { found: Some(&found), bucket, lane: Lane::Stranger };
        match self.check_password(check, password).await? {
            Outcome::Right { .. } => Ok(kept),
            Outcome::Wrong(why) => Err(LinkError::WrongPassword(why)),
        }
    }
}

/// Whether `held` shows that a browser is the one that registered.
fn holds_registration(pending: &Pending, held: Option<&str>) -> bool {
    held.is_some_and(|held| SecretDigest::of(held).0[..].ct_eq(&pending.browser_hash).into())
}

impl From<AdmissionError> for LinkError {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::Not(not) => Self::NotAdmitted(not),
            AdmissionError::HookUnavailable(why) => Self::Fault(Fault::Internal(why)),
            AdmissionError::Fault(fault) => Self::Fault(fault),
        }
    }
}

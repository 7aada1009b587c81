//! Signing up: admission ([`crate::admission`]), then everything that is made in one transaction: user, account or
//! membership, the invite spent, the events. Nobody is made without their invite spent, none is spent without a user.

use portcullis_core::audit::EventKind;
use portcullis_core::external::Identity;
use portcullis_core::factor::Factors;
use portcullis_core::ids::{AccountId, LinkId, UserId};
use portcullis_core::link::LinkPurpose;
use portcullis_core::mail::Template;
use portcullis_core::password::{Password, PasswordPolicy};
use portcullis_core::random;
use portcullis_core::registration::Mode;
use portcullis_core::subscription::Subscription;
use portcullis_core::user::{Email, Profile, Role, User, Username};
use portcullis_core::validation::{FieldError, line};
use portcullis_store::accounts::NewAccount;
use portcullis_store::users::{self, Home, Insert, NewUser};
use portcullis_store::{StoreError, identities, links, outbox, pending};
use thiserror::Error;
use uuid::Uuid;

use crate::admission::{Admission, AdmissionError, Codes, NotAdmitted};
use crate::client::Client;
use crate::cx::Cx;
use crate::fault::Fault;
use crate::hashing::Lane;
use crate::limits::{LimitError, Limited};
use crate::registration_hook::Candidate;
use crate::sign_in::{Handover, Proof, SignInError, Wish};
use crate::tokens::Tokens;

/// How many display codes to have ready: the chance that all are taken is nil.
const CODES: usize = 4;

/// What somebody signs up with, as sent.
pub struct Registration {
    /// Address.
    pub email: String,
    /// Password.
    pub password: String,
    /// Full name.
    pub name: Option<String>,
    /// User name.
    pub username: Option<String>,
    /// Invites.
    pub codes: Codes,
}

/// Why nobody was signed up.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// Fields are wrong.
    #[error("invalid fields")]
    Invalid(Vec<FieldError>),
    /// Somebody has the address.
    #[error("the address is taken")]
    EmailTaken,
    /// Somebody has the user name.
    #[error("the user name is taken")]
    UsernameTaken,
    /// Somebody is that person at the provider.
    #[error("the identity is taken")]
    IdentityTaken,
    /// They may not.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The operator's service cannot be asked: why, for the log.
    #[error("registration.hook_url: {0}")]
    HookUnavailable(String),
    /// They were made, and may not sign in any more.
    #[error("the new user may not sign in")]
    NotSignedIn,
    /// The link is wrong, spent or out of date.
    #[error("the link is not good")]
    InvalidLink,
    /// Too many.
    #[error("rate limited")]
    Limited(Limited),
    /// A fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<LimitError> for RegisterError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::Limited(limited) => Self::Limited(limited),
            LimitError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<AdmissionError> for RegisterError {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::Not(not) => Self::NotAdmitted(not),
            AdmissionError::HookUnavailable(why) => Self::HookUnavailable(why),
            AdmissionError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

/// A registration whose fields are right.
pub(crate) struct Checked {
    pub(crate) email: Email,
    pub(crate) password: Option<Password>,
    pub(crate) name: Option<String>,
    pub(crate) username: Option<Username>,
}

/// What becomes of somebody who is made.
pub(crate) struct Standing {
    pub(crate) role: Role,
    pub(crate) must_change_password: bool,
}

impl Registration {
    pub(crate) fn check(self, policy: &PasswordPolicy) -> Result<Checked, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut keep = |error: FieldError| errors.push(error);
        let email = Email::parse("email", &self.email).map_err(&mut keep).ok();
        let name = self.name.and_then(|name| line("name", &name, 100).map_err(&mut keep).ok());
        let username =
            self.username.and_then(|name| Username::parse("username", &name).map_err(&mut keep).ok());
        let mut context = vec![self.email.as_str()];
        context.extend(name.as_deref());
        context.extend(username.as_ref().map(Username::as_str));
        let password = new_password("password", self.password, policy, &context).map_err(&mut keep).ok();
        match (email, password) {
            (Some(email), Some(password)) if errors.is_empty() => {
                Ok(Checked { email, password: Some(password), name, username })
            }
            _ => Err(errors),
        }
    }
}

/// A password that may be set.
pub(crate) fn new_password(
    field: &'static str,
    text: String,
    policy: &PasswordPolicy,
    context: &[&str],
) -> Result<Password, FieldError> {
    let wrong = |problem: portcullis_core::password::PasswordProblem| {
        FieldError::new(field, problem.code(), problem.to_string())
    };
    let password = Password::parse(text).map_err(wrong)?;
    policy.check(&password, context).map_err(wrong)?;
    Ok(password)
}

/// What came of a registration.
pub enum Registered {
    /// There is a new user.
    User(Box<User>),
    /// There will be one when the address is shown to be theirs, perhaps; nobody is told more.
    Later {
        /// What the browser that registered shall hold.
        browser: String,
    },
}

/// Somebody who is to be made, and what goes with it.
pub(crate) struct Making {
    pub(crate) new: NewUser,
    pub(crate) admission: Admission,
    /// Of a registration that waited.
    pub(crate) confirmed: Option<Confirmed>,
    /// Who they are at a provider.
    pub(crate) identity: Option<Identity>,
}

/// The mailed link that was used, and what it is about.
pub(crate) struct Confirmed {
    pub(crate) link: LinkId,
    pub(crate) pending: Uuid,
}

impl Cx {
    /// Signs somebody up.
    pub async fn register(
        &self,
        registration: Registration,
        client: &Client,
    ) -> Result<Registered, RegisterError> {
        // Where nobody may, nothing is looked at, and nothing counted.
        if self.runtime().registration_mode == Mode::Closed {
            return Err(NotAdmitted::Closed.into());
        }
        self.limit("register", self.settings.rates.map(|rates| rates.register), client).await?;
        let codes = registration.codes.clone();
        let checked = registration.check(&self.settings.password_policy).map_err(RegisterError::Invalid)?;
        let Checked { email, name, username, .. } = &checked;
        let who = Candidate { email, name: name.as_deref(), username: username.as_ref() };
        let admission = self.admit_registration(who, &codes, client).await?;
        let standing = Standing { role: self.runtime().default_role.clone(), must_change_password: false };
        let mut new = self.new_user(checked, standing).await?;
        if self.runtime().require_email_verification {
            let browser = self.register_later(new, &admission, None).await?;
            return Ok(Registered::Later { browser });
        }
        admission.settle(&mut new);
        let making = Making { new, admission, confirmed: None, identity: None };
        self.make_admitted(making, client).await.map(|user| Registered::User(Box::new(user)))
    }

    /// Makes a user who may register, and spends what lets them. Whoever has `confirmed` their address is made without
    /// the user name that they wanted if somebody has that by now.
    pub(crate) async fn make_admitted(&self, making: Making, client: &Client) -> Result<User, RegisterError> {
        let Making { new, admission, confirmed, identity } = making;
        let mut event = self.event(EventKind::UserRegistered);
        (event.user, event.actor, event.address) = (Some(new.id), Some(new.id), Some(client.address));
        if let Some(identity) = &identity {
            event.detail.insert("provider".into(), identity.provider.as_str().into());
        }
        let events = admission.events(self, event);
        let asked = self.runtime().email_verification_enabled && new.email_verified_at.is_none();
        let verify = asked.then(|| {
            let user = made(&new);
            let link = self.link_of(&user, LinkPurpose::VerifyEmail, &user.email);
            let mail = self.mail_with(Template::VerifyEmail, &link, Some(&user));
            (link, mail)
        });
        let confirmed = confirmed.map(|Confirmed { link, pending }| (link, pending));
        let (wanted, spent, elsewhere) = (new.clone(), admission.clone(), identity.clone());
        let done = self
            .store
            .write(move |tx| {
                let (mut new, admission, events) = (wanted.clone(), spent.clone(), events.clone());
                let (verify, identity) = (verify.clone(), elsewhere.clone());
                Box::pin(async move {
                    if let Some((link, pending)) = confirmed
                        && !(links::spend(tx, link, new.now).await? && pending::take(tx, pending).await?)
                    {
                        return Ok(None);
                    }
                    let mut done = users::insert(tx, &new).await?;
                    if done == Insert::UsernameTaken && confirmed.is_some() {
                        new.username = None;
                        done = users::insert(tx, &new).await?;
                    }
                    if done == Insert::Done {
                        if let Some(identity) = &identity
                            && !identities::insert(tx, identity).await?
                        {
                            return Err(StoreError::Refused);
                        }
                        if identity.is_some() && confirmed.is_none() && new.email_verified_at.is_some() {
                            // Whoever else waits to show that it is theirs waits in vain.
                            pending::take_all(tx, new.email.key()).await?;
                        }
                        admission.spend(tx, new.id, &events, new.now).await?;
                        if let Some((link, mail)) = &verify {
                            links::put(tx, link).await?;
                            outbox::enqueue(tx, mail).await?;
                        }
                    }
                    Ok(Some(done))
                })
            })
            .await;
        match done {
            Ok(Some(Insert::Done)) => {
                self.mail_nudge();
                Ok(made(&new))
            }
            Ok(Some(Insert::EmailTaken)) => Err(RegisterError::EmailTaken),
            Ok(Some(Insert::UsernameTaken)) => Err(RegisterError::UsernameTaken),
            Ok(None) => Err(RegisterError::InvalidLink),
            Err(StoreError::Refused) => {
                if let Some(identity) = &identity
                    && self.store.user_of_identity(&identity.provider, &identity.subject).await?.is_some()
                {
                    return Err(RegisterError::IdentityTaken);
                }
                Err(self.why_not_spent(&admission, &new.email).await.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Tokens for somebody who has just been made and so has proved who they are.
    pub async fn sign_in_new(
        &self,
        user: User,
        handover: Handover,
        client: &Client,
    ) -> Result<Tokens, RegisterError> {
        let proof = Proof::own(user, &["pwd"]);
        let wish = Wish { handover, audiences: self.settings.audiences.clone() };
        self.sign_in(proof, wish, client).await.map_err(|error| match error {
            SignInError::Fault(fault) => RegisterError::Fault(fault),
            SignInError::Refused | SignInError::Unverified | SignInError::FactorOwed(_) => {
                RegisterError::NotSignedIn
            }
        })
    }

    /// The row of somebody who is to be made; hashes the password.
    pub(crate) async fn new_user(&self, checked: Checked, standing: Standing) -> Result<NewUser, Fault> {
        let now = self.clock.now();
        let password_hash = match checked.password {
            Some(password) => {
                Some(self.hasher.hash(Lane::Stranger, password, random::bytes(&*self.random)).await?)
            }
            None => None,
        };
        let owner =
            checked.name.clone().or_else(|| checked.username.as_ref().map(|name| name.as_str().into()));
        let owner =
            owner.unwrap_or_else(|| checked.email.as_str().split('@').next().unwrap_or_default().into());
        Ok(NewUser {
            id: UserId::new(now, &*self.random),
            email: checked.email,
            email_verified_at: None,
            username: checked.username,
            name: checked.name,
            locale: None,
            role: standing.role,
            password_hash,
            must_change_password: standing.must_change_password,
            home: Home::Own(self.new_account(format!("{owner}'s Account"), self.first_subscription(None))),
            now,
        })
    }

    /// Whoever an operator makes signs in: where addresses must be shown first, the operator vouches for theirs.
    pub(crate) fn vouched_for(&self, new: NewUser) -> NewUser {
        let vouched = self.runtime().require_email_verification.then_some(new.now);
        NewUser { email_verified_at: vouched, ..new }
    }

    /// The row of an account that is to be made.
    pub(crate) fn new_account(&self, name: String, subscription: Option<Subscription>) -> NewAccount {
        NewAccount {
            id: AccountId::new(self.clock.now(), &*self.random),
            name,
            display_codes: (0..CODES).map(|_| random::display_code(&*self.random)).collect(),
            subscription,
        }
    }
}

/// The user as they stand after [`users::insert`]: nothing that could fail comes after the commit.
pub(crate) fn made(new: &NewUser) -> User {
    User {
        id: new.id,
        email: new.email.clone(),
        email_verified_at: new.email_verified_at,
        username: new.username.clone(),
        profile: Profile { name: new.name.clone(), locale: new.locale.clone(), ..Profile::default() },
        role: new.role.clone(),
        account: Some(new.home.membership()),
        must_change_password: new.must_change_password,
        credential_epoch: users::FIRST_EPOCH,
        version: users::FIRST_VERSION,
        disabled_at: None,
        created_at: new.now,
        last_login_at: None,
        owner: None,
        factors: Factors::NONE,
    }
}

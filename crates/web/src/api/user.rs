//! A user as the API shows them.

use portcullis_core::ids::{AccountId, UserId};
use portcullis_core::user::{Role, User, Username};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserBody {
    id: Uuid,
    /// A bot has none.
    email: Option<String>,
    email_verified: bool,
    username: Option<String>,
    name: Option<String>,
    phone: Option<String>,
    job_title: Option<String>,
    timezone: Option<String>,
    locale: Option<String>,
    /// Role in the installation; the administrator's is `admin`.
    role: String,
    account: Option<AccountBody>,
    must_change_password: bool,
    /// Of a bot: the user it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_id: Option<Uuid>,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    last_login_at: Option<String>,
}

/// The account in use.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountBody {
    id: Uuid,
    /// The user's role in it.
    role: String,
}

impl UserBody {
    /// The user in a session, whose account may be another than the one that new sessions begin in.
    pub(crate) fn in_account(user: &User, account: Option<&(AccountId, Role)>) -> Self {
        let account = account.map(|(id, role)| AccountBody { id: id.uuid(), role: role.as_str().to_owned() });
        Self { account, ..Self::from(user) }
    }
}

impl From<&User> for UserBody {
    fn from(user: &User) -> Self {
        let profile = user.profile.clone();
        Self {
            id: user.id.uuid(),
            email: (!user.is_bot()).then(|| user.email.as_str().to_owned()),
            email_verified: user.email_verified_at.is_some(),
            username: user.username.as_ref().map(Username::as_str).map(str::to_owned),
            name: profile.name,
            phone: profile.phone,
            job_title: profile.job_title,
            timezone: profile.timezone,
            locale: profile.locale,
            role: user.role.as_str().to_owned(),
            account: user
                .account
                .as_ref()
                .map(|(id, role)| AccountBody { id: id.uuid(), role: role.as_str().to_owned() }),
            must_change_password: user.must_change_password,
            owner_id: user.owner.map(UserId::uuid),
            created_at: user.created_at.to_string(),
            last_login_at: user.last_login_at.map(|at| at.to_string()),
        }
    }
}

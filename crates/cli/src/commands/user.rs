//! `portcullis user …`

use portcullis_app::Cx;
use portcullis_app::clients::By;
use portcullis_app::operator::NewUserRequest;
use portcullis_core::time::Timestamp;
use portcullis_core::user::{Role, User};
use serde::Serialize;
use serde_json::json;

use crate::args::{CreateUser, OneUser, UserCommand};
use crate::boot::{self, How};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::{output, password_input};

/// Users read in one statement.
const AT_ONCE: i64 = 500;

pub(super) async fn run(loaded: &Loaded, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create(create) => self::create(loaded, create).await,
        UserCommand::List { json } => list(&*node(loaded).await?, json).await,
        UserCommand::Disable(OneUser { user, json }) => {
            let cx = node(loaded).await?;
            let user = cx.find_user(&user).await?;
            let changed = cx.disable_user(user.id).await?;
            told(&cx, &user, changed, json, ("is disabled, every session has ended", "was disabled before"))
                .await
        }
        UserCommand::Enable(OneUser { user, json }) => {
            let cx = node(loaded).await?;
            let user = cx.find_user(&user).await?;
            let changed = cx.enable_user(user.id).await?;
            told(&cx, &user, changed, json, ("may sign in again", "was not disabled")).await
        }
        UserCommand::Delete(OneUser { user, json }) => {
            let cx = node(loaded).await?;
            let user = cx.find_user(&user).await?;
            cx.delete_user(user.id, By::Operator).await?;
            let text = format!("{} is deleted", user.email.as_str());
            output::either(json, &json!({ "deleted": 1 }), text)
        }
        UserCommand::SetRole { user, role, json } => {
            let cx = node(loaded).await?;
            let user = cx.find_user(&user).await?;
            let changed = cx.set_role(user.id, &role).await?;
            let (done, before) = (format!("has the role {role} now"), format!("had the role {role} before"));
            told(&cx, &user, changed, json, (&done, &before)).await
        }
        UserCommand::SetPassword { user, must_change_password, password_stdin, json } => {
            let password = password_input::new_password(password_stdin)?;
            let cx = node(loaded).await?;
            let user = cx.find_user(&user).await?;
            cx.set_password(&user, password.as_str().to_owned(), must_change_password).await?;
            told(&cx, &user, true, json, ("has a new password, every session has ended", "")).await
        }
    }
}

async fn node(loaded: &Loaded) -> Result<std::sync::Arc<Cx>, Failure> {
    Ok(boot::node(loaded, How::COMMAND).await?.cx)
}

async fn create(loaded: &Loaded, create: CreateUser) -> Result<(), Failure> {
    let password = password_input::new_password(create.password_stdin)?;
    // The first administrator may come before the first start.
    let cx = boot::node(loaded, How::FIRST).await?.cx;
    let role = match create.role {
        Some(role) => role,
        None if create.admin => Role::ADMIN.to_owned(),
        None => cx.runtime().default_role.as_str().to_owned(),
    };
    let request = NewUserRequest {
        email: create.email,
        name: create.name,
        username: create.username,
        role,
        password: Some(password.as_str().to_owned()),
        must_change_password: create.must_change_password,
    };
    let user = cx.create_user(request).await?;
    let text = format!("{} is made: {}, role {}", user.email.as_str(), user.id, user.role);
    output::either(create.json, &Shown::from(&user), text)
}

async fn list(cx: &Cx, json: bool) -> Result<(), Failure> {
    let mut users = Vec::new();
    loop {
        let after = users.last().map(|user: &User| user.id);
        let page = cx.store.users(after, AT_ONCE).await?;
        let last = page.len() < AT_ONCE as usize;
        users.extend(page);
        if last {
            break;
        }
    }
    if json {
        return output::json(&users.iter().map(Shown::from).collect::<Vec<_>>());
    }
    let row = |user: &User| {
        let state = match (user.disabled_at, user.must_change_password) {
            (Some(_), _) => "disabled",
            (None, true) => "must change password",
            (None, false) => "active",
        };
        let last = user.last_login_at.map_or_else(String::new, |at| at.to_string());
        [user.email.as_str().to_owned(), user.role.to_string(), state.to_owned(), last, user.id.to_string()]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    output::table(["EMAIL", "ROLE", "STATE", "LAST SIGN-IN", "ID"], &rows)
}

/// Says what became of `user`: `texts` are for a change and for none.
async fn told(cx: &Cx, user: &User, changed: bool, json: bool, texts: (&str, &str)) -> Result<(), Failure> {
    if !json {
        let text = if changed { texts.0 } else { texts.1 };
        return output::line(format_args!("{} {text}", user.email.as_str()));
    }
    let now = cx.store.user(user.id).await?;
    output::json(&json!({ "changed": changed, "user": now.as_ref().map(Shown::from) }))
}

/// A user as JSON shows them; the names are those of the API.
#[derive(Serialize)]
struct Shown {
    id: String,
    email: String,
    email_verified: bool,
    username: Option<String>,
    name: Option<String>,
    role: String,
    must_change_password: bool,
    disabled: bool,
    disabled_at: Option<Timestamp>,
    created_at: Timestamp,
    last_login_at: Option<Timestamp>,
}

impl From<&User> for Shown {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.as_str().to_owned(),
            email_verified: user.email_verified_at.is_some(),
            username: user.username.as_ref().map(|name| name.as_str().to_owned()),
            name: user.profile.name.clone(),
            role: user.role.to_string(),
            must_change_password: user.must_change_password,
            disabled: user.disabled_at.is_some(),
            disabled_at: user.disabled_at,
            created_at: user.created_at,
            last_login_at: user.last_login_at,
        }
    }
}

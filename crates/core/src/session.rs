//! A session: one sign-in on one device, owning one chain of refresh tokens.
//!
//! Rotation is decided by the store's guarded UPDATE. What it refuses is judged here, by [`decide`], from the
//! row as it is: a total function whose test is a table.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::factor::Factors;
use crate::ids::{AccountId, SessionId, UserId};
use crate::refresh_token::{RefreshToken, SecretHash};
use crate::server_key::KeyId;
use crate::status_list::StatusIndex;
use crate::time::Timestamp;
use crate::user::Role;

/// Most live sessions of one user; one more ends the oldest.
pub const MAX_PER_USER: i64 = 100;

/// How the tokens of a session travel. A session keeps its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Both tokens in the body.
    #[default]
    Body,
    /// The refresh token in an `HttpOnly` cookie, the access token in the body.
    Cookie,
    /// Both tokens in `HttpOnly` cookies.
    Cookies,
}

/// How somebody acts as another user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActingMode {
    /// An owner as a bot of theirs.
    Bot,
    /// An administrator who may look and change nothing.
    Read,
    /// An administrator who may do what the user may, but for credentials.
    Full,
}

/// Who really acts in a session, if it is not its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acting {
    /// Who.
    pub actor: UserId,
    /// How.
    pub mode: ActingMode,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// Its owner signed out.
    Logout,
    /// Its owner signed out everywhere.
    LogoutEverywhere,
    /// Its owner ended it from the list of sessions.
    Revoked,
    /// An operator ended it.
    RevokedByOperator,
    /// A spent refresh token came back after the grace: theft.
    Reused,
    /// The password was changed from another session, or set by an operator.
    PasswordChanged,
    /// The password was set anew by a mailed link.
    PasswordReset,
    /// The address was changed, or its change undone.
    EmailChanged,
    /// The user was disabled.
    UserDisabled,
    /// The user had too many sessions and this was the oldest.
    Displaced,
    /// Whoever acted in it stopped, or may not act any more.
    ActingEnded,
    /// Its user was deleted.
    UserDeleted,
    /// Somebody signed in in the browser that held it.
    Replaced,
    /// Its user knows nothing of it.
    NotMe,
}

/// A word that is none of an enum's.
#[derive(Debug, Error)]
#[error("unknown word")]
pub struct UnknownWord;

macro_rules! words {
    ($name:ident: $($variant:ident = $word:literal),+ $(,)?) => {
        impl $name {
            /// The word for it in tables and answers.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word { $($word => Ok(Self::$variant),)+ _ => Err(UnknownWord) }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(Delivery: Body = "body", Cookie = "cookie", Cookies = "cookies");
words!(EndCause: Logout = "logout", LogoutEverywhere = "logout_everywhere", Revoked = "revoked",
    RevokedByOperator = "revoked_by_operator", Reused = "reused", PasswordChanged = "password_changed",
    PasswordReset = "password_reset", EmailChanged = "email_changed",
    UserDisabled = "user_disabled", Displaced = "displaced", ActingEnded = "acting_ended",
    UserDeleted = "user_deleted", Replaced = "replaced", NotMe = "not_me");
words!(ActingMode: Bot = "bot", Read = "read", Full = "full");

/// Whether a session still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// It may rotate until its idle or absolute end.
    Live,
    /// It was ended.
    Ended {
        /// When.
        at: Timestamp,
        /// By what.
        cause: EndCause,
    },
}

/// Who a session speaks for, as copied onto its row by whoever changes it: what an access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The session.
    pub session: SessionId,
    /// The user.
    pub user: UserId,
    /// Position in the chain: access tokens carry it, and a revocation may name it.
    pub generation: u32,
    /// The user's role.
    pub role: Role,
    /// The account in use, with the user's role in it.
    pub account: Option<(AccountId, Role)>,
    /// The password must be changed before anything else.
    pub must_change_password: bool,
    /// When the user last proved who they are.
    pub authenticated_at: Timestamp,
    /// How, as `amr` values of RFC 8176.
    pub methods: Vec<String>,
    /// How the tokens travel.
    pub delivery: Delivery,
    /// Absolute end of the session.
    pub ends_at: Timestamp,
    /// Who really acts, if it is not the user.
    pub acting: Option<Acting>,
    /// Place in the status lists, if it was made while they were on.
    pub status_index: Option<StatusIndex>,
    /// The second factors that the user has.
    pub factors: Factors,
}

/// How a token came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// In the body.
    Body,
    /// In the cookies of whoever sits in front of the browser.
    Cookie,
    /// In those in which an administrator acts as another user. They come before the others, so that they hold nothing
    /// else: whoever can write cookies for this host could otherwise put a session of their own before everybody's.
    ActingCookie,
}

impl Carrier {
    /// By which cookies a session goes in which somebody acts, or nobody.
    pub const fn cookie(acting: Option<ActingMode>) -> Self {
        match acting {
            None | Some(ActingMode::Bot) => Self::Cookie,
            Some(ActingMode::Read | ActingMode::Full) => Self::ActingCookie,
        }
    }

    /// How the refresh tokens of a session travel.
    pub const fn of(grant: &Grant) -> Self {
        match (grant.delivery, &grant.acting) {
            (Delivery::Body, _) => Self::Body,
            (Delivery::Cookie | Delivery::Cookies, None) => Self::cookie(None),
            (Delivery::Cookie | Delivery::Cookies, Some(acting)) => Self::cookie(Some(acting.mode)),
        }
    }
}

/// The chain of refresh tokens, as stored.
#[derive(Clone, Debug)]
pub struct Chain {
    /// SHA-256 of the session's secret.
    pub secret_hash: SecretHash,
    /// Generation of the one refresh token that rotates.
    pub generation: u32,
    /// The server key under which that token was made.
    pub key_id: KeyId,
    /// When it was made.
    pub rotated_at: Timestamp,
    /// End without a rotation before it.
    pub idle_ends_at: Timestamp,
    /// Absolute end.
    pub ends_at: Timestamp,
    /// Live or ended.
    pub state: SessionState,
    /// Start of the minute in which rotations are counted.
    pub window_at: Timestamp,
    /// Rotations in that minute.
    pub window_count: u32,
}

/// What rotation is allowed to do.
#[derive(Clone, Copy, Debug)]
pub struct RotationRules {
    /// How long the generation before the current one still gets the same successor. Zero: never.
    pub grace: Duration,
    /// Rotations a minute for one session; `None` without limit.
    pub per_minute: Option<u32>,
}

/// The window in which rotations of one session are counted.
pub const WINDOW: Duration = Duration::from_mins(1);

/// What becomes of a presented refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is the current one: rotate.
    Rotate,
    /// It is ahead of the row (the database was set back): rotate from there, and say so.
    Ahead,
    /// It is the one before, within the grace: answer with the same successor.
    Replay,
    /// It was spent long ago: theft. The session must end.
    Reused,
    /// The session was ended, or its secret was replaced.
    Revoked,
    /// The session ran out, idle or absolutely.
    Expired,
    /// It has rotated too often within the minute.
    RateLimited {
        /// Until it may rotate again.
        retry_after: Duration,
    },
}

/// Judges `token` by the session's row. Checked in the order of the contract: revoked, expired, generation.
pub fn decide(token: &RefreshToken, chain: &Chain, now: Timestamp, rules: RotationRules) -> Decision {
    let ended = matches!(chain.state, SessionState::Ended { .. });
    if ended || !token.secret.hash().matches(&chain.secret_hash) {
        return Decision::Revoked;
    }
    if now >= chain.idle_ends_at || now >= chain.ends_at {
        return Decision::Expired;
    }
    if token.generation >= chain.generation {
        let window_ends = chain.window_at + WINDOW;
        return match rules.per_minute {
            Some(most) if chain.window_count >= most && now < window_ends => {
                Decision::RateLimited { retry_after: window_ends.since(now) }
            }
            _ if token.generation > chain.generation => Decision::Ahead,
            _ => Decision::Rotate,
        };
    }
    let one_back = token.generation.saturating_add(1) == chain.generation;
    if one_back && !rules.grace.is_zero() && now.since(chain.rotated_at) <= rules.grace {
        Decision::Replay
    } else {
        Decision::Reused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::refresh_token::SessionSecret;
    use uuid::Uuid;

    struct Fill(u8);
    impl Random for Fill {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(self.0);
        }
    }

    fn token(generation: u32, secret: u8) -> RefreshToken {
        let session = SessionId::from_uuid(Uuid::nil());
        RefreshToken { session, generation, secret: SessionSecret::new(&Fill(secret)) }
    }

    const START: i64 = 1_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(START + seconds)
    }

    /// Generation 5, rotated at second 0, idle end at 1,000, absolute end at 5,000, 3 rotations this minute.
    fn chain() -> Chain {
        Chain {
            secret_hash: SessionSecret::new(&Fill(1)).hash(),
            generation: 5,
            key_id: KeyId(1),
            rotated_at: at(0),
            idle_ends_at: at(1_000),
            ends_at: at(5_000),
            state: SessionState::Live,
            window_at: at(0),
            window_count: 3,
        }
    }

    fn rules(grace: u64) -> RotationRules {
        RotationRules { grace: Duration::from_secs(grace), per_minute: Some(20) }
    }

    #[test]
    fn table() {
        use Decision::{Ahead, Expired, Replay, Reused, Revoked, Rotate};
        let ended = SessionState::Ended { at: at(1), cause: EndCause::Logout };
        // presented generation, secret, second, grace, state -> decision
        let rows = [
            (5, 1, 10, 60, SessionState::Live, Rotate),
            (6, 1, 10, 60, SessionState::Live, Ahead),
            (u32::MAX, 1, 10, 60, SessionState::Live, Ahead),
            (4, 1, 10, 60, SessionState::Live, Replay),
            (4, 1, 60, 60, SessionState::Live, Replay),
            (4, 1, -30, 60, SessionState::Live, Replay),
            (4, 1, 61, 60, SessionState::Live, Reused),
            (4, 1, 10, 0, SessionState::Live, Reused),
            (3, 1, 10, 60, SessionState::Live, Reused),
            (0, 1, 10, 60, SessionState::Live, Reused),
            (5, 2, 10, 60, SessionState::Live, Revoked),
            (3, 2, 10, 60, SessionState::Live, Revoked),
            (5, 1, 10, 60, ended, Revoked),
            (5, 1, 9_000, 60, ended, Revoked),
            (3, 1, 10, 60, ended, Revoked),
            (5, 1, 999, 60, SessionState::Live, Rotate),
            (5, 1, 1_000, 60, SessionState::Live, Expired),
            (3, 1, 1_000, 60, SessionState::Live, Expired),
            (5, 1, 5_000, 60, SessionState::Live, Expired),
        ];
        for (generation, secret, second, grace, state, expected) in rows {
            let chain = Chain { state, ..chain() };
            let decision = decide(&token(generation, secret), &chain, at(second), rules(grace));
            assert_eq!(decision, expected, "{generation} {secret} {second} {grace} {state:?}");
        }
    }

    #[test]
    fn the_absolute_end_holds_whatever_the_idle_end() {
        let chain = Chain { idle_ends_at: at(9_000), ..chain() };
        assert_eq!(decide(&token(5, 1), &chain, at(5_000), rules(60)), Decision::Expired);
    }

    #[test]
    fn rotations_are_counted_a_minute_and_replays_are_not() {
        let full = Chain { window_count: 20, ..chain() };
        let limited = Decision::RateLimited { retry_after: Duration::from_secs(50) };
        assert_eq!(decide(&token(5, 1), &full, at(10), rules(60)), limited);
        assert_eq!(decide(&token(4, 1), &full, at(10), rules(60)), Decision::Replay);
        assert_eq!(decide(&token(5, 1), &full, at(60), rules(60)), Decision::Rotate);
        let off = RotationRules { per_minute: None, ..rules(60) };
        assert_eq!(decide(&token(5, 1), &full, at(10), off), Decision::Rotate);
    }

    #[test]
    fn words_go_both_ways() {
        for cause in [EndCause::Logout, EndCause::Reused, EndCause::Displaced, EndCause::UserDisabled] {
            assert_eq!(cause.as_str().parse::<EndCause>().expect("own word"), cause);
        }
        assert!("nonsense".parse::<Delivery>().is_err());
    }
}

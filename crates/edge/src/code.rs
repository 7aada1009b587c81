//! The stable codes of every refusal: one table, from which the `OpenAPI` document and the docs are made.
//!
//! A program may rely on `code` and `status`; `title` and `detail` are for people and may change. A 401 text
//! tells an attacker nothing: one code stands for unknown, expired, revoked and disabled alike.

use http::StatusCode;

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeInfo {
    /// The code this row describes.
    pub code: Code,
    /// Its name on the wire, snake case, stable.
    pub name: &'static str,
    /// The status it is always sent with.
    pub status: StatusCode,
    /// What happened, in a few words (RFC 9457 `title`).
    pub title: &'static str,
    /// What to do about it, where the place of the refusal says nothing more exact (RFC 9457 `detail`).
    pub detail: &'static str,
    /// What `WWW-Authenticate` says; present for every 401 (RFC 9110 section 15.5.2, RFC 6750 section 3).
    pub challenge: Option<&'static str>,
}

macro_rules! codes {
    ($($variant:ident $name:literal $status:ident $title:literal $detail:literal $($challenge:literal)?;)*) => {
        /// The stable code of a refusal. Its facts stand in [`CODES`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        /// Every code there is, in the order of [`Code`].
        pub const CODES: &[CodeInfo] = &[
            $(CodeInfo {
                code: Code::$variant,
                name: $name,
                status: StatusCode::$status,
                title: $title,
                detail: $detail,
                challenge: codes!(@challenge $($challenge)?),
            },)*
        ];
    };
    (@challenge) => { None };
    (@challenge $challenge:literal) => { Some($challenge) };
}

codes! {
    MalformedRequest "malformed_request" BAD_REQUEST "Malformed request"
        "A header, the path or the query cannot be read. Compare the request with the API reference.";
    MalformedJson "malformed_json" BAD_REQUEST "Malformed JSON"
        "The body is not one JSON value in UTF-8 with unique keys. Check it with a JSON parser.";
    MalformedForm "malformed_form" BAD_REQUEST "Malformed form"
        "The body is not a URL-encoded form in UTF-8 in which each field stands once.";
    InvalidLink "invalid_link" BAD_REQUEST "Link not valid"
        "This link is wrong, used or too old. Ask for a new one.";
    InvalidInvite "invalid_invite" BAD_REQUEST "Invite not valid"
        "There is no such invite, or it was taken back. Check the code, or ask for a new one.";
    InviteUsed "invite_used" BAD_REQUEST "Invite used"
        "This invite was used already. Ask for a new one.";
    InviteExpired "invite_expired" BAD_REQUEST "Invite expired"
        "This invite is too old. Ask for a new one.";
    InvalidChallenge "invalid_challenge" BAD_REQUEST "Sign-in not to be continued"
        "This sign-in took too long, was finished, or was begun elsewhere. Sign in again from the start.";
    ProviderError "provider_error" BAD_REQUEST "Sign-in with the provider failed"
        "The provider's answer could not be used. Start again.";
    PasskeyRefused "passkey_refused" BAD_REQUEST "Passkey not accepted"
        "This answer is for another page or another sign-in, or it was used or is too old. Start again.";

    MissingToken "missing_token" UNAUTHORIZED "Not signed in"
        "Send `Authorization: Bearer <token>`." "Bearer";
    MalformedAuthorization "malformed_authorization" UNAUTHORIZED "Malformed Authorization header"
        "Send exactly one `Authorization` header of the form `Bearer <token>` or `Token <token>`."
        r#"Bearer error="invalid_request""#;
    InvalidToken "invalid_token" UNAUTHORIZED "Token not valid"
        "This token is not accepted. Refresh it, or sign in again." r#"Bearer error="invalid_token""#;
    InvalidCredentials "invalid_credentials" UNAUTHORIZED "Wrong credentials"
        "Name or password is wrong, or the account cannot sign in now." "Bearer";
    RefreshRevoked "refresh_revoked" UNAUTHORIZED "Session ended"
        "This session was ended. Sign in again." r#"Bearer error="invalid_token""#;
    RefreshExpired "refresh_expired" UNAUTHORIZED "Session expired"
        "This session is too old or was not used for too long. Sign in again."
        r#"Bearer error="invalid_token""#;
    RefreshReused "refresh_reused" UNAUTHORIZED "Refresh token used twice"
        "An old refresh token came back, so the session was ended to be safe. Sign in again."
        r#"Bearer error="invalid_token""#;

    Forbidden "forbidden" FORBIDDEN "Not allowed"
        "The signed-in user may not do this. Ask an administrator for the role that may.";
    InsufficientScope "insufficient_scope" FORBIDDEN "Scope missing"
        "The token lacks a scope that this needs. Use a token with that scope."
        r#"Bearer error="insufficient_scope""#;
    CsrfFailed "csrf_failed" FORBIDDEN "CSRF check failed"
        "Send the request from a page of ours or of `csrf.trusted_origins`, with the token of GET /auth/csrf in `X-CSRFToken`.";
    EmailNotVerified "email_not_verified" FORBIDDEN "E-mail address not confirmed"
        "Open the link that was mailed to this address, or ask for a new one.";
    SecondFactorRequired "second_factor_required" FORBIDDEN "Second factor required"
        "Send the challenge with a code or passkey to POST /auth/login/factor.";
    PasswordChangeRequired "password_change_required" FORBIDDEN "Password change required"
        "Choose a new password at POST /auth/password/change first.";
    FactorSetupRequired "factor_setup_required" FORBIDDEN "Second factor needed"
        "Set up a second factor first: an app at POST /auth/factors/totp, or a passkey at POST /auth/passkeys/register/start.";
    WrongCode "wrong_code" FORBIDDEN "Wrong code"
        "The code is not right, was used already, or there were too many wrong ones. Wait for the next one.";
    WrongPassword "wrong_password" FORBIDDEN "Wrong password"
        "The current password is not right.";
    WrongAudience "wrong_audience" FORBIDDEN "Token for another audience"
        "Sign in or refresh with `audience` set to the issuer alone, and use that token here.";
    SessionRequired "session_required" FORBIDDEN "Session required"
        "API tokens, bots and service clients cannot do this. Sign in as the user.";
    ReadOnlySession "read_only_session" FORBIDDEN "Session is read-only"
        "This session was started to look, not to change. Start one in mode `full`.";
    NotWhileActing "not_while_acting" FORBIDDEN "Not while acting as another user"
        "Stop acting at POST /auth/impersonation/stop first.";
    FreshLoginRequired "fresh_login_required" FORBIDDEN "Fresh sign-in required"
        "Prove who you are again at POST /auth/step-up, or sign in again.";
    AccessCodeRequired "access_code_required" FORBIDDEN "Access code required"
        "This site is not open yet. Open it in a browser and enter its access code.";
    VerificationDisabled "verification_disabled" FORBIDDEN "E-mail verification is off"
        "This server does not verify e-mail addresses.";

    RegistrationClosed "registration_closed" FORBIDDEN "Registration is closed"
        "Nobody can sign up here by themselves. Ask the operator for an account.";
    InviteRequired "invite_required" FORBIDDEN "Invite required"
        "Send `invite_code` or `account_invite_code`. Whoever runs this server, or owns an account here, gives them out.";
    InviteEmailMismatch "invite_email_mismatch" FORBIDDEN "Invite for another address"
        "This invite is for another e-mail address. Use the address that it was sent to.";
    EmailDomainNotAllowed "email_domain_not_allowed" FORBIDDEN "E-mail domain not allowed"
        "Addresses of this domain cannot register here. Use another address, or ask the operator.";
    RegistrationRefused "registration_refused" FORBIDDEN "Registration refused"
        "Whoever runs this server does not let this user register. Ask them.";

    NotFound "not_found" NOT_FOUND "Not found"
        "There is nothing here, or nothing you may see.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "Method not allowed"
        "Use one of the methods named in `Allow`.";
    RequestTimeout "request_timeout" REQUEST_TIMEOUT "Request took too long"
        "The request was not complete in time. Send it again.";

    Conflict "conflict" CONFLICT "Conflict"
        "Something changed meanwhile. Read the current state and try again.";
    EmailTaken "email_taken" CONFLICT "E-mail address taken"
        "Sign in with this address, or use another one.";
    UsernameTaken "username_taken" CONFLICT "User name taken"
        "Choose another user name.";
    NoPassword "no_password" CONFLICT "No password set"
        "This user has no password. Set one by way of POST /auth/password/forgot.";
    IdentityTaken "identity_taken" CONFLICT "Linked to somebody else"
        "Another user signs in by way of this account at the provider. Sign in as that user and unlink it there first.";
    LastWayIn "last_way_in" CONFLICT "Last way to sign in"
        "Nothing else is left to sign in with. Set a password by way of POST /auth/password/forgot, add a passkey, or link another provider, first.";
    NoFactor "no_factor" CONFLICT "No second factor"
        "This user has no second factor. Set one up first: an app at POST /auth/factors/totp, or a passkey at POST /auth/passkeys/register/start.";
    FactorRequired "factor_required" CONFLICT "The last factor stays"
        "Users of this role need a second factor. Set up another one first.";
    AlreadyVerified "already_verified" CONFLICT "Already verified"
        "This address is confirmed; nothing is left to do.";
    TooManyTokens "too_many_tokens" CONFLICT "Too many API tokens"
        "Revoke a token that is no longer needed first.";
    TooManyBots "too_many_bots" CONFLICT "Too many bots"
        "Delete a bot that is no longer needed first.";
    TooManyPasskeys "too_many_passkeys" CONFLICT "Too many passkeys"
        "Remove a passkey that is no longer needed first.";
    PasskeyTaken "passkey_taken" CONFLICT "Passkey registered already"
        "This passkey is registered already. Use another device, or another place to keep passkeys.";
    TooManyAccounts "too_many_accounts" CONFLICT "Too many accounts"
        "Delete an account that is no longer needed, or hand it over, first.";
    LastOwner "last_owner" CONFLICT "The last owner stays"
        "Make another member the owner first, or delete the account.";
    AccountHasMembers "account_has_members" CONFLICT "The account has other members"
        "Remove the other members first, or hand the account over to one of them.";
    AlreadyMember "already_member" CONFLICT "A member already"
        "The user belongs to this account; nothing is left to do.";
    LastAdministrator "last_administrator" CONFLICT "The last administrator stays"
        "Make another user an administrator first.";
    LinkRequired "link_required" CONFLICT "Link the provider first"
        "A user with this address exists. Sign in as that user and link the provider there.";
    Gone "gone" GONE "Gone"
        "This was removed for good.";
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE "Body too large"
        "Send at most 64 KiB.";
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "Unsupported media type"
        "Send `Content-Type: application/json`.";
    MisdirectedRequest "misdirected_request" MISDIRECTED_REQUEST "Unknown host"
        "This server does not answer for that host name. Add it to `server.hosts`, or set `server.public_url`.";
    ValidationFailed "validation_failed" UNPROCESSABLE_ENTITY "Wrong values"
        "Mend the fields named in `errors`.";
    PasswordUnchanged "password_unchanged" UNPROCESSABLE_ENTITY "Password unchanged"
        "Choose a password that differs from the current one.";
    RateLimited "rate_limited" TOO_MANY_REQUESTS "Too many requests"
        "Wait as many seconds as `Retry-After` says.";

    InternalError "internal_error" INTERNAL_SERVER_ERROR "Internal error"
        "This is our fault. Tell the operator the value of `X-Request-Id`.";
    StoreUnavailable "store_unavailable" SERVICE_UNAVAILABLE "Store unavailable"
        "The database does not answer. Send the same request again; what was asked may or may not have been done.";
    HashingBusy "hashing_busy" SERVICE_UNAVAILABLE "Too many sign-ins at once"
        "Try again in a moment.";
    ProviderUnavailable "provider_unavailable" SERVICE_UNAVAILABLE "Provider not available"
        "The provider does not answer now. Try again later, or sign in another way.";
    KeyUnavailable "key_unavailable" SERVICE_UNAVAILABLE "Key unavailable"
        "This server lacks a key that the request needs. The operator finds it with `portcullis doctor`.";
    RegistrationUnavailable "registration_unavailable" SERVICE_UNAVAILABLE "Registration unavailable"
        "Nobody can register just now. Try again in a moment.";
    IssuerUnavailable "issuer_unavailable" SERVICE_UNAVAILABLE "Issuer unavailable"
        "Another service cannot ask this server about the token. Try again in a moment.";
    BadGateway "bad_gateway" BAD_GATEWAY "The service behind does not answer"
        "The service behind this gateway could not be reached, or gave no proper answer. Try again in a moment.";
    GatewayTimeout "gateway_timeout" GATEWAY_TIMEOUT "The service behind is too slow"
        "The service behind this gateway did not answer in time; what was asked may or may not have been done.";
    Overloaded "overloaded" SERVICE_UNAVAILABLE "Too many connections"
        "Try again in a moment. The operator may raise `server.max_connections`.";
}

impl Code {
    /// The row of the table.
    pub const fn info(self) -> &'static CodeInfo {
        &CODES[self as usize]
    }

    /// The name on the wire, e.g. `invalid_token`.
    pub const fn as_str(self) -> &'static str {
        self.info().name
    }

    /// The status it is always sent with.
    pub const fn status(self) -> StatusCode {
        self.info().status
    }

    /// What happened, in a few words.
    pub const fn title(self) -> &'static str {
        self.info().title
    }

    /// How to mend it, in general.
    pub const fn detail(self) -> &'static str {
        self.info().detail
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_stands_at_its_own_code() {
        for info in CODES {
            assert_eq!(info.code.info(), info);
        }
    }

    #[test]
    fn names_are_unique_snake_case() {
        let names: HashSet<_> = CODES.iter().map(|info| info.name).collect();
        assert_eq!(names.len(), CODES.len());
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        }
    }

    #[test]
    fn every_401_has_a_challenge_and_of_the_others_what_lacks_a_scope() {
        for info in CODES {
            // RFC 6750 section 3.1.
            let challenged = info.status == StatusCode::UNAUTHORIZED || info.name == "insufficient_scope";
            assert_eq!(info.challenge.is_some(), challenged, "{}", info.name);
        }
    }

    #[test]
    fn every_code_is_an_error_and_says_how_to_mend_it() {
        for info in CODES {
            assert!(info.status.is_client_error() || info.status.is_server_error(), "{}", info.name);
            assert!(info.detail.ends_with('.'), "{}", info.name);
        }
    }
}

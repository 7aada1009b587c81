//! Invites: to register at all (a platform code), or to join an account (an account code).
//!
//! Codes are derived from the invite's id under a server key, so that a mail can be written again without the code
//! being kept; the store keeps its SHA-256 and a few of its characters. A platform code is made to be typed: 20 of 32
//! characters (100 bits), compared without regard to case, blanks and hyphens. An account code is the token of a link
//! ([`crate::link`]), compared as it stands; so is the link in the mail of a platform invite.

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::ids::{AccountId, InviteId, LinkId, UserId};
use crate::link::{self, LinkFacts, LinkPurpose};
use crate::secret_token::SecretDigest;
use crate::server_key::{KeyId, KeyRing, Purpose};
use crate::subscription::Plan;
use crate::time::Timestamp;
use crate::user::{Email, Role};

/// Longest lifetime that can be asked for, in days.
pub const MAX_DAYS: u32 = 365;
/// Most uses of one invite.
pub const MAX_USES: u32 = 100_000;
/// Longest trial, in days.
pub const MAX_TRIAL_DAYS: u32 = 3_650;

/// Characters of a platform code, in groups of [`GROUP`].
const LENGTH: usize = 20;
const GROUP: usize = 5;
/// How many characters of a code are kept to be shown.
const SHOWN: usize = 5;
/// Without the look-alikes `0 O 1 I`, as in display codes.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Which of the two kinds a code is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Lets somebody register.
    Platform,
    /// Lets somebody join an account, and register for that.
    Account,
}

/// The code of an invite.
#[derive(Clone)]
pub struct Code {
    kind: Kind,
    text: Zeroizing<String>,
}

impl Code {
    /// The code of `invite` under its server key; `None`: this node does not hold the key.
    pub fn of(invite: &Invite, keys: &KeyRing) -> Option<Self> {
        let kind = invite.kind();
        let text = match kind {
            Kind::Platform => {
                let mac = keys.get(invite.key_id)?.mac(Purpose::Invite, &[invite.id.uuid().as_bytes()]);
                Zeroizing::new(platform_text(u128::from_be_bytes(mac)))
            }
            Kind::Account => invite.link().token(invite.key_id, keys)?,
        };
        Some(Self { kind, text })
    }

    /// The code itself.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What the store keeps.
    pub fn digest(&self) -> SecretDigest {
        digest(self.kind, &self.text)
    }

    /// What a list may show of it: of an account code not its beginning, which is the same for all.
    pub fn shown(&self) -> &str {
        match self.kind {
            Kind::Platform => &self.text[..SHOWN],
            Kind::Account => &self.text[self.text.len() - SHOWN..],
        }
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(…)")
    }
}

fn platform_text(mut bits: u128) -> String {
    let mut text = String::with_capacity(LENGTH + LENGTH / GROUP);
    for at in 0..LENGTH {
        if at > 0 && at.is_multiple_of(GROUP) {
            text.push('-');
        }
        text.push(char::from(ALPHABET[(bits % 32) as usize]));
        bits /= 32;
    }
    text
}

/// What the store knows a presented code by. Any text: what is none finds none.
pub fn digest(kind: Kind, presented: &str) -> SecretDigest {
    let presented = presented.trim();
    match kind {
        Kind::Account => SecretDigest::of(presented),
        Kind::Platform => {
            let plain: Zeroizing<String> = Zeroizing::new(
                presented
                    .chars()
                    .filter(|c| !c.is_whitespace() && *c != '-')
                    .collect::<String>()
                    .to_uppercase(),
            );
            SecretDigest::of(&plain)
        }
    }
}

/// Whether somebody presents the token of a link, of either kind.
pub fn is_link(presented: &str) -> bool {
    presented.trim().starts_with(link::PREFIX)
}

/// What an invite gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Id.
    pub id: InviteId,
    /// Only for this address.
    pub email: Option<Email>,
    /// The account to join, with the role in it; `None`: a platform invite, by which one's own account is made.
    pub account: Option<(AccountId, Role)>,
    /// Plan of the account that is made.
    pub plan: Option<Plan>,
    /// Days for which the plan is on trial; `None`: it is active at once.
    pub trial_days: Option<u32>,
    /// How often it may be used.
    pub uses: u32,
    /// How often it was.
    pub used: u32,
    /// The characters of its code that may be shown.
    pub shown: String,
    /// Server key that its code is derived under.
    pub key_id: KeyId,
    /// Who made it; `None`: the operator.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Good until; `None`: for good.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// How an invite stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It can be used.
    Open,
    /// As often as it may be used, it was.
    Used,
    /// It is too old.
    Expired,
    /// Somebody took it back.
    Revoked,
}

impl State {
    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Why an invite does not let somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is none, or it was taken back.
    Invalid,
    /// It was used.
    Used,
    /// It is too old.
    Expired,
    /// It is for another address.
    EmailMismatch,
}

impl Invite {
    /// Which kind its code is of.
    pub const fn kind(&self) -> Kind {
        if self.account.is_some() { Kind::Account } else { Kind::Platform }
    }

    /// What the link in its mail is about.
    pub fn link(&self) -> LinkFacts {
        LinkFacts {
            id: LinkId::from_uuid(self.id.uuid()),
            purpose: LinkPurpose::AccountInvite,
            subject: self.account.as_ref().map_or(Uuid::nil(), |(account, _)| account.uuid()),
            email_key: self.email.as_ref().map(Email::key).unwrap_or_default().to_owned(),
            epoch: 0,
        }
    }

    /// How it stands at `now`.
    pub fn state(&self, now: Timestamp) -> State {
        if self.revoked_at.is_some() {
            State::Revoked
        } else if self.used >= self.uses {
            State::Used
        } else if self.expires_at.is_some_and(|expires_at| now >= expires_at) {
            State::Expired
        } else {
            State::Open
        }
    }

    /// Whether it lets in whoever has `email`. Only who holds a code of 100 bits or more hears the reason.
    pub fn admits(&self, email: &Email, now: Timestamp) -> Result<(), Refusal> {
        self.is_open(now)?;
        let other = self.email.as_ref().is_some_and(|bound| bound.key() != email.key());
        if other { Err(Refusal::EmailMismatch) } else { Ok(()) }
    }

    /// Whether it lets anybody in.
    pub fn is_open(&self, now: Timestamp) -> Result<(), Refusal> {
        match self.state(now) {
            State::Revoked => Err(Refusal::Invalid),
            State::Used => Err(Refusal::Used),
            State::Expired => Err(Refusal::Expired),
            State::Open => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_key::ServerKey;
    use uuid::Uuid;

    fn ring() -> KeyRing {
        KeyRing::new(ServerKey::new(&[1; 32]).expect("long enough"), vec![])
    }

    fn code(kind: Kind, id: u128) -> Code {
        let ring = ring();
        let account = (AccountId::from_uuid(Uuid::from_u128(9)), Role::from_stored("member"));
        let account = (kind == Kind::Account).then_some(account);
        let id = InviteId::from_uuid(Uuid::from_u128(id));
        Code::of(&Invite { id, account, key_id: ring.current().id(), ..invite() }, &ring).expect("held")
    }

    fn email(text: &str) -> Email {
        Email::parse("email", text).expect("an address")
    }

    fn invite() -> Invite {
        Invite {
            id: InviteId::from_uuid(Uuid::from_u128(1)),
            email: None,
            account: None,
            plan: None,
            trial_days: None,
            uses: 2,
            used: 1,
            shown: String::new(),
            key_id: KeyId(1),
            created_by: None,
            created_at: Timestamp::from_seconds(0),
            expires_at: Some(Timestamp::from_seconds(10)),
            revoked_at: None,
        }
    }

    #[test]
    fn a_platform_code_may_be_typed_in_any_way() {
        let code = code(Kind::Platform, 1);
        let text = code.expose();
        assert_eq!(text.len(), 23);
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [5, 5, 5, 5]);
        for typed in [
            text.to_owned(),
            text.to_lowercase(),
            text.replace('-', ""),
            format!(" {} ", text.replace('-', " ").to_lowercase()),
        ] {
            assert_eq!(digest(Kind::Platform, &typed), code.digest(), "{typed}");
        }
        assert!(text.starts_with(code.shown()) && !is_link(text));
    }

    #[test]
    fn an_account_code_is_compared_as_it_stands() {
        let code = code(Kind::Account, 1);
        let text = code.expose();
        assert!(is_link(text) && text.ends_with(code.shown()));
        assert_eq!(digest(Kind::Account, &format!(" {text}\n")), code.digest());
        assert_ne!(digest(Kind::Account, &text.to_uppercase()), code.digest());
        assert_eq!(format!("{code:?}"), "Code(…)");
    }

    #[test]
    fn codes_follow_from_id_kind_and_key() {
        assert_eq!(code(Kind::Account, 1).digest(), code(Kind::Account, 1).digest());
        assert_ne!(code(Kind::Account, 1).digest(), code(Kind::Account, 2).digest());
        assert_ne!(code(Kind::Platform, 1).digest(), code(Kind::Platform, 2).digest());
        assert!(Code::of(&invite(), &ring()).is_none(), "under another key");
    }

    #[test]
    fn who_is_let_in() {
        let now = Timestamp::from_seconds(9);
        let bound = Invite { email: Some(email("Ada@Example.org")), ..invite() };
        let used = Invite { used: 2, ..bound.clone() };
        let revoked = Invite { revoked_at: Some(now), ..used.clone() };
        for (invite, address, now, expected) in [
            (&invite(), "bob@example.org", 9, Ok(())),
            (&invite(), "bob@example.org", 10, Err(Refusal::Expired)),
            (&bound, "aDA@example.ORG", 9, Ok(())),
            (&bound, "bob@example.org", 9, Err(Refusal::EmailMismatch)),
            (&used, "bob@example.org", 10, Err(Refusal::Used)),
            (&revoked, "ada@example.org", 9, Err(Refusal::Invalid)),
        ] {
            assert_eq!(invite.admits(&email(address), Timestamp::from_seconds(now)), expected);
        }
    }
}

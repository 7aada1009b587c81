//! Who comes by way of another provider: whether they are a user of ours, become one, or must show more first.
//!
//! Who somebody is at a provider is the pair of provider and subject, and nothing else: addresses change hands. An
//! address only ever joins them to a user under two conditions at once: the provider vouches for it, and we know it to be
//! that user's (Sudhodanan and Paverd, "Pre-hijacked accounts", USENIX Security 2022).

use crate::base62;
use crate::ids::{IdentityId, UserId};
use crate::server_key::{Purpose, ServerKey};
use crate::time::Timestamp;
use crate::user::User;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// How somebody who came by way of a provider has signed in, for `amr`. RFC 8176 has no word for it; this is the one that
/// Microsoft Entra ID uses.
pub const METHOD: &str = "fed";

/// Who a user is at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Id.
    pub id: IdentityId,
    /// Which provider.
    pub provider: String,
    /// Who they are there. Never an address, but of rows that were imported.
    pub subject: String,
    /// Who they are here.
    pub user: UserId,
    /// Their address there, as last told. Says nothing about who they are.
    pub email: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// Last sign-in by it.
    pub last_used_at: Option<Timestamp>,
}

/// What somebody goes to a provider for. A way that was begun for one purpose is good for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowPurpose {
    /// To sign in, or up.
    SignIn,
    /// To show that they are the person there, too, from a session of theirs here.
    Link,
}

impl FlowPurpose {
    /// The word for it in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Link => "link",
        }
    }

    /// The purpose of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::SignIn, Self::Link].into_iter().find(|purpose| purpose.as_str() == name)
    }
}

/// What of a flow must be told to nobody but the provider, derived from its state and a server key: whoever reads the
/// database, or the state in an address bar, has neither.
pub struct FlowSecrets {
    /// For PKCE (RFC 7636 section 4.1).
    pub code_verifier: Zeroizing<String>,
    /// For the ID token (`OpenID` Connect Core section 3.1.2.1).
    pub nonce: String,
}

impl FlowSecrets {
    /// Of the flow whose `state` this is, under `key`.
    pub fn of(state: &str, key: &ServerKey) -> Self {
        let mac = |part: &[u8]| key.mac(Purpose::Flow, &[part, state.as_bytes()]);
        let mut code_verifier = Zeroizing::new(String::new());
        for part in [b"code verifier 1 ", b"code verifier 2 "] {
            base62::encode_into(&mac(part), &mut code_verifier);
        }
        let mut nonce = String::new();
        base62::encode_into(&mac(b"nonce "), &mut nonce);
        Self { code_verifier, nonce }
    }

    /// What the provider is told of the verifier: `S256` (RFC 7636 section 4.2).
    pub fn code_challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.code_verifier.as_bytes()))
    }
}

/// Who has the address that a provider told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nobody.
    None,
    /// A user who has shown that it is theirs.
    Verified,
    /// A user who has not: perhaps somebody who registered it before its owner came.
    Unverified,
    /// An administrator who has not: no provider's word hands an installation over.
    Administrator,
    /// A bot, whose address belongs to nobody.
    Bot,
}

impl Owner {
    /// What `user`, who has the address, has shown.
    pub fn of(user: Option<&User>) -> Self {
        match user {
            None => Self::None,
            Some(user) if user.is_bot() => Self::Bot,
            Some(user) if user.email_verified_at.is_some() => Self::Verified,
            Some(user) if user.role.is_admin() => Self::Administrator,
            Some(_) => Self::Unverified,
        }
    }
}

/// What a provider says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// No address at all.
    Nothing,
    /// One that it does not vouch for.
    Unvouched,
    /// One that it has seen to be theirs.
    Vouched,
}

/// What is known when somebody comes back from a provider.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Provider and subject are those of a user.
    pub known: bool,
    /// An imported identity stands under the name that the provider had for them before.
    pub legacy: bool,
    /// What it says of their address.
    pub told: Told,
    /// Who has that address here.
    pub owner: Owner,
    /// Registrations are hidden: nobody may learn by them whether an address is known.
    pub hidden: bool,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// They are the user of this identity, whatever address they have by now.
    SignIn,
    /// The imported identity is theirs; from now on under its lasting name.
    TakeLegacy,
    /// They become a user, with an address that is known to be theirs.
    Register,
    /// They become a user, whose address is not known to be theirs.
    RegisterUnverified,
    /// They do when they have shown that the address is theirs, if nobody has it; they are told nothing of that.
    RegisterLater,
    /// They are the user who has the address: both sides know that it is theirs.
    Join,
    /// The address is theirs and was never its user's: what that one left behind goes, and the owner comes in.
    Claim,
    /// Somebody has the address. They sign in there first, and link from there.
    LinkRequired,
    /// Nobody becomes a user without an address.
    NoAddress,
}

/// Decides.
pub const fn join(arrival: Arrival) -> Joining {
    let Arrival { known, legacy, told, owner, hidden } = arrival;
    if known {
        return Joining::SignIn;
    }
    match (told, owner) {
        (Told::Nothing, _) => Joining::NoAddress,
        (Told::Vouched, _) if legacy => Joining::TakeLegacy,
        (Told::Vouched, Owner::None) => Joining::Register,
        (Told::Vouched, Owner::Verified) => Joining::Join,
        (Told::Vouched, Owner::Unverified) => Joining::Claim,
        (Told::Unvouched, _) if hidden => Joining::RegisterLater,
        (Told::Unvouched, Owner::None) => Joining::RegisterUnverified,
        (Told::Unvouched, Owner::Verified | Owner::Unverified | Owner::Administrator | Owner::Bot)
        | (Told::Vouched, Owner::Administrator | Owner::Bot) => Joining::LinkRequired,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNERS: [Owner; 5] =
        [Owner::None, Owner::Verified, Owner::Unverified, Owner::Administrator, Owner::Bot];

    fn arrival(told: Told, owner: Owner) -> Arrival {
        Arrival { known: false, legacy: false, told, owner, hidden: false }
    }

    #[test]
    fn who_is_known_is_that_user_whatever_the_address_says() {
        for owner in OWNERS {
            for told in [Told::Nothing, Told::Unvouched, Told::Vouched] {
                for (legacy, hidden) in [(false, false), (false, true), (true, false), (true, true)] {
                    let known = Arrival { known: true, legacy, told, owner, hidden };
                    assert_eq!(join(known), Joining::SignIn, "{known:?}");
                }
            }
        }
    }

    #[test]
    fn table() {
        use Joining::*;
        for (told, owner, open, hidden) in [
            (Told::Nothing, Owner::None, NoAddress, NoAddress),
            (Told::Nothing, Owner::Verified, NoAddress, NoAddress),
            (Told::Vouched, Owner::None, Register, Register),
            (Told::Vouched, Owner::Verified, Join, Join),
            (Told::Vouched, Owner::Unverified, Claim, Claim),
            (Told::Vouched, Owner::Administrator, LinkRequired, LinkRequired),
            (Told::Vouched, Owner::Bot, LinkRequired, LinkRequired),
            (Told::Unvouched, Owner::None, RegisterUnverified, RegisterLater),
            (Told::Unvouched, Owner::Verified, LinkRequired, RegisterLater),
            (Told::Unvouched, Owner::Unverified, LinkRequired, RegisterLater),
            (Told::Unvouched, Owner::Administrator, LinkRequired, RegisterLater),
            (Told::Unvouched, Owner::Bot, LinkRequired, RegisterLater),
        ] {
            let arrival = arrival(told, owner);
            assert_eq!(join(arrival), open, "{arrival:?}");
            assert_eq!(join(Arrival { hidden: true, ..arrival }), hidden, "{arrival:?}, hidden");
        }
    }

    #[test]
    fn an_imported_identity_is_taken_only_with_an_address_that_is_vouched_for() {
        for owner in OWNERS {
            let legacy = |told| join(Arrival { legacy: true, ..arrival(told, owner) });
            assert_eq!(legacy(Told::Vouched), Joining::TakeLegacy, "{owner:?}");
            assert_ne!(legacy(Told::Unvouched), Joining::TakeLegacy, "{owner:?}");
            assert_eq!(legacy(Told::Nothing), Joining::NoAddress, "{owner:?}");
        }
    }

    #[test]
    fn the_secrets_of_a_flow_follow_from_state_and_key() {
        let key = |byte| ServerKey::new(&[byte; 32]).expect("long enough");
        let of = |state, byte| FlowSecrets::of(state, &key(byte));
        let (one, same) = (of("a", 1), of("a", 1));
        assert_eq!((&*one.code_verifier, &one.nonce), (&*same.code_verifier, &same.nonce));
        for other in [of("b", 1), of("a", 2)] {
            assert_ne!(*one.code_verifier, *other.code_verifier);
            assert_ne!(one.nonce, other.nonce);
        }
        // RFC 7636 section 4.1: 43 to 128 unreserved characters.
        assert_eq!(one.code_verifier.len(), 44);
        assert!(one.code_verifier.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(one.code_challenge().len(), 43);
        assert!(!one.code_verifier.contains(one.nonce.as_str()));
    }

    #[test]
    fn purposes_have_names_of_their_own() {
        for purpose in [FlowPurpose::SignIn, FlowPurpose::Link] {
            assert_eq!(FlowPurpose::from_name(purpose.as_str()), Some(purpose));
        }
        assert_eq!(FlowPurpose::from_name(""), None);
    }
}

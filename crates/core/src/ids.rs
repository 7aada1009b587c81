//! Typed ids, from one list. All are `UUIDv7` (RFC 9562 §5.7): sorted by time of making, random behind it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::random::{self, Random};
use crate::time::Timestamp;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, made at `now`.
            pub fn new(now: Timestamp, random: &dyn Random) -> Self {
                Self(uuid_v7(now, random))
            }

            /// From a stored or parsed UUID of any version: imported rows keep theirs.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The bare UUID, as the store binds it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    )+};
}

ids! {
    /// A person or a bot.
    UserId,
    /// An organisation a user belongs to.
    AccountId,
    /// One sign-in on one device.
    SessionId,
    /// A device that has signed in before.
    DeviceId,
    /// One entry of the audit log.
    EventId,
    /// A long-lived token for scripts.
    ApiTokenId,
    /// A service that asks for tokens in its own name.
    ClientId,
    /// A mail that is to be sent, or was.
    MailId,
    /// A link in a mail.
    LinkId,
    /// What lets somebody register or join an account.
    InviteId,
    /// A second factor of a user.
    FactorId,
    /// Who a user is at another provider.
    IdentityId,
    /// A passkey of a user.
    PasskeyId,
}

/// The lowest UUID of whatever is made at `at` or later: where a walk in the order of ids begins or ends.
pub fn lowest_uuid_at(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.micros().div_euclid(1000)).unwrap_or(0);
    Uuid::from_u128(u128::from(millis & 0xffff_ffff_ffff) << 80)
}

fn uuid_v7(now: Timestamp, random: &dyn Random) -> Uuid {
    let millis = u64::try_from(now.micros().div_euclid(1000)).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random::bytes(random)).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zero;
    impl Random for Zero {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(0);
        }
    }

    #[test]
    fn ids_are_version_7_and_sort_by_time() {
        let early = UserId::new(Timestamp::from_seconds(1_000), &Zero);
        let late = UserId::new(Timestamp::from_seconds(1_001), &Zero);
        assert_eq!(early.uuid().get_version_num(), 7);
        assert!(early < late && early.to_string() < late.to_string());
    }

    #[test]
    fn the_lowest_of_a_moment_is_behind_all_before_it() {
        let at = Timestamp::from_seconds(1_000);
        let before = EventId::new(Timestamp::from_micros(at.micros() - 1_000), &Zero);
        assert!(before.uuid() < lowest_uuid_at(at) && lowest_uuid_at(at) < EventId::new(at, &Zero).uuid());
    }

    #[test]
    fn text_goes_both_ways() {
        let id = SessionId::new(Timestamp::from_seconds(1_000), &Zero);
        assert_eq!(id.to_string().parse::<SessionId>().expect("own text"), id);
    }
}

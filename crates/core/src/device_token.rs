//! The device token: shows that a device has signed in to *this* user before, so that strangers who guess
//! passwords cannot slow the owner down.
//!
//! `pcd_` + base62 of key id (4 bytes), four zero bytes, device id (16) and a MAC over user, device and
//! credential epoch (16). It names no user and grants nothing; a change of credentials ends it.

use crate::base62;
use crate::ids::{DeviceId, UserId};
use crate::server_key::{KeyId, KeyRing, Purpose};

/// What every device token starts with.
pub const PREFIX: &str = "pcd_";
const BYTES: usize = 40;

/// The token that makes `device` known to `user` while the credential epoch is `epoch`.
pub fn issue(user: UserId, device: DeviceId, epoch: i64, keys: &KeyRing) -> String {
    let key = keys.current();
    let mut bytes = [0; BYTES];
    bytes[..4].copy_from_slice(&key.id().0.to_be_bytes());
    bytes[8..24].copy_from_slice(device.uuid().as_bytes());
    let mac = key.mac(Purpose::Device, &[&body(user, device, epoch)]);
    bytes[24..].copy_from_slice(&mac);
    let mut text = String::from(PREFIX);
    base62::encode_into(&bytes, &mut text);
    text
}

/// The device, if `token` makes it known to `user` at credential epoch `epoch`.
pub fn recognise(token: &str, user: UserId, epoch: i64, keys: &KeyRing) -> Option<DeviceId> {
    let bytes: [u8; BYTES] = token.strip_prefix(PREFIX).and_then(base62::decode)?;
    let key = keys.get(KeyId(u32::from_be_bytes(bytes[..4].try_into().ok()?)))?;
    let device = DeviceId::from_uuid(uuid::Uuid::from_bytes(bytes[8..24].try_into().ok()?));
    let known = key.mac_matches(Purpose::Device, &[&body(user, device, epoch)], &bytes[24..]);
    (known && bytes[4..8] == [0; 4]).then_some(device)
}

fn body(user: UserId, device: DeviceId, epoch: i64) -> [u8; 40] {
    let mut body = [0; 40];
    body[..16].copy_from_slice(user.uuid().as_bytes());
    body[16..32].copy_from_slice(device.uuid().as_bytes());
    body[32..].copy_from_slice(&epoch.to_be_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_key::ServerKey;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn ring() -> KeyRing {
        KeyRing::new(ServerKey::new(&[1; 32]).expect("long enough"), vec![])
    }

    const fn user(number: u128) -> UserId {
        UserId::from_uuid(Uuid::from_u128(number))
    }

    const DEVICE: DeviceId = DeviceId::from_uuid(Uuid::from_u128(7));

    #[test]
    fn is_good_for_its_user_and_epoch_only() {
        let token = issue(user(1), DEVICE, 4, &ring());
        assert_eq!(recognise(&token, user(1), 4, &ring()), Some(DEVICE));
        assert_eq!(recognise(&token, user(2), 4, &ring()), None);
        assert_eq!(recognise(&token, user(1), 5, &ring()), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,80}") {
            prop_assert_eq!(recognise(&text, user(1), 0, &ring()), None);
        }
    }
}

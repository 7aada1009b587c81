//! Whose word counts. Microsoft's issuers differ by the person's directory, and where people of several may come from
//! its discovery document names none of them but a pattern.

use serde_json::{Map, Value};

use super::id_token::text;
use super::metadata::Place;
use super::settings::Tenant;

const ENTRA: &str = "https://login.microsoftonline.com";
/// What personal accounts are in.
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
/// What stands for the directory.
const ANY: &str = "{tenantid}";

/// An issuer, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Issuer {
    /// This one.
    Exactly(String),
    /// Microsoft Entra ID, for these.
    Entra(Tenant),
}

impl Issuer {
    /// Where it publishes what, and as whom.
    pub(super) fn place(&self) -> Place {
        match self {
            Self::Exactly(issuer) => Place::of(issuer),
            Self::Entra(tenant) => Place {
                url: format!("{ENTRA}/{}/v2.0/.well-known/openid-configuration", tenant.as_str()),
                issuer: of_directory(match tenant {
                    Tenant::Common | Tenant::Organizations => ANY,
                    Tenant::Consumers => PERSONAL,
                    Tenant::One(id) => id,
                }),
            },
        }
    }

    /// What `iss` must say on the way back, if that is known before the code is redeemed.
    pub(super) fn known(&self) -> Option<&str> {
        match self {
            Self::Exactly(issuer) => Some(issuer),
            Self::Entra(_) => None,
        }
    }

    /// Whether claims with this `iss` are of this issuer.
    pub(super) fn issued(&self, iss: &str, claims: &Map<String, Value>) -> bool {
        match self {
            Self::Exactly(issuer) => iss == issuer,
            Self::Entra(tenant) => text(claims, "tid")
                .is_some_and(|directory| takes(tenant, directory) && iss == of_directory(directory)),
        }
    }
}

fn of_directory(directory: &str) -> String {
    format!("{ENTRA}/{directory}/v2.0")
}

/// Whether people of this directory may come.
fn takes(tenant: &Tenant, directory: &str) -> bool {
    let is_id = directory.len() == 36
        && directory.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b'-');
    is_id
        && match tenant {
            Tenant::Common => true,
            Tenant::Organizations => directory != PERSONAL,
            Tenant::Consumers => directory == PERSONAL,
            Tenant::One(id) => directory == id,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ONE: &str = "11111111-2222-3333-4444-555555555555";
    const OTHER: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

    #[test]
    fn what_microsoft_publishes_as_whom() {
        for (tenant, path, issuer) in [
            (Tenant::Common, "common", ANY),
            (Tenant::Organizations, "organizations", ANY),
            (Tenant::Consumers, "consumers", PERSONAL),
            (Tenant::One(ONE.into()), ONE, ONE),
        ] {
            let place = Issuer::Entra(tenant).place();
            assert_eq!(place.url, format!("{ENTRA}/{path}/v2.0/.well-known/openid-configuration"));
            assert_eq!(place.issuer, format!("{ENTRA}/{issuer}/v2.0"));
        }
    }

    #[test]
    fn whose_people_come() {
        let one = || Tenant::One(ONE.into());
        for (tenant, directory, good) in [
            (Tenant::Common, ONE, true),
            (Tenant::Common, PERSONAL, true),
            (Tenant::Organizations, ONE, true),
            (Tenant::Organizations, PERSONAL, false),
            (Tenant::Consumers, PERSONAL, true),
            (Tenant::Consumers, ONE, false),
            (one(), ONE, true),
            (one(), OTHER, false),
            (one(), PERSONAL, false),
            (Tenant::Common, ANY, false),
            (Tenant::Common, "", false),
            (Tenant::Common, "../../evil", false),
        ] {
            let Value::Object(claims) = json!({"tid": directory}) else { panic!("an object") };
            let issuer = Issuer::Entra(tenant.clone());
            assert_eq!(issuer.issued(&of_directory(directory), &claims), good, "{tenant:?} {directory}");
            assert!(!issuer.issued(&of_directory(OTHER), &claims), "another than tid says");
            assert!(!issuer.issued(&of_directory(directory), &Map::new()), "no tid");
        }
    }
}

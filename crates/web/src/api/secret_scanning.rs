//! `POST /auth/tokens/secret-scanning`: scanners of source code report API tokens that they have found.

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, StatusCode};
use portcullis_app::leaked_tokens::{Leak, ReportError, Signed};
use portcullis_core::secret_token::SecretDigest;
use portcullis_edge::code::Code;
use portcullis_edge::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::private_json;
use crate::extract::{ClientInfo, RawJson};
use crate::failure::{Answer, Failure};
use crate::paths;
use crate::state::Web;

const KEY: HeaderName = HeaderName::from_static("github-public-key-identifier");
const SIGNATURE: HeaderName = HeaderName::from_static("github-public-key-signature");

/// A token that was found.
#[derive(Deserialize, ToSchema)]
pub(crate) struct FoundToken {
    token: String,
    /// Name of the pattern that it matches.
    #[serde(rename = "type")]
    kind: String,
    /// Where it was found.
    url: Option<String>,
    /// In what it was found, such as `commit`.
    source: Option<String>,
}

/// What became of a token that was found.
#[derive(Serialize, ToSchema)]
pub(crate) struct JudgedToken {
    /// SHA-256 of the token, in base64.
    token_hash: String,
    /// As it was reported.
    token_type: String,
    /// `true_positive`: it was a token of ours, and is revoked; else `false_positive`.
    label: &'static str,
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Off => Self::new(Code::NotFound),
            ReportError::Signature(why) => {
                Self::logged(Code::Forbidden, format!("a report of leaked tokens: {why}"))
            }
            ReportError::NoKeys(why) => Self::logged(Code::KeyUnavailable, why),
            ReportError::Fault(fault) => fault.into(),
        }
    }
}

fn signed(headers: &HeaderMap) -> Option<Signed<'_>> {
    let one = |name: &HeaderName| {
        let mut given = headers.get_all(name).iter();
        let value = given.next()?.to_str().ok()?;
        given.next().is_none().then_some(value)
    };
    Some(Signed { key: one(&KEY)?, signature: one(&SIGNATURE)? })
}

/// Report API tokens that were found in public, as GitHub's secret scanning partner programme does: they are revoked.
#[utoipa::path(post, path = paths::TOKEN_SCANNING, tag = "API tokens", request_body = Vec<FoundToken>,
    params(
        ("Github-Public-Key-Identifier" = String, Header, description = "Which key of the scanner's"),
        ("Github-Public-Key-Signature" = String, Header,
            description = "Base64 of the ECDSA signature (P-256, SHA-256, DER) of the body")),
    responses((status = 200, description = "What became of them", body = Vec<JudgedToken>)))]
pub(crate) async fn report(
    State(web): State<Web>,
    ClientInfo(client): ClientInfo,
    headers: HeaderMap,
    RawJson(body): RawJson,
) -> Answer {
    web.cx.check_leak_report(signed(&headers), &body).await?;
    let found: Vec<FoundToken> =
        portcullis_edge::body::json_list(&body).map_err(|error| Failure::from(Problem::from(error)))?;
    let mut judged = Vec::with_capacity(found.len());
    for FoundToken { token, kind, url, source } in found {
        let leak = Leak { token, url, source };
        let ours = web.cx.revoke_leaked(&leak, &client).await?;
        judged.push(JudgedToken {
            token_hash: STANDARD.encode(SecretDigest::of(&leak.token).0),
            token_type: kind,
            label: if ours { "true_positive" } else { "false_positive" },
        });
    }
    Ok(private_json(StatusCode::OK, &judged))
}

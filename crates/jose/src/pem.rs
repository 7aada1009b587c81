//! Finding the private key in a PEM text (RFC 7468; RFC 1421 for the old encrypted form).
//!
//! Lenient about what pasting does to a text (line breaks lost, written as `\n`, or with other blocks
//! around), strict about there being exactly one private key in it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::KeyError;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// The kinds of private key that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// `PRIVATE KEY`
    Pkcs8,
    /// `EC PRIVATE KEY`
    Sec1,
    /// `RSA PRIVATE KEY`
    Pkcs1,
}

/// The one private key of the text, as DER.
pub(crate) fn private_key(text: &str) -> Result<(Label, Zeroizing<Vec<u8>>), KeyError> {
    let without_returns = Zeroizing::new(text.replace("\\r", ""));
    let text = Zeroizing::new(without_returns.replace("\\n", "\n"));
    let mut rest = text.as_str();
    let mut key = None;
    let mut instead = KeyError::NotPem;
    while let Some(block) = next_block(&mut rest)? {
        match kind(block.label) {
            Kind::Private(label) if key.is_none() => key = Some((label, decode(block.body)?)),
            Kind::Private(_) => return Err(KeyError::SeveralKeys),
            Kind::Ignored => {}
            Kind::Other(KeyError::Encrypted) => return Err(KeyError::Encrypted),
            Kind::Other(error) => instead = error,
        }
    }
    key.ok_or(instead)
}

enum Kind {
    Private(Label),
    /// What may stand beside a private key without meaning anything.
    Ignored,
    /// What to tell the operator if there is no private key besides.
    Other(KeyError),
}

fn kind(label: &str) -> Kind {
    match label {
        "PRIVATE KEY" => Kind::Private(Label::Pkcs8),
        "EC PRIVATE KEY" => Kind::Private(Label::Sec1),
        "RSA PRIVATE KEY" => Kind::Private(Label::Pkcs1),
        // `openssl ecparam -genkey` writes the curve in front of the key.
        "EC PARAMETERS" => Kind::Ignored,
        "ENCRYPTED PRIVATE KEY" => Kind::Other(KeyError::Encrypted),
        "PUBLIC KEY" | "RSA PUBLIC KEY" | "EC PUBLIC KEY" => Kind::Other(KeyError::PublicKey),
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Kind::Other(KeyError::Certificate),
        "OPENSSH PRIVATE KEY" => Kind::Other(KeyError::OpenSsh),
        _ => Kind::Other(KeyError::UnknownPem),
    }
}

struct Block<'a> {
    label: &'a str,
    body: &'a str,
}

/// The next block, and `rest` moved behind it.
fn next_block<'a>(rest: &mut &'a str) -> Result<Option<Block<'a>>, KeyError> {
    let Some((_, from_label)) = rest.split_once(BEGIN) else {
        return Ok(None);
    };
    let (label, from_body) = from_label.split_once(DASHES).ok_or(KeyError::DamagedPem)?;
    let end = format!("-----END {label}-----");
    let (body, behind) = from_body.split_once(end.as_str()).ok_or(KeyError::DamagedPem)?;
    *rest = behind;
    Ok(Some(Block { label, body }))
}

fn decode(body: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    if body.contains("Proc-Type:") && body.contains("ENCRYPTED") {
        return Err(KeyError::Encrypted);
    }
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    base64.extend(body.split_ascii_whitespace());
    match STANDARD.decode(base64.as_bytes()) {
        Ok(der) if !der.is_empty() => Ok(Zeroizing::new(der)),
        _ => Err(KeyError::DamagedPem),
    }
}

//! Just enough DER (X.690) to say what a key file holds before the library is asked, and to take an RSA
//! public key apart. Reads borrowed bytes, allocates nothing, answers `None` for whatever does not fit.

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[0]`, constructed: where SEC 1 has the curve.
const CONTEXT_0: u8 = 0xa0;

const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// What a PKCS#8 document says it holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pkcs8<'a> {
    P256,
    OtherCurve,
    Ed25519,
    /// With the PKCS#1 document inside.
    Rsa(&'a [u8]),
    Other,
}

/// RFC 5958 section 2: version, algorithm identifier, key.
pub(crate) fn pkcs8(document: &[u8]) -> Option<Pkcs8<'_>> {
    let mut info = Reader(Reader(document).read(SEQUENCE)?);
    info.read(INTEGER)?;
    let mut algorithm = Reader(info.read(SEQUENCE)?);
    let key = info.read(OCTET_STRING)?;
    Some(match algorithm.read(OBJECT_IDENTIFIER)? {
        OID_EC if algorithm.read(OBJECT_IDENTIFIER) == Some(OID_P256) => Pkcs8::P256,
        OID_EC => Pkcs8::OtherCurve,
        OID_ED25519 => Pkcs8::Ed25519,
        OID_RSA => Pkcs8::Rsa(key),
        _ => Pkcs8::Other,
    })
}

/// RFC 5915 section 3: whether the key is on P-256. The curve may be left out; then the length tells.
pub(crate) fn sec1_is_p256(document: &[u8]) -> Option<bool> {
    let mut key = Reader(Reader(document).read(SEQUENCE)?);
    key.read(INTEGER)?;
    let scalar = key.read(OCTET_STRING)?;
    Some(match key.read(CONTEXT_0) {
        Some(parameters) => Reader(parameters).read(OBJECT_IDENTIFIER) == Some(OID_P256),
        None => scalar.len() == 32,
    })
}

/// RFC 8017 A.1.2, the private key: its modulus, without leading zeros.
pub(crate) fn pkcs1_modulus(document: &[u8]) -> Option<&[u8]> {
    let mut key = Reader(Reader(document).read(SEQUENCE)?);
    key.read(INTEGER)?;
    key.unsigned()
}

/// RFC 8017 A.1.1, the public key: modulus and exponent, without leading zeros.
pub(crate) fn rsa_public(document: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut key = Reader(Reader(document).read(SEQUENCE)?);
    Some((key.unsigned()?, key.unsigned()?))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next element if it has this tag; else nothing moves.
    fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        if found != tag {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Two bytes of length reach 64 KiB, beyond any key here.
            0x81 | 0x82 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }

    fn unsigned(&mut self) -> Option<&'a [u8]> {
        let number = self.read(INTEGER)?;
        let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
        Some(&number[start..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_their_sign_octet() {
        let document = [0x30, 0x08, 0x02, 0x02, 0x00, 0x81, 0x02, 0x02, 0x00, 0x03];
        assert_eq!(rsa_public(&document), Some((&[0x81][..], &[0x03][..])));
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_none() {
        for document in [
            &[][..],
            &[0x30],
            &[0x30, 0x05, 0x02, 0x01],
            &[0x30, 0x80, 0x02, 0x01, 0x01],
            &[0x30, 0x83, 0x01, 0x00, 0x00],
            &[0x30, 0x82, 0xff],
            &[0x31, 0x00],
        ] {
            assert_eq!(pkcs8(document), None, "{document:?}");
            assert_eq!(sec1_is_p256(document), None, "{document:?}");
            assert_eq!(pkcs1_modulus(document), None, "{document:?}");
            assert_eq!(rsa_public(document), None, "{document:?}");
        }
    }
}

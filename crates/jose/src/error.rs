//! What can be wrong with a key or a key set.
//!
//! The texts are for the operator who pasted the key: what is wrong, and how to mend it. None holds key
//! material.

/// A key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text holds no `-----BEGIN …-----` line.
    #[error(
        "no PEM block found: the key must begin with a line like `-----BEGIN PRIVATE KEY-----`; \
         give the file's whole text, line breaks as they are or written as \\n"
    )]
    NotPem,
    /// The PEM block has a beginning and no matching end, or its body is not base64.
    #[error(
        "the PEM block is damaged: its END line is missing or its body is not base64; \
         copy the key again, every line of it"
    )]
    DamagedPem,
    /// The key is protected by a passphrase.
    #[error(
        "the private key is encrypted with a passphrase: decrypt it first with \
         `openssl pkey -in encrypted.pem -out key.pem`"
    )]
    Encrypted,
    /// A public key was given where the private one is needed.
    #[error("this is a public key, and signing needs the private one: give the file it was derived from")]
    PublicKey,
    /// A certificate was given where a private key is needed.
    #[error("this is a certificate, and signing needs its private key: give the key file that belongs to it")]
    Certificate,
    /// The OpenSSH form of a private key.
    #[error(
        "this is a private key in OpenSSH form: convert it to PKCS#8 with `ssh-keygen -p -m PKCS8 -f key` \
         or make a new one with `openssl genpkey -algorithm ED25519`"
    )]
    OpenSsh,
    /// A PEM block of another kind.
    #[error(
        "the PEM block is of an unknown kind: give a `PRIVATE KEY` (PKCS#8), `EC PRIVATE KEY` (SEC 1) or \
         `RSA PRIVATE KEY` (PKCS#1)"
    )]
    UnknownPem,
    /// More than one private key in one text.
    #[error("the text holds more than one private key: give exactly one")]
    SeveralKeys,
    /// An elliptic-curve key on another curve than P-256.
    #[error(
        "the elliptic-curve key is not on P-256: make one with \
         `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
    )]
    WrongCurve,
    /// A key of a type that none of the algorithms uses.
    #[error("the key's type is not supported: use an EC P-256, an Ed25519 or an RSA key (not RSA-PSS)")]
    UnsupportedType,
    /// An RSA modulus of under 2048 bits.
    #[error(
        "the RSA key has {bits} bits and needs 2048 at least: make one with \
         `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`"
    )]
    RsaTooSmall {
        /// The length of the modulus.
        bits: usize,
    },
    /// An RSA key of over 8192 bits, an even modulus, or a public exponent that is even, one or over 33 bits.
    #[error(
        "the RSA key is out of range: 2048 to 8192 bits with an odd exponent from 3 to 33 bits; use 65537"
    )]
    RsaOutOfRange,
    /// The bytes do not form a key of the kind they claim to be; also a public point off its curve.
    #[error("the key's content is damaged or does not fit its label: export it again from where it was made")]
    Rejected,
    /// The key is of another type than the algorithm asked for.
    #[error("the key is not one for this algorithm: ES256 needs EC P-256, EdDSA Ed25519, RS256 RSA")]
    WrongAlgorithm,
    /// An HS256 secret of under 32 bytes (RFC 7518 section 3.2).
    #[error(
        "the HS256 secret is too short: it needs 32 bytes at least; make one with `openssl rand -base64 48`"
    )]
    SecretTooShort,
    /// A key without a name, or with one that is empty or over 256 bytes.
    #[error("the key id is empty or longer than 256 bytes")]
    BadKeyId,
    /// A second key under the same `kid`.
    #[error("two keys have the same kid: give each its own")]
    DuplicateKeyId,
    /// The random source or the cryptographic library failed.
    #[error("the key could not be generated: the system's random source failed")]
    Generate,
}

/// A JWK or a JWK set cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// Over 256 KiB.
    #[error("the key set is larger than 256 KiB")]
    TooLarge,
    /// Not JSON, a duplicate member, or not the shape of RFC 7517.
    #[error("malformed JWK: {0}")]
    Malformed(&'static str),
    /// Well-formed, and of no use here: another key type, curve, algorithm or purpose.
    #[error("unsupported JWK: {0}")]
    Unsupported(&'static str),
    /// Two usable keys of the set have the same `kid`.
    #[error("two keys of the set have the same kid")]
    DuplicateKeyId,
}

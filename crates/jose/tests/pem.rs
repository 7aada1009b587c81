//! Key files as OpenSSL and OpenSSH write them, and what an operator is told about the wrong ones.
#![cfg(feature = "sign")]

use portcullis_jose::{Algorithm, KeyError, SigningKey};

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("vectors/pem/", $name, ".pem"))
    };
}

const EC: &str = pem!("ec-pkcs8");

#[test]
fn the_forms_that_openssl_writes() {
    for (name, text, algorithm) in [
        ("ec-pkcs8", EC, Algorithm::Es256),
        ("ec-sec1-with-parameters", pem!("ec-sec1-with-parameters"), Algorithm::Es256),
        ("ed25519-pkcs8", pem!("ed25519-pkcs8"), Algorithm::EdDsa),
        ("rsa-pkcs8", pem!("rsa-pkcs8"), Algorithm::Rs256),
        ("rsa-pkcs1", pem!("rsa-pkcs1"), Algorithm::Rs256),
    ] {
        let key = SigningKey::from_pem(text).expect(name);
        assert_eq!(key.algorithm(), algorithm, "{name}");
        let stored = SigningKey::from_secret_der(algorithm, &key.to_secret_der()).expect(name);
        assert_eq!(stored.kid(), key.kid(), "{name}");
    }
    let kid = |text| SigningKey::from_pem(text).expect("a key").kid().to_owned();
    assert_eq!(kid(pem!("rsa-pkcs8")), kid(pem!("rsa-pkcs1")), "one key in two forms");
}

#[test]
fn what_pasting_does_to_a_key() {
    let kid = SigningKey::from_pem(EC).expect("a key").kid().to_owned();
    for (name, text) in [
        ("literal \\n", EC.replace('\n', "\\n")),
        ("literal \\r\\n", EC.replace('\n', "\\r\\n")),
        ("CRLF", EC.replace('\n', "\r\n")),
        ("spaces for line breaks", EC.replace('\n', " ")),
        ("indented", EC.replace('\n', "\n    ")),
        ("quoted", format!("\"{}\"", EC.trim_end())),
        ("no last line break", EC.trim_end().to_owned()),
        ("text around", format!("Bag Attributes\n  friendlyName: x\n{EC}\n# end\n")),
        ("certificate beside it", format!("{}{EC}", pem!("certificate"))),
        ("public key behind it", format!("{EC}{}", pem!("ec-public"))),
    ] {
        assert_eq!(SigningKey::from_pem(&text).expect(name).kid(), kid, "{name}");
    }
}

#[test]
fn each_wrong_file_has_its_own_answer() {
    for (name, text, expected) in [
        ("empty", String::new(), KeyError::NotPem),
        ("a path", "/etc/keys/key.pem".into(), KeyError::NotPem),
        ("encrypted PKCS#8", pem!("ec-encrypted-pkcs8").into(), KeyError::Encrypted),
        ("encrypted PKCS#1", pem!("rsa-encrypted-pkcs1").into(), KeyError::Encrypted),
        ("public key", pem!("ec-public").into(), KeyError::PublicKey),
        ("certificate", pem!("certificate").into(), KeyError::Certificate),
        ("OpenSSH", pem!("openssh").into(), KeyError::OpenSsh),
        ("P-384, PKCS#8", pem!("p384-pkcs8").into(), KeyError::WrongCurve),
        ("P-384, SEC 1", pem!("p384-sec1").into(), KeyError::WrongCurve),
        ("Ed448", pem!("ed448-pkcs8").into(), KeyError::UnsupportedType),
        ("RSA-PSS", pem!("rsa-pss-pkcs8").into(), KeyError::UnsupportedType),
        ("RSA 1024, PKCS#8", pem!("rsa1024-pkcs8").into(), KeyError::RsaTooSmall { bits: 1024 }),
        ("RSA 1024, PKCS#1", pem!("rsa1024-pkcs1").into(), KeyError::RsaTooSmall { bits: 1024 }),
        ("two keys", format!("{EC}{}", pem!("rsa-pkcs8")), KeyError::SeveralKeys),
        ("no end", EC[..EC.len() - 30].into(), KeyError::DamagedPem),
        ("another end", EC.replace("END PRIVATE", "END PUBLIC"), KeyError::DamagedPem),
        ("a lost character", EC.replacen("MIG", "MG", 1), KeyError::DamagedPem),
        ("not base64", EC.replacen("MIG", "!!!", 1), KeyError::DamagedPem),
        ("no body", "-----BEGIN PRIVATE KEY----------END PRIVATE KEY-----".into(), KeyError::DamagedPem),
        ("DSA", EC.replace("PRIVATE KEY", "DSA PRIVATE KEY"), KeyError::UnknownPem),
        ("wrong label, EC", EC.replace("PRIVATE KEY", "EC PRIVATE KEY"), KeyError::Rejected),
        ("wrong label, RSA", EC.replace("PRIVATE KEY", "RSA PRIVATE KEY"), KeyError::Rejected),
        ("changed bits", EC.replacen("MIG", "AIG", 1), KeyError::Rejected),
    ] {
        assert_eq!(SigningKey::from_pem(&text).expect_err(name), expected, "{name}");
    }
}

#[test]
fn answers_say_how_to_mend_it_and_hold_no_key_material() {
    for (text, remedy) in [
        (pem!("ec-encrypted-pkcs8"), "openssl pkey -in"),
        (pem!("openssh"), "ssh-keygen -p"),
        (pem!("p384-pkcs8"), "ec_paramgen_curve:P-256"),
        (pem!("rsa1024-pkcs8"), "rsa_keygen_bits:2048"),
        (pem!("certificate"), "private key"),
        (pem!("ec-public"), "private one"),
        ("nothing", "-----BEGIN PRIVATE KEY-----"),
    ] {
        let error = SigningKey::from_pem(text).expect_err(remedy);
        let (shown, debug) = (error.to_string(), format!("{error:?}"));
        assert!(shown.contains(remedy), "{shown}");
        for line in text.lines().filter(|line| line.len() > 20 && !line.starts_with('-')) {
            assert!(!shown.contains(line) && !debug.contains(line), "{shown}");
        }
    }
}

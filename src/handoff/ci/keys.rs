//! Keys of statements, as openssl and cosign write them: PEM, ECDSA on P-256 or Ed25519; PKCS#8 (RFC 5958) for the private one and
//! SubjectPublicKeyInfo (RFC 5280) for the public one.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    UnparsedPublicKey, VerificationAlgorithm,
};

/// More bytes than a key's file has.
pub const LARGEST_KEY: usize = 64 << 10;

/// The labels of PEM that hold what is read here.
const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// The public key's DER up to its point: SubjectPublicKeyInfo of id-ecPublicKey on prime256v1, uncompressed (RFC 5480).
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The same of id-Ed25519 (RFC 8410).
const ED: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why a text is no key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// It is no PEM.
    #[error("is no key in PEM: {0}")]
    NotPem(String),
    /// A private key was needed.
    #[error(
        "holds a {found:?}, and a PKCS#8 private key is needed; `openssl pkcs8 -topk8 -nocrypt -in FILE -out NEW` writes one"
    )]
    NotPrivate {
        /// What it says that it is.
        found: String,
    },
    /// A public key was needed.
    #[error(
        "holds a {found:?}, and a public key is needed; `openssl pkey -in FILE -pubout -out NEW` writes one"
    )]
    NotPublic {
        /// What it says that it is.
        found: String,
    },
    /// Only its password opens it.
    #[error(
        "is encrypted, and no password is asked for here; `openssl pkcs8 -topk8 -nocrypt -in FILE -out NEW` writes it without"
    )]
    Encrypted,
    /// Of another algorithm, or cut short.
    #[error("is no key of ECDSA on P-256 or of Ed25519")]
    Other,
}

/// Signs.
pub struct SigningKey {
    pair: Pair,
    body: Vec<u8>,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SigningKey")
    }
}

impl SigningKey {
    /// Reads one from PEM.
    pub fn read(text: &[u8]) -> Result<Self, KeyFault> {
        let pem = one(text)?;
        match pem.tag() {
            PRIVATE => {}
            found if found.contains("ENCRYPTED") => return Err(KeyFault::Encrypted),
            found => return Err(KeyFault::NotPrivate { found: found.to_owned() }),
        }
        let der = pem.contents();
        let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &SystemRandom::new());
        let pair = match p256 {
            Ok(pair) => Pair::P256(pair),
            // Those of openssl do not hold the public key, which is computed.
            Err(_) => {
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| KeyFault::Other)?)
            }
        };
        let lines = String::from_utf8_lossy(text)
            .lines()
            .filter(|line| !line.contains("-----"))
            .fold(String::new(), |body, line| body + line.trim() + "\n");
        Ok(Self { pair, body: lines.trim().as_bytes().to_vec() })
    }

    /// Signs bytes: ECDSA's signature over their SHA-256 in DER, or Ed25519's over themselves. None where the system has no
    /// random bytes.
    pub(super) fn sign(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::P256(pair) => Some(pair.sign(&SystemRandom::new(), bytes).ok()?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Some(pair.sign(bytes).as_ref().to_vec()),
        }
    }

    /// What of it nobody is to be told: its text without the frame, line by line.
    pub fn secret(&self) -> Vec<u8> {
        self.body.clone()
    }
}

/// Checks what was signed.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    algorithm: Algorithm,
    point: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    P256,
    Ed25519,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PublicKey({})", self.name)
    }
}

impl PublicKey {
    /// Reads one from PEM; it is told by `name`.
    pub fn read(name: impl Into<String>, text: &[u8]) -> Result<Self, KeyFault> {
        let pem = one(text)?;
        if pem.tag() != PUBLIC {
            return Err(KeyFault::NotPublic { found: pem.tag().to_owned() });
        }
        let (algorithm, point) = match pem.contents() {
            der if der.starts_with(&P256) && der.len() == P256.len() + 65 => {
                (Algorithm::P256, &der[P256.len()..])
            }
            der if der.starts_with(&ED) && der.len() == ED.len() + 32 => {
                (Algorithm::Ed25519, &der[ED.len()..])
            }
            _ => return Err(KeyFault::Other),
        };
        Ok(Self { name: name.into(), algorithm, point: point.to_vec() })
    }

    /// What it is told by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a signature over bytes is of this key.
    pub(super) fn signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self.algorithm {
            Algorithm::P256 => &ECDSA_P256_SHA256_ASN1,
            Algorithm::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.point).verify(bytes, signature).is_ok()
    }
}

/// The one block of a PEM text.
fn one(text: &[u8]) -> Result<pem::Pem, KeyFault> {
    let not = |why: String| KeyFault::NotPem(why);
    if text.len() > LARGEST_KEY {
        return Err(not("it is too large".into()));
    }
    let mut all = pem::parse_many(text).map_err(|error| not(error.to_string()))?.into_iter();
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(not("there is no -----BEGIN".into())),
        (Some(_), Some(_)) => Err(not("it holds several blocks, and one is needed".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{ED25519_KEY, ED25519_PUBLIC, P256_KEY, P256_PUBLIC};
    use super::*;

    #[test]
    fn keys_of_openssl_sign_and_check() {
        for (private, public, others) in
            [(P256_KEY, P256_PUBLIC, ED25519_PUBLIC), (ED25519_KEY, ED25519_PUBLIC, P256_PUBLIC)]
        {
            let key = SigningKey::read(private.as_bytes()).unwrap();
            let signature = key.sign(b"text").unwrap();
            let public = PublicKey::read("ours", public.as_bytes()).unwrap();
            assert!(public.signed(b"text", &signature));
            assert!(!public.signed(b"texts", &signature) && !public.signed(b"text", &signature[1..]));
            assert!(!PublicKey::read("theirs", others.as_bytes()).unwrap().signed(b"text", &signature));
            let body = String::from_utf8(key.secret()).unwrap();
            assert!(!body.contains("BEGIN") && private.contains(body.lines().next().unwrap()), "{body}");
            assert_eq!(format!("{key:?}"), "SigningKey");
        }
    }

    #[test]
    fn what_is_no_such_key_is_named() {
        let read = |text: &str| SigningKey::read(text.as_bytes()).unwrap_err();
        assert!(matches!(read("hello"), KeyFault::NotPem(_)));
        assert!(matches!(read(&format!("{P256_KEY}{P256_KEY}")), KeyFault::NotPem(_)));
        assert_eq!(read(P256_PUBLIC), KeyFault::NotPrivate { found: PUBLIC.into() });
        let named = |label: &str| P256_KEY.replace(PRIVATE, label);
        assert_eq!(read(&named("EC PRIVATE KEY")), KeyFault::NotPrivate { found: "EC PRIVATE KEY".into() });
        assert_eq!(read(&named("ENCRYPTED PRIVATE KEY")), KeyFault::Encrypted);
        assert_eq!(read(&named("ENCRYPTED SIGSTORE PRIVATE KEY")), KeyFault::Encrypted);
        assert_eq!(read("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), KeyFault::Other);
        assert!(matches!(read(&" ".repeat(LARGEST_KEY + 1)), KeyFault::NotPem(_)));
        let read = |text: &str| PublicKey::read("k", text.as_bytes()).unwrap_err();
        assert_eq!(read(P256_KEY), KeyFault::NotPublic { found: PRIVATE.into() });
        assert_eq!(read("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), KeyFault::Other);
    }
}

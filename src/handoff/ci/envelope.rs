//! The envelope of a signed statement: DSSE (<https://github.com/secure-systems-lab/dsse>, version 1.0), as cosign and in-toto have it.
//! What is signed is the payload with its type, both with their lengths before them, so that neither is taken for the other.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::keys::{PublicKey, SigningKey};

/// The type of in-toto's statements.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// More signatures than a statement ever has; each costs a check by every key.
const MOST_SIGNATURES: usize = 32;

/// Either alphabet of base64 is taken, as the specification has it.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Why a text is no envelope of a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeFault {
    /// It lacks something, or has it otherwise.
    #[error("it is no DSSE envelope: {0}")]
    Shape(String),
    /// It holds something else.
    #[error("its payloadType is {0:?}, and a statement's is {PAYLOAD_TYPE}")]
    Type(String),
    /// A text that is no base64.
    #[error("its {0} is no base64")]
    Base64(&'static str),
    /// Nobody signed.
    #[error("it has no signature")]
    NoSignature,
    /// More than anyone makes.
    #[error("it has {0} signatures, and {MOST_SIGNATURES} are the most that are read")]
    TooMany(usize),
}

/// An envelope whose signatures are not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload: Vec<u8>,
    signatures: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    payload_type: String,
    payload: String,
    signatures: Vec<FileSignature>,
}

#[derive(Deserialize)]
struct FileSignature {
    sig: String,
}

/// What is signed: `DSSEv1 LENGTH TYPE LENGTH PAYLOAD`.
fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// A statement in its envelope. The key is not named, as cosign does it: a verifier tries those that it has. None where the system
/// has no random bytes.
pub fn seal(statement: &[u8], key: &SigningKey) -> Option<Value> {
    let signature = key.sign(&encoded(PAYLOAD_TYPE, statement))?;
    Some(json!({
        "payloadType": PAYLOAD_TYPE,
        "payload": STANDARD.encode(statement),
        "signatures": [{"keyid": "", "sig": STANDARD.encode(signature)}],
    }))
}

impl Envelope {
    /// Reads one; none where the text has no trace of one, as a statement that nobody signed.
    pub fn read(text: &[u8]) -> Result<Option<Self>, EnvelopeFault> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Trace {
            payload_type: Option<serde::de::IgnoredAny>,
            payload: Option<serde::de::IgnoredAny>,
            signatures: Option<serde::de::IgnoredAny>,
        }
        // A list would be read as a record, too.
        if text.trim_ascii_start().first() != Some(&b'{') {
            return Ok(None);
        }
        let trace: Trace = match serde_json::from_slice(text) {
            Ok(trace) => trace,
            Err(error) if error.is_data() => return Err(EnvelopeFault::Shape(error.to_string())),
            // Whoever reads the statement says what is wrong with it.
            Err(_) => return Ok(None),
        };
        if trace.payload_type.is_none() && trace.payload.is_none() && trace.signatures.is_none() {
            return Ok(None);
        }
        let file: File =
            serde_json::from_slice(text).map_err(|error| EnvelopeFault::Shape(error.to_string()))?;
        if file.payload_type != PAYLOAD_TYPE {
            let shown = file.payload_type.chars().take(100).collect();
            return Err(EnvelopeFault::Type(shown));
        }
        match file.signatures.len() {
            0 => return Err(EnvelopeFault::NoSignature),
            count if count > MOST_SIGNATURES => return Err(EnvelopeFault::TooMany(count)),
            _ => {}
        }
        let payload = decoded(&file.payload).ok_or(EnvelopeFault::Base64("payload"))?;
        let signatures = file.signatures.iter().map(|one| decoded(&one.sig)).collect::<Option<Vec<_>>>();
        Ok(Some(Self { payload, signatures: signatures.ok_or(EnvelopeFault::Base64("signature"))? }))
    }

    /// The statement.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The first of these keys that signed it, where one did.
    pub fn signed_by<'k>(&self, keys: &'k [PublicKey]) -> Option<&'k PublicKey> {
        let bytes = encoded(PAYLOAD_TYPE, &self.payload);
        keys.iter().find(|key| self.signatures.iter().any(|signature| key.signed(&bytes, signature)))
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{ED25519_KEY, ED25519_PUBLIC, P256_KEY, P256_PUBLIC};
    use super::*;

    fn sealed(key: &str) -> Value {
        seal(br#"{"_type": "x"}"#, &SigningKey::read(key.as_bytes()).unwrap()).unwrap()
    }

    fn keys(all: &[&str]) -> Vec<PublicKey> {
        all.iter()
            .enumerate()
            .map(|(at, text)| PublicKey::read(at.to_string(), text.as_bytes()).unwrap())
            .collect()
    }

    fn read(value: &Value) -> Result<Option<Envelope>, EnvelopeFault> {
        Envelope::read(value.to_string().as_bytes())
    }

    /// The example of the specification's protocol.
    #[test]
    fn what_is_signed_is_as_specified() {
        let bytes = encoded("http://example.com/HelloWorld", b"hello world");
        assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn the_key_that_signed_is_found_and_nothing_else_passes() {
        for (private, place) in [(P256_KEY, "0"), (ED25519_KEY, "1")] {
            let envelope = read(&sealed(private)).unwrap().unwrap();
            assert_eq!(envelope.payload(), br#"{"_type": "x"}"#);
            let both = keys(&[P256_PUBLIC, ED25519_PUBLIC]);
            assert_eq!(envelope.signed_by(&both).unwrap().name(), place);
            let other = if place == "0" { &both[1..] } else { &both[..1] };
            assert!(envelope.signed_by(other).is_none());
            let mut changed = sealed(private);
            changed["payload"] = json!(STANDARD.encode(r#"{"_type": "y"}"#));
            assert!(read(&changed).unwrap().unwrap().signed_by(&both).is_none());
        }
    }

    #[test]
    fn one_good_signature_among_several_does() {
        let mut value = sealed(P256_KEY);
        let good = value["signatures"][0].clone();
        value["signatures"] = json!([{"sig": "AAAA", "keyid": "someone's", "cert": "x"}, good]);
        assert!(read(&value).unwrap().unwrap().signed_by(&keys(&[P256_PUBLIC])).is_some());
        // The other alphabet, without padding.
        let other =
            |text: &Value| json!(text.as_str().unwrap().replace('+', "-").replace('/', "_").replace('=', ""));
        value["signatures"] = json!([{"sig": other(&value["signatures"][1]["sig"])}]);
        value["payload"] = other(&value["payload"]);
        assert!(read(&value).unwrap().unwrap().signed_by(&keys(&[P256_PUBLIC])).is_some());
    }

    #[test]
    fn hostile_envelopes_are_named() {
        let changed = |key: &str, to: Value| {
            let mut value = sealed(P256_KEY);
            value[key] = to;
            read(&value).unwrap_err()
        };
        assert_eq!(changed("payloadType", json!("text/plain")), EnvelopeFault::Type("text/plain".into()));
        assert_eq!(changed("payload", json!("?")), EnvelopeFault::Base64("payload"));
        assert_eq!(changed("signatures", json!([{"sig": "?"}])), EnvelopeFault::Base64("signature"));
        assert_eq!(changed("signatures", json!([])), EnvelopeFault::NoSignature);
        assert_eq!(changed("signatures", json!(vec![json!({"sig": ""}); 33])), EnvelopeFault::TooMany(33));
        assert!(matches!(changed("signatures", json!("x")), EnvelopeFault::Shape(_)));
        assert!(matches!(changed("payload", json!(null)), EnvelopeFault::Shape(_)));
        assert!(matches!(Envelope::read(br#"{"payload": "a"}"#), Err(EnvelopeFault::Shape(_))));
        assert!(matches!(
            Envelope::read(br#"{"payload": "a", "payload": "b"}"#),
            Err(EnvelopeFault::Shape(_))
        ));
        assert_eq!(Envelope::read(br#"{"_type": "x"}"#), Ok(None));
        assert_eq!(Envelope::read(b"not json"), Ok(None));
        assert_eq!(read(&json!([PAYLOAD_TYPE, "", [[""]]])), Ok(None));
    }
}

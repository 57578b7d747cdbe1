//! Sealing of Secret values: XChaCha20-Poly1305 bound to namespace, name and key.
//!
//! The nonce is not drawn but derived: it is a keyed digest (HMAC-SHA-256, 24 bytes) of where the
//! value stands and what it is, as in SIV (RFC 5297). So equal values at the same place seal to
//! equal texts, which lets the leader see that nothing changed and lets an audit compare without
//! the key; it tells nobody whether two *places* hold the same value. A nonce repeats only for
//! the very same message, which is harmless.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

/// Before every sealed value.
pub const SEALED_PREFIX: &str = "sealed:v1:";
/// Bytes of the key file.
pub const KEY_BYTES: usize = 32;
/// Bytes of an XChaCha20 nonce, which here is the digest too.
const NONCE_BYTES: usize = 24;
/// SHA-256's block, for HMAC (RFC 2104).
const BLOCK_BYTES: usize = 64;

/// Seals and opens Secret values with one key.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    digest_key: [u8; KEY_BYTES],
}

/// A sealed value that this key does not open at this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is not of the form `sealed:v1:<base64>`.
    #[error("failed to open a sealed value: it is not in sealed form")]
    Form,
    /// It was sealed with another key or for another place, or it was changed.
    #[error("failed to open a sealed value: it was sealed with another key or for another place")]
    Key,
}

/// Where a value stands; part of what is authenticated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) key: &'a str,
}

impl Sealer {
    /// A sealer with the 32 bytes of the key file. The keys that are used are derived from it.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let cipher_key = hmac(key, &[b"setpoint secret cipher v1"]);
        Sealer {
            cipher: XChaCha20Poly1305::new(&cipher_key.into()),
            digest_key: hmac(key, &[b"setpoint secret digest v1"]),
        }
    }

    /// Seals a value for its place.
    #[must_use]
    pub fn seal(&self, namespace: &str, name: &str, key: &str, value: &[u8]) -> String {
        let bound = Place { namespace, name, key }.bytes();
        let digest = hmac(&self.digest_key, &[&bound, value]);
        let mut sealed = digest[..NONCE_BYTES].to_vec();
        let nonce = nonce_of(&sealed).expect("the digest is longer than a nonce");
        let payload = Payload { msg: value, aad: &bound };
        let cipher = self.cipher.encrypt(&nonce, payload);
        sealed.extend(cipher.expect("a value is far smaller than the cipher's bound of 256 GiB"));
        format!("{SEALED_PREFIX}{}", BASE64.encode(sealed))
    }

    /// Opens a sealed value at its place.
    ///
    /// # Errors
    /// [`OpenError`] when it is not sealed, or not with this key for this place.
    pub fn open(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
        sealed: &str,
    ) -> Result<Vec<u8>, OpenError> {
        let text = sealed.strip_prefix(SEALED_PREFIX).ok_or(OpenError::Form)?;
        let bytes = BASE64.decode(text).map_err(|_| OpenError::Form)?;
        let (nonce, cipher) = bytes.split_at_checked(NONCE_BYTES).ok_or(OpenError::Form)?;
        let nonce = nonce_of(nonce).ok_or(OpenError::Form)?;
        let bound = Place { namespace, name, key }.bytes();
        let payload = Payload { msg: cipher, aad: &bound };
        self.cipher.decrypt(&nonce, payload).map_err(|_| OpenError::Key)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
    }
}

impl Place<'_> {
    /// Each part behind its length, so that no two places have the same bytes.
    fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [self.namespace, self.name, self.key] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

fn nonce_of(bytes: &[u8]) -> Option<XNonce> {
    XNonce::try_from(bytes).ok()
}

/// HMAC-SHA-256 (RFC 2104) with a key of one block at the most.
fn hmac(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0u8; BLOCK_BYTES];
    block[..KEY_BYTES].copy_from_slice(key);
    let mut inner = Sha256::new();
    inner.update(block.map(|byte| byte ^ 0x36));
    for part in parts {
        inner.update(part);
    }
    let mut outer = Sha256::new();
    outer.update(block.map(|byte| byte ^ 0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_agrees_with_the_published_vector() {
        // RFC 4231, test case 1, its key padded with zeros as HMAC itself pads it.
        let mut key = [0u8; KEY_BYTES];
        key[..20].copy_from_slice(&[0x0b; 20]);
        let text: String =
            hmac(&key, &[b"Hi ", b"There"]).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(text, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }

    #[test]
    fn equal_values_seal_equal_at_one_place_and_differ_at_another() {
        let sealer = Sealer::new(&[7; KEY_BYTES]);
        let sealed = sealer.seal("a", "db", "password", b"hunter2");
        assert_eq!(sealed, sealer.seal("a", "db", "password", b"hunter2"));
        assert_ne!(sealed, sealer.seal("a", "db", "passwor", b"hunter2"));
        assert_ne!(sealed[..30], sealer.seal("b", "db", "password", b"hunter2")[..30]);
        assert!(!sealed.contains("hunter2"));
    }

    #[test]
    fn a_sealed_value_opens_only_at_its_place_and_with_its_key() {
        let sealer = Sealer::new(&[7; KEY_BYTES]);
        let sealed = sealer.seal("a", "db", "password", b"hunter2");
        assert_eq!(sealer.open("a", "db", "password", &sealed).unwrap(), b"hunter2");
        assert_eq!(sealer.open("a", "db", "user", &sealed), Err(OpenError::Key));
        assert_eq!(Sealer::new(&[8; 32]).open("a", "db", "password", &sealed), Err(OpenError::Key));
        assert_eq!(sealer.open("a", "db", "password", "hunter2"), Err(OpenError::Form));
        assert_eq!(sealer.open("a", "db", "password", "sealed:v1:AAAA"), Err(OpenError::Form));
    }
}

//! Key and trust stores: the bytes of a file → keys and certificates.
//!
//! * [`jks`]: Java's own format
//! * [`pkcs12`]: what `keytool` writes today, and OpenSSL
//! * [`pem`]: keys and certificates as text

pub(super) mod der;
mod jks;
mod pem;
mod pkcs12;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a file is (KeyStoreFileType).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreKind {
    /// Java's: either of its two formats, as in Java, whichever the name says.
    Java,
    /// Text.
    Pem,
}

/// A private key and the certificates that prove it, its own first.
pub struct KeyEntry {
    /// In PKCS#8, PKCS#1 or SEC1.
    pub key: PrivateKeyDer<'static>,
    /// At least one.
    pub chain: Vec<CertificateDer<'static>>,
}

/// What is wrong with a store.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum StoreError {
    #[error("its password is another, or it is damaged")]
    Password,
    #[error("it is neither JKS nor PKCS#12")]
    NotJava,
    #[error("it ends early, or is damaged")]
    Damaged,
    #[error("it is JKS of version {0}, and 1 and 2 can be read")]
    Version(u32),
    #[error("its entry \"{0}\" is protected by another password than the store")]
    KeyPassword(String),
    #[error("PKCS#12: {0}")]
    Pkcs12(String),
    #[error("PEM: {0}")]
    Pem(String),
    #[error("it has no PEM block \"PRIVATE KEY\" or \"ENCRYPTED PRIVATE KEY\"")]
    NoPemKey,
    #[error("it has no PEM block \"CERTIFICATE\"")]
    NoPemCertificate,
}

/// What a store of either format holds.
#[derive(Default)]
struct Entries {
    keys: Vec<KeyEntry>,
    trusted: Vec<CertificateDer<'static>>,
}

fn java(bytes: &[u8], password: &str) -> Result<Entries, StoreError> {
    match bytes {
        [0xfe, 0xed, 0xfe, 0xed, ..] => jks::read(bytes, password),
        [der::SEQUENCE, ..] => pkcs12::read(bytes, password),
        _ => Err(StoreError::NotJava),
    }
}

/// The private keys of a key store.
pub fn keys(kind: StoreKind, bytes: &[u8], password: &str) -> Result<Vec<KeyEntry>, StoreError> {
    match kind {
        StoreKind::Java => java(bytes, password).map(|entries| entries.keys),
        StoreKind::Pem => pem::key(bytes, password).map(|key| vec![key]),
    }
}

/// The certificates of a trust store.
pub fn trusted(
    kind: StoreKind,
    bytes: &[u8],
    password: &str,
) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    match kind {
        StoreKind::Java => java(bytes, password).map(|entries| entries.trusted),
        StoreKind::Pem => pem::certificates(bytes),
    }
}

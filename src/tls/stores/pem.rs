//! PEM (PemReader): a private key, which may be encrypted, and certificates, in one file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{KeyEntry, StoreError};

const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

pub(super) fn key(bytes: &[u8], password: &str) -> Result<KeyEntry, StoreError> {
    let key = match encrypted(bytes)? {
        Some(sealed) => decrypt(&sealed, password)?,
        None => PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
            Error::NoItemsFound => StoreError::NoPemKey,
            other => StoreError::Pem(other.to_string()),
        })?,
    };
    Ok(KeyEntry { key, chain: certificates(bytes)? })
}

pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let all = all.map_err(|error| StoreError::Pem(error.to_string()))?;
    if all.is_empty() { Err(StoreError::NoPemCertificate) } else { Ok(all) }
}

fn encrypted(bytes: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let text = String::from_utf8_lossy(bytes);
    let Some((_, rest)) = text.split_once(BEGIN) else { return Ok(None) };
    let (body, _) = rest.split_once(END).ok_or(StoreError::Damaged)?;
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(body).map(Some).map_err(|error| StoreError::Pem(error.to_string()))
}

fn decrypt(sealed: &[u8], password: &str) -> Result<PrivateKeyDer<'static>, StoreError> {
    let info = EncryptedPrivateKeyInfoRef::try_from(sealed)
        .map_err(|error| StoreError::Pem(error.to_string()))?;
    let key = info.decrypt(password).map_err(|_| StoreError::Password)?;
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec())))
}

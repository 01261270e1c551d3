//! PKCS#12: keys with their chains, and certificates that Java calls trusted.

use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Entries, KeyEntry, StoreError};

pub(super) fn read(bytes: &[u8], password: &str) -> Result<Entries, StoreError> {
    // Strict: a certificate that is not marked as trusted is none of the trust store, as in Java.
    let store = KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Strict);
    let store = store.map_err(|error| match error {
        p12_keystore::error::Error::MacError(_) => StoreError::Password,
        other => StoreError::Pkcs12(other.to_string()),
    })?;
    let mut entries = Entries::default();
    for (_, entry) in store.entries() {
        match entry {
            KeyStoreEntry::PrivateKeyChain(chain) => {
                let key = PrivatePkcs8KeyDer::from(chain.key().as_der().to_vec());
                let certificates = chain.certs().iter().map(certificate).collect();
                entries.keys.push(KeyEntry { key: PrivateKeyDer::Pkcs8(key), chain: certificates });
            }
            KeyStoreEntry::Certificate(trusted) => entries.trusted.push(certificate(trusted)),
            KeyStoreEntry::Secret(_) => {}
        }
    }
    Ok(entries)
}

fn certificate(certificate: &p12_keystore::Certificate) -> CertificateDer<'static> {
    CertificateDer::from(certificate.as_der().to_vec())
}

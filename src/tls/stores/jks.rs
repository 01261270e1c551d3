//! JKS (sun.security.provider.JavaKeyStore, KeyProtector). The one library for it is one person's and
//! stands on others of years ago; what is read here fits a page.
//!
//! ```text
//!   FEEDFEED │ version │ count │ entries │ SHA-1(password, "Mighty Aphrodite", all before)
//!   entry:  1 │ alias │ date │ protected key │ count │ certificates        or
//!           2 │ alias │ date │ certificate
//!   key:    PKCS#8 EncryptedPrivateKeyInfo of: salt (20) │ key ⊕ SHA-1 chain │ SHA-1(password, key)
//! ```

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha1::{Digest, Sha1};

use super::{Entries, KeyEntry, StoreError, der};

const KEY: u32 = 1;
const CERTIFICATE: u32 = 2;
const HASH: usize = 20;

pub(super) fn read(bytes: &[u8], password: &str) -> Result<Entries, StoreError> {
    let password: Vec<u8> = password.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let (body, hash) =
        bytes.split_at_checked(bytes.len().saturating_sub(HASH)).ok_or(StoreError::Damaged)?;
    // Java asks for no password where none is given.
    if !password.is_empty() {
        let sum = Sha1::new_with_prefix(&password).chain_update(b"Mighty Aphrodite");
        if sum.chain_update(body).finalize().as_slice() != hash {
            return Err(StoreError::Password);
        }
    }
    let mut reader = Reader { rest: body.get(4..).ok_or(StoreError::Damaged)?, version: 0 };
    reader.version = reader.number()?;
    if !(1..=2).contains(&reader.version) {
        return Err(StoreError::Version(reader.version));
    }
    let mut entries = Entries::default();
    for _ in 0..reader.number()? {
        let kind = reader.number()?;
        let alias = reader.text()?;
        reader.bytes(8)?;
        match kind {
            KEY => {
                let sealed = reader.long_bytes()?;
                let count = reader.number()?;
                let chain = (0..count).map(|_| reader.certificate()).collect::<Result<_, _>>()?;
                let key = recover(sealed, &password)
                    .ok_or_else(|| StoreError::KeyPassword(alias.clone()))?;
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
                entries.keys.push(KeyEntry { key, chain });
            }
            CERTIFICATE => entries.trusted.push(reader.certificate()?),
            _ => return Err(StoreError::Damaged),
        }
    }
    Ok(entries)
}

struct Reader<'a> {
    rest: &'a [u8],
    version: u32,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], StoreError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(StoreError::Damaged)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, StoreError> {
        Ok(self.bytes(4)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn long_bytes(&mut self) -> Result<&'a [u8], StoreError> {
        let len = self.number()?;
        self.bytes(len as usize)
    }

    /// DataOutput.writeUTF; aliases and names of formats are ASCII where it matters.
    fn text(&mut self) -> Result<String, StoreError> {
        let len = self.bytes(2)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
        self.bytes(len).map(|text| String::from_utf8_lossy(text).into_owned())
    }

    fn certificate(&mut self) -> Result<CertificateDer<'static>, StoreError> {
        // The format's name: there is but X.509.
        if self.version == 2 {
            self.text()?;
        }
        self.long_bytes().map(|der| CertificateDer::from(der.to_vec()))
    }
}

/// KeyProtector.recover.
fn recover(sealed: &[u8], password: &[u8]) -> Option<Vec<u8>> {
    let (info, _) = der::take(sealed, der::SEQUENCE)?;
    let (_, info) = der::take(info, der::SEQUENCE)?;
    let (content, _) = der::take(info, der::OCTET_STRING)?;
    let (salt, content) = content.split_at_checked(HASH)?;
    let (key, check) = content.split_at_checked(content.len().checked_sub(HASH)?)?;
    let mut plain = Vec::with_capacity(key.len());
    let mut link = salt.to_vec();
    for piece in key.chunks(HASH) {
        link = Sha1::new_with_prefix(password).chain_update(&link).finalize().to_vec();
        plain.extend(piece.iter().zip(&link).map(|(byte, mask)| byte ^ mask));
    }
    let sum = Sha1::new_with_prefix(password).chain_update(&plain).finalize();
    (sum.as_slice() == check).then_some(plain)
}

//! The keys of one kind of port, in the file or as flags.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::ConfigError;
use crate::config::source::{Found, Source, not_served};
use crate::config::value::{POSITIVE, number, strict};
use crate::tls::files::{Password, RevokedFile, Secret, StoreFile};
use crate::tls::{ClientAuth, StoreKind, Suite, Version, suite};
use crate::types::limits;

const VERSIONS: &str = "TLSv1.2 or TLSv1.3; older ones are broken and not served";

/// What the keys begin with, and what is ours among them.
pub(super) struct Family {
    pub(super) prefix: &'static str,
    /// Names the file of lists of revoked certificates.
    pub(super) revoked: &'static str,
}

/// As a server speaks it.
pub(super) struct Spoken {
    pub(super) versions: Vec<Version>,
    pub(super) suites: Option<Vec<usize>>,
}

impl Family {
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn get(&self, s: &mut Source<'_>, name: &str) -> Option<Found> {
        s.property(&self.key(name))
    }

    /// What somebody relies on who sets it.
    pub(super) fn refuse_what_is_not_served(&self, s: &mut Source<'_>) -> Result<(), ConfigError> {
        if let Some(found) = s.property("fips-mode").filter(Found::is_true) {
            let instead = "set it to false: the ciphers of ZooKeeper's FIPS mode are all that is \
                           spoken here, by a library that is not certified";
            return Err(not_served(found, "FIPS mode", instead));
        }
        if let Some(found) = self.get(s, "ocsp").filter(Found::is_true) {
            let instead = "set the crl key beside it to true, and ours for the file of lists";
            return Err(not_served(found, "OCSP", instead));
        }
        match self.get(s, "context.supplier.class") {
            Some(found) => Err(not_served(found, "a class of your own", "remove the key")),
            None => Ok(()),
        }
    }

    pub(super) fn client_auth(&self, s: &mut Source<'_>) -> Result<ClientAuth, ConfigError> {
        let Some(found) = self.get(s, "clientAuth") else { return Ok(ClientAuth::Need) };
        match found.value.to_ascii_lowercase().as_str() {
            "none" => Ok(ClientAuth::None),
            "want" => Ok(ClientAuth::Want),
            "need" => Ok(ClientAuth::Need),
            _ => Err(found.refuse("none, want or need")),
        }
    }

    /// `default`: what is spoken where no key says otherwise.
    pub(super) fn spoken(
        &self,
        s: &mut Source<'_>,
        default: impl FnOnce(Option<Version>) -> Vec<Version>,
        remarks: &mut Vec<String>,
    ) -> Result<Spoken, ConfigError> {
        let versions = self.versions(s, default)?;
        let suites = self.suites(s, &versions, remarks)?;
        let versions = match &suites {
            None => versions,
            Some(suites) => {
                let spoken = |version: &Version| suites.iter().any(|at| speaks(*at, *version));
                versions.into_iter().filter(spoken).collect()
            }
        };
        Ok(Spoken { versions, suites })
    }

    /// `enabledProtocols`, or else what `protocol` comes to.
    fn versions(
        &self,
        s: &mut Source<'_>,
        default: impl FnOnce(Option<Version>) -> Vec<Version>,
    ) -> Result<Vec<Version>, ConfigError> {
        let protocol = self.get(s, "protocol");
        let known = |found: &Found, name: &str| {
            Version::from_name(name).ok_or_else(|| found.refuse(VERSIONS))
        };
        let Some(found) = self.get(s, "enabledProtocols") else {
            let protocol = protocol.map(|found| known(&found, found.value.trim())).transpose()?;
            return Ok(default(protocol));
        };
        let names = found.value.split(',').map(str::trim);
        let mut versions: Vec<Version> =
            names.map(|name| known(&found, name)).collect::<Result<_, _>>()?;
        versions.sort_unstable();
        versions.dedup();
        Ok(versions)
    }

    fn suites(
        &self,
        s: &mut Source<'_>,
        versions: &[Version],
        remarks: &mut Vec<String>,
    ) -> Result<Option<Vec<usize>>, ConfigError> {
        let Some(found) = self.get(s, "ciphersuites") else { return Ok(None) };
        let (mut served, mut weak) = (Vec::new(), Vec::new());
        for name in found.value.split(',').map(str::trim) {
            match suite(name) {
                Suite::Served(at) => served.push(at),
                Suite::Weak => weak.push(name.to_owned()),
                Suite::Unknown => {
                    let text = format!("suites in Java's spelling; \"{name}\" is none");
                    return Err(found.refuse(text));
                }
            }
        }
        served.retain(|at| versions.iter().any(|version| speaks(*at, *version)));
        if served.is_empty() {
            let all = crate::tls::SUITES.join(", ");
            return Err(found.refuse(format!("at least one of {all}, of an enabled protocol")));
        }
        if !weak.is_empty() {
            remarks.push(format!(
                "{} in {}: {} not served, for want of forward secrecy or authenticated encryption",
                found.key,
                found.place,
                weak.join(", ")
            ));
        }
        Ok(Some(served))
    }

    /// `kind`: `keyStore` or `trustStore`.
    pub(super) fn store(
        &self,
        s: &mut Source<'_>,
        kind: &str,
    ) -> Result<Option<StoreFile>, ConfigError> {
        let given = self.get(s, &format!("{kind}.password"));
        let path = self.get(s, &format!("{kind}.passwordPath"));
        let sort = self.get(s, &format!("{kind}.type"));
        let Some(location) = self.get(s, &format!("{kind}.location")) else { return Ok(None) };
        // X509Util.getPasswordFromConfigPropertyOrFile: the file wins.
        let password = match (path, given) {
            (Some(path), _) => Password::File(PathBuf::from(path.value)),
            (None, Some(given)) => Password::Given(Secret(given.value)),
            (None, None) => Password::None,
        };
        let (key, sort) = (self.key(kind), store_kind(&location, sort)?);
        Ok(Some(StoreFile { key, path: PathBuf::from(location.value), kind: sort, password }))
    }

    /// Java follows the certificates' own pointers to where lists are. A handshake that waits for
    /// somebody's web server is no handshake: the lists are a file here.
    pub(super) fn revoked(&self, s: &mut Source<'_>) -> Result<Option<RevokedFile>, ConfigError> {
        let switch = self.get(s, "crl");
        let wanted = strict(switch.clone(), false)?;
        let (key, location) = (self.revoked, s.file(self.revoked));
        match (switch.filter(|_| wanted), location) {
            (None, None) => Ok(None),
            (Some(_), Some(location)) => {
                Ok(Some(RevokedFile { key, path: PathBuf::from(location.value) }))
            }
            (Some(found), None) => {
                Err(found
                    .refuse(format!("false, or {key} must name a PEM file of revocation lists")))
            }
            (None, Some(location)) => {
                Err(location.refuse(format!("absent unless {}=true", self.key("crl"))))
            }
        }
    }

    pub(super) fn handshake(&self, s: &mut Source<'_>) -> Result<Duration, ConfigError> {
        let found = self.get(s, "handshakeDetectionTimeoutMillis");
        let ms = number(found, POSITIVE, "milliseconds", limits::HANDSHAKE_MS)?;
        Ok(Duration::from_millis(ms as u64))
    }
}

/// Whether the suite at that place of the list is one of the version's.
fn speaks(at: usize, version: Version) -> bool {
    let is_13 = !crate::tls::SUITES[at].contains("_WITH_");
    is_13 == (version == Version::Tls13)
}

/// KeyStoreFileType.fromPropertyValueOrFileName.
fn store_kind(location: &Found, kind: Option<Found>) -> Result<StoreKind, ConfigError> {
    let ending = Path::new(&location.value).extension().map(|end| end.to_string_lossy());
    let (found, name) = match &kind {
        Some(kind) => (kind, kind.value.to_ascii_uppercase()),
        None => (location, ending.unwrap_or_default().to_ascii_uppercase()),
    };
    match name.as_str() {
        "JKS" | "PKCS12" => Ok(StoreKind::Java),
        "P12" if kind.is_none() => Ok(StoreKind::Java),
        "PEM" => Ok(StoreKind::Pem),
        "BCFKS" => {
            let instead = "convert the store to PKCS12 with keytool -importkeystore";
            Err(not_served(found.clone(), "Bouncy Castle's store", instead))
        }
        _ if kind.is_some() => Err(found.refuse("JKS, PKCS12 or PEM")),
        _ => Err(found.refuse("a file .jks, .p12 or .pem, unless its type is set")),
    }
}

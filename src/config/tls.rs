//! TLS towards clients: `ssl.*`, in the file or as flags `zookeeper.ssl.*` (X509Util, ClientX509Util).

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::listen::speaks_tls;
use super::source::{Found, Source, not_served};
use super::value::{POSITIVE, number, strict};
use super::{ConfigError, TlsSettings};
use crate::tls::files::{Password, Secret, Sources, StoreFile};
use crate::tls::{ClientAuth, Options, StoreKind, Suite, Version, suite};
use crate::types::limits;

const VERSIONS: &str = "TLSv1.2 or TLSv1.3; older ones are broken and not served";

/// `None`: no port of the clients' speaks it.
pub(super) fn tls(
    s: &mut Source<'_>,
    remarks: &mut Vec<String>,
) -> Result<Option<TlsSettings>, ConfigError> {
    let Some(asked) = speaks_tls(s) else { return Ok(None) };
    refuse_what_is_not_served(s)?;
    let options = options(s, remarks)?;
    let key_store = store(s, "ssl.keyStore", KEY_STORE)?.ok_or_else(|| {
        asked.refuse("absent, or ssl.keyStore.location must name the server's key and certificate")
    })?;
    let trust_store = store(s, "ssl.trustStore", TRUST_STORE)?;
    if trust_store.is_none() && options.client_auth != ClientAuth::None {
        return Err(asked.refuse(
            "absent, or ssl.trustStore.location must name whom to trust, or ssl.clientAuth=none",
        ));
    }
    let revoked = revoked(s)?;
    let reload = strict(s.property("client.certReload"), false)?;
    let handshake = number(
        s.property("ssl.handshakeDetectionTimeoutMillis"),
        POSITIVE,
        "milliseconds",
        limits::HANDSHAKE_MS,
    )?;
    Ok(Some(TlsSettings {
        sources: Sources { key_store, trust_store, revoked, options },
        handshake: Duration::from_millis(handshake as u64),
        reload,
    }))
}

/// What somebody relies on who sets it.
fn refuse_what_is_not_served(s: &mut Source<'_>) -> Result<(), ConfigError> {
    if let Some(found) = s.property("fips-mode").filter(Found::is_true) {
        let instead = "set it to false: the ciphers of ZooKeeper's FIPS mode are all that is spoken \
                       here, by a library that is not certified";
        return Err(not_served(found, "FIPS mode", instead));
    }
    if let Some(found) = s.property("ssl.ocsp").filter(Found::is_true) {
        return Err(not_served(found, "OCSP", "set ssl.crl=true and ringkeeper.ssl.crl.location"));
    }
    if let Some(found) = s.property("ssl.context.supplier.class") {
        return Err(not_served(found, "a class of your own", "remove the key"));
    }
    if let Some(found) = s.property("ssl.authProvider").filter(|found| found.value != "x509") {
        return Err(found.refuse("x509, the scheme of certificates"));
    }
    let id_type = s.property("ssl.x509.clientCertIdType");
    if let Some(found) = id_type.filter(|f| !f.value.eq_ignore_ascii_case("SUBJECT_DN")) {
        return Err(not_served(found, "an identity by other than the subject", "remove the key"));
    }
    Ok(())
}

fn options(s: &mut Source<'_>, remarks: &mut Vec<String>) -> Result<Options, ConfigError> {
    let client_auth = match s.property("ssl.clientAuth") {
        None => ClientAuth::Need,
        Some(found) => match found.value.to_ascii_lowercase().as_str() {
            "none" => ClientAuth::None,
            "want" => ClientAuth::Want,
            "need" => ClientAuth::Need,
            _ => return Err(found.refuse("none, want or need")),
        },
    };
    let versions = versions(s)?;
    let suites = suites(s, &versions, remarks)?;
    // Hosts' names are asked of servers; here it is what switches off the other.
    let hosts = strict(s.property("ssl.hostnameVerification"), true)?;
    let checks_address = strict(s.property("ssl.clientHostnameVerification"), false)? && hosts;
    if let Some(found) = s.property("ssl.allowReverseDnsLookup").filter(Found::is_true)
        && checks_address
    {
        let instead = "set it to false: certificates of clients name their addresses then";
        return Err(not_served(found, "the look-up of clients' names", instead));
    }
    let versions = match &suites {
        None => versions,
        Some(suites) => {
            let spoken = |version: &Version| suites.iter().any(|at| speaks(*at, *version));
            versions.into_iter().filter(spoken).collect()
        }
    };
    Ok(Options { client_auth, versions, suites, checks_address })
}

/// `ssl.enabledProtocols`, or else `ssl.protocol` alone (ClientX509Util.getEnabledProtocols).
fn versions(s: &mut Source<'_>) -> Result<Vec<Version>, ConfigError> {
    let protocol = s.property("ssl.protocol");
    let enabled = s.property("ssl.enabledProtocols");
    let Some(found) = enabled.or(protocol) else { return Ok(vec![Version::Tls13]) };
    let names = found.value.split(',').map(str::trim);
    let versions: Option<Vec<Version>> = names.map(Version::from_name).collect();
    let mut versions = versions.ok_or_else(|| found.refuse(VERSIONS))?;
    versions.sort_unstable();
    versions.dedup();
    Ok(versions)
}

/// Whether the suite at that place of the list is one of the version's.
fn speaks(at: usize, version: Version) -> bool {
    let is_13 = !crate::tls::SUITES[at].contains("_WITH_");
    is_13 == (version == Version::Tls13)
}

fn suites(
    s: &mut Source<'_>,
    versions: &[Version],
    remarks: &mut Vec<String>,
) -> Result<Option<Vec<usize>>, ConfigError> {
    let Some(found) = s.property("ssl.ciphersuites") else { return Ok(None) };
    let (mut served, mut weak) = (Vec::new(), Vec::new());
    for name in found.value.split(',').map(str::trim) {
        match suite(name) {
            Suite::Served(at) => served.push(at),
            Suite::Weak => weak.push(name.to_owned()),
            Suite::Unknown => {
                return Err(found.refuse(format!("suites in Java's spelling; \"{name}\" is none")));
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

/// The keys of a store.
struct StoreKeys {
    location: &'static str,
    password: &'static str,
    password_path: &'static str,
    kind: &'static str,
}

const KEY_STORE: StoreKeys = StoreKeys {
    location: "ssl.keyStore.location",
    password: "ssl.keyStore.password",
    password_path: "ssl.keyStore.passwordPath",
    kind: "ssl.keyStore.type",
};

const TRUST_STORE: StoreKeys = StoreKeys {
    location: "ssl.trustStore.location",
    password: "ssl.trustStore.password",
    password_path: "ssl.trustStore.passwordPath",
    kind: "ssl.trustStore.type",
};

fn store(
    s: &mut Source<'_>,
    key: &'static str,
    keys: StoreKeys,
) -> Result<Option<StoreFile>, ConfigError> {
    let (given, path) = (s.property(keys.password), s.property(keys.password_path));
    let kind = s.property(keys.kind);
    let Some(location) = s.property(keys.location) else { return Ok(None) };
    // X509Util.getPasswordFromConfigPropertyOrFile: the file wins.
    let password = match (path, given) {
        (Some(path), _) => Password::File(PathBuf::from(path.value)),
        (None, Some(given)) => Password::Given(Secret(given.value)),
        (None, None) => Password::None,
    };
    let kind = store_kind(&location, kind)?;
    Ok(Some(StoreFile { key, path: PathBuf::from(location.value), kind, password }))
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

/// `ssl.crl`: Java follows the certificates' own pointers to where lists are. A handshake that waits for
/// somebody's web server is no handshake: the lists are a file here.
fn revoked(s: &mut Source<'_>) -> Result<Option<PathBuf>, ConfigError> {
    let wanted = strict(s.property("ssl.crl"), false)?;
    let location = s.file("ringkeeper.ssl.crl.location");
    match (wanted, location) {
        (false, None) => Ok(None),
        (true, Some(location)) => Ok(Some(PathBuf::from(location.value))),
        (true, None) => {
            let Some(found) = s.property("ssl.crl") else { return Ok(None) };
            Err(found.refuse(
                "false, or ringkeeper.ssl.crl.location must name a PEM file of revocation lists",
            ))
        }
        (false, Some(location)) => Err(location.refuse("absent unless ssl.crl=true")),
    }
}

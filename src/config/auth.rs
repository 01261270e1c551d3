//! Who may do what: schemes, super users, what every connection must prove.

use super::source::{Found, Source, not_served};
use super::value::{flag, text};
use super::{AuthSettings, ConfigError};
use crate::acl::DigestAlgorithm;

/// `tls`: a port of the clients' speaks it, which brings its scheme (QuorumPeerConfig.configureSSLAuth).
pub(super) fn auth(s: &mut Source<'_>, tls: bool) -> Result<AuthSettings, ConfigError> {
    let digest_alg = match s.property("DigestAuthenticationProvider.digestAlg") {
        None => DigestAlgorithm::default(),
        Some(found) => DigestAlgorithm::from_name(&found.value)
            .ok_or_else(|| found.refuse(DigestAlgorithm::NAMES))?,
    };
    let digest_enabled = flag(s.property("DigestAuthenticationProvider.enabled"), true);
    let x509_enabled = providers(s)? || tls;
    Ok(AuthSettings {
        skip_acl: s.property("skipACL").is_some_and(|f| f.value == "yes"),
        eager_acl_check: flag(s.property("enableEagerACLCheck"), false),
        digest_enabled,
        super_digest: text(s.property("DigestAuthenticationProvider.superDigest")),
        digest_alg,
        enforce_schemes: enforced(s, digest_enabled, x509_enabled)?,
        x509_enabled,
        x509_super_user: text(s.property("X509AuthenticationProvider.superUser")),
    })
}

/// `authProvider.<anything>=<class>` (ProviderRegistry). A class that cannot be loaded is a warning
/// in Java; here it is refused, for nobody asks for a scheme without relying on it. True: the X.509
/// provider is one of them.
fn providers(s: &mut Source<'_>) -> Result<bool, ConfigError> {
    const OWN: &str = "the schemes are world, ip, digest, x509 and auth";
    let mut x509 = false;
    for found in s.family("authProvider.") {
        let (feature, instead) = match found.value.rsplit('.').next().unwrap_or_default() {
            // Always there.
            "IPAuthenticationProvider" | "DigestAuthenticationProvider" => continue,
            "SASLAuthenticationProvider" => ("SASL", "use digest authentication"),
            "X509AuthenticationProvider" => {
                x509 = true;
                continue;
            }
            "EnsembleAuthenticationProvider" => {
                ("the scheme \"ensemble\"", "remove the line, and keep ensembles apart by network")
            }
            "KeyAuthenticationProvider" => ("the scheme \"key\"", "use digest authentication"),
            _ => ("an authentication class of your own", OWN),
        };
        return Err(not_served(found, feature, instead));
    }
    Ok(x509)
}

/// AuthenticationHelper. A scheme that cannot be had would lock everybody out, or if it were
/// passed over, let everybody in: refused, as in Java.
fn enforced(
    s: &mut Source<'_>,
    digest: bool,
    x509: bool,
) -> Result<Option<Vec<String>>, ConfigError> {
    let require_sasl = s.property("sessionRequireClientSASLAuth");
    let enabled = s.property("enforce.auth.enabled");
    let schemes = s.property("enforce.auth.schemes");
    if let Some(found) = require_sasl.filter(Found::is_true) {
        return Err(not_served(found, "SASL", "use enforce.auth.schemes=digest"));
    }
    let Some(enabled) = enabled.filter(Found::is_true) else { return Ok(None) };
    let schemes = schemes.ok_or_else(|| {
        enabled.refuse("false, or enforce.auth.schemes must name the schemes to enforce")
    })?;
    let names: Vec<String> = schemes.value.split(',').map(|n| n.trim().to_owned()).collect();
    for name in &names {
        let known = match name.as_str() {
            "ip" => true,
            "digest" => digest,
            "x509" => x509,
            _ => false,
        };
        if !known {
            return Err(schemes.refuse(format!("schemes this server has; \"{name}\" is none")));
        }
    }
    Ok(Some(names))
}

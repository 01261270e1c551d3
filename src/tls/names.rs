//! Java's names of protocol versions and cipher suites.

use rustls::SupportedCipherSuite;
use rustls::crypto::ring::cipher_suite as known;

/// A version of the protocol that is spoken here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Version {
    Tls12,
    Tls13,
}

impl Version {
    /// By Java's name.
    pub fn from_name(name: &str) -> Option<Version> {
        match name {
            "TLSv1.2" => Some(Version::Tls12),
            "TLSv1.3" => Some(Version::Tls13),
            _ => None,
        }
    }

    pub(super) fn served(self) -> &'static rustls::SupportedProtocolVersion {
        match self {
            Version::Tls12 => &rustls::version::TLS12,
            Version::Tls13 => &rustls::version::TLS13,
        }
    }
}

/// The suites that are served, in order of preference, by Java's names.
pub const SUITES: [&str; 9] = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// What a name of a suite means here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suite {
    /// Its place in [`SUITES`].
    Served(usize),
    /// Java has it; it has no forward secrecy or no authenticated encryption, and is not served.
    Weak,
    /// No suite.
    Unknown,
}

/// The suite of that name.
pub fn suite(name: &str) -> Suite {
    if let Some(at) = SUITES.iter().position(|known| *known == name) {
        return Suite::Served(at);
    }
    let is_java = (name.starts_with("TLS_") || name.starts_with("SSL_"))
        && name.contains("_WITH_")
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if is_java { Suite::Weak } else { Suite::Unknown }
}

/// By its place in [`SUITES`].
pub(super) fn served(at: usize) -> SupportedCipherSuite {
    let all = [
        known::TLS13_AES_256_GCM_SHA384,
        known::TLS13_AES_128_GCM_SHA256,
        known::TLS13_CHACHA20_POLY1305_SHA256,
        known::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        known::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        known::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        known::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        known::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        known::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    all[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_names_are_the_registrys() {
        // Goal: the names that stand beside the suites are theirs.
        for (at, name) in SUITES.iter().enumerate() {
            let theirs = format!("{:?}", served(at).suite()).replace("TLS13_", "TLS_");
            assert_eq!(theirs, *name);
            assert_eq!(suite(name), Suite::Served(at));
        }
        assert_eq!(suite("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"), Suite::Weak);
        assert_eq!(suite("SSL_RSA_WITH_3DES_EDE_CBC_SHA"), Suite::Weak);
        assert_eq!(suite("ECDHE-RSA-AES128-GCM-SHA256"), Suite::Unknown);
    }
}

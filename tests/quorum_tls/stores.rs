//! Stores of an ensemble's member.

use crate::pki::{PASSWORD, pki};

/// For TLS between servers: the key of that name, and whom the tests' authority has signed.
pub(crate) fn quorum_stores(name: &str) -> Vec<(&'static str, String)> {
    vec![
        ("ssl.quorum.keyStore.location", pki().text(&format!("{name}.p12"))),
        ("ssl.quorum.keyStore.password", PASSWORD.to_owned()),
        ("ssl.quorum.trustStore.location", pki().text("trust.p12")),
        ("ssl.quorum.trustStore.password", PASSWORD.to_owned()),
        // Else Java compares no names.
        ("fips-mode", "false".to_owned()),
    ]
}

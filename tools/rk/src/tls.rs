//! TLS to servers: which stores, whose certificates are believed, and a connection's session.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use ringkeeper::tls::{
    self, ClientAuth, Dialer, Dials, Failure, Material, Options, Session, StoreKind, Version,
};

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFault {
    #[error("{option} {file}: {why}")]
    Store { option: &'static str, file: String, why: String },
    #[error("--tls needs --tls-trust, a file of certificates to believe")]
    NoTrust,
}

#[derive(Args, Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct TlsArguments {
    /// Speak TLS
    #[arg(long, env = "RK_TLS")]
    pub(crate) tls: bool,
    /// Whom to believe: PEM, or Java's .jks or .p12
    #[arg(long, value_name = "FILE", env = "RK_TLS_TRUST")]
    pub(crate) tls_trust: Option<PathBuf>,
    /// Our own key and certificate, for servers that ask: PEM, .jks or .p12
    #[arg(long, value_name = "FILE", env = "RK_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A file with the password of both
    #[arg(long, value_name = "FILE", env = "RK_TLS_PASSWORD_FILE")]
    pub(crate) tls_password_file: Option<PathBuf>,
    /// Believe a certificate that names another host than the one asked for
    #[arg(long)]
    pub(crate) tls_any_host: bool,
}

/// Ours that a value follows.
pub(crate) const VALUED: [&str; 3] = ["--tls-trust", "--tls-key", "--tls-password-file"];

impl TlsArguments {
    /// `None`: plain.
    pub(crate) fn dialer(&self) -> Result<Option<Arc<Dialer>>, TlsFault> {
        if !self.tls {
            return Ok(None);
        }
        let password = match &self.tls_password_file {
            None => String::new(),
            Some(file) => {
                let text = read("--tls-password-file", file)?;
                String::from_utf8_lossy(&text).trim_end_matches(['\r', '\n']).to_owned()
            }
        };
        let trust = self.tls_trust.as_ref().ok_or(TlsFault::NoTrust)?;
        let bytes = read("--tls-trust", trust)?;
        let fault = |option: &'static str, file: &Path, why: String| TlsFault::Store {
            option,
            file: file.display().to_string(),
            why,
        };
        let trusted = tls::trusted(kind(trust), &bytes, &password)
            .map_err(|why| fault("--tls-trust", trust, why.to_string()))?;
        let keys = match &self.tls_key {
            None => Vec::new(),
            Some(key) => tls::keys(kind(key), &read("--tls-key", key)?, &password)
                .map_err(|why| fault("--tls-key", key, why.to_string()))?,
        };
        let material = Material { keys, trusted, revoked: Vec::new() };
        let options = Options {
            client_auth: ClientAuth::None,
            versions: vec![Version::Tls12, Version::Tls13],
            suites: None,
            checks_address: false,
            dials: Some(Dials { checks_name: !self.tls_any_host }),
        };
        let dialer = Dialer::new(&options, material);
        let dialer = dialer.map_err(|why| fault("--tls-trust", trust, why.to_string()))?;
        Ok(Some(Arc::new(dialer)))
    }
}

fn read(option: &'static str, file: &Path) -> Result<Vec<u8>, TlsFault> {
    fs::read(file).map_err(|error| {
        let (file, why) = (file.display().to_string(), error.to_string());
        TlsFault::Store { option, file, why }
    })
}

fn kind(file: &Path) -> StoreKind {
    let ending = file.extension().map(|end| end.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("jks" | "p12" | "pfx") => StoreKind::Java,
        _ => StoreKind::Pem,
    }
}

/// One connection's.
pub(crate) struct Secured {
    session: Session,
    /// The client's core has heard that it stands.
    is_told: bool,
}

/// What came of bytes.
pub(crate) struct Came {
    /// The handshake is done with them.
    pub(crate) is_open: bool,
    pub(crate) plain: Vec<u8>,
    pub(crate) failure: Option<Failure>,
    /// Nothing follows.
    pub(crate) is_over: bool,
}

impl Secured {
    pub(crate) fn begin(dialer: &Dialer, peer: IpAddr, host: &str) -> Result<Secured, Failure> {
        Ok(Secured { session: Session::dial(dialer, peer, host)?, is_told: false })
    }

    pub(crate) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut ciphertext = Vec::new();
        self.session.seal(plain, &mut ciphertext);
        ciphertext
    }

    pub(crate) fn open(&mut self, ciphertext: &[u8]) -> Came {
        let mut plain = Vec::new();
        let opened = match self.session.is_handshaking() {
            true => {
                self.session.hold(ciphertext);
                self.session.step(&mut plain)
            }
            false => self.session.open(ciphertext, &mut plain),
        };
        let is_open = opened.is_ok() && !self.session.is_handshaking() && !self.is_told;
        self.is_told |= is_open;
        Came { is_open, plain, failure: opened.err(), is_over: self.session.has_peer_ended() }
    }
}

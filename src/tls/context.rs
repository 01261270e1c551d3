//! What all sessions of a server have alike: its keys, whom it trusts, what it speaks.

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};

use super::names::{self, SUITES, Version};
use super::stores::KeyEntry;
use super::verify::Trust;

/// `ssl.clientAuth`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientAuth {
    /// Nobody is asked for a certificate.
    None,
    /// Everybody is asked, and may have none; one that is shown must be good.
    Want,
    /// Everybody must show a good one.
    Need,
}

/// What sessions are to be like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Who must show a certificate.
    pub client_auth: ClientAuth,
    /// At least one.
    pub versions: Vec<Version>,
    /// Places in [`SUITES`], in order of preference; `None`: all.
    pub suites: Option<Vec<usize>>,
    /// A client's certificate must name the address that it comes from.
    pub checks_address: bool,
}

/// What was in the stores.
#[derive(Default)]
pub struct Material {
    /// The server's keys.
    pub keys: Vec<KeyEntry>,
    /// Authorities, and clients' own certificates.
    pub trusted: Vec<CertificateDer<'static>>,
    /// Lists of revoked certificates. Without any, nothing is asked of them.
    pub revoked: Vec<CertificateRevocationListDer<'static>>,
}

/// Why there can be no sessions with that.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum ContextError {
    #[error("the key store has no private key")]
    NoKey,
    #[error("the trust store has no certificate")]
    NoTrust,
    #[error("a certificate of the trust store cannot be used: {0}")]
    Trust(rustls::Error),
    #[error("a key of the key store cannot be used: {0}")]
    Key(rustls::Error),
    #[error("clients' certificates cannot be verified: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    #[error("protocol versions and cipher suites do not go together: {0}")]
    Nothing(rustls::Error),
    #[error("no key for tickets: {0}")]
    Tickets(rustls::Error),
}

/// One state of the stores.
pub struct Context {
    pub(super) config: Arc<ServerConfig>,
    pub(super) checks_address: bool,
}

impl Context {
    /// Checks everything that can be checked before a client comes.
    pub fn new(options: &Options, material: Material) -> Result<Context, ContextError> {
        let all: Vec<usize> = (0..SUITES.len()).collect();
        let suites = options.suites.as_ref().unwrap_or(&all);
        let cipher_suites = suites.iter().map(|at| names::served(*at)).collect();
        let provider = Arc::new(CryptoProvider { cipher_suites, ..ring::default_provider() });
        let versions: Vec<_> = options.versions.iter().map(|version| version.served()).collect();
        let keys = Keys::new(material.keys, &provider)?;
        let (trusted, revoked) = (material.trusted, material.revoked);
        let verifier = verifier(options.client_auth, trusted, revoked, &provider)?;
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&versions).map_err(ContextError::Nothing)?;
        let builder = builder.with_client_cert_verifier(verifier);
        let mut config = builder.with_cert_resolver(Arc::new(keys));
        // Tickets keep a session with its client. A cache here would be a lock that all cores share.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new().map_err(ContextError::Tickets)?;
        Ok(Context { config: Arc::new(config), checks_address: options.checks_address })
    }
}

fn verifier(
    client_auth: ClientAuth,
    trusted: Vec<CertificateDer<'static>>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, ContextError> {
    if client_auth == ClientAuth::None {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    if trusted.is_empty() {
        return Err(ContextError::NoTrust);
    }
    let mut roots = RootCertStore::empty();
    for certificate in &trusted {
        roots.add(certificate.clone()).map_err(ContextError::Trust)?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = builder.with_crls(revoked);
    let builder = match client_auth {
        ClientAuth::Want => builder.allow_unauthenticated(),
        ClientAuth::None | ClientAuth::Need => builder,
    };
    Ok(Arc::new(Trust { own: trusted, chains: builder.build()? }))
}

/// The server's keys, in the store's order.
#[derive(Debug)]
struct Keys(Vec<Arc<CertifiedKey>>);

impl Keys {
    fn new(entries: Vec<KeyEntry>, provider: &CryptoProvider) -> Result<Keys, ContextError> {
        if entries.is_empty() {
            return Err(ContextError::NoKey);
        }
        let of = |entry: KeyEntry| {
            CertifiedKey::from_der(entry.chain, entry.key, provider)
                .map(Arc::new)
                .map_err(ContextError::Key)
        };
        entries.into_iter().map(of).collect::<Result<_, _>>().map(Keys)
    }
}

impl ResolvesServerCert for Keys {
    /// The first that the client can verify.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        self.0.iter().find(|key| key.key.choose_scheme(schemes).is_some()).cloned()
    }
}

/// The context in force. New sessions begin with it; those that are there keep theirs.
pub struct Current(RwLock<Arc<Context>>);

impl Current {
    /// In force from the start.
    pub fn new(context: Context) -> Current {
        Current(RwLock::new(Arc::new(context)))
    }

    /// For one session.
    pub fn get(&self) -> Arc<Context> {
        self.0.read().clone()
    }

    /// For the sessions that begin from now on. What was resumed by tickets of the old one is not.
    pub fn replace(&self, context: Context) {
        *self.0.write() = Arc::new(context);
    }
}

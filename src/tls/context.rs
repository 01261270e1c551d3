//! What all sessions of a server have alike: its keys, whom it trusts, what it speaks.

use std::sync::Arc;

use parking_lot::RwLock;
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};

use super::names::{self, SUITES, Version};
use super::stores::KeyEntry;
use super::verify::{Clients, Servers};

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
    /// The certificate of whoever connects must name the address that it comes from; between servers, or
    /// a host that one of them is known by.
    pub checks_address: bool,
    /// Between servers, which connect to one another.
    pub dials: Option<Dials>,
}

/// How this server connects to others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dials {
    /// Their certificates must name the host or the address that they are known by.
    pub checks_name: bool,
}

/// What was in the stores.
#[derive(Default)]
pub struct Material {
    /// The server's keys.
    pub keys: Vec<KeyEntry>,
    /// Authorities, and peers' own certificates.
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
    #[error("peers' certificates cannot be verified: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    #[error("protocol versions and cipher suites do not go together: {0}")]
    Nothing(rustls::Error),
    #[error("no key for tickets: {0}")]
    Tickets(rustls::Error),
}

/// One state of the stores.
pub struct Context {
    config: Arc<ServerConfig>,
    dials: Option<Dialer>,
    pub(super) checks_address: bool,
}

/// What the sessions have alike that are begun from here.
pub struct Dialer {
    pub(super) config: Arc<ClientConfig>,
    pub(super) checks_name: bool,
}

/// What is spoken, in the library's words.
struct Speech {
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl Speech {
    fn of(options: &Options) -> Speech {
        let all: Vec<usize> = (0..SUITES.len()).collect();
        let suites = options.suites.as_ref().unwrap_or(&all);
        let cipher_suites = suites.iter().map(|at| names::served(*at)).collect();
        let provider = Arc::new(CryptoProvider { cipher_suites, ..ring::default_provider() });
        let versions = options.versions.iter().map(|version| version.served()).collect();
        Speech { provider, versions }
    }
}

impl Dialer {
    /// For who connects and is never connected to. Without a key it proves nothing of itself.
    pub fn new(options: &Options, material: Material) -> Result<Dialer, ContextError> {
        let speech = Speech::of(options);
        let keys = Arc::new(Keys::new(material.keys, &speech.provider)?);
        let trust = Trust { trusted: material.trusted, revoked: material.revoked };
        let checks_name = options.dials.is_none_or(|dials| dials.checks_name);
        Dialer::with(&speech, keys, &trust, checks_name)
    }

    fn with(
        speech: &Speech,
        keys: Arc<Keys>,
        trust: &Trust,
        checks_name: bool,
    ) -> Result<Dialer, ContextError> {
        let builder = ClientConfig::builder_with_provider(speech.provider.clone());
        let builder = builder.with_protocol_versions(&speech.versions);
        let builder = builder.map_err(ContextError::Nothing)?.dangerous();
        let verifier = trust.of_servers(&speech.provider)?;
        let builder = builder.with_custom_certificate_verifier(verifier);
        let mut config = builder.with_client_cert_resolver(keys);
        // No session outlives a certificate by a ticket.
        config.resumption = Resumption::disabled();
        Ok(Dialer { config: Arc::new(config), checks_name })
    }
}

impl Context {
    /// Checks everything that can be checked before a client comes.
    pub fn new(options: &Options, material: Material) -> Result<Context, ContextError> {
        if material.keys.is_empty() {
            return Err(ContextError::NoKey);
        }
        let speech = Speech::of(options);
        let Speech { provider, versions } = &speech;
        let keys = Arc::new(Keys::new(material.keys, provider)?);
        let trust = Trust { trusted: material.trusted, revoked: material.revoked };
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(versions).map_err(ContextError::Nothing)?;
        let builder =
            builder.with_client_cert_verifier(trust.of_clients(options.client_auth, provider)?);
        let mut config = builder.with_cert_resolver(keys.clone());
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let dials = match options.dials {
            // Tickets keep a session with its client. A cache here would be a lock that all cores share.
            None => {
                config.ticketer = ring::Ticketer::new().map_err(ContextError::Tickets)?;
                None
            }
            // Connections of servers are few and last, and each proves itself anew.
            Some(Dials { checks_name }) => {
                config.send_tls13_tickets = 0;
                Some(Dialer::with(&speech, keys, &trust, checks_name)?)
            }
        };
        let config = Arc::new(config);
        Ok(Context { config, dials, checks_address: options.checks_address })
    }

    /// For whoever connects.
    pub fn accepting(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// For connections of ours; `None`: there are none.
    pub fn dialer(&self) -> Option<&Dialer> {
        self.dials.as_ref()
    }
}

/// Whom to believe.
struct Trust {
    trusted: Vec<CertificateDer<'static>>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
}

impl Trust {
    fn roots(&self) -> Result<Arc<RootCertStore>, ContextError> {
        if self.trusted.is_empty() {
            return Err(ContextError::NoTrust);
        }
        let mut roots = RootCertStore::empty();
        for certificate in &self.trusted {
            roots.add(certificate.clone()).map_err(ContextError::Trust)?;
        }
        Ok(Arc::new(roots))
    }

    fn of_clients(
        &self,
        client_auth: ClientAuth,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, ContextError> {
        if client_auth == ClientAuth::None {
            return Ok(WebPkiClientVerifier::no_client_auth());
        }
        let builder = WebPkiClientVerifier::builder_with_provider(self.roots()?, provider.clone());
        let builder = builder.with_crls(self.revoked.clone());
        let builder = match client_auth {
            ClientAuth::Want => builder.allow_unauthenticated(),
            ClientAuth::None | ClientAuth::Need => builder,
        };
        Ok(Arc::new(Clients { own: self.trusted.clone(), chains: builder.build()? }))
    }

    fn of_servers(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<Servers>, ContextError> {
        let builder = WebPkiServerVerifier::builder_with_provider(self.roots()?, provider.clone());
        let chains = builder.with_crls(self.revoked.clone()).build()?;
        Ok(Arc::new(Servers { own: self.trusted.clone(), chains }))
    }
}

/// The server's keys, in the store's order.
#[derive(Debug)]
struct Keys(Vec<Arc<CertifiedKey>>);

impl Keys {
    fn new(entries: Vec<KeyEntry>, provider: &CryptoProvider) -> Result<Keys, ContextError> {
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

impl ResolvesClientCert for Keys {
    /// The first that the server can verify; it is not asked which authorities the server names, since a
    /// certificate that stands in its trust store itself has none.
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0.iter().find(|key| key.key.choose_scheme(schemes).is_some()).cloned()
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
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

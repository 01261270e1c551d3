//! The stores' files: read at a start, and again when they change.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;

use super::context::{ClientAuth, Context, ContextError, Current, Material, Options};
use super::stores::{self, StoreError, StoreKind};

/// Text that nobody is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What opens a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Password {
    /// It has none.
    None,
    /// `….password`.
    Given(Secret),
    /// `….passwordPath`, which is read with the store.
    File(PathBuf),
}

/// A store's file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreFile {
    /// Such as `ssl.keyStore`: what its keys begin with.
    pub key: String,
    /// `….location`.
    pub path: PathBuf,
    /// `….type`, or by the file's name.
    pub kind: StoreKind,
    /// What opens it.
    pub password: Password,
}

/// A file of lists of revoked certificates, in PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevokedFile {
    /// The key that names it.
    pub key: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

/// Everything that a [`Context`] is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sources {
    /// The server's keys.
    pub key_store: StoreFile,
    /// Absent where nobody is asked for a certificate.
    pub trust_store: Option<StoreFile>,
    /// Lists of revoked certificates.
    pub revoked: Option<RevokedFile>,
    /// What sessions are to be like.
    pub options: Options,
}

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum LoadError {
    #[error("{key}={}: cannot be read: {cause}", path.display())]
    Read { key: String, path: PathBuf, cause: io::Error },
    #[error("{key}.location={}: {cause}", path.display())]
    Store { key: String, path: PathBuf, cause: StoreError },
    #[error("{key}={}: no list of revoked certificates: {what}", path.display())]
    Revoked { key: &'static str, path: PathBuf, what: String },
    #[error("TLS with {key}.location={}: {cause}", path.display())]
    Context { key: String, path: PathBuf, cause: ContextError },
    #[error("TLS: cannot start a thread that looks after the stores: {0}")]
    Thread(io::Error),
}

/// Reads everything; `reload`: and looks after it from then on.
pub fn start(sources: &Sources, reload: bool) -> Result<Arc<Current>, LoadError> {
    let current = Arc::new(Current::new(load(sources)?));
    if reload {
        watch(sources.clone(), &current).map_err(LoadError::Thread)?;
    }
    Ok(current)
}

/// Reads everything and makes a context of it.
pub fn load(sources: &Sources) -> Result<Context, LoadError> {
    let mut material = Material::default();
    let (bytes, password) = contents(&sources.key_store)?;
    let of = |store: &StoreFile| {
        let (key, path) = (store.key.clone(), store.path.clone());
        move |cause| LoadError::Store { key, path, cause }
    };
    let own = &sources.key_store;
    material.keys = stores::keys(own.kind, &bytes, &password).map_err(of(own))?;
    if let Some(store) = &sources.trust_store
        && (sources.options.client_auth != ClientAuth::None || sources.options.dials.is_some())
    {
        let (bytes, password) = contents(store)?;
        material.trusted = stores::trusted(store.kind, &bytes, &password).map_err(of(store))?;
    }
    if let Some(file) = &sources.revoked {
        material.revoked = revoked(file)?;
    }
    Context::new(&sources.options, material).map_err(|cause| {
        let (key, path) = (own.key.clone(), own.path.clone());
        LoadError::Context { key, path, cause }
    })
}

fn contents(store: &StoreFile) -> Result<(Vec<u8>, String), LoadError> {
    let bytes = read(&format!("{}.location", store.key), &store.path)?;
    let password = match &store.password {
        Password::None => String::new(),
        Password::Given(secret) => secret.0.clone(),
        Password::File(path) => {
            let text = read(&format!("{}.passwordPath", store.key), path)?;
            // SecretUtils.readSecret: the file may end with its line.
            String::from_utf8_lossy(&text).trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    Ok((bytes, password))
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, LoadError> {
    fs::read(path).map_err(|cause| {
        let (key, path) = (key.to_owned(), path.to_owned());
        LoadError::Read { key, path, cause }
    })
}

fn revoked(file: &RevokedFile) -> Result<Vec<CertificateRevocationListDer<'static>>, LoadError> {
    let bytes = read(file.key, &file.path)?;
    let refuse = |what: String| LoadError::Revoked { key: file.key, path: file.path.clone(), what };
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    let lists = lists.map_err(|error| refuse(error.to_string()))?;
    if lists.is_empty() {
        return Err(refuse("it has no PEM block \"X509 CRL\"".to_owned()));
    }
    Ok(lists)
}

/// Between two looks at the files. One is a few calls of the kernel.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks after the files for as long as somebody has the context: what changes is in force for the
/// sessions that begin then. A file that cannot be used leaves the old ones in force.
fn watch(sources: Sources, current: &Arc<Current>) -> io::Result<()> {
    let current = Arc::downgrade(current);
    let mut seen = state_of(&sources);
    let body = move || {
        while let Some(current) = look(&sources, &current, &mut seen) {
            drop(current);
            thread::sleep(PAUSE);
        }
    };
    thread::Builder::new().name("tls files".into()).spawn(body).map(drop)
}

fn look(
    sources: &Sources,
    current: &Weak<Current>,
    seen: &mut Vec<FileState>,
) -> Option<Arc<Current>> {
    let current = current.upgrade()?;
    let now = state_of(sources);
    if now != *seen {
        *seen = now;
        match load(sources) {
            Ok(context) => {
                current.replace(context);
                let keys = &sources.key_store.key;
                tracing::info!(
                    keys,
                    "TLS: the stores have changed and are in force for new connections"
                );
            }
            Err(error) => {
                tracing::error!(%error, "TLS: the stores have changed and cannot be used; those before stay in force");
            }
        }
    }
    Some(current)
}

/// What tells a file from the one before: `None` while there is none.
type FileState = Option<(SystemTime, u64)>;

fn state_of(sources: &Sources) -> Vec<FileState> {
    let stores = std::iter::once(&sources.key_store).chain(&sources.trust_store);
    let mut paths: Vec<&Path> = Vec::new();
    for store in stores {
        paths.push(&store.path);
        if let Password::File(path) = &store.password {
            paths.push(path);
        }
    }
    paths.extend(sources.revoked.as_ref().map(|file| file.path.as_path()));
    let state = |path: &&Path| {
        let meta = fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    };
    paths.iter().map(state).collect()
}

//! Who somebody is by SASL: from a JAAS file, or a context.

use std::fs::File;
use std::io::{self, Read};

use ringkeeper::client::SaslLogin;
use ringkeeper::sasl::jaas::{Jaas, JaasError};
use ringkeeper::sasl::{LoginError, Secret, client_login};
use ringkeeper::types::limits;

use crate::contexts::Auth;

/// The scheme of a context whose secret is user:password of a SASL exchange.
const SCHEME: &str = "sasl";

/// Why there is no user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginFault {
    #[error("{file}: {error}")]
    Io { file: String, error: io::Error },
    #[error("{file}: longer than {limit} bytes")]
    Long { file: String, limit: usize },
    #[error("{file}: {error}")]
    Jaas { file: String, error: JaasError },
    #[error("{file} has no section {section}")]
    Section { file: String, section: String },
    #[error("{file}, section {section}: {error}")]
    Login { file: String, section: String, error: LoginError },
    #[error("a context's secret for {SCHEME} is user:password")]
    Secret,
}

/// By a section of a JAAS file (`${name}` in it is a variable of the environment).
pub(crate) fn from_file(file: &str, section: &str) -> Result<SaslLogin, LoginFault> {
    let failed = |error| LoginFault::Io { file: file.to_owned(), error };
    let (mut bytes, limit) = (Vec::new(), limits::JAAS_BYTES);
    let opened = File::open(file).map_err(failed)?;
    opened.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        return Err(LoginFault::Long { file: file.to_owned(), limit });
    }
    let jaas = Jaas::parse(&String::from_utf8_lossy(&bytes), &|name| std::env::var(name).ok());
    let jaas = jaas.map_err(|error| LoginFault::Jaas { file: file.to_owned(), error })?;
    let (file, section) = (file.to_owned(), section.to_owned());
    let Some(modules) = jaas.section(&section) else {
        return Err(LoginFault::Section { file, section });
    };
    match client_login(modules) {
        Ok((user, password)) => Ok(SaslLogin { user, password }),
        Err(error) => Err(LoginFault::Login { file, section, error }),
    }
}

/// A context's, if its identity is one of SASL.
pub(crate) fn from_context(auth: &Auth) -> Result<Option<SaslLogin>, LoginFault> {
    if auth.scheme != SCHEME {
        return Ok(None);
    }
    let (user, password) = auth.secret.split_once(':').ok_or(LoginFault::Secret)?;
    Ok(Some(SaslLogin { user: user.to_owned(), password: Secret(password.to_owned()) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contexts_secret_is_a_user_and_a_password() {
        let auth =
            |scheme: &str, secret: &str| Auth { scheme: scheme.into(), secret: secret.into() };
        let login = from_context(&auth("sasl", "bob:a:b")).unwrap().unwrap();
        assert_eq!((login.user.as_str(), login.password.0.as_str()), ("bob", "a:b"));
        assert!(from_context(&auth("digest", "bob:b")).unwrap().is_none());
        assert!(from_context(&auth("sasl", "bob")).is_err());
    }
}

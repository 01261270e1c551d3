//! What a server and a client need of a JAAS file (ServerCnxnFactory.getDigestMd5Credentials,
//! DigestLoginModule).

use std::collections::BTreeMap;

use super::Secret;
use super::jaas::Module;

/// The module that tells of DIGEST-MD5 users.
const DIGEST_MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";

/// The JDK's Kerberos module.
const KERBEROS_MODULE: &str = "com.sun.security.auth.module.Krb5LoginModule";

/// Before a user's name, in an option's.
const USER: &str = "user_";

/// Users and their passwords.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Credentials {
    by_user: BTreeMap<String, Secret>,
}

impl Credentials {
    /// By name.
    pub fn new<'a>(users: impl IntoIterator<Item = (&'a str, &'a str)>) -> Credentials {
        let by_user = users.into_iter().map(|(u, p)| (u.to_owned(), Secret(p.to_owned())));
        Credentials { by_user: by_user.collect() }
    }

    /// `None`: there is no such user.
    pub fn password(&self, user: &str) -> Option<&str> {
        self.by_user.get(user).map(|password| password.0.as_str())
    }

    /// As many.
    pub fn len(&self) -> usize {
        self.by_user.len()
    }

    /// Nobody can be proven.
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// `zookeeper.SASLAuthenticationProvider.superPassword` takes the place of the file's, for a user
    /// "super" that the file has.
    pub fn with_super(mut self, password: Option<Secret>) -> Credentials {
        if let (Some(held), Some(password)) = (self.by_user.get_mut("super"), password) {
            *held = password;
        }
        self
    }
}

/// How a server finds out who somebody is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerLogin {
    /// DIGEST-MD5, with these users.
    Digest(Credentials),
    /// GSSAPI.
    Kerberos,
}

/// Why a section cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum LoginError {
    #[error("login module {0} is none of {DIGEST_MODULE} and {KERBEROS_MODULE}")]
    Module(String),
    #[error("no login module")]
    NoModule,
    #[error("GSSAPI (Kerberos) is not served by this version; use {DIGEST_MODULE}")]
    Kerberos,
    #[error("{DIGEST_MODULE} has no option {0}")]
    NoOption(&'static str),
}

/// A section as a server reads it.
pub fn server_login(modules: &[Module]) -> Result<ServerLogin, LoginError> {
    let mut users = Credentials::default();
    for module in modules {
        match module.class.as_str() {
            DIGEST_MODULE => {}
            KERBEROS_MODULE => return Ok(ServerLogin::Kerberos),
            other => return Err(LoginError::Module(other.to_owned())),
        }
        for (key, password) in &module.options {
            if let Some(user) = key.strip_prefix(USER) {
                users.by_user.insert(user.to_owned(), password.clone());
            }
        }
    }
    Ok(ServerLogin::Digest(users))
}

/// A section as a client reads it: who it is, and its password.
pub fn client_login(modules: &[Module]) -> Result<(String, Secret), LoginError> {
    let module = modules.first().ok_or(LoginError::NoModule)?;
    match module.class.as_str() {
        DIGEST_MODULE => {}
        KERBEROS_MODULE => return Err(LoginError::Kerberos),
        other => return Err(LoginError::Module(other.to_owned())),
    }
    let option = |key: &'static str| module.options.get(key).ok_or(LoginError::NoOption(key));
    Ok((option("username")?.0.clone(), option("password")?.clone()))
}

#[cfg(test)]
mod tests {
    use super::super::jaas::Jaas;
    use super::*;

    fn section(text: &str) -> Vec<Module> {
        let jaas = Jaas::parse(&format!("S {{ {text} }};"), &|_| None).unwrap();
        jaas.section("S").unwrap().to_vec()
    }

    #[test]
    fn users_are_the_options_of_that_name() {
        let modules = section(&format!(
            "{DIGEST_MODULE} required user_bob=\"b\" user_=\"n\" users=\"x\"; \
             {DIGEST_MODULE} optional user_super=\"s\";"
        ));
        let Ok(ServerLogin::Digest(users)) = server_login(&modules) else { panic!("no users") };
        assert_eq!((users.len(), users.password("bob"), users.password("s")), (3, Some("b"), None));
        assert_eq!(users.password("super"), Some("s"));
        let other = users.clone().with_super(Some(Secret("flag".into())));
        assert_eq!(other.password("super"), Some("flag"));
        let without = Credentials::new([("bob", "b")]).with_super(Some(Secret("flag".into())));
        assert_eq!(without.password("super"), None, "only a user that the file has");
    }

    #[test]
    fn other_modules_are_told_apart() {
        let kerberos = section(&format!("{KERBEROS_MODULE} required useKeyTab=true;"));
        assert_eq!(server_login(&kerberos), Ok(ServerLogin::Kerberos));
        assert_eq!(client_login(&kerberos), Err(LoginError::Kerberos));
        let own = section("com.example.Mine required;");
        assert_eq!(server_login(&own), Err(LoginError::Module("com.example.Mine".into())));
    }

    #[test]
    fn a_client_is_one_user() {
        let modules =
            section(&format!("{DIGEST_MODULE} required username=\"bob\" password=\"b\";"));
        assert_eq!(client_login(&modules), Ok(("bob".into(), Secret("b".into()))));
        let without = section(&format!("{DIGEST_MODULE} required username=\"bob\";"));
        assert_eq!(client_login(&without), Err(LoginError::NoOption("password")));
        assert_eq!(client_login(&[]), Err(LoginError::NoModule));
    }
}

//! SASL: the JAAS file, who clients and other servers may prove to be by it, and what proven names become
//! (ServerCnxnFactory.configureSaslLogin, QuorumPeerConfig).

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::source::{Found, Source, not_served};
use super::value::{strict, text};
use super::{ConfigError, QuorumSaslSettings, SaslSettings};
use crate::sasl::jaas::Jaas;
use crate::sasl::{self, LoginError, Names, Removed, Secret, ServerLogin};
use crate::types::limits;

const KERBEROS: &str = "GSSAPI (Kerberos)";
const INSTEAD: &str = "use org.apache.zookeeper.server.auth.DigestLoginModule in the section";

/// A JAAS file that was named, and what it says.
pub(super) struct JaasFile {
    found: Found,
    jaas: Jaas,
}

/// `None`: clients have no exchange; each token is answered with none, as by a Java server without a login.
pub(super) fn sasl(s: &mut Source<'_>) -> Result<Option<SaslSettings>, ConfigError> {
    let section = s.property("sasl.serverconfig");
    let super_password = text(s.property("SASLAuthenticationProvider.superPassword"));
    let names = names(s)?;
    let Some(file) = jaas_file(s)? else {
        return match section {
            None => Ok(None),
            Some(found) => Err(found.refuse(
                "absent, or java.security.auth.login.config must name the JAAS file that has it",
            )),
        };
    };
    let name = section.as_ref().map_or("Server", |found| found.value.as_str());
    let Some(login) = file.server(name)? else {
        return match section {
            // The file may be there for the other servers alone.
            None => Ok(None),
            Some(found) => Err(found.refuse(format!("a section of {}", file.found.value))),
        };
    };
    let users = login.with_super(super_password.map(Secret));
    Ok(Some(SaslSettings { users, names }))
}

/// `java.security.auth.login.config`, read.
pub(super) fn jaas_file(s: &mut Source<'_>) -> Result<Option<JaasFile>, ConfigError> {
    let Some(found) = s.system("java.security.auth.login.config") else { return Ok(None) };
    let text = read(&found)?;
    let flags = s.flags();
    let property = |name: &str| {
        let flag = flags.iter().find(|(known, _)| *known == name);
        flag.map(|(_, value)| value.to_owned())
    };
    match Jaas::parse(&text, &property) {
        Ok(jaas) => Ok(Some(JaasFile { found, jaas })),
        Err(error) => Err(found.refuse(format!("a JAAS file ({error})"))),
    }
}

impl JaasFile {
    /// Users of a section, if it is there.
    pub(super) fn server(&self, section: &str) -> Result<Option<sasl::Credentials>, ConfigError> {
        let Some(modules) = self.jaas.section(section) else { return Ok(None) };
        match sasl::server_login(modules) {
            Ok(ServerLogin::Digest(users)) => Ok(Some(users)),
            Ok(ServerLogin::Kerberos) => Err(not_served(self.found.clone(), KERBEROS, INSTEAD)),
            Err(error) => Err(self.unusable(section, &error)),
        }
    }

    /// The user of a section, if it is there.
    fn client(&self, section: &str) -> Result<Option<(String, Secret)>, ConfigError> {
        let Some(modules) = self.jaas.section(section) else { return Ok(None) };
        match sasl::client_login(modules) {
            Ok(login) => Ok(Some(login)),
            Err(LoginError::Kerberos) => Err(not_served(self.found.clone(), KERBEROS, INSTEAD)),
            Err(error) => Err(self.unusable(section, &error)),
        }
    }

    fn unusable(&self, section: &str, error: &LoginError) -> ConfigError {
        self.found.refuse(format!("a file whose section {section} can be used: {error}"))
    }
}

/// `quorum.auth.*` (QuorumPeerConfig.parseProperties, QuorumPeer.initialize).
pub(super) fn quorum_sasl(s: &mut Source<'_>) -> Result<Option<QuorumSaslSettings>, ConfigError> {
    let enabled = s.file("quorum.auth.enableSasl");
    let learner = s.file("quorum.auth.learnerRequireSasl");
    let server = s.file("quorum.auth.serverRequireSasl");
    let names = [
        ("quorum.auth.learner.saslLoginContext", "QuorumLearner"),
        ("quorum.auth.server.saslLoginContext", "QuorumServer"),
    ];
    let [learner_section, server_section] =
        names.map(|(key, name)| text(s.file(key)).unwrap_or_else(|| name.to_owned()));
    let is_enabled = strict(enabled.clone(), false)?;
    let learner_required = strict(learner.clone(), false)?;
    let server_required = strict(server.clone(), false)?;
    for (is_on, found) in [(learner_required, &learner), (server_required, &server)] {
        if let Some(found) = found.as_ref().filter(|_| is_on && !is_enabled) {
            return Err(found.refuse("false, unless quorum.auth.enableSasl=true"));
        }
    }
    if let Some(server) = server.filter(|_| server_required && !learner_required) {
        return Err(server.refuse("false, unless quorum.auth.learnerRequireSasl=true"));
    }
    let Some(enabled) = enabled.filter(|_| is_enabled) else { return Ok(None) };
    let Some(file) = jaas_file(s)? else {
        return Err(enabled.refuse(
            "false, or java.security.auth.login.config must name a JAAS file with the sections \
             QuorumServer and QuorumLearner",
        ));
    };
    let missing = |section: &str| {
        file.found
            .refuse(format!("a file with a section {section}, for quorum.auth.enableSasl=true"))
    };
    let users = file.server(&server_section)?.ok_or_else(|| missing(&server_section))?;
    let learner = file.client(&learner_section)?.ok_or_else(|| missing(&learner_section))?;
    Ok(Some(QuorumSaslSettings { learner, learner_required, users, server_required }))
}

/// As the JDK takes it: a second '=' means that no other file counts, which here none does; a URL of a file
/// is that file.
fn read(found: &Found) -> Result<String, ConfigError> {
    let name = found.value.trim_start_matches('=');
    let path = PathBuf::from(name.strip_prefix("file:").unwrap_or(name));
    let refuse = |why: String| found.refuse(format!("a JAAS file that can be read: {why}"));
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(|error| refuse(error.to_string()))?;
    let most = limits::JAAS_BYTES as u64;
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| refuse(error.to_string()))?;
    if bytes.len() > limits::JAAS_BYTES {
        return Err(refuse(format!("it is longer than {most} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `kerberos.remove*`, `security.auth_to_local`: names with a realm are cut by these, whoever proved them.
fn names(s: &mut Source<'_>) -> Result<Names, ConfigError> {
    // SaslServerCallbackHandler takes no other spelling.
    let is_set = |found: Option<Found>| found.is_some_and(|found| found.value == "true");
    let removed = Removed {
        host: is_set(s.property("kerberos.removeHostFromPrincipal")),
        realm: is_set(s.property("kerberos.removeRealmFromPrincipal")),
    };
    let realm = text(s.system("java.security.krb5.realm")).unwrap_or_default();
    let names = Names::new(removed, realm);
    match s.property("security.auth_to_local") {
        None => Ok(names),
        Some(found) => names
            .with_rules(&found.value)
            .map_err(|error| found.refuse(format!("rules such as DEFAULT ({error})"))),
    }
}

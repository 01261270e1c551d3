//! Membership keys, as far as a standalone server must understand them.
//!
//! Exactly one voter with `standaloneEnabled=true` is a standalone server (the official container
//! image writes just that), and its line may say which client port to open. Any other ensemble is
//! refused.

use std::path::Path;

use super::source::{Found, Source};
use super::{ConfigError, Properties};

/// What the membership lines mean for a standalone server.
pub(super) struct Membership {
    /// The client part of the line of the server named by `myid`.
    pub client: Option<ClientPart>,
    pub server_id: Option<i64>,
}

/// `[<host>:]<port>` after the semicolon.
pub(super) struct ClientPart {
    pub host: Option<String>,
    pub port: u16,
    pub line: Found,
}

struct Member {
    id: i64,
    observer: bool,
    client: Option<ClientPart>,
}

/// QuorumPeerConfig.parseDynamicConfig, setupMyId and setupClientPort.
pub(super) fn read(source: &mut Source<'_>, data_dir: &Path) -> Result<Membership, ConfigError> {
    let standalone = match source.file("standaloneEnabled") {
        Some(found) => found.strict_bool()?,
        None => true,
    };
    let dynamic_file = source.file("dynamicConfigFile");
    let mut lines = source.family("server.");
    // `server.principal` and `server.realm` are Kerberos settings, not members.
    lines.retain(|l| l.key != "server.principal" && l.key != "server.realm");
    let groups = [source.family("group"), source.family("weight")].concat();
    if let Some(file) = &dynamic_file {
        if let Some(stray) = lines.iter().chain(&groups).next() {
            return Err(ConfigError::Conflict(format!(
                "{} in {} must be in the dynamic configuration file {}",
                stray.key, stray.place, file.value
            )));
        }
        lines = dynamic_lines(Path::new(&file.value))?;
    }
    let members = lines.into_iter().map(member).collect::<Result<Vec<_>, _>>()?;
    refuse_ensembles(source, &members, standalone)?;
    let server_id = my_id(data_dir)?;
    let client = members.into_iter().find(|m| Some(m.id) == server_id).and_then(|m| m.client);
    Ok(Membership { client, server_id })
}

fn refuse_ensembles(
    source: &Source<'_>,
    members: &[Member],
    standalone: bool,
) -> Result<(), ConfigError> {
    let voters = members.iter().filter(|m| !m.observer).count();
    let observers = members.len() - voters;
    let whence = || source.file.path().display().to_string();
    match (voters, observers) {
        (0, 0) if standalone => Ok(()),
        (1, 0) if standalone => Ok(()),
        (0, 0) => Err(ConfigError::Conflict(format!(
            "{}: standaloneEnabled=false needs at least one server.N line",
            whence()
        ))),
        (0, n) => Err(ConfigError::Conflict(format!(
            "{}: {n} observers and no voter: nobody could ever be elected",
            whence()
        ))),
        (1, 0) => Err(ConfigError::Ensemble {
            whence: whence(),
            what: "one voter and standaloneEnabled=false".to_owned(),
        }),
        (1, n) if standalone => Err(ConfigError::Conflict(format!(
            "{}: a standalone server and {n} observers: give it voters or remove the observers",
            whence()
        ))),
        (voters, observers) => Err(ConfigError::Ensemble {
            whence: whence(),
            what: format!("{voters} voters, {observers} observers"),
        }),
    }
}

fn dynamic_lines(path: &Path) -> Result<Vec<Found>, ConfigError> {
    let (properties, _) = Properties::read(path)?;
    let mut lines = Vec::new();
    for property in properties.iter() {
        let found = Found {
            key: property.key.clone(),
            value: property.value.clone(),
            place: properties.place(property),
        };
        if found.key.starts_with("server.") {
            lines.push(found);
        } else if !(found.key.starts_with("group") || found.key.starts_with("weight")) {
            return Err(found.refuse(
                "absent: a dynamic configuration file holds server., group and weight keys only",
            ));
        }
    }
    Ok(lines)
}

/// One `server.<id>=<host>:<port>:<port>[:role][;[host:]port]`, several addresses separated by
/// `|` (QuorumServer). Ports of the quorum are looked at for form only.
fn member(line: Found) -> Result<Member, ConfigError> {
    const FORM: &str = "<host>:<quorum port>:<election port>[:participant|observer][;[<client host>:]<client port>]";
    let id = line.key["server.".len()..]
        .parse::<i64>()
        .map_err(|_| line.refuse(format!("server.<number>={FORM}")))?;
    let (servers, client) = match line.value.split_once(';') {
        Some((servers, client)) => (servers, Some(client)),
        None => (line.value.as_str(), None),
    };
    let mut observer = false;
    for address in servers.split('|') {
        let (_, tail) = split_host(address).ok_or_else(|| line.refuse(FORM))?;
        let mut parts = tail.split(':');
        let ports = [parts.next(), parts.next()];
        let valid = ports.iter().flatten().all(|p| p.trim().parse::<u16>().is_ok());
        let role = parts.next().map(str::to_ascii_lowercase);
        let extra = parts.next().is_some();
        match role.as_deref().map(str::trim) {
            None | Some("participant") if valid && !extra => {}
            Some("observer") if valid && !extra => observer = true,
            _ => return Err(line.refuse(FORM)),
        }
    }
    let client = client
        .filter(|c| !c.is_empty())
        .map(|client| {
            // 3.10 adds a second part for the TLS port; it is looked at by nobody here.
            let plain = client.split(';').next().unwrap_or(client);
            let (host, port) = match split_host(plain) {
                Some((host, port)) => (Some(host.to_owned()), port),
                None => (None, plain),
            };
            let port = port.trim().parse().map_err(|_| line.refuse(FORM))?;
            Ok(ClientPart { host, port, line: line.clone() })
        })
        .transpose()?;
    Ok(Member { id, observer, client })
}

/// Host and what follows its colon; an IPv6 address stands in brackets.
fn split_host(text: &str) -> Option<(&str, &str)> {
    match text.trim().strip_prefix('[') {
        Some(rest) => rest.split_once("]:"),
        None => text.trim().split_once(':'),
    }
}

/// The first line of `<dataDir>/myid`, when there is such a file.
fn my_id(data_dir: &Path) -> Result<Option<i64>, ConfigError> {
    let path = data_dir.join("myid");
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|cause| ConfigError::Read { path: path.clone(), cause })?;
    let line = text.lines().next().unwrap_or_default().trim();
    line.parse().map(Some).map_err(|_| {
        ConfigError::Conflict(format!("{}: \"{line}\" is not a server number", path.display()))
    })
}

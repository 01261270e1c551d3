//! rk's own command line, and zkCli's.

use clap::{Parser, ValueEnum};

use crate::tls::{self, TlsArguments};

/// When to use colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

/// ZooKeeper's command line, without a JVM.
///
/// Without a command it is a shell, or it carries out the lines of its standard input. A command's own
/// options stand behind its name: rk -s zk1:2181,zk2:2181/app get -s /config. "rk help" lists the commands.
/// "rk log", "rk snapshot", "rk verify", "rk convert" and "rk purge" work on files, without a server.
#[derive(Parser, Debug)]
#[command(name = "rk", version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Servers, and the part of the tree that is taken for the whole: host:port,host:port/chroot
    /// [default: localhost:2181]
    #[arg(short, long, env = "RK_SERVER")]
    pub(crate) server: Option<String>,
    /// Servers and identity of this name: see rk context --help
    #[arg(short, long, env = "RK_CONTEXT", conflicts_with = "server")]
    pub(crate) context: Option<String>,
    /// A JAAS file that says who this is by SASL (DIGEST-MD5)
    #[arg(long, value_name = "FILE", env = "RK_JAAS")]
    pub(crate) jaas: Option<String>,
    /// Which of its sections
    #[arg(long, value_name = "NAME", default_value = "Client")]
    pub(crate) jaas_section: String,
    /// Session timeout in milliseconds
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) timeout: i32,
    /// A server without a quorum will do
    #[arg(short, long)]
    pub(crate) read_only: bool,
    /// Wait for a server before anything else, for the session timeout at most
    #[arg(long)]
    pub(crate) wait_for_connection: bool,
    #[command(flatten)]
    pub(crate) tls: TlsArguments,
    /// Print results as JSON, a value a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Print what zkCli prints around commands, too: the server's name and changes of the connection
    #[arg(long, overrides_with = "zkcli")]
    pub(crate) zkcli: bool,
    /// Colours
    #[arg(long, value_enum, default_value_t = When::Auto)]
    pub(crate) color: When,
    /// A command with its options
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// zkCli's options, each with ours and whether a value follows it (ZooKeeperMain.parseOptions).
const ZKCLI: [(&str, &str, bool); 4] = [
    ("-server", "--server", true),
    ("-timeout", "--timeout", true),
    ("-waitforconnection", "--wait-for-connection", false),
    ("-client-configuration", "--client-configuration", true),
];

/// Ours that a value follows.
const VALUED: [&str; 8] =
    ["-s", "--server", "-c", "--context", "--jaas", "--jaas-section", "--timeout", "--color"];

/// zkCli's options in place of which ours are read. Whoever uses them is shown what zkCli shows.
pub(crate) fn translate(arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut arguments = arguments.into_iter();
    let mut out: Vec<String> = arguments.next().into_iter().collect();
    let mut is_zkcli = false;
    while let Some(argument) = arguments.next() {
        let java = ZKCLI.iter().find(|(java, ..)| *java == argument);
        is_zkcli |= java.is_some();
        let has_value = match java {
            Some((_, _, has_value)) => *has_value,
            None => VALUED.contains(&argument.as_str()) || tls::VALUED.contains(&argument.as_str()),
        };
        let is_command = !argument.starts_with('-');
        if is_command && is_zkcli {
            out.push("--zkcli".into());
            is_zkcli = false;
        }
        out.push(java.map_or(argument, |(_, ours, _)| (*ours).to_owned()));
        if is_command {
            out.extend(arguments);
            return out;
        }
        if has_value {
            out.extend(arguments.next());
        }
    }
    out.extend(is_zkcli.then(|| "--zkcli".to_owned()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Arguments {
        Arguments::parse_from(translate(line.split(' ').map(str::to_owned)))
    }

    #[test]
    fn both_command_lines_are_read() {
        let ours = read("rk -s a:1,b:2/c --json get -s /a -r");
        assert_eq!(
            (ours.server.as_deref(), ours.json, ours.zkcli),
            (Some("a:1,b:2/c"), true, false)
        );
        assert_eq!(ours.command, ["get", "-s", "/a", "-r"]);
        let java = read("rk -server a:1 -timeout 5000 -r -waitforconnection ls -server");
        assert_eq!((java.server.as_deref(), java.timeout), (Some("a:1"), 5000));
        assert!(java.read_only && java.wait_for_connection && java.zkcli && !java.json);
        assert_eq!(java.command, ["ls", "-server"]);
        assert!(read("rk -server a:1").zkcli);
        assert_eq!(read("rk -c prod ls /").context.as_deref(), Some("prod"));
        let jaas = read("rk --jaas /f --jaas-section Other -server a:1 ls --jaas");
        assert_eq!((jaas.jaas.as_deref(), jaas.jaas_section.as_str()), (Some("/f"), "Other"));
        assert_eq!(read("rk --jaas /f ls").jaas_section, "Client");
        assert!(Arguments::try_parse_from(["rk", "-c", "prod", "-s", "a"]).is_err());
        assert!(Arguments::try_parse_from(["rk", "--nonsense"]).is_err());
        assert!(Arguments::try_parse_from(["rk", "--timeout", "0"]).is_err());
    }
}

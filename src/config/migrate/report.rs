//! What became of everything, for people. Values of secrets are not shown.

use std::fmt::Write;

use super::super::check::shown;
use super::shell::Shell;
use super::{Carried, Host, Judged};

/// Variables of ZooKeeper's scripts that mean nothing here, or another thing.
const VARIABLES: &[(&str, &str)] = &[
    (
        "ZK_SERVER_HEAP",
        "there is no heap to size: memory is taken as the tree grows, about 240 MiB for 1,000,000 small znodes",
    ),
    ("ZK_CLIENT_HEAP", "the clients' JVM"),
    ("CLIENT_JVMFLAGS", "the clients' JVM"),
    ("JAVA_HOME", "there is no JVM"),
    ("JAVA", "there is no JVM"),
    ("JMXPORT", "there is no JMX: mntr, the admin server and the page of metrics have the figures"),
    ("JMXHOSTNAME", "there is no JMX"),
    ("JMXAUTH", "there is no JMX"),
    ("JMXSSL", "there is no JMX"),
    ("JMXLOCALONLY", "there is no JMX"),
    ("JMXDISABLE", "there is no JMX"),
    ("JMXLOG4J", "there is no JMX"),
    ("ZOO_LOG4J_PROP", "the log's level is RINGKEEPER_LOG"),
    ("ZOO_LOG_DIR", "the log is standard error, which zkServer.sh writes to a file in that folder"),
    ("ZOO_LOG_FILE", "the log is standard error"),
    ("ZOOMAIN", "the server is a program of its own"),
    ("ZOOCFG", "another file than zoo.cfg: give its name, if it is not the one that was read"),
    (
        "ZOOCFGDIR",
        "another folder: give the file that is there, if it is not the one that was read",
    ),
    ("ZOOPIDFILE", "zkServer.sh takes it as before; a unit of systemd needs none"),
    ("CLASSPATH", "there is no JVM: classes of others cannot be loaded"),
];

/// Those of them that are set.
pub(super) fn variables(shell: &Shell) -> Vec<(&'static str, String, &'static str)> {
    let set = VARIABLES.iter().filter_map(|(name, why)| {
        // What is set before any file is read has no place.
        let (_, place) = shell.value(name).filter(|(_, place)| !place.is_empty())?;
        Some((*name, place, *why))
    });
    set.collect()
}

pub(super) fn report(host: &Host, judged: &Judged, carried: &[Carried], is_same: bool) -> String {
    let mut text = format!("read: {}\n", host.read.join(", "));
    list(&mut text, "refused: a start on this file ends with exit code 2", &judged.refused);
    let carried: Vec<String> = carried.iter().map(one_carried).collect();
    list(&mut text, "carried over from flags of the JVM into the file", &carried);
    list(&mut text, "SASL", &jaas(host));
    let unclear: Vec<String> =
        host.unclear.iter().map(|unclear| format!("{}: {}", unclear.place, unclear.why)).collect();
    list(
        &mut text,
        "not certain: the files are read and never run; look at these yourself",
        &unclear,
    );
    let variables: Vec<String> = host
        .variables
        .iter()
        .map(|(name, place, why)| format!("{name} ({place}): {why}"))
        .collect();
    list(&mut text, "variables that mean nothing to the server", &variables);
    match &judged.settings {
        Some(settings) => settings.remaining(&mut text),
        None => text.push_str("nothing more can be told while that is refused\n"),
    }
    if !is_same {
        text.push_str(
            "NOT THE SAME: the file alone, without the flags, does not give these settings. Keep the flags: \
             the server reads SERVER_JVMFLAGS and JVMFLAGS itself\n",
        );
    }
    text
}

fn one_carried(carried: &Carried) -> String {
    let Carried { flag, key, value, place, replaces } = carried;
    let instead = if *replaces { ", in place of the file's own line" } else { "" };
    format!("-D{flag} ({place}): {key}={}{instead}", shown(key, value))
}

fn jaas(host: &Host) -> Vec<String> {
    let Some((path, sections)) = host.jaas_sections() else { return Vec::new() };
    let whose = |section: &String| match section.as_str() {
        "Client" => format!("section {section} of {path}: read by clients, not by servers"),
        _ => format!("section {section} of {path}: read as it is"),
    };
    sections.iter().map(whose).collect()
}

fn list(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    // A String takes everything.
    let _ = writeln!(text, "{title}:");
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

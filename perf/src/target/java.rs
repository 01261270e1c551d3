//! Java ZooKeeper: from Maven Central through Maven into a cache, or from an installation.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Target, first_line};
use crate::fault::Fault;

/// The release compared with unless another is asked for.
pub const VERSION: &str = "3.9.5";

/// What the server needs that its own pom leaves to the distribution.
const PROVIDED: [(&str, &str, &str); 5] = [
    ("io.dropwizard.metrics", "metrics-core", "4.1.12.1"),
    ("org.xerial.snappy", "snappy-java", "1.1.10.5"),
    ("shared-cli", "shared-cli", "1.5.0"),
    ("org.eclipse.jetty", "jetty-servlet", "9.4.57.v20241219"),
    ("com.fasterxml.jackson.core", "jackson-databind", "2.15.2"),
];

#[derive(Clone, Debug)]
pub struct JavaOptions {
    pub java_home: Option<PathBuf>,
    /// An unpacked distribution: its lib/*.jar are used, Maven is not.
    pub zk_home: Option<PathBuf>,
    pub version: String,
    /// JVM options, split at blanks.
    pub jvm: String,
    /// Where jars are kept between runs.
    pub cache: PathBuf,
}

/// A target that runs ZooKeeper as zkServer.sh does, without JMX.
pub fn target(options: &JavaOptions) -> Result<Target, Fault> {
    let java = match &options.java_home {
        Some(home) => home.join("bin/java"),
        None => PathBuf::from("java"),
    };
    let (lib, source) = match &options.zk_home {
        Some(home) => (home.join("lib"), format!("distribution in {}", home.display())),
        None => (from_maven(options)?, "Maven Central".to_owned()),
    };
    let jar = fs::read_dir(&lib).map_err(Fault::file(&lib))?.flatten().find_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let version = name.strip_prefix("zookeeper-")?.strip_suffix(".jar")?.to_owned();
        version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
    });
    let Some(version) = jar else {
        return Err(Fault::File { path: lib, what: "holds no zookeeper-VERSION.jar".into() });
    };
    let lib = fs::canonicalize(&lib).map_err(Fault::file(&lib))?;
    let mut arguments: Vec<String> = options.jvm.split_whitespace().map(str::to_owned).collect();
    arguments.push("-Dzookeeper.jmx.log4j.disable=true".into());
    arguments.push("-cp".into());
    arguments.push(format!("{}/*", lib.display()));
    arguments.push("org.apache.zookeeper.server.quorum.QuorumPeerMain".into());
    let runtime = first_line(&java, &["-version"]);
    if runtime.is_empty() {
        return Err(Fault::File { path: java, what: "does not run: give --java-home".into() });
    }
    Ok(Target {
        name: format!("ZooKeeper {version}"),
        program: java,
        arguments,
        version: format!("ZooKeeper {version} on {runtime}"),
        about: format!("{source}; JVM options {}; no log output, no JMX", options.jvm),
    })
}

fn from_maven(options: &JavaOptions) -> Result<PathBuf, Fault> {
    let folder = options.cache.join(format!("zookeeper-{}", options.version));
    let lib = folder.join("lib");
    let complete = folder.join("complete");
    if complete.exists() {
        return Ok(lib);
    }
    fs::create_dir_all(&folder).map_err(Fault::file(&folder))?;
    let pom = folder.join("pom.xml");
    fs::write(&pom, pom_text(&options.version)).map_err(Fault::file(&pom))?;
    eprintln!("fetching ZooKeeper {} with Maven into {}", options.version, lib.display());
    let status = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(&pom)
        .args(["dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime"])
        .stdout(Stdio::null())
        .status()
        .map_err(Fault::io("starting mvn (or give --zk-home)"))?;
    if !status.success() {
        return Err(Fault::Server(format!("mvn could not fetch ZooKeeper: {status}")));
    }
    fs::write(&complete, b"").map_err(Fault::file(&complete))?;
    Ok(lib)
}

fn pom_text(version: &str) -> String {
    let dependency = |(group, artifact, version): (&str, &str, &str)| {
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version></dependency>\n"
        )
    };
    let own = dependency(("org.apache.zookeeper", "zookeeper", version));
    let provided: String = PROVIDED.into_iter().map(dependency).collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\n\
         <groupId>ringkeeper</groupId><artifactId>perf-java</artifactId><version>1</version>\n\
         <dependencies>\n{own}{provided}</dependencies></project>\n"
    )
}

/// The folder relative to which nothing of a session is baked into the binary.
pub fn default_cache() -> PathBuf {
    Path::new("target").join("perf-cache")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pom_asks_for_the_version_wanted() {
        let pom = pom_text("3.9.4");
        assert!(pom.contains("<artifactId>zookeeper</artifactId><version>3.9.4</version>"));
        assert_eq!(pom.matches("<dependency>").count(), 6);
    }

    #[test]
    fn a_folder_without_the_jar_is_refused() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("lib")).unwrap();
        let options = JavaOptions {
            java_home: None,
            zk_home: Some(home.path().to_path_buf()),
            version: VERSION.into(),
            jvm: String::new(),
            cache: home.path().to_path_buf(),
        };
        assert!(target(&options).is_err_and(|e| e.to_string().contains("zookeeper-VERSION.jar")));
    }
}

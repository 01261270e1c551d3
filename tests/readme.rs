//! Every command block of README.md, run as it is written: each in a network namespace of its own,
//! where its ports are free, beside commands of the names it uses.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::server::{target, zookeeper_jars};
use support::{root, scratch};

/// A fenced block: what it is written in, and its lines.
struct Block {
    language: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match (line.strip_prefix("```"), inside) {
            (Some(language), false) => {
                found.push(Block { language: language.to_owned(), text: String::new() });
                inside = true;
            }
            (Some(_), true) => inside = false,
            (None, true) => {
                let block = found.last_mut().unwrap();
                block.text += line;
                block.text.push('\n');
            }
            (None, false) => {}
        }
    }
    found
}

/// The one block of the README that holds this.
fn block(holds: &str) -> Block {
    let mut found: Vec<Block> =
        blocks().into_iter().filter(|block| block.text.contains(holds)).collect();
    assert_eq!(found.len(), 1, "blocks of README.md with {holds:?}");
    found.remove(0)
}

/// A shell script for a block: what is typed into a console, and what has to be seen then.
fn script(block: &Block) -> String {
    match block.language.as_str() {
        "sh" => block.text.clone(),
        "python" => format!("python3 - <<'BLOCK_END'\n{}BLOCK_END\n", block.text),
        "console" => console(&block.text),
        other => panic!("README.md has a block in {other:?}, which no test can run"),
    }
}

/// `$ command`, lines of its standard input behind a prompt in brackets, and lines that its output
/// has to hold in this order; `...` stands for any.
fn console(text: &str) -> String {
    let (mut command, mut typed, mut expected) = ("", String::new(), String::new());
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("$ ") {
            assert!(command.is_empty(), "two commands in one console block: {text}");
            command = line;
        } else if let Some((_, line)) = line.strip_prefix('[').and_then(|l| l.split_once("] ")) {
            typed += &format!("{line}\n");
        } else if line != "..." {
            expected += &format!("{line}\n");
        }
    }
    format!(
        "cat > typed <<'BLOCK_END'\n{typed}BLOCK_END\ncat > expected <<'BLOCK_END'\n\
         {expected}BLOCK_END\n{{ {command}; }} < typed > seen 2>&1 || exit 1\nholds expected seen\n"
    )
}

/// What every script begins with: waiting for a server, and comparing output.
const PRELUDE: &str = r#"
set -euo pipefail
ip link set lo up
# say PORT WORD: what a server answers to a four-letter word.
say() { exec 3<>/dev/tcp/127.0.0.1/"$1" && printf %s "$2" >&3 && cat <&3; exec 3>&-; }
# until_true COMMAND...: asks again and again, for a minute.
until_true() {
    for _ in $(seq 600); do "$@" > /dev/null 2>&1 && return 0; sleep 0.1; done
    echo "never true: $*" >&2
    return 1
}
serves() { say "$1" srvr | grep -q '^Mode'; }
leads() { say "$1" srvr | grep -q '^Mode: leader'; }
one_leads() { leads 2182 || leads 2183 || leads 2184; }
# holds EXPECTED SEEN: the lines of one file are found in the other, in their order.
holds() {
    awk 'NR == FNR { want[++n] = $0; next }
         at < n && index($0, want[at + 1]) { at++ }
         END { if (at < n) { print "not seen: " want[at + 1] > "/dev/stderr"; exit 1 } }' "$1" "$2" ||
        { cat "$2" >&2; return 1; }
}
"#;

/// Runs a script as a new user would: in an empty folder, where `cargo run --release`, `zkCli.sh`,
/// `python3` with kazoo and `target/release/ringkeeper` are what a set-up machine has.
fn run(name: &str, body: &str) {
    let need = Command::new("bash")
        .arg(root().join("tests/support/need.sh"))
        .args(["ip", "unshare", "openssl"])
        .status();
    assert!(need.expect("bash").success(), "iproute2, util-linux and openssl are needed");
    let folder = scratch(&format!("readme-{name}"));
    let binary = env!("CARGO_BIN_EXE_ringkeeper");
    fs::create_dir_all(folder.join("target/release")).unwrap();
    symlink(binary, folder.join("target/release/ringkeeper")).unwrap();
    let commands = folder.join("commands");
    fs::create_dir(&commands).unwrap();
    let cargo = format!(
        "#!/bin/bash\n[ \"$1 $2\" = 'run --release' ] || exit 9\nshift 2\n[ \"${{1:-}}\" = -- ] && shift\n\
         exec {binary} \"$@\"\n"
    );
    let shell = format!(
        "#!/bin/bash\nexec java -Dorg.slf4j.simpleLogger.defaultLogLevel=off -cp '{}' \
         org.apache.zookeeper.ZooKeeperMain \"$@\"\n",
        zookeeper_jars()
    );
    for (name, text) in [("cargo", &cargo), ("zkCli.sh", &shell)] {
        let file = commands.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(python(), commands.join("python3")).unwrap();
    fs::write(folder.join("script.sh"), format!("{PRELUDE}{body}")).unwrap();
    let path = format!("{}:{}", commands.display(), std::env::var("PATH").unwrap());
    let output = Command::new("timeout")
        // A process namespace as well: when the script ends, so does every server it has started.
        .args(["180", "unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"])
        .args(["bash", "script.sh"])
        .current_dir(&folder)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .expect("timeout, unshare");
    assert!(
        output.status.success(),
        "{}: {}\n{}{}",
        folder.join("script.sh").display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A Python that has kazoo.
fn python() -> PathBuf {
    let made = Command::new("python3")
        .arg(root().join("tests/clients/run.py"))
        .arg("--venv")
        .env("CARGO_TARGET_DIR", target())
        .stderr(Stdio::inherit())
        .output()
        .expect("python3");
    assert!(made.status.success(), "no environment with kazoo");
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
}

#[test]
fn every_block_is_run_by_a_test() {
    // Goal: a block that is added to the README and to no test is noticed.
    let run_here = [
        "cargo run --release\n",
        "conf/zoo.cfg",
        "create /greeting",
        "KazooClient",
        "for n in 1 2 3",
        "openssl dgst",
        "zk4/myid",
        "reconfig -add",
        "cp zk4.cfg.bak",
    ];
    let tests = ["cargo test --workspace\n", "RK_MIXTURES=all", "cargo quick"];
    for block in blocks() {
        let known = run_here.iter().chain(&tests).filter(|part| block.text.contains(**part));
        assert_eq!(known.count(), 1, "run by one test each:\n{}", block.text);
    }
}

#[test]
fn the_first_command_serves_and_the_first_sessions_are_as_printed() {
    let body = format!(
        "{} &\nuntil_true serves 2181\n{}{}",
        script(&block("cargo run --release\n")).trim_end(),
        script(&block("create /greeting")),
        script(&block("KazooClient")),
    );
    run("first", &body);
}

#[test]
fn a_configuration_file_is_taken() {
    let body = format!(
        "mkdir conf\nprintf 'dataDir=%s\\nclientPort=2222\\n' \"$PWD/data\" > conf/zoo.cfg\n{} &\n\
         until_true serves 2222\n",
        script(&block("conf/zoo.cfg")).trim_end()
    );
    run("file", &body);
}

#[test]
fn an_ensemble_is_made_and_its_members_change() {
    let join = block("zk4/myid");
    let again = block("cp zk4.cfg.bak");
    let body = format!(
        "{}for n in 1 2 3; do until_true serves 218$n; done\n{}{}\
         # Restarted before it is let in.\n\
         joiner=$!\nuntil_true grep -q dynamicConfigFile zk4.cfg\nkill $joiner\nwait $joiner\n\
         if timeout 20 target/release/ringkeeper zk4.cfg 2> refused; then exit 1; fi\n\
         grep -q '4 is none of the servers' refused || {{ cat refused >&2; exit 1; }}\n\
         {}until_true serves 2182\n{}\
         until_true serves 2184\nuntil_true one_leads\n",
        script(&block("for n in 1 2 3")),
        script(&block("openssl dgst")),
        script(&join),
        script(&again),
        script(&block("reconfig -add")),
    );
    run("ensemble", &body);
}

#[test]
fn the_test_commands_name_tests_and_settings_that_exist() {
    // Goal: the blocks that run tests are not run by a test; what they name must be there.
    let commands = block("RK_MIXTURES=all");
    for line in commands.text.lines() {
        let words: Vec<&str> = line.split('#').next().unwrap().split_whitespace().collect();
        let ["cargo", "test", "--test", name, "--", "--nocapture"] = words[1..] else {
            panic!("not a test command: {line}");
        };
        let (setting, _) = words[0].split_once('=').unwrap();
        let source = fs::read_to_string(root().join(format!("tests/{name}.rs"))).unwrap();
        assert!(source.contains(&format!("\"{setting}\"")), "tests/{name}.rs reads no {setting}");
    }
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let command = block("cargo test --workspace\n").text;
    assert!(ci.contains(command.trim()), ".ci/run does not call {command}");
    assert!(Path::new(env!("CARGO_BIN_EXE_ringkeeper")).exists());
}

#[test]
fn the_fast_commands_name_what_exists() {
    // Goal: the inner loop's block is not run by a test either; its alias, its module of scripts, its
    // simulator and its fuzz target must be there.
    let source = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let commands = block("cargo quick");
    let lines: Vec<&str> =
        commands.text.lines().map(|line| line.split('#').next().unwrap().trim()).collect();
    let [quick, scripts, seed, fuzz] = lines[..] else { panic!("{lines:?}") };
    assert_eq!(quick, "cargo quick");
    let config = source(".cargo/config.toml");
    let (_, alias) = config.split_once("quick = \"\"\"").unwrap();
    let words: Vec<&str> = alias.split("\"\"\"").next().unwrap().split_whitespace().collect();
    let folders = ["tests", "tools/fuzz/tests", "tools/sim/tests"];
    let mut tests = 0;
    for pair in words.windows(2).filter(|pair| pair[0] == "--test") {
        let there = folders.iter().filter(|folder| {
            let at = root().join(folder).join(pair[1]);
            at.with_extension("rs").exists() || at.join("main.rs").exists()
        });
        assert_eq!(there.count(), 1, "{}", pair[1]);
        tests += 1;
    }
    assert!(tests > 0, "{words:?}");
    let module = scripts.strip_prefix("cargo test --lib ").unwrap().replace("::", "/");
    assert!(source(&format!("src/{module}.rs")).contains("run_all"), "{module} runs no script");
    let (_, options) = seed.split_once("-p ringkeeper-sim -- ").unwrap();
    let simulator = source("tools/sim/src/main.rs");
    for option in options.split(' ').filter_map(|word| word.strip_prefix("--")) {
        assert!(simulator.contains(&format!("    {option}: ")), "the simulator has no --{option}");
    }
    let target = fuzz.split(' ').nth(1).unwrap();
    assert!(root().join("tools/fuzz/corpus").join(target).is_dir(), "no fuzz target {target}");
    assert!(root().join(fuzz.split(' ').next().unwrap()).exists());
}

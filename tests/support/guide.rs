//! Blocks of a document that are run as they are written: each document's in a network namespace of its own,
//! where its ports are free, beside commands of the names it uses.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use super::rk::rk;
use super::server::zookeeper_jars;
use super::{python, root, scratch};

/// A fenced block: what it is written in, and its lines.
pub struct Block {
    pub language: String,
    pub text: String,
}

/// Those of a document, in its order.
pub fn blocks(document: &str) -> Vec<Block> {
    let readme = fs::read_to_string(root().join(document)).unwrap();
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

/// The one block of a document that holds this.
pub fn block(document: &str, holds: &str) -> Block {
    let mut found: Vec<Block> =
        blocks(document).into_iter().filter(|block| block.text.contains(holds)).collect();
    assert_eq!(found.len(), 1, "blocks of {document} with {holds:?}");
    found.remove(0)
}

/// A shell script for a block: what is typed into a console, and what has to be seen then.
pub fn script(block: &Block) -> String {
    match block.language.as_str() {
        "sh" => block.text.clone(),
        "python" => format!("python3 - <<'BLOCK_END'\n{}BLOCK_END\n", block.text),
        "console" => console(&block.text),
        other => panic!("a block in {other:?}, which no test can run"),
    }
}

/// `$ command`, lines of its standard input behind a prompt in brackets, and lines that its output
/// has to hold in this order; `...` stands for any. More commands may follow.
fn console(text: &str) -> String {
    let commands = text.split_inclusive('\n').fold(Vec::<String>::new(), |mut commands, line| {
        match (line.starts_with("$ "), commands.last_mut()) {
            (false, Some(last)) => last.push_str(line),
            (_, _) => commands.push(line.to_owned()),
        }
        commands
    });
    commands.iter().map(|command| one_command(command)).collect()
}

fn one_command(text: &str) -> String {
    let (mut command, mut typed, mut expected) = ("", String::new(), String::new());
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("$ ") {
            command = line;
        } else if let Some((_, line)) = line.strip_prefix('[').and_then(|l| l.split_once("] ")) {
            typed += &format!("{line}\n");
        } else if line != "..." {
            expected += &format!("{line}\n");
        }
    }
    assert!(!command.is_empty(), "a console block without a command: {text}");
    format!(
        "cat > typed <<'BLOCK_END'\n{typed}BLOCK_END\ncat > expected <<'BLOCK_END'\n\
         {expected}BLOCK_END\n{{ {command}; }} < typed > seen 2>&1 || {{ cat seen >&2; exit 1; }}\n\
         holds expected seen\n"
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
/// `python3` with kazoo, `target/release/ringkeeper`, `ringkeeper` and `rk` are what a set-up machine has.
pub fn run(name: &str, body: &str) {
    let need = Command::new("bash")
        .arg(root().join("tests/support/need.sh"))
        .args(["ip", "unshare", "openssl"])
        .status();
    assert!(need.expect("bash").success(), "iproute2, util-linux and openssl are needed");
    let folder = scratch(name);
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
    symlink(binary, commands.join("ringkeeper")).unwrap();
    symlink(rk(), commands.join("rk")).unwrap();
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

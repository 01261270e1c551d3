//! Every command block of README.md, run as it is written: each in a network namespace of its own,
//! where its ports are free, beside commands of the names it uses.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::Path;

use support::guide::{Block, run, script};
use support::root;

const README: &str = "README.md";

fn blocks() -> Vec<Block> {
    support::guide::blocks(README)
}

fn block(holds: &str) -> Block {
    support::guide::block(README, holds)
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
    run("readme-first", &body);
}

#[test]
fn a_configuration_file_is_taken() {
    let body = format!(
        "mkdir conf\nprintf 'dataDir=%s\\nclientPort=2222\\n' \"$PWD/data\" > conf/zoo.cfg\n{} &\n\
         until_true serves 2222\n",
        script(&block("conf/zoo.cfg")).trim_end()
    );
    run("readme-file", &body);
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
    run("readme-ensemble", &body);
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

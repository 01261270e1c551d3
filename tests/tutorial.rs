//! Every command block of tools/docs/tutorial.md, run as it is written, one after another in one place; and what
//! the documents say of the command lines.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::process::Command;

use support::guide::{blocks, run, script};
use support::rk::rk;
use support::scratch;

#[test]
fn the_tutorial_can_be_followed() {
    // Goal: a beginner who types what is written sees what is written.
    let blocks = blocks("tools/docs/tutorial.md");
    assert!(blocks.len() > 20, "{} blocks", blocks.len());
    let body: String = blocks.iter().map(script).collect();
    run("tutorial", &body);
}

#[test]
fn the_server_says_what_to_do_next() {
    // Goal: a start without arguments; its lines name port, folder, the next command and the next page, and what
    // it names is there.
    let body = "ringkeeper > seen 2> log &\nuntil_true serves 2181\nkill $!\nwait $!\n\
                cat > expected <<END\nclients   port 2181\ndata      $PWD/ringkeeper-data\n\
                rk -s localhost\nringkeeper config check zoo.cfg\ntools/docs/tutorial.md\nEND\n\
                holds expected seen\n[ -d ringkeeper-data/version-2 ]\n";
    run("tutorial-first-run", body);
    assert!(support::root().join("tools/docs/tutorial.md").exists());
}

#[test]
fn a_configuration_is_checked_without_a_start() {
    // Goal: values with origins, defaults, what is passed over; three exit codes; no secret, no folder made.
    let folder = scratch("tutorial-check");
    let file = folder.join("zoo.cfg");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_ringkeeper"))
            .args(["config", "check"])
            .arg(&file)
            .env("SERVER_JVMFLAGS", "-Djute.maxbuffer=4096 -Xmx1g")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).unwrap(), output.status.code().unwrap())
    };
    let good =
        "dataDir=here\nclientPort=2281\nDigestAuthenticationProvider.superDigest=super:abc\n";
    let (text, code) = check(good);
    assert_eq!(code, 0, "{text}");
    let line = |begin: &str| {
        let found = text.lines().find(|line| line.trim_start().starts_with(begin));
        found.unwrap_or_else(|| panic!("no {begin} in\n{text}")).to_owned()
    };
    assert!(
        line("clientPort ").contains("2281 on every address")
            && line("clientPort ").contains("line 2")
    );
    assert!(line("tickTime ").contains("= 3000  (default)"));
    assert!(line("jute.maxbuffer ").contains("= 4096  (a -D flag)"));
    assert!(line("-Xmx1g").contains("Java VM"));
    assert!(!text.contains("super:abc") && text.contains("(not shown)"), "{text}");
    let (text, code) = check("dataDir=here\nclientPort=2281\ntikTime=5\n");
    assert!(code == 1 && text.contains("tikTime") && text.contains("tickTime"), "{text}");
    let (text, code) = check("dataDir=here\nclientPort=x\n");
    assert!(code == 2 && text.contains("clientPort=x") && text.contains("line 2"), "{text}");
    assert!(!folder.join("here").exists());
}

#[test]
fn completions_and_pages_know_every_command() {
    // Goal: what clap makes of the command lines is valid where a shell reads it, and has all commands.
    let run = |words: &[&str]| {
        let output = Command::new(rk()).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let names: Vec<String> = run(&["reference", "--names"]).lines().map(str::to_owned).collect();
    assert!(names.len() > 40 && names.contains(&"lock".to_owned()), "{names:?}");
    let folder = scratch("tutorial-pages");
    for (server, shell) in [(false, "bash"), (false, "zsh"), (false, "fish"), (true, "bash")] {
        let mut words = vec!["completions", shell];
        words.extend(server.then_some("--server"));
        let text = run(&words);
        for name in names.iter().filter(|_| !server) {
            assert!(text.contains(name.as_str()), "{shell}: {name}");
        }
        if shell == "bash" {
            let file = folder.join("completion");
            std::fs::write(&file, &text).unwrap();
            assert!(Command::new("bash").arg("-n").arg(&file).status().unwrap().success());
        }
    }
    run(&["man", folder.to_str().unwrap()]);
    for name in
        names.iter().map(|name| format!("rk-{name}")).chain(["rk".into(), "ringkeeper".into()])
    {
        let page = std::fs::read_to_string(folder.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".TH"), "{name}");
    }
}

//! Replays every corpus, and every truncation of each of its inputs, through its target.

use std::path::Path;

use ringkeeper_fuzz::TARGETS;

#[test]
fn every_input_of_every_corpus_passes() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let mut inputs = 0;
        for file in std::fs::read_dir(corpora.join(name)).unwrap() {
            let path = file.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            println!("{}", path.display());
            target(&input);
            for cut in 0..input.len().min(512) {
                target(&input[..cut]);
            }
            inputs += 1;
        }
        assert!(inputs > 0, "no corpus for {name}");
    }
}

#[test]
fn every_corpus_has_a_target() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for folder in std::fs::read_dir(corpora).unwrap() {
        let name = folder.unwrap().file_name();
        let name = name.to_str().unwrap();
        assert!(ringkeeper_fuzz::target(name).is_some(), "{name}");
    }
}

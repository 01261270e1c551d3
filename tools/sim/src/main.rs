//! `ringkeeper-sim`: runs seeds, traces one, shrinks what fails.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use ringkeeper::mutants::Mutant;
use ringkeeper_sim::mutants;
use ringkeeper_sim::run::{self, Case};
use ringkeeper_sim::shrink;

/// Whole servers in virtual time, under faults drawn from a seed.
#[derive(Parser)]
struct Args {
    /// Seeds, as A..B or one number.
    #[arg(long, default_value = "0..700")]
    seeds: String,
    /// Servers of the ensemble; drawn from the seed if not given.
    #[arg(long)]
    servers: Option<usize>,
    /// Print one line for every transition.
    #[arg(long)]
    trace: bool,
    /// Leave out of a failing seed what does not matter.
    #[arg(long)]
    shrink: bool,
    /// Plant every known bug in turn, and tell which seed finds it.
    #[arg(long)]
    mutants: bool,
    /// Plant this bug, or look only for it.
    #[arg(long, value_parser = named)]
    mutant: Option<Mutant>,
    /// Stop after so many failures.
    #[arg(long, default_value_t = 5)]
    enough: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let Some((from, to)) = seeds(&args.seeds) else {
        eprintln!("--seeds {}: not A..B and not a number", args.seeds);
        return ExitCode::from(2);
    };
    if args.mutants {
        return hunt(&args, from..to);
    }
    if args.trace || args.shrink {
        return look_closely(&args, from..to);
    }
    let began = Instant::now();
    let summary = run::range(from, to, args.enough, |seed| Case::of(seed, args.servers));
    println!(
        "{} seeds, {} failed, in {:.1} s: {} events, {} transactions, {} writes answered, {} crashes, {} sessions expired",
        summary.seeds,
        summary.failed.len(),
        began.elapsed().as_secs_f64(),
        summary.events,
        summary.txns,
        summary.acknowledged,
        summary.crashes,
        summary.expired,
    );
    ExitCode::from(u8::from(!summary.failed.is_empty()))
}

fn seeds(text: &str) -> Option<(u64, u64)> {
    match text.split_once("..") {
        Some((from, to)) => Some((from.parse().ok()?, to.parse().ok()?)),
        None => text.parse().ok().map(|seed: u64| (seed, seed + 1)),
    }
}

fn look_closely(args: &Args, seeds: std::ops::Range<u64>) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for seed in seeds {
        let mut case = Case::of(seed, args.servers);
        case.mutant = args.mutant;
        if args.shrink {
            let Some((smaller, why)) = shrink::shrink(&case) else { continue };
            println!("seed {seed}: {why}\n{:?}", smaller.knobs);
            for (at, fault) in &smaller.plan {
                println!("{at:>10} {fault:?}");
            }
            code = ExitCode::FAILURE;
            case = smaller;
        }
        if args.trace {
            println!("{:?}", case.knobs);
            let ran = case.run(true);
            for line in &ran.trace {
                println!("{line}");
            }
            println!("seed {seed}: {:?}", ran.outcome);
            if ran.outcome.is_err() {
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// The bug of this name.
fn named(name: &str) -> Result<Mutant, String> {
    let mut all = Mutant::ALL.iter().copied();
    all.find(|mutant| mutant.name() == name).ok_or_else(|| "no bug has this name".to_owned())
}

fn hunt(args: &Args, seeds: std::ops::Range<u64>) -> ExitCode {
    if !cfg!(feature = "mutants") {
        eprintln!("no bug is planted in this build: --features mutants");
        return ExitCode::from(2);
    }
    let mut missed = 0;
    for hunted in mutants::ALL {
        if args.mutant.is_some_and(|mutant| mutant != hunted.mutant) {
            continue;
        }
        let found = mutants::hunt(*hunted, seeds.clone());
        let how = match &found.by {
            Some((_, why)) => why.chars().take(90).collect(),
            None => {
                missed += 1;
                "NOT FOUND".to_owned()
            }
        };
        println!("| {} | {} | {} | {how} |", found.mutant.name(), hunted.servers, found.tried);
    }
    ExitCode::from(u8::from(missed > 0))
}

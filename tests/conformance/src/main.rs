//! Runs the conformance suite; usually called by `cargo xtask test conformance`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use forebay_conformance::run::Outcome;
use forebay_conformance::{case, config, here, platforms, report, run};

#[derive(Parser)]
#[command(name = "forebay-conformance", about = "Runs the conformance suite")]
struct Cli {
    /// A platform, or `all`; may be given again.
    #[arg(long, default_value = "all")]
    platform: Vec<String>,
    /// A folder of further cases in the same form.
    #[arg(long, value_name = "DIR")]
    cases: Vec<PathBuf>,
    /// Only cases with this in their name.
    #[arg(long)]
    case: Option<String>,
    /// Writes the table to this file.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// A platform whose program is missing is a failure.
    #[arg(long)]
    require: bool,
}

fn main() -> ExitCode {
    match play(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(cli: &Cli) -> Result<bool> {
    let mut cases = case::load(&here().join("cases"))?;
    for folder in &cli.cases {
        cases.extend(case::load(folder)?);
    }
    if let Some(part) = &cli.case {
        cases.retain(|case| case.name.contains(part.as_str()));
    }
    if cases.is_empty() {
        bail!("no case of that name");
    }
    let lacks = platforms::Lacks::read(&here().join("platforms.toml"))?;
    let wanted = |name: &str| cli.platform.iter().any(|p| p == "all" || p == name);
    let platforms = platforms::all();
    if !platforms.iter().any(|p| wanted(p.name())) {
        let names: Vec<&str> = platforms.iter().map(|p| p.name()).collect();
        bail!("no such platform; there are {} and all", names.join(", "));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (mut columns, mut good) = (Vec::new(), true);
    for platform in &platforms {
        let name = platform.name();
        if !wanted(name) {
            columns.push((name, Err("it was not asked for".to_owned())));
            continue;
        }
        if let Some(why) = platform.missing() {
            println!("MISSING {name}: {why}");
            // No registry carries Spin's own program, so no machine can be asked to have it.
            good &= !cli.require || name == "spin";
            columns.push((name, Err(why)));
            continue;
        }
        let outcomes = runtime.block_on(run::all(
            platform.as_ref(),
            &lacks.of(name),
            &cases,
            &config(),
        ));
        let outcomes = match outcomes {
            Ok(outcomes) => outcomes,
            Err(error) => {
                println!("FAILED {name}: {error:#}");
                good = false;
                columns.push((name, Err(format!("{error:#}"))));
                continue;
            }
        };
        let mut passed = 0;
        for (case, outcome) in &outcomes {
            match outcome {
                Outcome::Passed => passed += 1,
                Outcome::Lacks(why) => println!("LACKS {name} {case}: {why}"),
                Outcome::Failed(wrong) => {
                    good = false;
                    println!("FAILED {name} {case}:");
                    wrong.iter().for_each(|line| println!("    {line}"));
                }
            }
        }
        println!("{name}: {passed} of {} cases pass", outcomes.len());
        columns.push((name, Ok(outcomes)));
    }
    if let Some(file) = &cli.table {
        let reasons: Vec<_> = platforms
            .iter()
            .map(|platform| (platform.name(), lacks.of(platform.name())))
            .collect();
        std::fs::write(file, report::table(&cases, &columns, &reasons))?;
    }
    Ok(good)
}

//! What a fleet of edges must show: requests are conserved, sharing helps, delay hurts.
#![allow(clippy::unwrap_used, reason = "a test may")]

use forebay_simulate::{
    Arrival, Delay, EdgeOptions, EdgeOutcome, Profile, SimulateCommand, Trace, simulate_edges,
};

/// A request a second, each for one of a few prompts in turn.
fn in_turn(requests: usize, prompts: u64) -> Trace {
    let arrival = |n: usize| Arrival {
        at: n as f64,
        input: 600,
        output: 1,
        chain: [].into(),
        prompt: n as u64 % prompts,
    };
    Trace {
        block_size: 512,
        requests: (0..requests).map(arrival).collect(),
    }
}

fn fleet() -> EdgeOptions {
    EdgeOptions {
        locations: 1,
        ttl: 1e6,
        store_delay: Delay::Seconds(0.0),
        hosts: 0,
        repeats: 0.0,
        prompts: 100,
        skew: 1.0,
        speed: 1.0,
        seed: 1,
    }
}

fn outcome(trace: &Trace, options: &EdgeOptions) -> EdgeOutcome {
    let profile = Profile::load("h100x2-qwen3-32b").unwrap();
    let outcome = simulate_edges(trace, &profile, options);
    let answered = outcome.edge_hits + outcome.host_hits + outcome.joined + outcome.engine_calls;
    assert_eq!(answered, trace.requests.len());
    assert!(outcome.hidden <= trace.requests.len() - outcome.edge_hits);
    outcome
}

#[test]
fn one_location_asks_once_for_each_prompt_and_again_when_it_has_expired() {
    let trace = in_turn(100, 10);
    assert_eq!(outcome(&trace, &fleet()).engine_calls, 10);
    let short = EdgeOptions {
        ttl: 5.0,
        ..fleet()
    };
    assert_eq!(outcome(&trace, &short).engine_calls, 100);
}

#[test]
fn locations_share_what_the_store_shows_them() {
    let trace = in_turn(2_000, 10);
    let spread = |store_delay| EdgeOptions {
        locations: 20,
        store_delay,
        ..fleet()
    };
    let at_once = outcome(&trace, &spread(Delay::Seconds(0.0)));
    assert_eq!((at_once.engine_calls, at_once.hidden), (10, 0));
    let later = outcome(&trace, &spread(Delay::Seconds(60.0)));
    let never = outcome(&trace, &spread(Delay::Never));
    assert!(at_once.engine_calls < later.engine_calls);
    assert!(later.engine_calls < never.engine_calls);
    assert_eq!(never.engine_calls, 200, "each location asks for each");
    assert_eq!(never.hidden, 190);
    assert_eq!(later.store_writes, later.engine_calls);
}

#[test]
fn a_host_answers_for_all_locations_behind_it() {
    let trace = in_turn(2_000, 10);
    let hosts = |hosts| EdgeOptions {
        locations: 20,
        store_delay: Delay::Never,
        hosts,
        ..fleet()
    };
    assert_eq!(outcome(&trace, &hosts(1)).engine_calls, 10);
    assert_eq!(outcome(&trace, &hosts(4)).engine_calls, 40);
    assert_eq!(outcome(&trace, &hosts(1)).edge_hits, 1_800);
}

#[test]
fn requests_of_one_moment_are_joined_at_a_host_and_nowhere_else() {
    let mut trace = in_turn(50, 1);
    trace.requests.iter_mut().for_each(|request| {
        request.at = 0.0;
        request.output = 1_000;
    });
    let alone = outcome(&trace, &fleet());
    assert_eq!((alone.engine_calls, alone.joined), (50, 0));
    let shared = EdgeOptions {
        hosts: 1,
        ..fleet()
    };
    let shared = outcome(&trace, &shared);
    assert_eq!((shared.engine_calls, shared.joined), (1, 49));
    assert!((shared.offload - 0.98).abs() < 1e-9);
    assert!((shared.token_offload - 0.98).abs() < 1e-9);
}

#[test]
fn popular_prompts_repeat_and_a_second_run_gives_the_same_figures() {
    let trace = in_turn(5_000, u64::MAX);
    assert_eq!(outcome(&trace, &fleet()).engine_calls, 5_000);
    let popular = EdgeOptions {
        repeats: 0.5,
        ..fleet()
    };
    let first = outcome(&trace, &popular);
    assert!((2_400..2_700).contains(&first.engine_calls), "{first:?}");
    assert_eq!(first, outcome(&trace, &popular));
}

/// The command line as `forebay simulate` has it.
#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    command: SimulateCommand,
}

fn command(args: &[&str]) -> Result<Cli, clap::Error> {
    clap::Parser::try_parse_from([&["simulate"], args].concat())
}

#[test]
fn the_command_prints_a_line_for_each_combination() {
    let trace = std::env::temp_dir().join(format!("edges-{}.jsonl", std::process::id()));
    let line = r#"{"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [1, 2]}"#;
    std::fs::write(&trace, format!("{line}\n").repeat(10)).unwrap();
    let path = trace.to_string_lossy().into_owned();
    let lists = [
        "--locations",
        "1,8",
        "--ttl",
        "1,60,600",
        "--store-delay",
        "0,never",
    ];
    let args = [&["edges", "--trace", &path], &lists[..]].concat();
    let table = command(&args).unwrap().command.run().unwrap();
    // Two lines of head, and 2 × 3 × 2 × 2 combinations.
    assert_eq!(
        table.lines().filter(|line| line.starts_with('|')).count(),
        26
    );
    let json = command(&[&args[..], &["--json"]].concat())
        .unwrap()
        .command
        .run();
    let report: serde_json::Value = serde_json::from_str(&json.unwrap()).unwrap();
    assert_eq!(report["runs"][23]["store_delay"], serde_json::Value::Null);
    assert_eq!(report["runs"][23]["hosts"], 1);
    std::fs::remove_file(&trace).unwrap();
}

#[test]
fn options_out_of_range_are_named() {
    for (option, value) in [
        ("--locations", "0"),
        ("--hosts", "1000001"),
        ("--prompts", "0"),
        ("--ttl", "-1"),
        ("--store-delay", "NaN"),
        ("--repeats", "1.5"),
        ("--skew", "-1"),
        ("--speed", "0"),
    ] {
        let option_and_value = format!("{option}={value}");
        let parsed = command(&["edges", "--trace", "x", &option_and_value]).unwrap();
        let error = parsed.command.run().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{option} must be")), "{error}");
    }
    assert!(command(&["edges", "--trace", "x", "--store-delay", "soon"]).is_err());
    assert!(command(&["edges"]).is_err());
    assert!(command(&[]).is_err());
    assert!(command(&["--trace", "x", "edges", "--trace", "x"]).is_err());
}

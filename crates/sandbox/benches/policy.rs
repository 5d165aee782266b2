//! The policy path alone: what a request pays for its three decisions, and a stream for each delta.
//!
//! Each iteration makes its instance and drops it. Needs the components (`cargo xtask components`).
#![allow(clippy::unwrap_used, missing_docs)]
use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use forebay_dialect::canonical::{
    Channel, Field, Message, Needs, Operation, Part, Prompt, Sampling,
};
use forebay_gateway::policy::{
    Caller, Candidate, Delta, Demand, Directives, Outline, OutputGuard, Place, PlaceKind, Policies,
    PolicySession, Price,
};
use forebay_sandbox::{
    ComponentSource, Isolation, PagemapScan, PolicySources, Sandbox, SandboxOptions,
};
use serde_json::json;

/// The folder with the three components: `FOREBAY_COMPONENTS`, or where `cargo xtask components` puts them.
fn components() -> PathBuf {
    std::env::var_os("FOREBAY_COMPONENTS").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../target/components"
            ))
        },
        PathBuf::from,
    )
}

fn source(policy: &str, config: serde_json::Value) -> ComponentSource {
    let path = components().join(format!("{policy}.wasm"));
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|e| panic!("{}: {e} (run `cargo xtask components`)", path.display()));
    ComponentSource { bytes, config }
}

fn sources() -> PolicySources {
    let terms: Vec<_> = (0..5000)
        .map(|i| format!("forbidden term number {i} x{}", i * 7919))
        .collect();
    let guardrails = json!({ "rules": [
        { "name": "terms", "kind": "dictionary", "action": "mask", "terms": terms },
        { "name": "pii", "kind": "pii", "action": "mask" },
    ] });
    PolicySources {
        prefix_cache: source("prefix-cache", json!({})),
        guardrails: source("guardrails", guardrails),
        cloud_selector: source("cloud-selector", json!({})),
    }
}

fn caller() -> Caller {
    Caller {
        tenant: "acme".into(),
        key: "key-1".into(),
        route: "/v1/chat/completions",
    }
}

/// A chat of about `bytes` bytes with one match of the dictionary and one of the patterns.
fn prompt(bytes: usize) -> Prompt {
    let prose = "The quick brown fox jumps over the lazy dog while the river runs to the sea. ";
    let mut text =
        String::from("Write to bob@example.com about forbidden term number 77 x609763. ");
    while text.len() < bytes {
        text.push_str(prose);
    }
    text.truncate(bytes);
    let message = |role: &str, text: String| Message {
        role: role.into(),
        parts: vec![Part::Text(text)],
        extra: vec![],
    };
    Prompt {
        operation: Operation::Chat,
        model: "llama-3.1-70b".into(),
        messages: vec![
            message("system", "You are a helpful assistant.".into()),
            message("user", text),
        ],
        tools: vec![],
        sampling: Sampling {
            temperature: Some(0.0),
            max_tokens: Some(500),
            ..Sampling::default()
        },
        extra: vec![
            Field {
                name: "max_tokens".into(),
                value: "500".into(),
            },
            Field {
                name: "temperature".into(),
                value: "0.0".into(),
            },
        ],
    }
}

fn candidates() -> Vec<Candidate> {
    (0..4)
        .map(|order| Candidate {
            name: format!("engine-{order}"),
            region: "eu-west-1".into(),
            jurisdiction: "EU".into(),
            healthy: order != 3,
            capabilities: Needs {
                streaming: true,
                ..Needs::default()
            },
            context_tokens: 131_072,
            price: Some(Price {
                input: 500_000,
                cached_input: 50_000,
                output: 1_500_000,
            }),
            ttft_ms: 120.0 + f64::from(order),
            tokens_per_second: 80.0,
            in_flight: order,
            capacity: 256,
            warm_tokens: 0,
            sharing: 0,
            order,
            workers: vec![],
        })
        .collect()
}

fn demand(bytes: usize) -> Demand {
    Demand {
        model: "llama-3.1-70b".into(),
        input_tokens: bytes as u64 / 4,
        output_tokens: 500,
        needs: Needs {
            streaming: true,
            ..Needs::default()
        },
        residency: vec!["EU".into()],
        budget_micro_usd: None,
        deadline_ms: None,
    }
}

/// The prompt as the guardrails see it.
fn judged(prompt: &Prompt) -> (Outline<'_>, Vec<Place<'_>>) {
    let text = |message: &Message| match &message.parts[0] {
        Part::Text(text) => text.clone(),
        _ => String::new(),
    };
    let places = prompt.messages.iter().map(|message| Place {
        kind: PlaceKind::Text,
        role: &message.role,
        path: "messages[0].content[0]".into(),
        text: text(message).into(),
        joins_next: false,
    });
    let outline = Outline {
        operation: "chat",
        model: &prompt.model,
        messages: 2,
        tools: 0,
        largest_message: 0,
        bytes: 0,
    };
    (outline, places.collect())
}

/// All three decisions, from the sandbox's making to its end.
async fn decide(
    sandbox: &Sandbox,
    caller: &Caller,
    prompt: &Prompt,
    demand: &Demand,
    candidates: &[Candidate],
    bytes: usize,
) {
    let mut session = sandbox.session(caller, bytes).await.unwrap();
    let (outline, places) = judged(prompt);
    let verdict = session
        .check_prompt(caller, &outline, &places, &[])
        .await
        .unwrap();
    assert_eq!(verdict.hits.len(), 2);
    session
        .plan(caller, prompt, &Directives::default())
        .await
        .unwrap();
    let ranking = session.rank(caller, demand, candidates).await.unwrap();
    assert_eq!(ranking.order.len(), 3);
}

fn policy(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let load = |options| runtime.block_on(Sandbox::load(sources(), options)).unwrap();
    let mut group = c.benchmark_group("policy");
    group
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_secs(1));
    let mut measure = |name: &str, sandbox: &Sandbox, bytes: usize| {
        let (caller, prompt, demand, candidates) =
            (caller(), prompt(bytes), demand(bytes), candidates());
        group.bench_function(name, |b| {
            b.to_async(&runtime)
                .iter(|| decide(sandbox, &caller, &prompt, &demand, &candidates, bytes));
        });
    };
    let fresh = load(SandboxOptions::default());
    measure("2kb", &fresh, 2 << 10);
    measure("100kb", &fresh, 100 << 10);
    let unscanned = load(SandboxOptions {
        pagemap_scan: PagemapScan::Off,
        ..Default::default()
    });
    measure("2kb-no-pagemap-scan", &unscanned, 2 << 10);
    drop(unscanned);
    let tenant = load(SandboxOptions {
        isolation: Isolation::Tenant,
        ..Default::default()
    });
    measure("2kb-tenant", &tenant, 2 << 10);
    drop(tenant);
    group.finish();

    let mut group = c.benchmark_group("guard");
    group
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_secs(1));
    group.bench_function("delta", |b| {
        // A new guard every 500 deltas, the length of an ordinary answer.
        b.to_async(&runtime).iter_custom(|iterations| {
            let fresh = fresh.clone();
            async move {
                let caller = caller();
                let mut spent = Duration::ZERO;
                let mut left = iterations;
                while left > 0 {
                    let mut guard = fresh.guard(&caller).await.unwrap();
                    let answer = left.min(500);
                    left -= answer;
                    for _ in 0..answer {
                        let delta = Delta {
                            choice: 0,
                            channel: Channel::Content,
                            text: " word".into(),
                        };
                        let began = std::time::Instant::now();
                        let releases = guard.push(vec![delta]).await.unwrap();
                        spent += began.elapsed();
                        assert!(releases.denied.is_none());
                    }
                }
                spent
            }
        });
    });
    group.finish();
}

criterion_group!(benches, policy);
criterion_main!(benches);

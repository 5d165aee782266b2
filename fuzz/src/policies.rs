//! The border between the gateway and its policies: the shipped components get whatever a request can
//! say, and what they answer makes sense. Needs the components (`cargo xtask components`).

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use forebay_dialect::canonical::{
    Channel, Field, Message, Needs, OpaquePart, Operation, Part, Prompt, Sampling, ToolCall, Usage,
};
use forebay_gateway::policy::{
    Action, Caller, Candidate, Delta, Demand, Directives, Ending, IndexState, Outcome, Outline,
    OutputGuard as _, Place, PlaceKind, Policies as _, PolicySession as _, Price, Releases, Worker,
};
use forebay_sandbox::{ComponentSource, PolicySources, Sandbox, SandboxOptions};
use serde_json::json;
use tokio::runtime::Runtime;

static POLICIES: LazyLock<(Runtime, Sandbox)> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let options = SandboxOptions {
        sessions: 2,
        guards: 2,
        // A defect is a guest that never ends, not a slow machine.
        deadline: Duration::from_secs(10),
        ..SandboxOptions::default()
    };
    let rules = json!({"rules": [
        {"name": "words", "kind": "dictionary", "action": "mask", "terms": ["hi", "secret word"], "decode": true},
        {"name": "private", "kind": "pii", "action": "mask", "apply": ["input", "output"]},
        {"name": "secrets", "kind": "secrets", "action": "mask", "apply": ["input", "output"]},
        {"name": "own", "kind": "regex", "action": "mask", "patterns": ["a+b", "[0-9]{3}-x"], "apply": ["input", "output"]},
    ]});
    let sources = PolicySources {
        prefix_cache: source("prefix-cache", json!({})),
        guardrails: source("guardrails", rules),
        cloud_selector: source("cloud-selector", json!({})),
    };
    let sandbox = runtime.block_on(Sandbox::load(sources, options)).unwrap();
    (runtime, sandbox)
});

/// A component from the folder that `FOREBAY_COMPONENTS` names, or where they are built.
fn source(policy: &str, config: serde_json::Value) -> ComponentSource {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/components");
    let folder = std::env::var_os("FOREBAY_COMPONENTS").map_or_else(|| built.into(), PathBuf::from);
    let path = folder.join(format!("{policy}.wasm"));
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|e| panic!("{}: {e} (run `cargo xtask components`)", path.display()));
    ComponentSource { bytes, config }
}

/// Lines of an input: a byte that says what the line is, and its text.
fn lines(input: &[u8]) -> Vec<(u8, String)> {
    let lines = input.split(|byte| *byte == b'\n').take(64);
    let line = |line: &[u8]| {
        let (first, text) = line.split_first().unwrap_or((&0, &[]));
        (*first, String::from_utf8_lossy(text).into_owned())
    };
    lines.map(line).collect()
}

/// Each line as a place, a part of a message, a candidate and a delta.
pub(crate) fn policies(input: &[u8]) {
    let lines = lines(input);
    let (runtime, sandbox) = &*POLICIES;
    runtime.block_on(async {
        let caller = Caller {
            tenant: "acme".into(),
            key: "key-1".into(),
            route: "/v1/chat/completions",
        };
        let mut session = sandbox.session(&caller, input.len()).await.unwrap();
        let places = places(&lines);
        let outline = Outline {
            operation: "chat",
            model: "m",
            messages: 1,
            tools: 0,
            largest_message: input.len() as u64,
            bytes: input.len() as u64,
        };
        let verdict = session.check_prompt(&caller, &outline, &places, &[]);
        edits_fit(&places, &verdict.await.unwrap().action);

        let prompt = prompt(&lines);
        let directives = Directives::default();
        let plan = session.plan(&caller, &prompt, &directives).await.unwrap();
        assert!(plan.chain.windows(2).all(|two| two[0].end < two[1].end));

        let candidates: Vec<_> = (0..).zip(&lines).map(candidate).collect();
        let demand = demand(&lines);
        let ranking = session.rank(&caller, &demand, &candidates).await.unwrap();
        let chosen = ranking.order.iter().map(|choice| choice.candidate);
        let left_out = ranking.excluded.iter().map(|(candidate, _)| *candidate);
        let mut all: Vec<u32> = chosen.chain(left_out).collect();
        all.sort_unstable();
        let each = 0..u32::try_from(candidates.len()).unwrap();
        assert!(each.eq(all), "each candidate is ranked or left out, once");
        for choice in &ranking.order {
            let workers = &candidates[choice.candidate as usize].workers;
            let known = |worker| workers.get(worker as usize).is_some();
            assert!(choice.worker.is_none_or(known));
        }

        let outcome = Outcome {
            ending: Ending::Complete,
            status: 200,
            bytes: input.len() as u64,
            tool_calls: false,
            usage: Some(Usage::default()),
        };
        sandbox.admit(&caller, &plan, &outcome).await.unwrap();
        guarded(sandbox, &caller, &lines).await;
    });
}

fn places(lines: &[(u8, String)]) -> Vec<Place<'_>> {
    let kinds = [
        PlaceKind::Text,
        PlaceKind::Json,
        PlaceKind::Identifier,
        PlaceKind::Vocabulary,
        PlaceKind::Signed,
        PlaceKind::Unreadable,
    ];
    let place = |(at, (is, text)): (usize, &'_ (u8, String))| Place {
        kind: kinds[usize::from(*is) % kinds.len()],
        role: ["user", "system", ""][usize::from(is / 8) % 3],
        path: format!("messages[{at}].content"),
        text: text.clone().into(),
        joins_next: is & 64 != 0,
    };
    lines.iter().enumerate().map(place).collect()
}

/// Edits lie within texts, at the borders of characters, in order.
fn edits_fit(places: &[Place<'_>], action: &Action) {
    let Action::Edit(edits) = action else { return };
    let mut before = (0, 0);
    for edit in edits {
        let text = &places[edit.place as usize].text;
        assert!(edit.start < edit.end, "{edit:?}");
        assert!(text.get(edit.start as usize..edit.end as usize).is_some());
        assert!((edit.place, edit.start) >= before, "{edit:?}");
        before = (edit.place, edit.end);
    }
}

fn prompt(lines: &[(u8, String)]) -> Prompt {
    let part = |(is, text): &(u8, String)| match is % 3 {
        0 => Part::Text(text.clone()),
        1 => Part::ToolCall(ToolCall {
            id: "c".into(),
            name: "f".into(),
            arguments: text.clone().into(),
            custom: false,
        }),
        _ => Part::Opaque(OpaquePart {
            kind: "image_url".to_owned(),
            json: text.clone(),
        }),
    };
    let messages = lines.chunks(3).map(|lines| Message {
        role: ["user", "assistant"][usize::from(lines[0].0) % 2].to_owned(),
        parts: lines.iter().map(part).collect(),
        extra: Vec::new(),
    });
    let field = |(is, text): &(u8, String)| Field {
        name: format!("field-{is}"),
        value: text.clone(),
    };
    Prompt {
        operation: [Operation::Chat, Operation::Embedding][lines.len() % 2],
        model: "m".to_owned(),
        messages: messages.collect(),
        tools: lines
            .first()
            .map(|(_, text)| text.clone())
            .into_iter()
            .collect(),
        sampling: Sampling::default(),
        extra: lines.iter().take(4).map(field).collect(),
    }
}

/// Numbers that a measurement can be, and some that it should not.
fn number(is: u8) -> f64 {
    let odd = [
        0.0,
        -1.0,
        250.0,
        1e300,
        5e-324,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    odd[usize::from(is) % odd.len()]
}

fn count(is: u8) -> u64 {
    [0, 1, 1000, u64::MAX][usize::from(is) % 4]
}

fn candidate((order, (is, text)): (u32, &(u8, String))) -> Candidate {
    let byte = |at: usize| text.as_bytes().get(at).copied().unwrap_or(*is);
    let worker = |at: u8| Worker {
        id: format!("w{at}"),
        healthy: byte(3) & 1 == 0,
        in_flight: count(byte(4)) as u32,
        queued_tokens: count(byte(5)),
        prefill_rate: number(byte(6)),
        decode_rate: number(byte(7)),
        held_tokens: count(byte(8)),
        index: [
            IndexState::Exact,
            IndexState::Degraded,
            IndexState::Fallback,
        ][usize::from(at) % 3],
        has_affinity: byte(9) & 1 == 0,
    };
    Candidate {
        name: format!("u{order}"),
        region: "eu".to_owned(),
        jurisdiction: "EU".to_owned(),
        healthy: is & 1 == 0,
        capabilities: Needs::default(),
        context_tokens: count(byte(0)),
        price: (is & 2 == 0).then(|| Price {
            input: count(byte(1)),
            cached_input: count(byte(2)),
            output: count(byte(3)),
        }),
        ttft_ms: number(byte(1)),
        tokens_per_second: number(byte(2)),
        in_flight: count(byte(3)) as u32,
        capacity: count(byte(4)) as u32,
        warm_tokens: count(byte(5)),
        sharing: count(byte(6)) as u32,
        order,
        workers: (0..is % 4).map(worker).collect(),
    }
}

fn demand(lines: &[(u8, String)]) -> Demand {
    let byte = |at: usize| lines.get(at).map_or(0, |(is, _)| *is);
    Demand {
        model: "m".to_owned(),
        input_tokens: count(byte(0)),
        output_tokens: count(byte(1)),
        needs: Needs::default(),
        residency: Vec::new(),
        budget_micro_usd: (byte(2) & 1 == 1).then(|| count(byte(3))),
        deadline_ms: (byte(4) & 1 == 1).then(|| count(byte(5))),
    }
}

/// All that goes in comes out, or is masked, or ends with a reason.
async fn guarded(sandbox: &Sandbox, caller: &Caller, lines: &[(u8, String)]) {
    let channels = [
        Channel::Content,
        Channel::Reasoning,
        Channel::ToolArguments(1),
        Channel::ToolName(2),
        Channel::Annotation(3),
    ];
    let mut guard = sandbox.guard(caller).await.unwrap();
    let mut out = Releases::default();
    for lines in lines.chunks(2) {
        let delta = |(is, text): &(u8, String)| Delta {
            choice: u32::from(is / 128),
            channel: channels[usize::from(*is) % channels.len()],
            text: text.clone(),
        };
        let releases = guard.push(lines.iter().map(delta).collect()).await.unwrap();
        out.released.extend(releases.released);
        out.denied = out.denied.or(releases.denied);
        out.hits.extend(releases.hits);
    }
    let last = guard.finish(None).await.unwrap();
    out.released.extend(last.released);
    out.denied = out.denied.or(last.denied);
    out.hits.extend(last.hits);
    if out.denied.is_none() && out.hits.is_empty() {
        for channel in channels {
            for choice in 0..2 {
                let of = |is: u8| {
                    channels[usize::from(is) % channels.len()] == channel
                        && u32::from(is / 128) == choice
                };
                let went_in = lines.iter().filter(|(is, _)| of(*is));
                let went_in: String = went_in.map(|(_, text)| text.as_str()).collect();
                let came_out = out.released.iter();
                let came_out: String = came_out
                    .filter(|delta| delta.channel == channel && delta.choice == choice)
                    .map(|delta| delta.text.as_str())
                    .collect();
                assert_eq!(came_out, went_in, "{channel:?} of choice {choice}");
            }
        }
    }
}

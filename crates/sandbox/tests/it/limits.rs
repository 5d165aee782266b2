//! Guests that do not behave: each is cut off, fails closed, and disturbs nobody.

use std::time::Duration;

use forebay_dialect::canonical::Channel;
use forebay_gateway::policy::{
    Delta, Directives, OutputGuard, Policies, PolicyError, PolicySession, Verdict,
};
use forebay_sandbox::{Sandbox, SandboxOptions};

use crate::guests::{caller, checking, guest, judged, prompt, small, sources};

/// Judges one prompt in a sandbox of its own.
async fn check(sandbox: &Sandbox, text: &str) -> Result<Verdict, PolicyError> {
    let caller = caller("a");
    let mut session = sandbox.session(&caller, text.len()).await?;
    judged(&mut session, &caller, text).await
}

/// Never ends.
const SPIN: &str = "(loop $again (br $again))";

#[tokio::test(flavor = "current_thread")]
async fn a_guest_that_loops_is_cut_off_and_others_run_meanwhile() {
    let options = SandboxOptions {
        deadline: Duration::from_millis(200),
        ..small()
    };
    let spinning = checking(SPIN, options).await;
    let behaved = checking("", small()).await;
    let spinner = tokio::spawn(async move { check(&spinning, "hello").await });
    // One thread for all: the spinner has it as soon as this task lets go of it.
    tokio::task::yield_now().await;
    for _ in 0..10 {
        check(&behaved, "hello").await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(!spinner.is_finished());
    let error = spinner.await.unwrap().unwrap_err();
    assert!(
        matches!(
            error,
            PolicyError::Deadline {
                policy: "guardrails",
                limit_ms: 200
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn the_deadline_grows_with_the_prompt() {
    let options = SandboxOptions {
        deadline: Duration::from_millis(1),
        deadline_per_kib: Duration::from_millis(1),
        ..small()
    };
    let sandbox = checking(SPIN, options).await;
    let error = check(&sandbox, &"x".repeat(8 << 10)).await.unwrap_err();
    assert!(
        matches!(error, PolicyError::Deadline { limit_ms: 9, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_session_has_one_deadline_for_all_its_calls() {
    let options = SandboxOptions {
        deadline: Duration::from_millis(5),
        ..small()
    };
    // Some milliseconds of work for each call, counted down in memory.
    let work = "(i32.store (i32.const 8192) (i32.const 1000000))
        (loop $again
            (i32.store (i32.const 8192) (i32.sub (i32.load (i32.const 8192)) (i32.const 1)))
            (br_if $again (i32.load (i32.const 8192))))";
    let sandbox = checking(work, options).await;
    let caller = caller("a");
    let mut session = sandbox.session(&caller, 0).await.unwrap();
    let mut served = 0;
    while judged(&mut session, &caller, "hello").await.is_ok() {
        served += 1;
        assert!(served < 100_000, "the calls were never cut off");
    }
    assert!(served > 0);
}

#[tokio::test]
async fn a_trap_is_reported_by_its_name_alone() {
    let sandbox = checking("unreachable", small()).await;
    let error = check(&sandbox, "a secret").await.unwrap_err();
    let PolicyError::Trap {
        policy: "guardrails",
        detail,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(detail, "wasm trap: wasm `unreachable` instruction executed");
}

#[tokio::test]
async fn deep_recursion_is_a_trap() {
    let sandbox = checking("(drop (call $check (i32.const 0)))", small()).await;
    let error = check(&sandbox, "hello").await.unwrap_err();
    let PolicyError::Trap { detail, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(detail, "wasm trap: call stack exhausted");
}

#[tokio::test]
async fn a_guest_that_grows_without_end_is_cut_off() {
    let options = SandboxOptions {
        memory_bytes: 8 << 20,
        ..small()
    };
    let sandbox = checking(
        "(loop $again (drop (memory.grow (i32.const 16))) (br $again))",
        options,
    )
    .await;
    let error = check(&sandbox, "hello").await.unwrap_err();
    assert!(
        matches!(
            error,
            PolicyError::Memory {
                limit_bytes: 0x80_0000,
                ..
            }
        ),
        "{error}"
    );
    // Its slot is whole again.
    for _ in 0..8 {
        check(&sandbox, "hello").await.unwrap_err();
    }
}

/// A denial whose detail is 48 MiB of zeros.
const HUGE: &str = "(drop (memory.grow (i32.const 768)))
    (i32.store (i32.const 3072) (i32.const 2))
    (i32.store (i32.const 3076) (i32.const 1056))
    (i32.store (i32.const 3080) (i32.const 5))
    (i32.store (i32.const 3084) (i32.const 65536))
    (i32.store (i32.const 3088) (i32.const 50331648))";

#[tokio::test]
async fn huge_strings_are_refused_before_they_are_copied() {
    let sandbox = checking(HUGE, small()).await;
    check(&sandbox, "hello").await.unwrap_err();
    let before = resident_bytes();
    for _ in 0..20 {
        let error = check(&sandbox, "hello").await.unwrap_err();
        assert!(
            matches!(
                error,
                PolicyError::Memory {
                    limit_bytes: 0x40_0000,
                    ..
                }
            ),
            "{error}"
        );
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 24 << 20, "grew by {grown} bytes");
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_nonsense() {
    let code =
        "(i32.store (i32.const 3152) (i32.const 0)) (i32.store (i32.const 1024) (i32.const -1))";
    let sandbox = checking(code, small()).await;
    let error = check(&sandbox, "hello").await.unwrap_err();
    assert!(matches!(error, PolicyError::Nonsense { .. }), "{error}");
}

/// One edit of the first place, labelled EMAIL.
fn edit(start: u32, end: u32) -> String {
    format!(
        "(i32.store (i32.const 3072) (i32.const 1))
        (i32.store (i32.const 3076) (i32.const 3200))
        (i32.store (i32.const 3080) (i32.const 1))
        (i32.store (i32.const 3204) (i32.const {start}))
        (i32.store (i32.const 3208) (i32.const {end}))
        (i32.store (i32.const 3212) (i32.const 1104))
        (i32.store (i32.const 3216) (i32.const 5))"
    )
}

#[tokio::test]
async fn an_edit_lies_in_the_text_on_character_boundaries() {
    let text = "aéz";
    for (start, end, sound) in [
        (0, 1, true),
        (1, 3, true),
        (1, 2, false),
        (2, 3, false),
        (3, 9, false),
        (2, 1, false),
    ] {
        let sandbox = checking(&edit(start, end), small()).await;
        let verdict = check(&sandbox, text).await;
        assert_eq!(verdict.is_ok(), sound, "{start}..{end}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_scope_is_short_and_a_service_has_a_plain_name() {
    // The scope lies behind the flag for output guards, at 32 of the verdict.
    let scope = |len: u32| {
        format!(
            "(i32.store (i32.const 3104) (i32.const 131072))
            (i32.store (i32.const 3108) (i32.const {len}))"
        )
    };
    // The question lies where a denial's reason would: a service, then a list of places.
    let asks = |at: u32, len: u32| {
        format!(
            "(i32.store (i32.const 3072) (i32.const 3))
            (i32.store (i32.const 3076) (i32.const {at}))
            (i32.store (i32.const 3080) (i32.const {len}))"
        )
    };
    for (code, sound) in [
        (scope(4_096), true),
        (scope(4_097), false),
        (asks(1056, 5), true),
        (asks(1056, 0), false),
        // With spaces and a comma in it.
        (asks(1072, 18), false),
    ] {
        let sandbox = checking(&code, small()).await;
        let verdict = check(&sandbox, "hello").await;
        assert_eq!(verdict.is_ok(), sound, "{code}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_digest_has_32_bytes() {
    let mut sources = sources(guest("guardrails", "", ""));
    sources.prefix_cache.bytes = guest(
        "prefix-cache",
        "plan",
        "(i32.store (i32.const 2052) (i32.const 31))",
    );
    let sandbox = Sandbox::load(sources, small()).await.unwrap();
    let mut session = sandbox.session(&caller("a"), 0).await.unwrap();
    let error = session
        .plan(&caller("a"), &prompt("hello"), &Directives::default())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            PolicyError::Nonsense {
                policy: "prefix-cache",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_full_sandbox_refuses_after_a_bounded_wait() {
    let options = SandboxOptions {
        sessions: 1,
        guards: 1,
        wait: Duration::from_millis(5),
        ..SandboxOptions::default()
    };
    let sandbox = checking("", options).await;
    let held = sandbox.session(&caller("a"), 0).await.unwrap();
    let refused = sandbox
        .session(&caller("b"), 0)
        .await
        .map(drop)
        .unwrap_err();
    assert!(
        matches!(refused, PolicyError::Exhausted { limit: 1 }),
        "{refused}"
    );
    drop(held);
    sandbox.session(&caller("b"), 0).await.unwrap();
    let _held = sandbox.guard(&caller("a")).await.unwrap();
    let refused = sandbox.guard(&caller("b")).await.map(drop).unwrap_err();
    assert!(
        matches!(refused, PolicyError::Exhausted { limit: 1 }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_call_given_up_half_way_leaves_no_instance_behind() {
    let sandbox = checking(SPIN, small()).await;
    let caller = caller("a");
    let mut session = sandbox.session(&caller, 0).await.unwrap();
    tokio::select! {
        biased;
        _ = judged(&mut session, &caller, "hello") => panic!("it answered"),
        // Ready as soon as the guest yields for the first time.
        () = std::future::ready(()) => {}
    }
    let error = judged(&mut session, &caller, "hello").await.unwrap_err();
    assert!(matches!(error, PolicyError::Trap { .. }), "{error}");
}

#[tokio::test]
async fn an_output_guard_that_failed_fails_for_good() {
    let guardrails = guest("guardrails", "push", "unreachable");
    let sandbox = Sandbox::load(sources(guardrails), small()).await.unwrap();
    let mut guard = sandbox.guard(&caller("a")).await.unwrap();
    let delta = Delta {
        choice: 0,
        channel: Channel::Content,
        text: "word".into(),
    };
    guard.push(vec![delta]).await.unwrap_err();
    guard.finish(None).await.unwrap_err();
}

//! What a request finds in its sandbox: the configuration, and nothing of anybody else.

use forebay_dialect::canonical::{Channel, Needs};
use forebay_gateway::policy::{
    Action, CachePlan, Delta, Demand, Directives, Ending, Freshness, Outcome, OutputGuard,
    Policies, PolicySession, Scope,
};
use forebay_sandbox::{Isolation, Sandbox, SandboxOptions};

use crate::guests::{caller, checking, count, guest, judged, prompt, small, sources};

async fn calls(sandbox: &Sandbox, tenant: &str) -> u32 {
    let caller = caller(tenant);
    let mut session = sandbox.session(&caller, 0).await.unwrap();
    count(
        &judged(&mut session, &caller, "hello").await.unwrap(),
        "calls",
    )
}

#[tokio::test]
async fn a_fresh_instance_is_configured() {
    let mut sources = sources(guest("guardrails", "", ""));
    sources.guardrails.config = serde_json::json!({"b": 1, "a": 22});
    let sandbox = Sandbox::load(sources, small()).await.unwrap();
    let mut session = sandbox.session(&caller("a"), 0).await.unwrap();
    let verdict = judged(&mut session, &caller("a"), "hello").await.unwrap();
    assert_eq!(verdict.action, Action::Allow);
    assert_eq!(
        count(&verdict, "configured"),
        r#"{"a":22,"b":1}"#.len() as u32
    );
}

#[tokio::test]
async fn two_requests_share_nothing() {
    let sandbox = checking("", small()).await;
    for _ in 0..20 {
        assert_eq!(calls(&sandbox, "a").await, 1);
    }
}

#[tokio::test]
async fn a_tenant_meets_only_its_own_instances() {
    let options = SandboxOptions {
        isolation: Isolation::Tenant,
        uses: 3,
        ..small()
    };
    let sandbox = checking("", options).await;
    assert_eq!(calls(&sandbox, "a").await, 1);
    assert_eq!(calls(&sandbox, "a").await, 2);
    assert_eq!(calls(&sandbox, "b").await, 1);
    assert_eq!(calls(&sandbox, "a").await, 3);
    // Three uses are the limit.
    assert_eq!(calls(&sandbox, "a").await, 1);
    assert_eq!(calls(&sandbox, "b").await, 2);
}

#[tokio::test]
async fn an_instance_that_trapped_is_never_used_again() {
    let options = SandboxOptions {
        isolation: Isolation::Tenant,
        ..small()
    };
    let third = "(if (i32.eq (global.get $calls) (i32.const 3)) (then unreachable))";
    let sandbox = checking(third, options).await;
    assert_eq!(calls(&sandbox, "a").await, 1);
    assert_eq!(calls(&sandbox, "a").await, 2);
    let caller = caller("a");
    let mut session = sandbox.session(&caller, 0).await.unwrap();
    judged(&mut session, &caller, "hello").await.unwrap_err();
    judged(&mut session, &caller, "hello").await.unwrap_err();
    drop(session);
    assert_eq!(calls(&sandbox, "a").await, 1);
}

#[tokio::test]
async fn all_three_policies_answer() {
    for isolation in [Isolation::Request, Isolation::Tenant] {
        let sandbox = checking(
            "",
            SandboxOptions {
                isolation,
                ..small()
            },
        )
        .await;
        let caller = caller("a");
        let mut session = sandbox.session(&caller, 0).await.unwrap();
        judged(&mut session, &caller, "hello").await.unwrap();
        let plan = session
            .plan(&caller, &prompt("hello"), &Directives::default())
            .await
            .unwrap();
        assert_eq!(
            (plan.digest, plan.scope, plan.store),
            ([0; 32], Scope::Tenant, false)
        );
        let demand = Demand {
            model: "model".into(),
            input_tokens: 1,
            output_tokens: 1,
            needs: Needs::default(),
            residency: vec![],
            budget_micro_usd: None,
            deadline_ms: None,
        };
        assert!(
            session
                .rank(&caller, &demand, &[])
                .await
                .unwrap()
                .order
                .is_empty()
        );
        drop(session);
        let outcome = Outcome {
            ending: Ending::Complete,
            status: 200,
            bytes: 10,
            tool_calls: false,
            usage: None,
        };
        let plan = CachePlan {
            freshness: Freshness {
                ttl: 1,
                idle: 0,
                stale_if_error: 0,
            },
            ..plan
        };
        let admission = sandbox.admit(&caller, &plan, &outcome).await.unwrap();
        assert!(!admission.store);
    }
}

#[tokio::test]
async fn an_output_guard_lives_as_long_as_its_stream() {
    let sandbox = checking("", small()).await;
    let mut guard = sandbox.guard(&caller("a")).await.unwrap();
    for word in ["one", "two", "three"] {
        let delta = Delta {
            choice: 1,
            channel: Channel::ToolArguments(7),
            text: word.into(),
        };
        let releases = guard.push(vec![delta.clone()]).await.unwrap();
        assert_eq!(releases.released, [delta]);
    }
    assert!(guard.finish(None).await.unwrap().released.is_empty());
}

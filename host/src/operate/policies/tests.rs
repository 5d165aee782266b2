//! The shipped prefix cache's admissions, by the component and without it.

use std::path::Path;

use forebay_dialect::canonical::Usage;
use forebay_gateway::policy::{
    Block, CachePlan, Caller, Ending, Freshness, Outcome, Policies as _, Reason, Scope,
};
use serde_json::json;

use super::*;

/// Every combination of what could decide, and what could not.
fn cases() -> Vec<(CachePlan, Outcome)> {
    let why = |code: &str| Reason {
        code: code.to_owned(),
        detail: "because".to_owned(),
    };
    let usage = |output| Usage {
        input: 7,
        output,
        ..Usage::default()
    };
    let chain = |hash| vec![Block { hash, end: 1024 }, Block { hash: 1, end: 2048 }];
    let mut cases = Vec::new();
    for (store, why) in [
        (true, None),
        (false, None),
        (false, Some(why("no-store"))),
        (true, Some(why("odd"))),
    ] {
        for (scope, chain) in [
            (Scope::Tenant, vec![]),
            (Scope::Key, chain(255)),
            (Scope::Tenant, chain(u64::MAX)),
        ] {
            let plan = CachePlan {
                digest: [7; 32],
                scope,
                lookup: true,
                store,
                why: why.clone(),
                freshness: Freshness {
                    ttl: 60,
                    idle: 5,
                    stale_if_error: 10,
                },
                chain,
                hints: Vec::new(),
                inputs: Vec::new(),
                breakpoints: Vec::new(),
            };
            for ending in [
                Ending::Complete,
                Ending::Length,
                Ending::Truncated,
                Ending::Error,
                Ending::Refused,
            ] {
                for status in [200, 206] {
                    for bytes in [0, 100, 101, 1 << 20, (1 << 20) + 1] {
                        for (tool_calls, usage) in [
                            (false, None),
                            (true, Some(usage(3))),
                            (false, Some(usage(0))),
                        ] {
                            let outcome = Outcome {
                                ending,
                                status,
                                bytes,
                                tool_calls,
                                usage,
                            };
                            cases.push((plan.clone(), outcome));
                        }
                    }
                }
            }
        }
    }
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shipped_cache_admits_the_same_with_and_without_its_component() {
    let folder = std::env::temp_dir().join(format!("forebay-admissions-{}", std::process::id()));
    let caller = Caller {
        tenant: "t".into(),
        key: "k".into(),
        route: "/v1/chat/completions",
    };
    let cases = cases();
    for settings in [
        json!({}),
        json!({"cache_length": false, "max_bytes": 100, "tools": "always"}),
    ] {
        let mut config = PoliciesConfig::default();
        config.prefix_cache.config = settings.as_object().cloned().unwrap();
        let (sources, _) = sources(&config, Path::new(""), &Versions::new()).unwrap();
        let own = options(&config, Path::new(""));
        assert!(own.shipped_prefix_cache.is_some());
        let own = SandboxOptions {
            cache_dir: Some(folder.clone()),
            sessions: 2,
            guards: 2,
            ..own
        };
        let asked = SandboxOptions {
            shipped_prefix_cache: None,
            ..own.clone()
        };
        let asked = Sandbox::load(sources.clone(), asked).await.unwrap();
        let own = Sandbox::load(sources, own).await.unwrap();
        let mut stored = 0;
        for (plan, outcome) in &cases {
            let by_guest = asked.admit(&caller, plan, outcome).await.unwrap();
            let without = own.admit(&caller, plan, outcome).await.unwrap();
            assert_eq!(without, by_guest, "{settings} {plan:?} {outcome:?}");
            stored += usize::from(without.store);
        }
        assert!(stored > 0 && stored < cases.len());
    }
    std::fs::remove_dir_all(folder).unwrap();
}

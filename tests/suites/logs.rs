//! What an operator has to know is in the log, once, with what led to it.

use forebay_tests::prompts::chat;
use forebay_tests::{Config, Engine, Forebay, Scripted, eventually};
use rustix::process::Signal;
use serde_json::Value;

/// Lines are objects, so that fields can be looked at one by one.
const JSON: &str = "[log]\nformat = \"json\"\n";

/// The lines of the log with this text in their message.
fn lines(forebay: &Forebay, text: &str) -> Vec<Value> {
    let log = forebay.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(|line| {
            line["message"]
                .as_str()
                .is_some_and(|said| said.contains(text))
        })
        .collect()
}

/// The only line with this text in its message.
async fn the_line(forebay: &Forebay, text: &str) -> Value {
    forebay.logs(text).await;
    let lines = lines(forebay, text);
    assert_eq!(lines.len(), 1, "{text}: {lines:#?}");
    lines[0].clone()
}

fn has(line: &Value, fields: &[&str]) {
    for field in fields {
        assert!(!line[field].is_null(), "`{field}` is missing: {line:#}");
    }
}

#[tokio::test]
async fn failovers_and_ejections_are_logged_once_with_the_replica_and_the_counts() {
    let bad = Scripted::start(|call| async move { call.reset() }).await;
    let engine = Engine::instant().await;
    let config = Config::new(format!(
        "{JSON}[retries]\neject_after = 3\neject_for = \"10m\"\n"
    ))
    .upstream("first", &bad.url(), "health_path = \"\"")
    .upstream("second", &engine.url(), "");
    let forebay = Forebay::start(config).await;
    let mut asked = 0;
    eventually("the ejection", || {
        asked += 1;
        let request = chat(&format!("number {asked}"));
        let (forebay, bad) = (&forebay, &bad);
        async move {
            assert_eq!(forebay.client.chat(&request).await.status, 200);
            (bad.calls() >= 3).then_some(())
        }
    })
    .await;
    for n in 0..5 {
        let request = chat(&format!("after {n}"));
        assert_eq!(forebay.client.chat(&request).await.status, 200);
    }

    let failover = the_line(&forebay, "failover").await;
    has(&failover, &["request_id", "failure", "times"]);
    assert_eq!(failover["upstream"], "first");
    assert_eq!(failover["replica"], bad.url());

    let ejected = the_line(&forebay, "ejected").await;
    has(&ejected, &["request_id"]);
    assert_eq!(ejected["upstream"], "first");
    assert_eq!(ejected["replica"], bad.url());
    assert_eq!(
        (&ejected["connections_failed"], &ejected["error_responses"]),
        (&Value::from(3), &Value::from(0))
    );
    let seconds = ejected["seconds"].as_f64().unwrap();
    assert!((599.0..=600.0).contains(&seconds), "{ejected:#}");
    assert!(lines(&forebay, "health check").is_empty());
}

#[tokio::test]
async fn a_refused_reload_is_logged_once_with_its_cause_and_place() {
    let engine = Engine::instant().await;
    let good = engine.behind(JSON);
    let forebay = Forebay::start(good.clone()).await;
    forebay.rewrite(&Config::verbatim("[limits]\nbody = \"64 MBB\"\n"));
    forebay.signal(Signal::HUP);
    forebay.logs("reload rejected").await;
    forebay.rewrite(&good);
    forebay.signal(Signal::HUP);
    forebay.logs("reloaded").await;
    let refused = lines(&forebay, "reload rejected");
    // The saved file and the signal each ask for a reload; each is logged once.
    assert!((1..=2).contains(&refused.len()), "{refused:#?}");
    let failed = forebay.metrics().await.sum("forebay_reloads_failed_total");
    assert_eq!(refused.len() as f64, failed);
    let said = refused[0]["message"].as_str().unwrap();
    assert!(
        said.contains("forebay.toml:2:") && said.contains("64 MBB"),
        "{said}"
    );
    has(&refused[0], &["why"]);
}

#[tokio::test]
async fn a_rule_that_denies_is_logged_once_with_tenant_key_and_request() {
    let engine = Engine::instant().await;
    let rule = "{ name = \"no-fruit\", kind = \"dictionary\", terms = [\"forbidden fruit\"], action = \"deny\" }";
    let config = engine.behind(JSON).table(&format!(
        "[policies.guardrails]\nconfig = {{ rules = [{rule}] }}"
    ));
    let forebay = Forebay::start(config).await;
    for n in 0..5 {
        let request = chat(&format!("forbidden fruit {n}"));
        assert_eq!(forebay.client.chat(&request).await.status, 400);
    }
    let denied = the_line(&forebay, "denied").await;
    assert_eq!(denied["rule"], "no-fruit");
    has(&denied, &["tenant", "key", "request_id", "times"]);
    forebay.has_not_logged(&["forbidden fruit"]);
}

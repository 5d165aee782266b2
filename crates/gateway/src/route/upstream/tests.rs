//! Which replica is picked, and when an upstream is healthy.

use super::*;
use crate::config::Retries;
use crate::route::Prefix;
use crate::route::endpoint::{Blame, Evidence, Health, Lease};
use crate::state::Ledger;

fn upstream(urls: &[&str]) -> Upstream {
    configured(serde_json::json!({"name": "a", "urls": urls}))
}

fn configured(config: serde_json::Value) -> Upstream {
    let config: UpstreamConfig = serde_json::from_value(config).unwrap();
    let configured = ConfiguredUpstream::plain(config, Some("sk-secret".into()));
    Upstream::new(
        configured,
        &Timeouts::default(),
        None,
        &Ledger::default(),
        7,
    )
    .unwrap()
}

fn pick(upstream: &Upstream, random: u64) -> Option<Arc<Replica>> {
    let now = Instant::now();
    let picked = upstream.pick(&need(&Prefix::default(), random, now), false);
    picked.map(|picked| picked.endpoint)
}

fn need(prefix: &Prefix, random: u64, now: Instant) -> Need<'_> {
    Need {
        model: "m",
        tried: &[],
        prefix,
        advised: None,
        random,
        now,
    }
}

#[test]
fn the_selectors_choice_is_taken_unless_it_may_not_be_asked() {
    let upstream = upstream(&["http://a", "http://b"]);
    let (prefix, now) = (Prefix::default(), Instant::now());
    let _busy = Lease::new(&upstream.endpoints[0], 1, now);
    let advised = |tried| Need {
        advised: Some(&upstream.endpoints[0]),
        tried,
        ..need(&prefix, 0, now)
    };
    let pick = |need: &Need<'_>| upstream.pick(need, false).unwrap().endpoint;
    assert_eq!(&*pick(&advised(&[])).base, "http://a");
    let tried = [upstream.endpoints[0].clone()];
    assert_eq!(&*pick(&advised(&tried)).base, "http://b");
    upstream.endpoints[0].found(Health::Silent);
    assert_eq!(&*pick(&advised(&[])).base, "http://b");
}

#[test]
fn a_configured_rule_decides_in_place_of_the_selector_and_keeps_its_turns() {
    let urls = ["http://a", "http://b", "http://c"];
    let upstream =
        configured(serde_json::json!({"name": "a", "urls": urls, "routing": "round-robin"}));
    let (prefix, now) = (Prefix::default(), Instant::now());
    let pick = || {
        let need = Need {
            advised: Some(&upstream.endpoints[0]),
            ..need(&prefix, 0, now)
        };
        let picked = upstream.pick(&need, false).unwrap();
        picked.endpoint.base.to_string()
    };
    assert_eq!(
        [pick(), pick(), pick(), pick()],
        [urls[0], urls[1], urls[2], urls[0]]
    );
    upstream.endpoints[1].found(Health::Silent);
    assert_eq!([pick(), pick(), pick()], [urls[2], urls[0], urls[2]]);
    upstream.endpoints[1].found(Health::Well);
    assert_eq!([pick(), pick()], [urls[0], urls[1]]);
}

#[test]
fn the_less_loaded_of_two_replicas_is_picked() {
    let upstream = upstream(&["http://a", "http://b"]);
    let _busy = Lease::new(&upstream.endpoints[0], 1, Instant::now());
    for random in 0..64 {
        let picked = pick(&upstream, random << 31 | random).unwrap();
        assert_eq!(&*picked.base, "http://b");
    }
}

#[test]
fn an_ejected_replica_is_the_last_resort() {
    let upstream = upstream(&["http://a/v1/"]);
    let (retries, now) = (Retries::default(), Instant::now());
    let endpoint = pick(&upstream, 0).unwrap();
    let seen = Evidence { key: 1, prompt: 1 };
    for _ in 0..retries.eject_after {
        endpoint.failed(Blame::Transport, seen, &retries, now);
    }
    assert!(
        upstream
            .pick(&need(&Prefix::default(), 0, now), false)
            .is_none()
    );
    assert!(
        upstream
            .pick(&need(&Prefix::default(), 0, now), true)
            .is_some()
    );
    endpoint.succeeded(now);
    assert_eq!(&*pick(&upstream, 0).unwrap().base, "http://a");
}

#[test]
fn the_key_of_an_upstream_does_not_print() {
    assert!(!format!("{:?}", upstream(&["http://a"])).contains("sk-secret"));
}

fn refusal(config: serde_json::Value) -> String {
    let config: UpstreamConfig = serde_json::from_value(config).unwrap();
    let configured = ConfiguredUpstream::plain(config, None);
    let (timeouts, ledger) = (Timeouts::default(), Ledger::default());
    let error = Upstream::new(configured, &timeouts, None, &ledger, 7).unwrap_err();
    error.to_string()
}

#[test]
fn a_url_that_is_none_is_named() {
    let said = refusal(serde_json::json!({"name": "a", "urls": ["ftp://x"]}));
    assert!(said.contains("ftp://x"), "{said}");
}

#[test]
fn options_that_its_provider_can_not_use_are_all_named() {
    let said = refusal(serde_json::json!({
        "name": "a", "urls": ["http://x"], "provider": "vertex", "options": {"api": "v1"},
    }));
    assert_eq!(
        said,
        "upstream \"a\": Vertex needs options.project; `api` is an option of azure and bedrock, not of vertex (upstreams.options)"
    );
}

#[test]
fn vertex_is_asked_for_the_location_that_its_host_is_in() {
    let asked = |mut config: serde_json::Value| {
        config["name"] = "v".into();
        config["provider"] = "vertex".into();
        config["options"]["project"] = "p".into();
        let upstream = configured(config);
        let route = upstream
            .seller
            .route_of(&[], Wire::Gemini, "gemini-3", false);
        format!("{}{}", upstream.endpoints[0].base, route.unwrap().path)
    };
    let path = |location| {
        format!(
            "/v1/projects/p/locations/{location}/publishers/google/models/gemini-3:generateContent"
        )
    };
    assert_eq!(
        asked(serde_json::json!({"region": "europe-west4"})),
        format!(
            "https://europe-west4-aiplatform.googleapis.com{}",
            path("europe-west4")
        ),
    );
    assert_eq!(
        asked(serde_json::json!({"region": "europe-west4", "options": {"location": "global"}})),
        format!("https://aiplatform.googleapis.com{}", path("global")),
    );
    // A host of one's own may be anywhere, whatever its region is called.
    assert_eq!(
        asked(serde_json::json!({"region": "cellar", "urls": ["https://own.example"]})),
        format!("https://own.example{}", path("global")),
    );
}

#[test]
fn of_two_replicas_the_one_that_was_sent_less_lately_is_listed_first() {
    let upstream = upstream(&["http://a", "http://b", "http://c"]);
    let (prefix, now) = (Prefix::default(), Instant::now());
    let listed = |random| {
        let workers = upstream.workers(View {
            model: "m",
            chain: &[],
            tenant: 0,
            prefix: &prefix,
            last_resort: false,
            explore: false,
            random,
            now,
        });
        let ids = workers.into_iter().map(|worker| worker.id);
        ids.collect::<Vec<String>>()
    };
    let randoms = || (0..9).flat_map(|high| (0..9).map(move |low| high << 32 | low));
    let first = |id: &str| randoms().filter(|random| listed(*random)[0] == id).count();
    assert!(
        ["http://a", "http://b", "http://c"]
            .map(first)
            .iter()
            .all(|count| *count > 0)
    );
    let mut lease = Lease::new(&upstream.endpoints[0], 1, now);
    lease.waits_for(1_000, true, now);
    lease.end(Some(now));
    assert_eq!(first("http://a"), 0);
    for random in randoms() {
        assert_eq!(listed(random).len(), 3);
    }
}

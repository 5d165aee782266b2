//! The admin surface: who may use it, and that it shows no secrets.

use forebay_tests::config::ADMIN_TOKEN;
use forebay_tests::prompts::{chat, streamed, with};
use forebay_tests::{Client, Config, Engine, Forebay, Key};
use serde_json::json;

#[tokio::test]
async fn all_but_probes_and_metrics_need_the_token_and_a_known_host() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind(
        "[admin]\ntoken = \"env:FOREBAY_TEST_ADMIN_TOKEN\"\nhosts = [\"forebay.internal\"]\n",
    ))
    .await;
    let base = format!("http://{}", forebay.admin);
    let stranger = Client::new(&base);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(stranger.get(path).await.status, 200, "{path}");
    }
    for path in ["/cache", "/config", "/upstreams"] {
        let reply = stranger.get(path).await;
        assert_eq!(
            (reply.status, reply.header("www-authenticate")),
            (401, "Bearer"),
            "{path}"
        );
        for token in [
            "Bearer wrong",
            "Bearer ",
            &format!("Bearer {ADMIN_TOKEN}x"),
            &format!("Basic {ADMIN_TOKEN}"),
        ] {
            assert_eq!(
                stranger
                    .with_header("authorization", token)
                    .get(path)
                    .await
                    .status,
                401,
                "{path} {token}"
            );
        }
        assert_eq!(
            forebay.administrator().get(path).await.status,
            200,
            "{path}"
        );
    }
    for path in ["/cache/purge", "/reload"] {
        assert_eq!(
            stranger.post(path, &json!({"all": true})).await.status,
            401,
            "{path}"
        );
    }
    // A page on another site, or another name for this address, gets nothing, probes included.
    let admin = forebay.administrator();
    for (header, value, status) in [
        ("host", "evil.example", 403),
        ("host", "forebay.internal", 200),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", base.as_str(), 200),
    ] {
        let reply = admin.with_header(header, value).get("/config").await;
        assert_eq!(reply.status, status, "{header}: {value}: {}", reply.text());
    }
    let rebound = stranger
        .with_header("host", "evil.example")
        .get("/metrics")
        .await;
    assert_eq!(rebound.status, 403);
    assert_eq!(admin.get("/nowhere").await.status, 404);
    assert_eq!(
        forebay.client.get("/config").await.status,
        404,
        "it is not on the clients' port"
    );
    assert_eq!(admin.post("/reload", &json!({})).await.status, 200);
}

#[tokio::test]
async fn the_configuration_is_shown_without_secrets() {
    let engine = Engine::instant().await;
    let key = Key::of("acme");
    let config = Config::new("[secrets]\nmaster = \"env:MASTER\"\n")
        .upstream(
            "sim",
            &engine.url(),
            "key = \"env:CLOUD_KEY\"\nheaders = { x-api-token = \"in-a-header\" }",
        )
        .env("MASTER", "the-master-secret-of-this-gateway")
        .env("CLOUD_KEY", "sk-cloud")
        .keys(&[&key]);
    let forebay = Forebay::start(config).await;
    forebay.client_of(&key).chat(&chat("hello")).await;
    for path in ["/config", "/upstreams", "/cache", "/metrics"] {
        let text = forebay.administrator().get(path).await.text();
        for secret in [
            "the-master-secret",
            "sk-cloud",
            "in-a-header",
            ADMIN_TOKEN,
            &key.text,
        ] {
            assert!(!text.contains(secret), "{path} shows {secret}");
        }
    }
    let shown = forebay.admin_json("/config").await;
    assert_eq!(shown["config"]["upstreams"][0]["key"], "env:CLOUD_KEY");
    assert_eq!(
        shown["config"]["limits"]["body"], "8 MiB",
        "defaults are shown"
    );
    assert_eq!(forebay.admin_json("/upstreams").await[0]["name"], "sim");
}

#[tokio::test]
async fn without_a_configured_token_one_is_made_that_only_this_user_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("[admin]\nhosts = []\n")).await;
    let file = forebay
        .folder()
        .join("forebay")
        .join(format!("admin-token-{}", forebay.admin.port()));
    let mode = std::fs::metadata(&file)
        .expect("the token's file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = std::fs::read_to_string(&file).unwrap();
    assert!(token.trim().len() >= 32);
    let admin = Client::new(&format!("http://{}", forebay.admin));
    let with = admin.with_header("authorization", &format!("Bearer {}", token.trim()));
    assert_eq!(
        (
            admin.get("/config").await.status,
            with.get("/config").await.status
        ),
        (401, 200)
    );
    forebay.has_not_logged(&[token.trim()]);
}

#[tokio::test]
async fn metrics_are_prometheus_and_have_the_names_dashboards_know() {
    let engine = Engine::instant().await;
    let config = Config::new("").upstream(
        "sim",
        &engine.url(),
        "models = { forebay-sim = \"forebay-sim\" }",
    );
    let forebay = Forebay::start(config).await;
    let before = forebay.metrics().await;
    assert!(before.has("forebay_errors_total") && before.sum("forebay_errors_total") == 0.0);
    forebay.client.chat(&chat("counted")).await;
    forebay.stored().await;
    forebay.client.chat(&chat("counted")).await;
    assert!(
        forebay
            .client
            .stream(&streamed("counted as a stream"))
            .await
            .rest()
            .await
            .done
    );
    forebay
        .client
        .chat(&with(
            chat("counted"),
            json!({"model": "made-up-by-a-client"}),
        ))
        .await;
    forebay.metric_reaches("forebay_requests_total", 4.0).await;
    let metrics = forebay.metrics().await;
    let expect = [
        (
            "forebay_requests_total{operation=\"chat\",status=\"2xx\"}",
            3.0,
        ),
        (
            "forebay_cache_results_total{result=\"hit\",tier=\"memory\"}",
            1.0,
        ),
        (
            "forebay_cache_results_total{result=\"miss\",tier=\"none\"}",
            2.0,
        ),
        (
            "forebay_upstream_attempts_total{upstream=\"sim\",outcome=\"2xx\"}",
            2.0,
        ),
        ("forebay_errors_total{kind=\"model_not_found\"}", 1.0),
        (
            // What is not streamed has no first token.
            "gen_ai_server_time_to_first_token_count{gen_ai_request_model=\"forebay-sim\"}",
            1.0,
        ),
        (
            "gen_ai_client_token_usage_count{gen_ai_token_type=\"output\"}",
            2.0,
        ),
        // A stored answer is none of an upstream's.
        ("gen_ai_client_operation_duration_count", 2.0),
        (
            "gen_ai_server_request_duration_count{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"sim\",gen_ai_request_model=\"forebay-sim\",error_type=\"\"}",
            2.0,
        ),
        ("forebay_store_entries", 2.0),
        ("forebay_requests_in_flight", 0.0),
    ];
    for (series, value) in expect {
        assert_eq!(metrics.sum(series), value, "{series}");
    }
    for name in [
        "gen_ai_server_time_per_output_token_count",
        "forebay_policy_seconds_count",
        "forebay_overhead_seconds_count",
    ] {
        assert!(metrics.has(name), "{name}");
    }
    assert_eq!(metrics.type_of("forebay_policy_seconds"), "histogram");
    let page = forebay.administrator().get("/metrics").await;
    assert!(
        page.header("content-type").starts_with("text/plain"),
        "{:?}",
        page.headers
    );
    assert!(
        !page.text().contains("made-up-by-a-client"),
        "labels are a closed set"
    );
}

#[tokio::test]
async fn probes_may_have_an_address_of_their_own_that_serves_nothing_else() {
    let engine = Engine::instant().await;
    // The port is taken and given back: another program would have to take it within a millisecond.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = engine.behind(&format!(
        "[admin]\ntoken = \"env:FOREBAY_TEST_ADMIN_TOKEN\"\nprobes = \"{port}\"\n"
    ));
    let _forebay = Forebay::start(config).await;
    let probes = Client::new(&format!("http://{port}")).with_header("host", "10.0.0.1:9000");
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/config", 404),
        ("/cache", 404),
    ] {
        let probes = probes.with_header("authorization", &format!("Bearer {ADMIN_TOKEN}"));
        assert_eq!(probes.get(path).await.status, status, "{path}");
    }
}

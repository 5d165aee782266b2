//! The admin surface: who may use it, and what it says.

use http::Request;
use http_body_util::Full;

use crate::support::client::{get, http, post, whole};
use crate::support::upstream::Upstream;
use crate::support::{Host, TOKEN, chat, upstream_section};

async fn ask(request: Request<Full<bytes::Bytes>>) -> (u16, String) {
    whole(http().request(request).await.unwrap()).await
}

fn with_token(
    mut request: Request<Full<bytes::Bytes>>,
    token: &str,
) -> Request<Full<bytes::Bytes>> {
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

fn with(
    mut request: Request<Full<bytes::Bytes>>,
    name: &'static str,
    value: &str,
) -> Request<Full<bytes::Bytes>> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

#[tokio::test]
async fn probes_and_metrics_need_no_token() {
    let host = Host::start("").await;
    assert_eq!(
        ask(get(&host.admin("/healthz"))).await,
        (200, "ok\n".to_owned())
    );
    let (status, text) = ask(get(&host.admin("/metrics"))).await;
    assert_eq!(status, 200);
    assert!(
        text.contains("forebay_errors_total{kind=\"invalid_api_key\"} 0"),
        "{text}"
    );
}

#[tokio::test]
async fn all_else_needs_the_whole_token() {
    let host = Host::start("").await;
    for path in ["/cache", "/config", "/upstreams"] {
        assert_eq!(ask(get(&host.admin(path))).await.0, 401, "{path}");
        for wrong in [
            "",
            "wrong",
            &TOKEN[..TOKEN.len() - 1],
            &format!("{TOKEN}x"),
            &TOKEN.to_uppercase(),
        ] {
            assert_eq!(
                ask(with_token(get(&host.admin(path)), wrong)).await.0,
                401,
                "{path} {wrong}"
            );
        }
        assert_eq!(
            ask(with_token(get(&host.admin(path)), TOKEN)).await.0,
            200,
            "{path}"
        );
    }
    assert_eq!(ask(post(&host.admin("/reload"), "")).await.0, 401);
    assert_eq!(
        ask(post(&host.admin("/cache/purge"), "{\"all\":true}"))
            .await
            .0,
        401
    );
}

#[tokio::test]
async fn a_rebound_name_and_a_foreign_site_are_refused() {
    let host = Host::start("").await;
    let page = || with_token(get(&host.admin("/config")), TOKEN);
    assert_eq!(ask(with(page(), "host", "evil.example:8081")).await.0, 403);
    assert_eq!(
        ask(with(get(&host.admin("/metrics")), "host", "evil.example"))
            .await
            .0,
        403
    );
    assert_eq!(
        ask(with(page(), "origin", "https://evil.example")).await.0,
        403
    );
    assert_eq!(ask(with(page(), "origin", "null")).await.0, 403);
    let own = format!("http://localhost:{}", host.running.admin.port());
    assert_eq!(ask(with(page(), "origin", &own)).await.0, 200);
}

#[tokio::test]
async fn secrets_do_not_show() {
    let host = Host::start(
        "[[upstreams]]\nname = \"u\"\nurls = [\"http://127.0.0.1:1\"]\nkey = \"file:token\"\nhealth_path = \"\"\nheaders = { x-org = \"hush\" }",
    )
    .await;
    let (status, text) = ask(with_token(get(&host.admin("/config")), TOKEN)).await;
    assert_eq!(status, 200);
    assert!(text.contains("file:token"), "the reference shows: {text}");
    assert!(!text.contains(TOKEN) && !text.contains("hush"), "{text}");
}

#[tokio::test]
async fn entries_are_listed_and_purged() {
    let upstream = Upstream::start().await;
    let host = Host::start(&upstream_section(&upstream.url())).await;
    for text in ["one", "two"] {
        let (status, text) = ask(post(&host.url("/v1/chat/completions"), chat(text, false))).await;
        assert_eq!(status, 200, "{text}");
    }
    let listed = || async {
        let (status, text) = ask(with_token(get(&host.admin("/cache")), TOKEN)).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let entries = listed().await;
    assert_eq!(entries["entries"].as_array().unwrap().len(), 2, "{entries}");
    assert!(
        !entries.to_string().contains("hello"),
        "content does not show"
    );

    let purge = |body: String| {
        let mut request = with_token(post(&host.admin("/cache/purge"), body), TOKEN);
        request
            .headers_mut()
            .insert("content-type", "application/json".parse().unwrap());
        ask(request)
    };
    assert_eq!(
        purge("{}".to_owned()).await.0,
        400,
        "everything must be asked for"
    );
    let (status, why) = purge("{\"modle\":\"m\"}".to_owned()).await;
    assert!(
        status == 400 && why.contains("modle"),
        "unknown fields are no wildcard: {why}"
    );
    let key = entries["entries"][0]["key"].as_str().unwrap();
    assert_eq!(
        purge(format!("{{\"key\":\"{key}\"}}")).await.1,
        "{\"purged\":1}"
    );
    assert_eq!(
        purge("{\"tenant\":\"local\",\"model\":\"m\"}".to_owned())
            .await
            .1,
        "{\"purged\":1}"
    );
    assert_eq!(listed().await["entries"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn models_that_clients_make_up_share_one_label() {
    let upstream = Upstream::start().await;
    let section = format!(
        "{}models = {{ \"known\" = \"known\" }}\n\n[[upstreams]]\nname = \"rest\"\nurls = [\"{}\"]\nhealth_path = \"\"\n",
        upstream_section(&upstream.url()),
        upstream.url()
    );
    let host = Host::start(&section).await;
    for model in ["known", "made-up-1", "made-up-2"] {
        let body = chat("x", false).replace("\"m\"", &format!("\"{model}\""));
        assert_eq!(
            ask(post(&host.url("/v1/chat/completions"), body)).await.0,
            200
        );
    }
    let (_, text) = ask(get(&host.admin("/metrics"))).await;
    assert!(text.contains("gen_ai_request_model=\"known\""), "{text}");
    assert!(text.contains("gen_ai_request_model=\"other\""), "{text}");
    assert!(!text.contains("made-up"), "{text}");
    assert!(
        text.contains("forebay_requests_total{operation=\"chat\",status=\"2xx\"} 3"),
        "{text}"
    );
    assert!(
        text.contains("forebay_cache_results_total{result=\"miss\",tier=\"none\"} 3"),
        "{text}"
    );
}

#[tokio::test]
async fn ready_needs_a_healthy_upstream() {
    let upstream = Upstream::start().await;
    let host = Host::start(&upstream_section(&upstream.url())).await;
    let (status, text) = ask(get(&host.admin("/readyz"))).await;
    assert_eq!(status, 200, "{text}");
}

#[tokio::test]
async fn the_probes_address_serves_nothing_else() {
    let folder = crate::support::Folder::new();
    folder.write("token", TOKEN);
    let file = folder.write(
        "forebay.toml",
        "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\nprobes = \"127.0.0.1:0\"\ntoken = \"file:token\"\n",
    );
    let options = forebay_host::operate::Options {
        file: Some(file),
        ..Default::default()
    };
    let running = forebay_host::operate::start(options, crate::support::open_policies::OpenLoader)
        .await
        .unwrap();
    let probes = running.probes.unwrap();
    assert_eq!(
        ask(with(
            get(&format!("http://{probes}/healthz")),
            "host",
            "any.example"
        ))
        .await
        .0,
        200
    );
    assert_eq!(
        ask(with_token(get(&format!("http://{probes}/config")), TOKEN))
            .await
            .0,
        404
    );
}

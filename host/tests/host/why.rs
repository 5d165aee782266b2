//! `/why`: how a request came to its answer, also where it failed; and `x-forebay-explain` on failures.

use http::Request;
use http_body_util::Full;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::client::{get, http, post, whole};
use crate::support::upstream::Upstream;
use crate::support::{Host, TOKEN, chat};

/// A URL where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn section(name: &str, url: &str) -> String {
    format!(
        "\n[[upstreams]]\nname = \"{name}\"\nurls = [\"{url}\"]\nhealth_path = \"\"\nprice = {{ input = 1000000, output = 2000000 }}\n"
    )
}

fn named_to(url: &str, id: &str, text: &str) -> Request<Full<bytes::Bytes>> {
    let mut request = post(url, chat(text, false));
    let headers = request.headers_mut();
    headers.insert("x-request-id", id.parse().unwrap());
    headers.insert("x-forebay-explain", "true".parse().unwrap());
    request
}

async fn why(host: &Host, path: &str) -> (u16, Value) {
    let mut request = get(&host.admin(path));
    let token = format!("Bearer {TOKEN}").parse().unwrap();
    request.headers_mut().insert("authorization", token);
    let (status, text) = whole(http().request(request).await.unwrap()).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_failover_is_told_with_order_tries_and_outcome() {
    let upstream = Upstream::start().await;
    let sections = section("down", &nobody().await) + &section("up", &upstream.url());
    let host = Host::start(&sections).await;
    let url = host.url("/v1/chat/completions");
    let answer = http()
        .request(named_to(&url, "one", "my secret prompt"))
        .await;
    let answer = answer.unwrap();
    let route = answer.headers()["x-forebay-route"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        route.contains("down tried: upstream_unreachable"),
        "{route}"
    );
    assert_eq!(whole(answer).await.0, 200);
    let repeat = http()
        .request(named_to(&url, "two", "my secret prompt"))
        .await;
    assert_eq!(whole(repeat.unwrap()).await.0, 200);

    let (status, told) = why(&host, "/why/one").await;
    assert_eq!(status, 200);
    let one = &told["requests"][0];
    assert_eq!(one["tenant"], "local");
    assert_eq!(one["order"][0]["upstream"], "down");
    assert_eq!(one["attempts"][0]["failure"], "upstream_unreachable");
    assert_eq!(one["attempts"][1]["upstream"], "up");
    assert_eq!(one["attempts"][1]["status"], 200);
    assert_eq!(one["outcome"]["upstream"], "up");
    assert!(one["outcome"]["cost_usd"].as_f64().unwrap() > 0.0, "{one}");
    let stages: Vec<&str> = one["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["stage"].as_str().unwrap())
        .collect();
    assert_eq!(
        stages,
        [
            "enter", "decide", "store", "route", "upstream", "upstream", "reply"
        ]
    );

    let (_, told) = why(&host, "/why/two").await;
    let two = &told["requests"][0];
    assert_eq!(two["cache"]["result"], "hit");
    assert_eq!(two["outcome"]["cost_usd"], 0.0);
    assert_eq!(two["outcome"]["saved_usd"], one["outcome"]["cost_usd"]);
    assert!(!told.to_string().contains("secret prompt"));

    let (_, metrics) = whole(http().request(get(&host.admin("/metrics"))).await.unwrap()).await;
    for series in [
        "forebay_key_requests_total{tenant=\"local\",key=\"local\",status=\"2xx\"} 2",
        "forebay_key_tokens_total{tenant=\"local\",key=\"local\",kind=\"output\"}",
        "forebay_cost_usd_total{tenant=\"local\",key=\"local\",upstream=\"up\"}",
        "forebay_saved_usd_total{tenant=\"local\",key=\"local\",by=\"cache\"}",
    ] {
        assert!(metrics.contains(series), "{series}\n{metrics}");
    }

    assert_eq!(why(&host, "/why/three").await.0, 404);
    let (_, listed) = why(&host, "/why?limit=1").await;
    assert_eq!(listed["requests"].as_array().unwrap().len(), 1);
    assert_eq!(listed["requests"][0]["request_id"], "two");
    assert_eq!(why(&host, "/why?limit=x").await.0, 400);
}

#[tokio::test]
async fn failures_are_explained_to_the_client_that_asks() {
    let host = Host::start(&section("down", &nobody().await)).await;
    let url = host.url("/v1/chat/completions");
    let answer = http().request(named_to(&url, "lost", "x")).await.unwrap();
    let headers = answer.headers().clone();
    assert_eq!(answer.status(), 502);
    assert_eq!(
        headers["x-forebay-explain"],
        "stage=upstream; code=upstream_unreachable; request=lost"
    );
    assert!(
        headers["x-forebay-route"]
            .to_str()
            .unwrap()
            .contains("down tried"),
        "{headers:?}"
    );
    let mut quiet = named_to(&url, "quiet", "y");
    quiet.headers_mut().remove("x-forebay-explain");
    let answer = http().request(quiet).await.unwrap();
    assert!(!answer.headers().contains_key("x-forebay-explain"));

    let mut bad = named_to(&url, "bad", "z");
    bad.headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    let answer = http().request(bad).await.unwrap();
    assert_eq!(
        answer.headers()["x-forebay-explain"],
        "stage=enter; code=unsupported_media_type; request=bad"
    );

    let (_, told) = why(&host, "/why?failed=true").await;
    let failed: Vec<&str> = told["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["request_id"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["bad", "quiet", "lost"]);
}

#[tokio::test]
async fn the_operators_own_mistakes_are_told_to_the_operator_alone() {
    let folder = crate::support::Folder::new();
    folder.write("ca.pem", "no certificate");
    let text = section("locked", "https://127.0.0.1:1") + "ca_file = \"ca.pem\"\n";
    let host = Host::start_in(folder, &text).await;
    let url = host.url("/v1/chat/completions");
    let answer = http().request(named_to(&url, "own", "x")).await.unwrap();
    let (status, body) = whole(answer).await;
    assert_eq!(status, 502, "{body}");
    assert!(
        !body.contains("ca.pem") && !body.contains("ca_file"),
        "{body}"
    );
    let (_, told) = why(&host, "/why/own").await;
    let detail = told["requests"][0]["attempts"][0]["detail"]
        .as_str()
        .unwrap();
    assert!(
        detail.contains("ca.pem") && detail.contains("ca_file"),
        "{detail}"
    );
}

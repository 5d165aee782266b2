//! Starting, reloading, draining.

use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::net::TcpStream;

use crate::support::client::{get, h2c, http, post, whole};
use crate::support::upstream::{Upstream, ending, event};
use crate::support::{Folder, Host, chat, upstream_section};
use forebay_host::operate::{Options, start};

#[tokio::test]
async fn draining_lets_streams_finish_and_takes_nobody_new() {
    for client in [http(), h2c()] {
        let upstream = Upstream::start().await;
        let host = Host::start(&upstream_section(&upstream.url())).await;
        let address = host.running.address;
        upstream.events.send(event("before")).unwrap();
        let mut body = client
            .request(post(&host.url("/v1/chat/completions"), chat("x", true)))
            .await
            .unwrap()
            .into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(String::from_utf8_lossy(&first).contains("before"));

        let drained = tokio::spawn(host.running.drain());
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!drained.is_finished());
        upstream.events.send(event("after")).unwrap();
        upstream.events.send(ending()).unwrap();
        let rest = body.collect().await.unwrap().to_bytes();
        let rest = String::from_utf8_lossy(&rest);
        assert!(rest.contains("after") && rest.contains("[DONE]"), "{rest}");
        drop(client);
        assert_eq!(drained.await.unwrap(), 0, "nobody was cut");
    }
}

#[tokio::test]
async fn draining_ends_at_its_limit() {
    let upstream = Upstream::start().await;
    let server = "[server]\nlisten = \"127.0.0.1:0\"\ndrain = \"100ms\"\n";
    let host = Host::start(&format!("{server}{}", upstream_section(&upstream.url()))).await;
    upstream.events.send(event("a")).unwrap();
    let mut body = http()
        .request(post(&host.url("/v1/chat/completions"), chat("x", true)))
        .await
        .unwrap()
        .into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(5), host.running.drain())
            .await
            .unwrap(),
        1
    );
    assert!(
        body.collect().await.is_err(),
        "the stream was cut, and shows it"
    );
}

#[tokio::test]
async fn reloading_under_load_refuses_nobody() {
    let upstream = Upstream::start().await;
    let section = upstream_section(&upstream.url());
    let host = Host::start(&section).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let load: Vec<_> = (0..8)
        .map(|worker| {
            let (client, url, stop) = (http(), host.url("/v1/chat/completions"), stop.clone());
            tokio::spawn(async move {
                let mut sent = 0;
                while !stop.is_cancelled() {
                    let response = client
                        .request(post(&url, chat(&format!("{worker}-{sent}"), false)))
                        .await
                        .unwrap();
                    let (status, text) = whole(response).await;
                    assert_eq!(status, 200, "{text}");
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    for i in 1..=20 {
        host.reload(&format!("[limits]\nheader_fields = {}\n{section}", 50 + i))
            .await
            .unwrap();
        assert_eq!(
            host.running.front.current().config.limits.header_fields,
            50 + i
        );
        tokio::task::yield_now().await;
    }
    stop.cancel();
    for worker in load {
        assert!(worker.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_bad_configuration_is_rejected_whole() {
    let upstream = Upstream::start().await;
    let section = upstream_section(&upstream.url());
    let host = Host::start(&section).await;
    for bad in [
        "[limits]\nheader_fields = 7\nbodi = 3\n".to_owned(),
        "[limits]\nheader_fields = 7\n[policies.guardrails.config]\nbroken = true\n".to_owned(),
        format!(
            "[limits]\nheader_fields = 7\n{section}key = \"env:FOREBAY_TEST_NO_SUCH_SECRET\"\n"
        ),
    ] {
        host.reload(&bad).await.unwrap_err();
        assert_eq!(
            host.running.front.current().config.limits.header_fields,
            100,
            "{bad}"
        );
    }
    let (status, text) = whole(
        http()
            .request(post(&host.url("/v1/chat/completions"), chat("x", false)))
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, 200, "{text}");
}

#[tokio::test]
async fn a_changed_file_is_taken_up_by_itself() {
    let host = Host::start("").await;
    let front = host.running.front.clone();
    let folder = host.folder;
    let running = std::sync::Arc::new(host.running);
    let watching = running.clone();
    let watcher = tokio::spawn(async move { watching.reload_on_change().await });
    // The watch begins some time after the task; writing again until it is seen needs no waiting for it.
    let text = "[server]\nlisten = \"127.0.0.1:0\"\n[limits]\nheader_fields = 55\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"file:token\"\n";
    let seen = async {
        while front.current().config.limits.header_fields != 55 {
            folder.write("forebay.toml", text);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), seen)
        .await
        .expect("the change was not taken up");
    watcher.abort();
}

#[tokio::test]
async fn a_port_in_use_is_said_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = Folder::new();
    let file = folder.write(
        "forebay.toml",
        &format!("[server]\nlisten = \"{address}\"\n"),
    );
    let options = Options {
        file: Some(file),
        ..Options::default()
    };
    let error = start(options, crate::support::open_policies::OpenLoader)
        .await
        .err()
        .unwrap()
        .to_string();
    assert_eq!(
        error,
        format!(
            "{address} is in use (server.listen); stop the other program or choose another with --listen"
        )
    );
}

#[tokio::test]
async fn without_upstreams_the_embedded_engine_answers() {
    let host = Host::start("").await;
    let (status, text) = whole(http().request(get(&host.url("/v1/models"))).await.unwrap()).await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("forebay-sim"), "{text}");
}

//! HTTP/1.1, HTTP/2 with and without TLS, certificates that change.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use crate::support::client::{get, h2c, http, post, raw, whole};
use crate::support::upstream::Upstream;
use crate::support::{Folder, Host, chat, upstream_section};

#[tokio::test]
async fn http1_and_h2c_share_a_port() {
    let upstream = Upstream::start().await;
    let host = Host::start(&upstream_section(&upstream.url())).await;
    for (client, version) in [(http(), Version::HTTP_11), (h2c(), Version::HTTP_2)] {
        let response = client
            .request(post(&host.url("/v1/chat/completions"), chat("hi", false)))
            .await
            .unwrap();
        assert_eq!(response.version(), version);
        let (status, text) = whole(response).await;
        assert_eq!(status, 200, "{text}");
        assert!(text.contains("hello"), "{text}");
    }
    assert_eq!(
        upstream.asked(),
        1,
        "the second was answered from the cache"
    );
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let host = Host::start("").await;
    let two = "GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = raw(host.running.address, two.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 404").count(), 2, "{answer}");
}

#[tokio::test]
async fn what_is_no_http_is_turned_away() {
    let host = Host::start("").await;
    let answer = raw(
        host.running.address,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
    )
    .await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    let answer = raw(
        host.running.address,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense nonsense nonsense",
    )
    .await;
    assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
}

fn certificate(folder: &Folder) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.write("cert.pem", &cert.pem());
    folder.write("key.pem", &signing_key.serialize_pem());
    CertificateDer::from_pem_slice(cert.pem().as_bytes()).unwrap()
}

fn trusting(
    certificate: CertificateDer<'static>,
) -> Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots)
    .with_no_client_auth();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_all_versions()
        .build();
    Client::builder(TokioExecutor::new()).build(connector)
}

const TLS: &str =
    "[server]\nlisten = \"127.0.0.1:0\"\ntls = { cert = \"cert.pem\", key = \"key.pem\" }\n";

#[tokio::test]
async fn tls_speaks_h2_and_takes_up_new_certificates() {
    let folder = Folder::new();
    let first = certificate(&folder);
    let host = Host::start_in(folder, TLS).await;
    let url = format!("https://localhost:{}/nothing", host.running.address.port());
    let request = || Request::get(&url).body(Full::default()).unwrap();

    let response = trusting(first.clone()).request(request()).await.unwrap();
    assert_eq!(
        (response.version(), response.status().as_u16()),
        (Version::HTTP_2, 404)
    );

    let second = certificate(&host.folder);
    assert!(
        trusting(second.clone()).request(request()).await.is_err(),
        "not taken up yet"
    );
    host.running.reload().await.unwrap();
    assert!(trusting(second).request(request()).await.is_ok());
    assert!(
        trusting(first.clone()).request(request()).await.is_err(),
        "new connections get the new one only"
    );

    host.folder.write("key.pem", "no key");
    let error = host.running.reload().await.unwrap_err().to_string();
    assert!(
        error.contains("private key") && error.contains("key.pem"),
        "{error}"
    );
}

#[tokio::test]
async fn many_requests_share_an_h2_connection() {
    let upstream = Upstream::start().await;
    let host = Host::start(&upstream_section(&upstream.url())).await;
    let client = h2c();
    let requests = (0..50).map(|i| {
        client.request(post(
            &host.url("/v1/chat/completions"),
            chat(&i.to_string(), false),
        ))
    });
    for response in futures_util::future::join_all(requests).await {
        let body = response
            .unwrap()
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes();
        assert!(!body.is_empty());
    }
    assert_eq!(upstream.asked(), 50);
    let (status, _) = whole(client.request(get(&host.url("/v1/models"))).await.unwrap()).await;
    assert_eq!(status, 200);
}

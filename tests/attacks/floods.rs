//! Floods of HTTP/2 frames, each of which costs its sender little: the connection ends, the gateway
//! holds little of what came, and its neighbours are served meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_tests::prompts::chat;
use forebay_tests::{Engine, Forebay, Raw, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut out = length[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

fn literal(name: &[u8], value: &str) -> Vec<u8> {
    let mut out = name.to_vec();
    out.push(u8::try_from(value.len()).unwrap());
    out.extend(value.as_bytes());
    out
}

/// The head of a chat request in HPACK, for this authority, and with these fields more.
fn head(authority: &str, more: &[u8]) -> Vec<u8> {
    // :method POST, :scheme http, then :path, :authority and content-type by their names' places.
    let mut out = vec![0x83, 0x86];
    out.extend(literal(&[0x04], "/v1/chat/completions"));
    out.extend(literal(&[0x01], authority));
    out.extend(literal(&[0x0f, 0x10], "application/json"));
    out.extend(more);
    out
}

fn preface() -> Vec<u8> {
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[]),
    ]
    .concat()
}

/// One kind of flood: what opens it, and its frames, over and over.
struct Flood {
    name: &'static str,
    opening: Vec<u8>,
    frames: fn(u32) -> Vec<u8>,
}

fn floods() -> Vec<Flood> {
    let flood = |name, opening, frames| Flood {
        name,
        opening,
        frames,
    };
    let request = frame(HEADERS, END_HEADERS, 1, &head("localhost", &[]));
    vec![
        flood("rapid reset", Vec::new(), |n| {
            let stream = 2 * n + 1;
            let head = frame(HEADERS, END_HEADERS, stream, &head("localhost", &[]));
            [head, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        }),
        flood(
            "a head without end",
            frame(HEADERS, 0, 1, &head("localhost", &[])),
            |n| {
                frame(
                    CONTINUATION,
                    0,
                    1,
                    &literal(&[0x00, 0x01, b'x'], &n.to_string()),
                )
            },
        ),
        flood(
            "empty pieces of a head",
            frame(HEADERS, 0, 1, &head("localhost", &[])),
            |_| frame(CONTINUATION, 0, 1, &[]),
        ),
        flood("settings", Vec::new(), |n| {
            let size = (16_384 + n % 2).to_be_bytes();
            frame(SETTINGS, 0, 0, &[&[0, 5], &size[..]].concat())
        }),
        flood("pings", Vec::new(), |_| frame(PING, 0, 0, b"forebay!")),
        flood("priorities", Vec::new(), |n| {
            frame(PRIORITY, 0, 2 * n + 1, &[0, 0, 0, 0, 1])
        }),
        flood("windows", request.clone(), |_| {
            frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())
        }),
        flood("empty data", request, |_| frame(DATA, 0, 1, &[])),
    ]
}

/// Sends a flood until the gateway has ended the connection. `reads`: what the gateway sends is read.
async fn pour(addr: SocketAddr, flood: &Flood, reads: bool) {
    let mut socket = TcpStream::connect(addr).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (mut from, mut to) = socket.split();
    let writing = async {
        let opening = [preface(), flood.opening.clone()].concat();
        if to.write_all(&opening).await.is_err() {
            return;
        }
        // 64 frames every two milliseconds: enough to be a flood, and not to be all that a small
        // machine does.
        let mut pace = tokio::time::interval(Duration::from_millis(2));
        for round in 0_u32.. {
            pace.tick().await;
            let batch: Vec<u8> = (0..64)
                .flat_map(|n| (flood.frames)(round * 64 + n))
                .collect();
            if to.write_all(&batch).await.is_err() {
                return;
            }
        }
    };
    let reading = async {
        if !reads {
            std::future::pending::<()>().await;
        }
        let mut piece = vec![0; 16 << 10];
        while let Ok(1..) = from.read(&mut piece).await {}
    };
    let ended = async {
        tokio::select! {
            () = writing => {}
            () = reading => {}
        }
    };
    within(flood.name, ended).await;
}

#[tokio::test]
async fn floods_of_frames_end_and_cost_little() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind(
        "[server]\nidle = \"300ms\"\n[timeouts]\nrequest = \"1s\"\nslow_client = \"1s\"\n",
    ))
    .await;
    let reply = forebay.client.chat(&chat("before")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let before = forebay.resident_kib();
    let floods = floods();
    let pouring = async {
        for flood in &floods {
            let (addr, both) = (forebay.addr, [true, false]);
            let [a, b] = both.map(|reads| Box::pin(pour(addr, flood, reads)));
            tokio::join!(a, b);
        }
    };
    let neighbour = async {
        let mut served = 0;
        loop {
            let reply = forebay
                .client
                .chat(&chat(&format!("number {served}")))
                .await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            served += 1;
        }
    };
    tokio::select! {
        () = pouring => {}
        () = neighbour => {}
    }
    let grown = forebay.resident_kib().saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB more");
}

/// A head that is small on the wire and large once it is unpacked.
#[tokio::test]
async fn a_packed_head_is_not_unpacked_beyond_its_limit() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("")).await;
    let reply = forebay.client.chat(&chat("before")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let before = forebay.resident_kib();
    // A field of 4,000 bytes that is put into the table, and then 12,000 times named by one byte.
    let mut bomb = vec![0x40, 0x01, b'x', 0x7f];
    // 4000 as an integer with a prefix of 7 bits: 127, and 3873 in groups of 7.
    bomb.extend([0xa1, 0x1e]);
    bomb.extend([b'y'; 4000]);
    bomb.extend([0xbe; 12_000]);
    let block = head("localhost", &bomb);
    for _ in 0..4 {
        let mut raw = forebay.raw().await;
        raw.send(preface()).await;
        for stream in [1, 3, 5, 7] {
            raw.send(frame(HEADERS, END_HEADERS | 1, stream, &block[..16_000]))
                .await;
        }
        // It is refused, by the stream's end or the connection's: nothing of it is kept.
        let reply = forebay.client.chat(&chat("meanwhile")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let grown = forebay.resident_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB more");
    assert_eq!(
        forebay.metrics().await.sum("forebay_request_bodies_bytes"),
        0.0
    );
}

/// Two names for whom a request is for, in the protocol where both can be said.
#[tokio::test]
async fn a_host_beside_another_authority_is_refused() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(engine.behind("")).await;
    let mut answers = Vec::new();
    for (authority, host) in [
        ("localhost", None),
        ("localhost", Some("localhost")),
        ("localhost", Some("evil.example")),
        ("evil.example", Some("localhost")),
        ("user@localhost", None),
    ] {
        // host stands at 38 of the static table.
        let host = host.map_or_else(Vec::new, |host| literal(&[0x0f, 0x17], host));
        let block = head(authority, &host);
        let mut raw = forebay.raw().await;
        raw.send(preface()).await;
        raw.send(frame(HEADERS, END_HEADERS, 1, &block)).await;
        raw.send(frame(DATA, 1, 1, chat("hello").to_string().as_bytes()))
            .await;
        answers.push(status_of(&mut raw).await);
    }
    assert_eq!(answers[..2], [Some(200), Some(200)]);
    for (n, answer) in answers[2..].iter().enumerate() {
        // Malformed heads may also be refused by a reset stream, without any status.
        assert!(matches!(answer, Some(400 | 403) | None), "{n}: {answer:?}");
    }
}

/// The status of the answer on the first stream; none where the stream is reset.
async fn status_of(raw: &mut Raw) -> Option<u16> {
    loop {
        let (kind, payload) = raw.frame().await?;
        match kind {
            // :status 200 has a place of its own, and so has 400; others are literals by the name of 200's.
            HEADERS => {
                return Some(match payload[0] {
                    0x88 => 200,
                    0x8c => 400,
                    _ => 403,
                });
            }
            RST_STREAM => return None,
            _ => {}
        }
    }
}

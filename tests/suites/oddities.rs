//! Answers that HTTP allows and few servers send, and some that it does not: each is read as what it is, or
//! the next upstream answers. None spoils the connection for the request after it.

use forebay_tests::prompts::{chat, chunk, done, finish, streamed, whole};
use forebay_tests::upstream::response;
use forebay_tests::{Forebay, Scripted};

const JSON: &str = "content-type: application/json\r\n";

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    Odd,
    Next,
}

fn head(line: &str, fields: &str) -> String {
    format!("HTTP/1.1 {line}\r\n{fields}\r\n")
}

fn chunked(pieces: &[&str], end: &str) -> String {
    let pieces = pieces.iter();
    let pieces: String = pieces
        .map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len()))
        .collect();
    pieces + end
}

/// What an upstream sends, and who has answered then.
fn whole_answers() -> Vec<(&'static str, String, By)> {
    let body = whole("odd");
    let (length, good) = (body.len(), response("200 OK", "application/json", &body));
    let coded = |fields: &str, end: &str| {
        let fields = format!("{JSON}transfer-encoding: chunked\r\n{fields}");
        head("200 OK", &fields) + &chunked(&[&body[..9], &body[9..]], end)
    };
    let sized = |length: usize| head("200 OK", &format!("{JSON}content-length: {length}\r\n"));
    let early = head("103 Early Hints", "link: </a>; rel=preload\r\n");
    vec![
        ("as usual", good.clone(), By::Odd),
        ("100", head("100 Continue", "") + &good, By::Odd),
        ("103", early.clone() + &good, By::Odd),
        ("many 1xx", early.repeat(30) + &good, By::Odd),
        (
            "101",
            head(
                "101 Switching Protocols",
                "connection: upgrade\r\nupgrade: x\r\n",
            ),
            By::Next,
        ),
        ("204", head("204 No Content", ""), By::Next),
        ("304", head("304 Not Modified", ""), By::Next),
        ("an empty body", sized(0), By::Next),
        ("blanks alone", sized(4) + "    ", By::Next),
        (
            "trailers",
            coded("trailer: x-sum\r\n", "0\r\nx-sum: 1\r\n\r\n"),
            By::Odd,
        ),
        (
            "an extension of a chunk",
            coded("", "0;name=\"value\"\r\n\r\n"),
            By::Odd,
        ),
        ("chunks without their end", coded("", ""), By::Next),
        ("a trailer cut off", coded("", "0\r\nx-su"), By::Next),
        ("less than announced", sized(length + 7) + &body, By::Next),
        (
            "more than announced",
            sized(length) + &body + &good.replace("odd", "bad"),
            By::Odd,
        ),
        (
            "no media type",
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"),
            By::Odd,
        ),
        (
            "HTTP/1.0",
            format!("HTTP/1.0 200 OK\r\n{JSON}\r\n{body}"),
            By::Odd,
        ),
        ("no length", head("200 OK", JSON) + &body, By::Odd),
        ("no reason", good.replace("200 OK", "200 "), By::Odd),
        (
            "an unknown success",
            good.replace("200 OK", "299 Fine"),
            By::Odd,
        ),
        (
            "an unknown failure",
            good.replace("200 OK", "599 Gone"),
            By::Next,
        ),
        ("no HTTP", "220 smtp.example ESMTP\r\n".to_owned(), By::Next),
        ("nothing", String::new(), By::Next),
        (
            "two lengths",
            good.replace("\r\n\r\n", "\r\ncontent-length: 3\r\n\r\n"),
            By::Next,
        ),
    ]
}

fn streams() -> Vec<(&'static str, String, By)> {
    let events = [chunk("odd"), finish("stop"), done()].concat();
    let fields = "content-type: text/event-stream\r\n";
    let coded = |events: &str, end: &str| {
        let fields = format!("{fields}transfer-encoding: chunked\r\n");
        head("200 OK", &fields) + &chunked(&[events], end)
    };
    let plain = |events: &str| head("200 OK", fields) + events;
    vec![
        ("a stream", plain(&events), By::Odd),
        (
            "a stream after a 103",
            head("103 Early Hints", "") + &plain(&events),
            By::Odd,
        ),
        (
            "a byte order mark",
            plain(&format!("\u{feff}{events}")),
            By::Odd,
        ),
        (
            "comments and blank lines",
            plain(&format!(": hi\n\n\n\n: hi\n\n{events}")),
            By::Odd,
        ),
        (
            "lines that end with CR",
            plain(&events.replace('\n', "\r")),
            By::Odd,
        ),
        (
            "lines that end with CRLF",
            plain(&events.replace('\n', "\r\n")),
            By::Odd,
        ),
        (
            "no space after the colon",
            plain(&events.replace("data: ", "data:")),
            By::Odd,
        ),
        (
            "events with names",
            plain(&events.replace("data: ", "event: x\nid: 1\nretry: 5\ndata: ")),
            By::Odd,
        ),
        (
            "a stream with trailers",
            coded(&events, "0\r\nx-error: 1\r\n\r\n"),
            By::Odd,
        ),
        ("a stream cut after its end", coded(&events, ""), By::Odd),
        ("a stream of nothing", plain(""), By::Next),
        ("a stream of comments", plain(": hi\n\n: hi\n\n"), By::Next),
        ("a stream that is done at once", plain(&done()), By::Next),
        (
            "a stream that fails at once",
            plain("data: {\"error\":{\"message\":\"full\",\"code\":503}}\n\n"),
            By::Next,
        ),
        (
            "an event that is no JSON",
            plain("data: <html>\n\n"),
            By::Next,
        ),
        (
            "a web page",
            response("200 OK", "text/html", "<html>busy</html>"),
            By::Next,
        ),
    ]
}

#[tokio::test]
async fn odd_answers_are_read_as_what_they_are() {
    let all: Vec<_> = whole_answers()
        .into_iter()
        .map(|case| (case, false))
        .chain(streams().into_iter().map(|case| (case, true)))
        .collect();
    let said: Vec<String> = all.iter().map(|((_, said, _), _)| said.clone()).collect();
    let odd = Scripted::start(move |mut call| {
        let asked = call.request.json()["messages"][0]["content"].clone();
        let asked = asked.as_str().unwrap_or_default();
        let number = asked
            .rsplit(' ')
            .next()
            .and_then(|n| n.parse::<usize>().ok());
        let said = said[number.expect("a number")].clone();
        async move { call.send(said).await }
    })
    .await;
    let next = Scripted::start(|mut call| async move {
        if call.request.json()["stream"] == true {
            let events = [chunk("next"), finish("stop"), done()].concat();
            call.begin_stream().await;
            call.send(events).await;
        } else {
            let body = whole("next");
            call.answer("200 OK", "application/json", &body).await;
        }
    })
    .await;
    let config = odd
        .behind("[retries]\neject_after = 1000\n")
        .upstream("next", &next.url(), "");
    let forebay = Forebay::start(config).await;
    for (n, ((name, _, by), streams)) in all.into_iter().enumerate() {
        let text = format!("case {n}");
        let content = if streams {
            let told = forebay.client.stream(&streamed(&text)).await.rest().await;
            assert!(told.done && told.error.is_none(), "{name}: {told:?}");
            told.text()
        } else {
            let reply = forebay.client.chat(&chat(&text)).await;
            assert_eq!(reply.status, 200, "{name}: {}", reply.text());
            reply.content()
        };
        let right = if by == By::Odd { "odd" } else { "next" };
        assert_eq!(content, right, "{name}");
    }
}

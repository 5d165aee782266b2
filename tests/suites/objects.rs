//! Files, batches and all else that upstreams keep: a tenant's own alone, at the upstream that keeps them, judged line by line.

use std::sync::{Arc, Mutex};

use forebay_tests::client::Reply;
use forebay_tests::prompts::with;
use forebay_tests::{Client, Config, Forebay, Key, Scripted};
use http::Method;
use serde_json::{Value, json};

/// An upstream that keeps files and batches for whoever has its key, and tells all of them.
async fn keeper() -> (Scripted, Arc<Mutex<Vec<Value>>>) {
    let kept: Arc<Mutex<Vec<Value>>> = Arc::default();
    let things = kept.clone();
    let upstream = Scripted::start(move |mut call| {
        let things = things.clone();
        async move {
            let (status, answer) = answer(&call.request, &mut things.lock().unwrap());
            call.answer(status, "application/json", &answer.to_string())
                .await;
        }
    })
    .await;
    (upstream, kept)
}

fn answer(
    request: &forebay_tests::upstream::Received,
    things: &mut Vec<Value>,
) -> (&'static str, Value) {
    let line = request.head.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let path = path.split('?').next().unwrap();
    let number = things.len();
    let list = |kind: &str| {
        let things = things.iter().filter(|thing| thing["object"] == kind);
        json!({"object": "list", "data": things.collect::<Vec<_>>(), "has_more": false})
    };
    let made = match (method, path) {
        ("post", "/v1/files") => {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            let name = body.split("filename=\"").nth(1).unwrap();
            let name = name.split('"').next().unwrap();
            let purpose = body.split("name=\"purpose\"\r\n\r\n").nth(1).unwrap();
            let purpose = purpose.split("\r\n").next().unwrap();
            json!({"id": format!("file-{number}"), "object": "file", "filename": name, "purpose": purpose})
        }
        ("post", "/v1/batches") => {
            let mut body = request.json();
            body["id"] = format!("batch_{number}").into();
            body["object"] = "batch".into();
            body["output_file_id"] = "file-out".into();
            body
        }
        ("post", "/v1/vector_stores" | "/v1/containers" | "/v1beta/cachedcontents") => {
            let mut body = request.json();
            let (kind, id) = match path {
                "/v1/vector_stores" => ("vector_store", format!("vs_{number}")),
                "/v1/containers" => ("container", format!("cntr_{number}")),
                _ => ("cached", number.to_string()),
            };
            body["object"] = kind.into();
            match kind {
                "cached" => body["name"] = format!("cachedContents/{id}").into(),
                _ => body["id"] = id.into(),
            }
            body
        }
        ("post", path) if path.ends_with("/files") => {
            let store = path.rsplit('/').nth(1).unwrap();
            let file = request.json()["file_id"].clone();
            let told = json!({"id": file, "object": "vector_store.file", "vector_store_id": store});
            return ("200 OK", told);
        }
        ("get", "/v1/vector_stores") => return ("200 OK", list("vector_store")),
        ("get", "/v1/containers") => return ("200 OK", list("container")),
        ("get", "/v1beta/cachedcontents") => {
            let all = list("cached")["data"].clone();
            return ("200 OK", json!({"cachedContents": all}));
        }
        ("post", "/v1/chat/completions") => {
            let told = json!({"index": 0, "message": {"role": "assistant", "content": "read"}, "finish_reason": "stop"});
            return ("200 OK", json!({"choices": [told]}));
        }
        ("post", "/v1/moderations") => {
            return ("200 OK", json!({"id": "m", "model": "m", "results": []}));
        }
        ("get", "/v1/files") => return ("200 OK", list("file")),
        ("get", "/v1/batches") => return ("200 OK", list("batch")),
        (_, path) if path.ends_with("/content") => {
            return (
                "200 OK",
                json!({"custom_id": "1", "said": "quite forbidden"}),
            );
        }
        (_, path) => {
            let id = path.trim_end_matches("/cancel").rsplit('/').next().unwrap();
            let cached = format!("cachedContents/{id}");
            let is = |thing: &&Value| thing["id"] == id || thing["name"] == *cached;
            let found = things.iter().find(is).cloned();
            return found.map_or(("404 Not Found", json!({})), |thing| ("200 OK", thing));
        }
    };
    things.push(made.clone());
    ("200 OK", made)
}

fn line(text: &str) -> String {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
    json!({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body})
        .to_string()
}

async fn upload(client: &Client, purpose: &str, content: &str) -> Reply {
    let part = |head: &str, text: &str| {
        format!("--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n")
    };
    let body = part("name=\"purpose\"", purpose)
        + &part("name=\"file\"; filename=\"mine.jsonl\"", content)
        + "--edge--\r\n";
    let client = client.with_header("content-type", "multipart/form-data; boundary=edge");
    client.post_bytes("/v1/files", body).await
}

fn id(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

fn begin(file: &str) -> Value {
    json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h", "metadata": {"mine": "yes"}})
}

async fn delete(client: &Client, path: &str) -> Reply {
    let response = client.send(Method::DELETE, path, "").await.unwrap();
    Reply::read(response).await
}

#[tokio::test]
async fn what_an_upstream_keeps_is_its_tenants_alone() {
    let (upstream, kept) = keeper().await;
    let (mine, theirs) = (Key::of("acme"), Key::of("other"));
    let config = Config::new("")
        .keys(&[&mine, &theirs])
        .upstream("kept", &upstream.url(), "");
    let forebay = Forebay::start(config).await;
    let (mine, theirs) = (forebay.client_of(&mine), forebay.client_of(&theirs));

    let reply = upload(&mine, "batch", &line("hello")).await;
    let file = id(&reply);
    assert_eq!(reply.json()["filename"], "mine.jsonl");
    let batch = mine.post("/v1/batches", &begin(&file)).await;
    let name = id(&batch);
    assert_eq!(batch.json()["input_file_id"], file.as_str());
    assert_eq!(batch.json()["metadata"], json!({"mine": "yes"}));
    assert_eq!(kept.lock().unwrap()[1]["input_file_id"], "file-0");
    let output = batch.json()["output_file_id"].as_str().unwrap().to_owned();

    for (path, status) in [
        (format!("/v1/files/{file}"), 200),
        (format!("/v1/files/{output}/content"), 200),
        (format!("/v1/batches/{name}"), 200),
        // An upstream's own names open nothing.
        ("/v1/files/file-0".to_owned(), 404),
        ("/v1/batches/batch_1".to_owned(), 404),
        (format!("/v1/files/{name}"), 404),
    ] {
        assert_eq!(mine.get(&path).await.status, status, "{path}");
        let other = theirs.get(&path).await;
        other.is_error(404, "not_found");
    }
    let asked = upstream.calls();
    assert_eq!(
        delete(&theirs, &format!("/v1/files/{file}")).await.status,
        404
    );
    let stolen = theirs.post("/v1/batches", &begin(&file)).await;
    stolen.is_error(404, "not_found");
    let cancel = format!("/v1/batches/{name}/cancel");
    theirs
        .post(&cancel, &json!({}))
        .await
        .is_error(404, "not_found");
    assert_eq!(upstream.calls(), asked);
    assert_eq!(mine.post(&cancel, &json!({})).await.status, 200);

    for path in ["/v1/files", "/v1/batches?limit=5"] {
        let list = mine.get(path).await.json();
        assert_eq!(list["data"].as_array().map(Vec::len), Some(1), "{list}");
        let first = list["data"][0]["id"].as_str().unwrap();
        assert!(first == file || first == name, "{list}");
        assert_eq!(theirs.get(path).await.json()["data"], json!([]));
    }
    let beyond = theirs.get(&format!("/v1/files?after={file}")).await;
    beyond.is_error(404, "not_found");
    mine.get("/v1/files?limit=0")
        .await
        .is_error(400, "invalid_request");
}

#[tokio::test]
async fn a_request_may_name_only_files_of_its_tenant_and_goes_where_they_are() {
    let (elsewhere, _) = keeper().await;
    let (upstream, _) = keeper().await;
    let (mine, theirs) = (Key::of("acme"), Key::of("other"));
    let config = Config::new("")
        .keys(&[&mine, &theirs])
        .upstream("elsewhere", &elsewhere.url(), "passes = []")
        .upstream("kept", &upstream.url(), "");
    let forebay = Forebay::start(config).await;
    let (mine, theirs) = (forebay.client_of(&mine), forebay.client_of(&theirs));
    let file = id(&upload(&mine, "user_data", "text").await);
    let asking = |name: &str| {
        let content = json!([{"type": "text", "text": "what is in it"}, {"type": "file", "file": {"file_id": name}}]);
        json!({"model": "m", "messages": [{"role": "user", "content": content}]})
    };
    let reply = mine.chat(&asking(&file)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-forebay-upstream"), "kept");
    let sent = upstream.received().pop().unwrap().json();
    assert_eq!(
        sent["messages"][0]["content"][1]["file"]["file_id"],
        "file-0"
    );
    for (client, name) in [
        (&theirs, file.as_str()),
        (&theirs, "file-0"),
        (&mine, "file-0"),
    ] {
        client
            .chat(&asking(name))
            .await
            .is_error(404, "file_not_found");
    }
    let shell = json!({"type": "shell", "environment": {"type": "container_reference", "container_id": "cntr_1"}});
    let asks = json!({"model": "m", "input": "hello", "tools": [shell]});
    let reply = mine.post("/v1/responses", &asks).await;
    reply.is_error(404, "container_not_found");
    let call =
        json!({"type": "tool_use", "id": "1", "name": "read", "input": {"file_id": "of a drive"}});
    let turns = json!([{"role": "user", "content": "hello"}, {"role": "assistant", "content": [call]}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "a"}]}]);
    let tool = json!({"name": "read", "input_schema": {"type": "object"}});
    let asks = json!({"model": "m", "max_tokens": 9, "messages": turns, "tools": [tool]});
    let reply = mine.post("/v1/messages", &asks).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let escaped = asking("file-0")
        .to_string()
        .replace("file_id", "f\\u0069le_id");
    let reply = mine.post_bytes("/v1/chat/completions", escaped).await;
    reply.is_error(404, "file_not_found");
    for name in [file.as_str(), "file-0"] {
        let passed = json!({"input": "a", "file_id": name});
        let reply = theirs.post("/v1/moderations", &passed).await;
        reply.is_error(404, "file_not_found");
    }
    let passed = json!({"input": "a", "file_id": file});
    let reply = mine.post("/v1/moderations", &passed).await;
    assert_eq!(reply.header("x-forebay-upstream"), "kept");
    let sent = upstream.received().pop().unwrap().json();
    assert_eq!(sent["file_id"], "file-0");
    let plain = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
    let reply = mine.chat(&plain).await;
    assert_eq!(reply.header("x-forebay-upstream"), "elsewhere");
}

#[tokio::test]
async fn each_line_of_a_batch_is_judged_like_a_request() {
    let (upstream, _) = keeper().await;
    let rules = "[[policies.guardrails.config.rules]]\nname = \"no\"\nkind = \"dictionary\"\nterms = [\"forbidden\"]\naction = \"deny\"\napply = [\"input\"]\n\n[[policies.guardrails.config.rules]]\nname = \"pii\"\nkind = \"pii\"\naction = \"mask\"\napply = [\"input\"]\n\n[[policies.guardrails.config.rules]]\nname = \"chats\"\nkind = \"dictionary\"\nterms = [\"private\"]\naction = \"deny\"\nroutes = [\"/v1/chat/completions\"]\n\n[limits]\nparts = 20\n";
    let bound = Key::of("acme").with("models = [\"m\"]");
    let config = Config::new(rules)
        .keys(&[&bound])
        .upstream("kept", &upstream.url(), "");
    let forebay = Forebay::start(config).await;
    let client = forebay.client_of(&bound);
    let good = line("hello");
    let many = json!(vec![json!({"type": "text", "text": "a"}); 21]).to_string();
    let responses = |more: &Value| {
        let body = with(json!({"model": "m", "input": "hello"}), more.clone());
        json!({"custom_id": "1", "method": "POST", "url": "/v1/responses", "body": body})
            .to_string()
    };
    for (purpose, content, status, code) in [
        (
            "batch",
            format!("{good}\n{}", line("so forbidden")),
            400,
            "rule-denied",
        ),
        (
            "batch",
            format!("{good}\n{}", line("to ann@example.org")),
            400,
            "unmaskable",
        ),
        ("batch", format!("{good}\n{{}}"), 400, "invalid_batch"),
        (
            "batch",
            good.replace("\"m\"", "\"other\""),
            403,
            "model_not_allowed",
        ),
        (
            "batch",
            good.replace("chat/completions", "files"),
            400,
            "invalid_batch",
        ),
        (
            "batch",
            good.replace("\"method\"", "\"hidden\":\"x\",\"method\""),
            400,
            "invalid_batch",
        ),
        (
            "batch",
            good.replace(
                "\"hello\"",
                "[{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}}]",
            ),
            400,
            "invalid_batch",
        ),
        (
            "batch",
            responses(&json!({"previous_response_id": "resp_1"})),
            400,
            "invalid_batch",
        ),
        (
            "batch",
            responses(&json!({"conversation": {"id": "conv_1"}})),
            400,
            "invalid_batch",
        ),
        (
            "batch",
            responses(&json!({"input": [{"type": "item_reference", "id": "msg_1"}]})),
            400,
            "invalid_batch",
        ),
        (
            "batch",
            good.replace("\"hello\"", &many),
            400,
            "invalid_batch",
        ),
        // A rule for chats alone.
        ("batch", line("so private"), 400, "rule-denied"),
        // What is not a batch can't be read.
        ("user_data", "text".to_owned(), 400, "unreadable"),
    ] {
        let reply = upload(&client, purpose, &content).await;
        let message = reply.is_error(status, code);
        assert!(purpose != "batch" || message.contains("line "), "{message}");
        assert!(!message.contains("ann@"), "{message}");
    }
    assert_eq!(upstream.calls(), 0);
    id(&upload(&client, "batch", &format!("{good}\n\n{good}\n")).await);
}

#[tokio::test]
async fn the_lines_of_a_batch_name_models_as_single_requests_do() {
    let (elsewhere, _) = keeper().await;
    let (upstream, _) = keeper().await;
    let bound = Key::of("acme").with("models = [\"large\", \"small\", \"other\"]");
    let config = Config::new("")
        .keys(&[&bound])
        .upstream(
            "elsewhere",
            &elsewhere.url(),
            "models = { other = \"o-1\" }",
        )
        .upstream(
            "kept",
            &upstream.url(),
            "models = { large = \"gpt-5\", small = \"small\" }",
        );
    let forebay = Forebay::start(config).await;
    let client = forebay.client_of(&bound);
    let of = |model: &str| line("to m").replace("\"m\"", &format!("\"{model}\""));
    let file = format!("{}\n\n{}\r\n", of("large"), of("small"));
    id(&upload(&client, "batch", &file).await);
    assert_eq!(elsewhere.calls(), 0);
    let sent = upstream.received().pop().unwrap();
    let sent = String::from_utf8(sent.body).unwrap();
    let renamed = format!("{}\n\n{}\r\n", of("gpt-5"), of("small"));
    assert!(sent.contains(&renamed), "{sent}");
    // Names that need no change leave the file as it is.
    let plain = format!("{}\n", of("small"));
    id(&upload(&client, "batch", &plain).await);
    let sent = upstream.received().pop().unwrap();
    assert!(String::from_utf8(sent.body).unwrap().contains(&plain));

    let calls = upstream.calls();
    let apart = format!("{}\n{}\n", of("large"), of("other"));
    let message = upload(&client, "batch", &apart).await;
    message.is_error(400, "invalid_batch");
    let upstreams_own = upload(&client, "batch", &of("gpt-5")).await;
    upstreams_own.is_error(403, "model_not_allowed");
    assert_eq!((upstream.calls(), elsewhere.calls()), (calls, 0));
}

/// The lines of other files were not read as requests.
#[tokio::test]
async fn a_batch_reads_only_a_file_that_was_judged_as_one() {
    let (upstream, kept) = keeper().await;
    let (forebay, mine, _) = two_tenants(&upstream).await;
    for (purpose, status) in [("user_data", 400), ("Batch", 400), ("batch", 200)] {
        let file = id(&upload(&mine, purpose, &line("hello")).await);
        let reply = mine.post("/v1/batches", &begin(&file)).await;
        assert_eq!(reply.status, status, "{purpose}: {}", reply.text());
        if status == 400 {
            let message = reply.is_error(400, "invalid_request");
            assert!(message.contains("purpose"), "{message}");
        }
    }
    let things = kept.lock().unwrap();
    let begun = things.iter().filter(|thing| thing["object"] == "batch");
    assert_eq!(begun.count(), 1);
    drop(forebay);
}

#[tokio::test]
async fn what_a_batch_answered_is_judged_when_it_is_read() {
    let (upstream, _) = keeper().await;
    let rules = "[[policies.guardrails.config.rules]]\nname = \"no\"\nkind = \"dictionary\"\nterms = [\"forbidden\"]\naction = \"mask\"\napply = [\"output\"]\n";
    let forebay = Forebay::start(upstream.behind(rules)).await;
    let file = id(&upload(&forebay.client, "batch", &line("hello")).await);
    let reply = forebay
        .client
        .get(&format!("/v1/files/{file}/content"))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let line = reply.json();
    assert_eq!(line["custom_id"], "1");
    assert!(!reply.text().contains("forbidden"), "{line}");
}

/// Two tenants before an upstream that keeps things.
async fn two_tenants(upstream: &Scripted) -> (Forebay, Client, Client) {
    let (mine, theirs) = (Key::of("acme"), Key::of("other"));
    let config = Config::new("").keys(&[&mine, &theirs]).upstream(
        "kept",
        &upstream.url(),
        "models = { m = \"up-1\" }",
    );
    let forebay = Forebay::start(config).await;
    let (mine, theirs) = (forebay.client_of(&mine), forebay.client_of(&theirs));
    (forebay, mine, theirs)
}

#[tokio::test]
async fn a_vector_store_is_its_tenants_alone_with_all_that_is_in_it() {
    let (upstream, kept) = keeper().await;
    let (_forebay, mine, theirs) = two_tenants(&upstream).await;
    let file = id(&upload(&mine, "user_data", "text").await);
    let making = json!({"name": "s", "file_ids": [file], "metadata": {"a": "b"}});
    let made = mine.post("/v1/vector_stores", &making).await;
    let store = id(&made);
    assert!(store.starts_with("vs_fb"), "{store}");
    assert_eq!(made.json()["metadata"], json!({"a": "b"}));
    assert_eq!(kept.lock().unwrap()[1]["file_ids"], json!(["file-0"]));
    let stolen = theirs.post("/v1/vector_stores", &making).await;
    stolen.is_error(404, "file_not_found");

    let home = format!("/v1/vector_stores/{store}");
    let within = mine
        .post(&format!("{home}/files"), &json!({"file_id": file}))
        .await;
    assert_eq!(within.json()["id"], file.as_str(), "{}", within.text());
    assert_eq!(within.json()["vector_store_id"], store.as_str());
    let changed = mine.post(&home, &json!({"metadata": {"c": "d"}})).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let sent = upstream.received().pop().unwrap();
    assert!(
        sent.head.starts_with("post /v1/vector_stores/vs_1 "),
        "{}",
        sent.head
    );
    assert!(sent.json()["metadata"]["forebay_owner"].is_string());
    let list = |client: &Client| {
        let client = client.clone();
        async move { client.get("/v1/vector_stores?limit=5").await.json()["data"].clone() }
    };
    assert_eq!(list(&mine).await[0]["id"], store.as_str());
    assert_eq!(list(&theirs).await, json!([]));

    let asked = upstream.calls();
    for path in [
        home.clone(),
        format!("{home}/files"),
        format!("{home}/files/{file}"),
    ] {
        theirs.get(&path).await.is_error(404, "not_found");
    }
    for path in [
        "/v1/vector_stores/vs_1".to_owned(),
        "/v1/vector_stores/vs_1/files".to_owned(),
        format!("{home}/nothing"),
        format!("{home}/files/..%2F..%2Ffiles"),
        format!("{home}/files/a/content/more"),
        format!("{home}/files/{file}00"),
    ] {
        mine.get(&path).await.is_error(404, "not_found");
    }
    let searching = json!({"input": "a", "vector_store_ids": [store]});
    let refused = theirs.post("/v1/moderations", &searching).await;
    refused.is_error(404, "vector_store_not_found");
    let raw = json!({"input": "a", "tools": [{"vector_store_ids": ["vs_1"]}]});
    mine.post("/v1/moderations", &raw)
        .await
        .is_error(404, "vector_store_not_found");
    assert_eq!(upstream.calls(), asked);
    mine.post("/v1/moderations", &searching).await;
    let sent = upstream.received().pop().unwrap().json();
    assert_eq!(sent["vector_store_ids"], json!(["vs_1"]));
}

#[tokio::test]
async fn a_container_is_its_tenants_alone() {
    let (upstream, kept) = keeper().await;
    let (_forebay, mine, theirs) = two_tenants(&upstream).await;
    let made = mine.post("/v1/containers", &json!({"name": "c"})).await;
    let container = id(&made);
    assert_eq!(made.json()["name"], "c");
    assert!(
        kept.lock().unwrap()[0]["name"]
            .as_str()
            .unwrap()
            .starts_with("fb-")
    );
    let list = mine.get("/v1/containers").await.json();
    assert_eq!(
        (&list["data"][0]["id"], &list["data"][0]["name"]),
        (&json!(container), &json!("c"))
    );
    assert_eq!(theirs.get("/v1/containers").await.json()["data"], json!([]));
    theirs
        .get(&format!("/v1/containers/{container}"))
        .await
        .is_error(404, "not_found");
    for (client, name, status) in [
        (&mine, container.as_str(), 200),
        (&theirs, &container, 404),
        (&mine, "cntr_0", 404),
    ] {
        for body in [
            json!({"input": "a", "container": name}),
            json!({"input": "a", "tools": [{"type": "code_interpreter", "container": name}]}),
        ] {
            let reply = client.post("/v1/moderations", &body).await;
            assert_eq!(reply.status, status, "{body}: {}", reply.text());
        }
    }
    // What a tool is called with, and a word in a text, name no container.
    let plain = json!({"input": "a \"container\"", "x": {"arguments": {"container": "box"}}});
    assert_eq!(mine.post("/v1/moderations", &plain).await.status, 200);
}

#[tokio::test]
async fn what_gemini_keeps_is_its_tenants_alone() {
    let (upstream, kept) = keeper().await;
    let (_forebay, mine, theirs) = two_tenants(&upstream).await;
    let path = "/v1beta/cachedContents";
    let contents = json!([{"role": "user", "parts": [{"text": "a long book"}]}]);
    let making = json!({"model": "models/m", "displayName": "d", "contents": contents});
    let made = mine.post(path, &making).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let name = made.json()["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("cachedContents/fb"), "{name}");
    assert_eq!(made.json()["displayName"], "d");
    assert_eq!(kept.lock().unwrap()[0]["model"], "models/up-1");
    let unknown = json!({"model": "models/none", "contents": contents});
    assert_eq!(mine.post(path, &unknown).await.status, 404);
    let own = format!("/v1beta/{name}");
    assert_eq!(mine.get(&own).await.json()["name"], name.as_str());
    let patch = mine
        .send(Method::PATCH, &own, "{\"ttl\":\"60s\"}")
        .await
        .unwrap();
    assert_eq!(Reply::read(patch).await.status, 200);
    let sent = upstream.received().pop().unwrap();
    assert!(
        sent.head.starts_with("patch /v1beta/cachedcontents/0 "),
        "{}",
        sent.head
    );
    let list = |client: &Client| {
        let client = client.clone();
        async move { client.get(path).await.json()["cachedContents"].clone() }
    };
    assert_eq!(list(&mine).await[0]["name"], name.as_str());
    assert_eq!(list(&theirs).await, json!([]));
    let asked = upstream.calls();
    for (client, path) in [(&theirs, own.as_str()), (&mine, "/v1beta/cachedContents/0")] {
        let reply = client.get(path).await;
        assert_eq!(reply.status, 404, "{}", reply.text());
        assert_eq!(reply.json()["error"]["status"], "NOT_FOUND");
        assert_eq!(delete(client, path).await.status, 404);
    }
    let asking = |cached: &str| json!({"contents": contents, "cachedContent": cached});
    let generate = "/v1beta/models/m:generateContent";
    for (client, cached) in [(&theirs, name.as_str()), (&mine, "cachedContents/0")] {
        let reply = client.post(generate, &asking(cached)).await;
        assert_eq!(reply.status, 404, "{}", reply.text());
    }
    let twice = asking(&name)
        .to_string()
        .replacen('{', "{\"cachedContent\":\"x\",", 1);
    let reply = mine.post_bytes(generate, twice).await;
    assert!((400..500).contains(&reply.status), "{}", reply.text());
    assert_eq!(upstream.calls(), asked);
    let passed = json!({"input": "a", "cachedContent": name});
    mine.post("/v1/moderations", &passed).await;
    let sent = upstream.received().pop().unwrap().json();
    assert_eq!(sent["cachedContent"], "cachedContents/0");
}

const RAW: &str = "[[raw]]\nmethod = \"POST\"\npath = \"/v1/fine_tuning/jobs\"\nupstream = \"kept\"\ntenants = [\"acme\"]\n";

#[tokio::test]
async fn a_providers_own_api_is_reached_where_it_is_listed_exactly() {
    let upstream = Scripted::saying(forebay_tests::upstream::response(
        "200 OK",
        "application/json",
        "{\"object\":\"fine_tuning.job\"}",
    ))
    .await;
    let (mine, theirs) = (Key::of("acme"), Key::of("other"));
    let config = |raw: &str| {
        Config::new("")
            .keys(&[&mine, &theirs])
            .upstream("kept", &upstream.url(), "key = \"env:KEPT_KEY\"")
            .env("KEPT_KEY", "sk-kept")
            .table(raw)
    };
    let forebay = Forebay::start(config(RAW)).await;
    let (own, other) = (forebay.client_of(&mine), forebay.client_of(&theirs));
    let path = "/v1/fine_tuning/jobs";
    let reply = own.post_bytes(&format!("{path}?x=1"), "as it is").await;
    assert_eq!(reply.json()["object"], "fine_tuning.job");
    let sent = upstream.received().pop().unwrap();
    assert!(
        sent.head.starts_with("post /v1/fine_tuning/jobs?x=1 "),
        "{}",
        sent.head
    );
    assert_eq!(sent.header("authorization"), Some("bearer sk-kept"));
    assert_eq!(sent.body, b"as it is");
    other
        .post(path, &json!({}))
        .await
        .is_error(404, "not_found");
    forebay
        .client
        .post(path, &json!({}))
        .await
        .is_error(401, "missing_api_key");
    assert_eq!(own.get(path).await.status, 404);
    own.post(path, &json!({"training_file": "file-of-another"}))
        .await
        .is_error(404, "file_not_found");
    let twice = r#"{"training_file":"file-1","training_file":"file-of-another"}"#;
    let wide: Vec<u8> = twice.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xef\xbb\xbf", twice.as_bytes()].concat();
    for hidden in [twice.as_bytes().to_vec(), wide, marked] {
        own.post_bytes(path, hidden)
            .await
            .is_error(400, "invalid_json");
    }
    for near in [
        "/v1/fine_tuning/jobs/",
        "/v1//fine_tuning/jobs",
        "/v1/fine_tuning/jobs/x",
    ] {
        own.post(near, &json!({})).await.is_error(404, "not_found");
    }
    assert_eq!(upstream.calls(), 1);

    let rule = "\n[[policies.guardrails.config.rules]]\nname = \"no\"\nkind = \"dictionary\"\nterms = [\"forbidden\"]\naction = \"deny\"\n";
    let forebay = Forebay::start(config(&format!("{RAW}{rule}"))).await;
    let own = forebay.client_of(&mine);
    own.post(path, &json!({})).await.is_error(400, "unreadable");
    assert_eq!(upstream.calls(), 1);
    let off = format!("{RAW}guard = \"off\"\n{rule}");
    let forebay = Forebay::start(config(&off)).await;
    let reply = forebay.client_of(&mine).post(path, &json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());

    for (wrong, said) in [
        (RAW.replace("/jobs", "/*"), "not an exact path"),
        (RAW.replace("/jobs", "/../x"), "not an exact path"),
        (RAW.replace("POST", "post"), "is not one of"),
        (RAW.replace("\"kept\"", "\"nobody\""), "no upstream"),
        (format!("{RAW}\n{RAW}"), "already listed"),
        (
            "[[through]]\nendpoint = \"none\"\n".to_owned(),
            "not a pass-through endpoint",
        ),
    ] {
        let refusal = Forebay::refuses(config(&wrong)).await;
        assert!(refusal.said.contains(said), "{said}: {}", refusal.said);
    }
}

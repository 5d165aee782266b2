//! Chat completions read into what crosses between dialects and written for each target.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use forebay_dialect::exchange::{Profile, WriteOptions};
use forebay_dialect::{Request, RequestError, TranslateError, Wire, translate_request};
use serde_json::{Value, json};

const PROFILES: [Profile; 5] = [
    Profile::Standard,
    Profile::OpenAi,
    Profile::Azure,
    Profile::Mistral,
    Profile::Engine,
];

fn options(profile: Profile) -> WriteOptions {
    WriteOptions {
        model: "target".to_owned(),
        profile,
        ..WriteOptions::default()
    }
}

fn try_cross(body: &Value, options: &WriteOptions) -> Result<(Value, Vec<String>), TranslateError> {
    let body = Bytes::from(body.to_string());
    let request = Request::parse(Wire::Chat, body)?;
    let written = translate_request(&request, Wire::Chat, options)?;
    // No field twice, whatever else.
    Request::parse(Wire::Chat, written.body.clone())?;
    let lost = written.lost.into_iter().map(|lost| match lost.is_hint() {
        true => format!("({})", lost.param),
        false => lost.param,
    });
    Ok((
        serde_json::from_slice(&written.body).unwrap(),
        lost.collect(),
    ))
}

/// A body written for a target, and what was lost, what is harmless in brackets.
fn cross(body: &Value, profile: Profile) -> (Value, Vec<String>) {
    try_cross(body, &options(profile)).unwrap()
}

fn asked(messages: Value) -> Value {
    json!({"model": "m", "messages": messages})
}

fn user(content: Value) -> Value {
    asked(json!([{"role": "user", "content": content}]))
}

/// A user's request with further fields.
fn with(fields: Value) -> Value {
    let mut body = user(json!("Hi"));
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body
}

fn call(id: &str, name: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{\"a\":1}"}})
}

fn tools() -> Value {
    json!([
        {"type": "function", "function": {"name": "f", "description": "d", "strict": true,
            "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}},
        {"type": "function", "function": {"name": "g", "parameters": {}}},
    ])
}

#[test]
fn a_conversation_comes_out_as_it_went_in() {
    let mut body = asked(json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "name": "ann", "content": [
            {"type": "text", "text": "What \"is\"\nthis?"},
            {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        ]},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [call("c1", "f"), call("c2", "g")]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "2"}, {"type": "text", "text": "3"}]},
        {"role": "assistant", "content": null, "refusal": "No."},
        {"role": "user", "content": "Why?"},
    ]));
    body["tools"] = tools();
    body["tool_choice"] = json!({"type": "function", "function": {"name": "f"}});
    body["parallel_tool_calls"] = json!(false);
    body["response_format"] = json!({"type": "json_schema", "json_schema":
        {"name": "n", "description": "d", "schema": {"type": "object"}, "strict": true}});
    for (name, value) in [
        ("temperature", json!(0.5)),
        ("top_p", json!(0.9)),
        ("n", json!(2)),
        ("seed", json!(-7)),
        ("stop", json!(["a", "b"])),
        ("frequency_penalty", json!(0.25)),
        ("presence_penalty", json!(-0.25)),
        ("logprobs", json!(true)),
        ("top_logprobs", json!(3)),
        ("logit_bias", json!({"50256": -100})),
        ("metadata", json!({"k": "v"})),
        ("service_tier", json!("flex")),
        ("prompt_cache_key", json!("p")),
        ("reasoning_effort", json!("high")),
        ("verbosity", json!("low")),
        ("store", json!(true)),
        ("modalities", json!(["text", "audio"])),
        ("prediction", json!({"type": "content", "content": "x"})),
    ] {
        body[name] = value;
    }
    let mut expected = body.clone();
    expected["model"] = json!("target");
    for (profile, cap, user) in [
        (
            Profile::OpenAi,
            "max_completion_tokens",
            "safety_identifier",
        ),
        (Profile::Azure, "max_completion_tokens", "user"),
        (Profile::Standard, "max_tokens", "user"),
    ] {
        let mut body = body.clone();
        body["max_tokens"] = json!(9);
        body["user"] = json!("u");
        let mut expected = expected.clone();
        expected[cap] = json!(9);
        expected[user] = json!("u");
        if profile == Profile::Standard {
            // Many servers take a result as one text alone.
            expected["messages"][4]["content"] = json!("2\n3");
        }
        assert_eq!(cross(&body, profile), (expected, vec![]), "{profile:?}");
    }
}

#[test]
fn the_options_fields_win_and_stand_once() {
    let mut options = options(Profile::OpenAi);
    options.stream = true;
    options.include_usage = true;
    options.set = vec![
        ("temperature".to_owned(), "0".to_owned()),
        ("extra".to_owned(), "[1]".to_owned()),
    ];
    let (body, _) = try_cross(&with(json!({"temperature": 1})), &options).unwrap();
    assert_eq!(body["temperature"], json!(0));
    assert_eq!(body["extra"], json!([1]));
    assert_eq!(body["stream"], json!(true));
    assert_eq!(body["stream_options"], json!({"include_usage": true}));
    options.profile = Profile::Mistral;
    let (body, _) = try_cross(&user(json!("Hi")), &options).unwrap();
    assert_eq!(body.get("stream_options"), None);
}

#[test]
fn each_target_gets_its_own_names_and_hears_of_what_it_lacks() {
    let body = with(json!({
        "max_completion_tokens": 5, "max_tokens": 6, "seed": 3, "top_k": 40, "min_p": 0.1,
        "repetition_penalty": 1.1, "user": "u", "metadata": {"a": "b"}, "tools": tools(),
        "tool_choice": "required", "logit_bias": {"1": 1}, "prompt_cache_key": "k", "unknown": 1,
    }));
    let (openai, lost) = cross(&body, Profile::OpenAi);
    assert_eq!(openai["max_completion_tokens"], json!(5));
    assert_eq!(openai["seed"], json!(3));
    assert_eq!(openai["tool_choice"], json!("required"));
    assert_eq!(lost, ["top_k", "min_p", "repetition_penalty", "unknown"]);

    let (mistral, lost) = cross(&body, Profile::Mistral);
    assert_eq!(mistral["max_tokens"], json!(5));
    assert_eq!(mistral["random_seed"], json!(3));
    assert_eq!(mistral["tool_choice"], json!("any"));
    assert_eq!(mistral["top_k"], json!(40));
    assert_eq!(mistral["metadata"], json!({"a": "b"}));
    assert_eq!(mistral["prompt_cache_key"], json!("k"));
    assert_eq!(lost, ["min_p", "logit_bias", "(user)", "unknown"]);

    let (engine, lost) = cross(&body, Profile::Engine);
    assert_eq!(engine["max_tokens"], json!(5));
    assert_eq!(engine["top_k"], json!(40));
    assert_eq!(engine["min_p"], json!(0.1));
    assert_eq!(engine["repetition_penalty"], json!(1.1));
    assert_eq!(lost, ["(prompt_cache_key)", "(metadata)", "unknown"]);
}

#[test]
fn developers_are_system_where_the_word_is_unknown() {
    let body =
        asked(json!([{"role": "developer", "content": "D"}, {"role": "user", "content": "U"}]));
    for profile in PROFILES {
        let expected = match profile {
            Profile::OpenAi | Profile::Azure => "developer",
            _ => "system",
        };
        assert_eq!(cross(&body, profile).0["messages"][0]["role"], expected);
    }
}

#[test]
fn reasoning_is_asked_for_in_each_targets_words() {
    let ask = |fields: Value, profile| {
        let (body, lost) = cross(&with(fields), profile);
        assert_eq!(lost, [""; 0]);
        let take = |name: &str| body.get(name).cloned().unwrap_or(Value::Null);
        json!([
            take("reasoning_effort"),
            take("thinking_token_budget"),
            take("chat_template_kwargs")
        ])
    };
    let on = json!({"enable_thinking": true});
    let off = json!({"enable_thinking": false});
    for (fields, openai, engine) in [
        (
            json!({"reasoning_effort": "low"}),
            json!(["low", null, null]),
            json!(["low", null, on]),
        ),
        (
            json!({"reasoning_effort": "none"}),
            json!(["none", null, null]),
            json!([null, null, off]),
        ),
        (
            json!({"reasoning": {"max_tokens": 9000}}),
            json!(["high", null, null]),
            json!([null, 9000, on]),
        ),
        (
            json!({"chat_template_kwargs": {"enable_thinking": true}}),
            json!([null, null, null]),
            json!([null, null, on]),
        ),
        (
            json!({"chat_template_kwargs": {"thinking": false}}),
            json!(["none", null, null]),
            json!([null, null, off]),
        ),
        (
            json!({}),
            json!([null, null, null]),
            json!([null, null, null]),
        ),
    ] {
        assert_eq!(ask(fields.clone(), Profile::OpenAi), openai, "{fields}");
        assert_eq!(ask(fields.clone(), Profile::Engine), engine, "{fields}");
    }
    let kwargs = json!({"chat_template_kwargs": {"a": 1, "enable_thinking": false}});
    let merged = json!({"a": 1, "enable_thinking": false});
    assert_eq!(ask(kwargs, Profile::Engine)[2], merged);
}

#[test]
fn earlier_reasoning_goes_where_it_is_taken_back() {
    let body = asked(json!([
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": "A", "reasoning_content": "R",
            "thinking_blocks": [{"type": "thinking", "thinking": "R", "signature": "S"},
                {"type": "redacted_thinking", "data": "D"}]},
        {"role": "user", "content": "V"},
    ]));
    let (mut standard, lost) = cross(&body, Profile::Standard);
    // Under both names: servers read the one or the other.
    let told = standard["messages"][1].as_object_mut().unwrap();
    assert_eq!(told.remove("reasoning"), Some(json!("R")));
    assert_eq!(standard["messages"], body["messages"]);
    assert_eq!(lost, [""; 0]);

    let (engine, lost) = cross(&body, Profile::Engine);
    assert_eq!(
        engine["messages"][1],
        json!({"role": "assistant", "content": "A", "reasoning_content": "R", "reasoning": "R"})
    );
    assert_eq!(
        lost,
        [
            "(messages[1].reasoning.signature)",
            "(messages[1].reasoning.redacted)"
        ]
    );

    let (mistral, _) = cross(&body, Profile::Mistral);
    let parts = json!([
        {"type": "thinking", "thinking": [{"type": "text", "text": "R"}], "signature": "S"},
        {"type": "text", "text": "A"},
    ]);
    assert_eq!(mistral["messages"][1]["content"], parts);
    let again = cross(&mistral, Profile::Engine).0;
    assert_eq!(again["messages"], engine["messages"]);

    let (openai, lost) = cross(&body, Profile::OpenAi);
    assert_eq!(
        openai["messages"][1],
        json!({"role": "assistant", "content": "A"})
    );
    assert_eq!(lost[0], "messages[1].reasoning");
}

#[test]
fn reasoning_is_read_under_every_name() {
    for (fields, expected) in [
        (json!({"reasoning": "R"}), json!([["R", null]])),
        (json!({"reasoning_content": "R"}), json!([["R", null]])),
        (
            json!({"reasoning_details": [{"type": "reasoning.text", "text": "R", "signature": "S"}]}),
            json!([["R", "S"]]),
        ),
        // A stream's pieces, gathered: the signature came without the text.
        (
            json!({"reasoning_content": "R", "thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "S"}]}),
            json!([["R", "S"]]),
        ),
    ] {
        let mut message = json!({"role": "assistant", "content": "A"});
        message
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let (body, _) = cross(
            &asked(json!([{"role": "user", "content": "U"}, message])),
            Profile::Mistral,
        );
        let parts = body["messages"][1]["content"].as_array().unwrap();
        let found: Vec<_> = parts[..parts.len() - 1]
            .iter()
            .map(|part| json!([part["thinking"][0]["text"], part.get("signature")]))
            .collect();
        assert_eq!(json!(found), expected, "{fields}");
    }
}

#[test]
fn mistral_gets_ids_that_agree_and_a_marked_beginning() {
    let body = asked(json!([
        {"role": "user", "name": "ann", "content": "U"},
        {"role": "assistant", "content": null, "tool_calls": [call("call_abc-123", "f"), call("abcDEF123", "g")]},
        {"role": "tool", "tool_call_id": "abcDEF123", "content": "2"},
        {"role": "tool", "tool_call_id": "call_abc-123", "content": "1"},
        {"role": "assistant", "content": "So"},
    ]));
    let (out, lost) = cross(&body, Profile::Mistral);
    let messages = &out["messages"];
    let first = messages[1]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(first.len() == 9 && first.bytes().all(|b| b.is_ascii_alphanumeric()));
    assert_eq!(messages[1]["tool_calls"][1]["id"], "abcDEF123");
    assert_eq!(messages[2]["tool_call_id"], "abcDEF123");
    assert_eq!(messages[3]["tool_call_id"], first);
    assert_eq!(
        messages[4],
        json!({"role": "assistant", "content": "So", "prefix": true})
    );
    assert_eq!(lost, ["messages[0].name"]);
    assert_eq!(cross(&out, Profile::Mistral).0, {
        let mut same = out.clone();
        same["model"] = json!("target");
        same
    });
}

#[test]
fn the_older_functions_are_tools() {
    let body = json!({"model": "m",
    "functions": [{"name": "f", "parameters": {"type": "object"}}],
    "function_call": {"name": "f"},
    "messages": [
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": ""}},
        {"role": "function", "name": "f", "content": "1"},
    ]});
    let (out, lost) = cross(&body, Profile::OpenAi);
    assert_eq!(lost, [""; 0]);
    assert_eq!(
        out["tools"],
        json!([{"type": "function", "function": body["functions"][0]}])
    );
    assert_eq!(
        out["tool_choice"],
        json!({"type": "function", "function": {"name": "f"}})
    );
    let id = &out["messages"][1]["tool_calls"][0]["id"];
    assert_eq!(
        out["messages"][2],
        json!({"role": "tool", "tool_call_id": id, "content": "1"})
    );
    assert_eq!(
        out["messages"][1]["tool_calls"][0]["function"]["arguments"],
        "{}"
    );
}

#[test]
fn a_selection_of_tools_is_named_or_the_others_are_left_out() {
    let choice = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required",
        "tools": [{"type": "function", "function": {"name": "g"}}]}});
    let body = with(json!({"tools": tools(), "tool_choice": choice}));
    let (openai, _) = cross(&body, Profile::OpenAi);
    assert_eq!(openai["tool_choice"], choice);
    assert_eq!(openai["tools"], tools());
    let (engine, lost) = cross(&body, Profile::Engine);
    assert_eq!(engine["tool_choice"], "required");
    assert_eq!(engine["tools"], json!([tools()[1]]));
    assert_eq!(lost, [""; 0]);
}

#[test]
fn custom_tools_are_functions_everywhere_but_at_openai() {
    let custom = json!({"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}});
    let called =
        json!({"id": "x", "type": "custom", "custom": {"name": "c", "input": "free text"}});
    let body = json!({"model": "m", "tools": [custom], "tool_choice": {"type": "custom", "custom": {"name": "c"}},
        "messages": [{"role": "user", "content": "U"},
            {"role": "assistant", "content": null, "tool_calls": [called]},
            {"role": "tool", "tool_call_id": "x", "content": "ok"}]});
    let (openai, lost) = cross(&body, Profile::OpenAi);
    assert_eq!(lost, [""; 0]);
    assert_eq!(
        (&openai["tools"], &openai["messages"]),
        (&body["tools"], &body["messages"])
    );
    assert_eq!(openai["tool_choice"], body["tool_choice"]);
    // Everywhere else a function with one string stands for it.
    let (engine, lost) = cross(&body, Profile::Engine);
    assert_eq!(lost, [""; 0]);
    assert_eq!(engine["tools"][0]["function"]["name"], "c");
    assert_eq!(
        engine["messages"][1]["tool_calls"][0]["function"]["arguments"],
        r#"{"input":"free text"}"#
    );
}

#[test]
fn engines_schemas_are_the_answers_form() {
    let schema = json!({"type": "object", "properties": {}});
    for fields in [
        json!({"guided_json": schema}),
        json!({"guided_json": schema.to_string()}),
        json!({"structured_outputs": {"json": schema}}),
    ] {
        let (body, lost) = cross(&with(fields), Profile::OpenAi);
        assert_eq!(lost, [""; 0]);
        assert_eq!(body["response_format"]["json_schema"]["schema"], schema);
    }
    let (body, lost) = cross(
        &with(json!({"structured_outputs": {"regex": "a+"}})),
        Profile::Engine,
    );
    assert_eq!(body["structured_outputs"], json!({"regex": "a+"}));
    assert_eq!(lost, [""; 0]);
    let (_, lost) = cross(
        &with(json!({"structured_outputs": {"regex": "a+"}})),
        Profile::OpenAi,
    );
    assert_eq!(lost, ["structured_outputs"]);
}

#[test]
fn media_take_each_targets_form() {
    let body = user(json!([
        {"type": "video_url", "video_url": {"url": "https://x/v.mp4"}},
        {"type": "audio_url", "audio_url": {"url": "https://x/a.wav"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "f1"}},
    ]));
    let content = |profile| {
        let (body, lost) = cross(&body, profile);
        (body["messages"][0]["content"].clone(), lost.join(" "))
    };
    let parts = &body["messages"][0]["content"];
    let (openai, lost) = content(Profile::OpenAi);
    assert_eq!(openai, json!([parts[2], parts[3], parts[4]]));
    assert_eq!(lost, "messages[0].content[0] messages[0].content[1]");
    let (engine, lost) = content(Profile::Engine);
    assert_eq!(engine, json!([parts[0], parts[1], parts[2]]));
    assert_eq!(lost, "messages[0].content[3] messages[0].content[4]");
    let (mistral, lost) = content(Profile::Mistral);
    let expected = json!([
        {"type": "input_audio", "input_audio": "https://x/a.wav"},
        {"type": "input_audio", "input_audio": "AAAA"},
        {"type": "document_url", "document_url": "data:application/pdf;base64,AAAA", "document_name": "a.pdf"},
        {"type": "file", "file_id": "f1"},
    ]);
    assert_eq!(mistral, expected);
    assert_eq!(lost, "messages[0].content[0]");
}

#[test]
fn cache_markers_are_harmless_losses_or_openais_own() {
    let part = |marker: &str, value: Value| {
        let mut part = json!({"type": "text", "text": "long"});
        part[marker] = value;
        user(json!([part]))
    };
    let anthropic = part("cache_control", json!({"type": "ephemeral", "ttl": "1h"}));
    let (body, lost) = cross(&anthropic, Profile::OpenAi);
    assert_eq!(body["messages"][0]["content"], "long");
    assert_eq!(lost, ["(messages[0].content[0].cache_control)"]);
    let own = part(
        "prompt_cache_breakpoint",
        json!({"mode": "explicit", "ttl": "30m"}),
    );
    let (body, lost) = cross(&own, Profile::OpenAi);
    assert_eq!((&body["messages"], lost.len()), (&own["messages"], 0));
    let mut tools = with(json!({"tools": tools()}));
    tools["tools"][0]["cache_control"] = json!({"type": "ephemeral"});
    assert_eq!(
        cross(&tools, Profile::Engine).1,
        ["(tools[0].cache_control)"]
    );
}

#[test]
fn what_is_said_twice_is_written_once() {
    for profile in PROFILES {
        cross(
            &with(json!({
                "user": "a", "safety_identifier": "b", "reasoning_effort": "low",
                "response_format": {"type": "grammar"}, "guided_json": {"type": "object"},
                "chat_template_kwargs": {"enable_thinking": "yes"},
            })),
            profile,
        );
    }
}

#[test]
fn what_says_nothing_is_not_lost() {
    let body = with(
        json!({"store": false, "modalities": ["text"], "stream_options": {"include_usage": true},
        "service_tier": "auto", "stop": null, "top_k": -1, "verbosity": "medium"}),
    );
    let mut echoed = body.clone();
    echoed["messages"] = json!([{"role": "user", "content": "U"},
        {"role": "assistant", "content": "A", "refusal": null, "annotations": [], "tool_calls": []}]);
    for profile in PROFILES {
        for body in [&body, &echoed] {
            assert_eq!(cross(body, profile).1, [""; 0], "{profile:?}");
        }
    }
}

#[test]
fn bad_requests_name_the_field() {
    let part = |part: Value| user(json!([part]));
    for (body, param) in [
        (asked(json!([])), "messages"),
        (
            asked(json!([{"role": "ipython", "content": "x"}])),
            "messages[0].role",
        ),
        (
            asked(json!([{"role": "tool", "content": "x"}])),
            "messages[0].tool_call_id",
        ),
        (
            part(json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,A?=="}})),
            "messages[0].content[0].image_url",
        ),
        (
            part(json!({"type": "image_url", "image_url": {"url": "data:image/png,AAAA"}})),
            "messages[0].content[0].image_url",
        ),
        (
            part(json!({"type": "image_url"})),
            "messages[0].content[0].image_url",
        ),
        (
            part(json!({"type": "input_audio", "input_audio": {"data": "AAA", "format": "wav"}})),
            "messages[0].content[0].input_audio.data",
        ),
        (
            part(json!({"type": "file", "file": {"file_data": "x,y"}})),
            "messages[0].content[0].file.file_data",
        ),
        (
            with(json!({"tools": [{"type": "function", "function": {}}]})),
            "tools[0].function.name",
        ),
        (
            with(
                json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}]}),
            ),
            "tools[0].function.parameters",
        ),
        (with(json!({"tool_choice": "maybe"})), "tool_choice"),
        (
            with(json!({"tool_choice": {"type": "function", "function": {}}})),
            "tool_choice.function.name",
        ),
        (
            with(json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}})),
            "response_format.json_schema.schema",
        ),
        (
            with(json!({"reasoning_effort": "enormous"})),
            "reasoning_effort",
        ),
        (with(json!({"stop": [1]})), "stop[0]"),
        (with(json!({"guided_json": "{"})), "guided_json"),
    ] {
        let error = try_cross(&body, &options(Profile::OpenAi)).unwrap_err();
        let TranslateError::Request(error) = &error else {
            panic!("{param}: {error}");
        };
        assert_eq!(error.param(), Some(param), "{error}");
        assert!(!matches!(error, RequestError::Json(_)));
    }
}

#[test]
fn what_no_target_could_take_is_refused() {
    let body = asked(
        json!([{"role": "user", "content": "U"}, {"role": "tool", "tool_call_id": "nobody", "content": "x"}]),
    );
    let error = try_cross(&body, &options(Profile::OpenAi)).unwrap_err();
    let TranslateError::Inexpressible(error) = error else {
        panic!("{error}");
    };
    assert_eq!(error.param, "messages[1]");
    assert!(!error.to_string().contains("nobody"));
}

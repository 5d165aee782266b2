//! Configurations that can't be: the terminal says what, where and how to put it right.

use forebay_tests::{Config, Engine, Forebay, Key};

/// Starts with this text and expects a refusal that says all these words.
async fn refused(config: impl Into<Config>, words: &[&str]) {
    let config = config.into();
    let text = config.to_text();
    let refusal = Forebay::refuses(config).await;
    assert_eq!(refusal.code, Some(1), "{text}\n{}", refusal.said);
    for word in words {
        assert!(
            refusal.said.contains(word),
            "\"{word}\" is missing for\n{text}\n{}",
            refusal.said
        );
    }
    assert!(
        !refusal.said.contains("panicked") && !refusal.said.contains("RUST_BACKTRACE"),
        "{}",
        refusal.said
    );
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_line() {
    let line = |text: &str| Config::verbatim(text.to_owned());
    refused(
        line("[server]\nlisten = \"127.0.0.1:0\"\n\n[limts]\nbody = 1\n"),
        &[
            "unknown key `limts`",
            "forebay.toml:4:2",
            "did you mean `limits`?",
        ],
    )
    .await;
    refused(
        line("[limits]\nbodys = \"8 MiB\"\n"),
        &["unknown key `bodys`", "forebay.toml:2:1", "`body`"],
    )
    .await;
    refused(
        line("[limits]\nrequests = \"many\"\n"),
        &["forebay.toml:2:", "many"],
    )
    .await;
    refused(
        line("[limits]\nbody = \"8 mb\"\n"),
        &["forebay.toml:2:", "8 MiB"],
    )
    .await;
    refused(
        line("[timeouts]\nidle = \"soon\"\n"),
        &["forebay.toml:2:", "soon", "30s"],
    )
    .await;
    refused(
        line("[timeouts]\nidle = \"0s\"\n"),
        &["forebay.toml:2:", "timeouts.idle", "more than zero"],
    )
    .await;
    refused(
        line("[server]\nlisten = \"nowhere\"\n"),
        &["forebay.toml:2:", "127.0.0.1:8080"],
    )
    .await;
    refused(line("[server\n"), &["forebay.toml:1:"]).await;
    refused(
        line("[[upstreams]]\nname = \"a\"\nurls = [\"ftp://x\"]\n"),
        &["forebay.toml:3:", "http://"],
    )
    .await;
    refused(
        line("[[upstreams]]\nname = \"a\"\nurls = []\n"),
        &["forebay.toml:3:", "has no URL"],
    )
    .await;
    refused(
        line("[[upstreams]]\nname = \"a\"\nurls = [\"http://x/v1\"]\n"),
        &["forebay.toml:3:", "/v1"],
    )
    .await;
    refused(line("[[upstreams]]\nname = \"a\"\nurls = [\"http://x\"]\n[[upstreams]]\nname = \"a\"\nurls = [\"http://y\"]\n"), &["forebay.toml:5:", "already exists"]).await;
    refused(line("[[upstreams]]\nurls = [\"http://x\"]\n"), &["name"]).await;
    refused(
        line("[policies]\nisolation = \"none\"\n"),
        &["forebay.toml:2:", "none"],
    )
    .await;
}

#[tokio::test]
async fn secrets_are_references_and_a_missing_one_is_named() {
    let upstream = "[[upstreams]]\nname = \"a\"\nurls = [\"http://127.0.0.1:9\"]\n";
    refused(
        format!("{upstream}key = \"env:FOREBAY_NO_SUCH_SECRET\"\n").as_str(),
        &[
            "env:FOREBAY_NO_SUCH_SECRET",
            "is missing",
            "forebay.toml:4:",
        ],
    )
    .await;
    refused(
        format!("{upstream}key = \"file:no-such-file\"\n").as_str(),
        &["file:no-such-file", "is missing"],
    )
    .await;
    let empty = Config::new(format!("{upstream}key = \"file:empty\"\n")).file("empty", "\n");
    refused(empty, &["file:empty", "empty"]).await;
    for value in ["\"sk-live-1234567890\"", "1234567890"] {
        let refusal = Forebay::refuses(Config::new(format!("{upstream}key = {value}\n"))).await;
        assert!(refusal.said.contains("env:NAME"), "{}", refusal.said);
        assert!(
            !refusal.said.contains("1234567890"),
            "a secret is not repeated: {}",
            refusal.said
        );
    }
    let short = Config::new("[secrets]\nmaster = \"env:SHORT\"\n").env("SHORT", "too-short");
    let refusal = Forebay::refuses(short).await;
    assert!(
        refusal.said.contains("16 bytes") && !refusal.said.contains("too-short"),
        "{}",
        refusal.said
    );

    refused(
        "[keys]\nfile = \"no-keys.toml\"\n",
        &["no-keys.toml", "forebay keys create"],
    )
    .await;
    refused(
        Config::new("[keys]\nfile = \"k.toml\"\n").file("k.toml", ""),
        &["k.toml", "holds no key"],
    )
    .await;
    refused(
        Config::new("[keys]\nfile = \"k.toml\"\n").file("k.toml", "[[keys]]\nid = 7\n"),
        &["k.toml", "damaged"],
    )
    .await;
}

#[tokio::test]
async fn addresses_that_are_taken_or_too_open_are_refused() {
    let engine = Engine::instant().await;
    let other = Engine::instant().await;
    let taken = engine.url().replace("http://", "");
    let began = std::time::Instant::now();
    refused(
        other.behind("").listen(&taken),
        &[&taken, "in use", "--listen"],
    )
    .await;
    println!("a taken port is told after {:?}", began.elapsed());
    let both = Config::verbatim(format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"{taken}\"\n"
    ));
    refused(both, &[&taken, "in use", "admin.listen"]).await;
    refused(
        engine.behind("").listen("203.0.113.7:0"),
        &["no keys are configured"],
    )
    .await;
    refused(
        engine.behind("").listen("0.0.0.0:0"),
        &["no keys are configured", "forebay keys create", "127.0.0.1"],
    )
    .await;
    let wide =
        Config::verbatim("[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"0.0.0.0:0\"\n");
    refused(wide, &["admin.token", "forebay.toml:4:"]).await;

    let key = Key::of("acme");
    let forebay = Forebay::start(engine.behind("").keys(&[&key]).listen("0.0.0.0:0")).await;
    let local = forebay_tests::Client::new(&format!("http://127.0.0.1:{}", forebay.addr.port()));
    local
        .get("/v1/models")
        .await
        .is_error(401, "missing_api_key");
}

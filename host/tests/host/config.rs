//! Mistakes in a configuration, and what a person reads about them.

use std::path::Path;

use forebay_host::config::{ConfigError, Overrides, Source, load, resolve};

use crate::support::Folder;

fn mistake(text: &str) -> String {
    let folder = Folder::new();
    let file = folder.write("forebay.toml", text);
    let source = Source::find(Some(&file)).unwrap();
    let result = load(&source, &Overrides::default())
        .and_then(|config| resolve(&config, &source, &[0; 32]).map(|_| ()));
    let error: ConfigError = result.expect_err("it was accepted");
    error
        .to_string()
        .replace(&file.display().to_string(), "forebay.toml")
}

#[test]
fn an_unknown_key_is_pointed_at_with_what_was_meant() {
    assert_eq!(
        mistake("[server]\nlisten = \"127.0.0.1:0\"\n\n[timeouts]\nfirst_bite = \"3s\"\n"),
        "unknown key `first_bite`\n --> forebay.toml:5:1\n  |\n5 | first_bite = \"3s\"\n  | ^^^^^^^^^^\n  = help: did you mean `first_byte`?"
    );
}

#[test]
fn an_unknown_section_is_pointed_at() {
    let error = mistake("[sever]\nlisten = \"127.0.0.1:0\"\n");
    assert!(
        error.starts_with("unknown key `sever`\n --> forebay.toml:1:2"),
        "{error}"
    );
    assert!(error.contains("did you mean `server`?"), "{error}");
}

#[test]
fn a_wrong_type_is_pointed_at() {
    let error = mistake("[limits]\n  connections = \"many\"\n");
    assert!(
        error.contains("`connections` must be a whole number"),
        "{error}"
    );
    assert!(error.contains("--> forebay.toml:2:17"), "{error}");
    assert!(
        error.contains("2 |   connections = \"many\"\n  |                 ^^^^^^"),
        "{error}"
    );
}

#[test]
fn a_bad_duration_is_pointed_at() {
    let error = mistake("[timeouts]\nidle = \"soon\"\n");
    assert!(error.contains("\"soon\" is not a duration"), "{error}");
    assert!(error.contains("--> forebay.toml:2:8"), "{error}");
}

#[test]
fn a_missing_secret_names_its_reference_and_its_line() {
    let error = mistake(
        "[[upstreams]]\nname = \"u\"\nurls = [\"http://h:1\"]\nkey = \"env:FOREBAY_TEST_NO_SUCH_SECRET\"\n",
    );
    assert!(
        error.contains("the secret env:FOREBAY_TEST_NO_SUCH_SECRET is missing"),
        "{error}"
    );
    assert!(error.contains("--> forebay.toml:4:7"), "{error}");
}

#[test]
fn a_secret_in_the_open_is_an_error_that_does_not_repeat_it() {
    for text in [
        "[[upstreams]]\nname = \"u\"\nurls = [\"http://h:1\"]\nkey = \"sk-abcdefgh\"\n",
        "[admin]\ntoken = \"sk-abcdefgh\"\n",
        "[secrets]\nmaster = \"sk-abcdefgh\"\n",
        "[admin]\ntoken = [\"sk-abcdefgh\"]\n",
    ] {
        let error = mistake(text);
        assert!(
            error.contains("write \"env:NAME\" or \"file:PATH\""),
            "{error}"
        );
        assert!(error.contains("--> forebay.toml:"), "{error}");
        assert!(!error.contains("abcdefgh"), "{error}");
    }
}

#[test]
fn a_password_in_a_url_is_an_error_that_does_not_repeat_it() {
    let error = mistake("[[upstreams]]\nname = \"u\"\nurls = [\"http://me:hush@h:1\"]\n");
    assert!(
        error.contains("names a host and no user or password"),
        "{error}"
    );
    assert!(!error.contains("hush"), "{error}");
}

#[test]
fn nobody_is_let_in_without_keys() {
    let error = mistake("[server]\nlisten = \"0.0.0.0:8080\"\n");
    assert!(
        error.contains("no keys are configured") && error.contains("--> forebay.toml:2:10"),
        "{error}"
    );
    let error = mistake("[admin]\nlisten = \"0.0.0.0:8081\"\n");
    assert!(error.contains("needs a token"), "{error}");
}

#[test]
fn all_mistakes_of_meaning_are_told_at_once() {
    let error =
        mistake("[limits]\nbody = 0\nconnections = 0\n[[upstreams]]\nname = \"\"\nurls = []\n");
    for part in [
        "limits.body",
        "limits.connections",
        "upstream name",
        "has no URL",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_mistake_shows_what_to_write() {
    for (text, said, hint) in [
        (
            "[upstreams]\nname = \"u\"\n",
            "`upstreams` is a list of tables",
            "write [[upstreams]]",
        ),
        (
            "[[upstreams]]\nname = \"u\"\nurls = \"http://h:1\"\n",
            "`urls` must be a list",
            "write urls = [\"http://h:1\"]",
        ),
        (
            "[[upstreams]]\nname = \"u\"\nurls = [\"h:1\"]\n",
            "a URL begins with http://",
            "",
        ),
        (
            "[[upstreams]]\nname = \"u\"\nprovider = \"OpenAI\"\n",
            "\"OpenAI\" is not a known provider\n",
            "did you mean \"openai\"?",
        ),
        (
            "[[upstreams]]\nname = \"u\"\nurls = [\"http://h:1\"]\nprice = { input = 0.15, output = 0.6 }\n",
            "`input` must be a whole number",
            "$0.15 is 150000",
        ),
        (
            "[[upstreams]]\nname = \"u\"\nurls = [\"http://h:1\"]\nspeaks = [\"chatt\"]\n",
            "\"chatt\" is not a known format\n",
            "did you mean \"chat\"?",
        ),
        (
            "[[upstreams]]\nname = \"u\"\nurls = [\"http://h:1\"]\npasses = [\"reranks\"]\n",
            "\"reranks\" is not a pass-through endpoint\n",
            "did you mean \"rerank\"?",
        ),
        (
            "[[upstreams]]\nname = \"u\\n\"\nurls = [\"http://h:1\"]\n",
            "control character",
            "",
        ),
        (
            "[server]\nlisten = 8080\n",
            "an address and a port",
            "IP:PORT",
        ),
        (
            "[server]\nlisten = 127.0.0.1:8080\n",
            "not valid",
            "put text in quotes",
        ),
        (
            "[server]\nlisten = \"x\n",
            "the text is not closed",
            "quotation mark",
        ),
        (
            "server:\n  listen: 1\n",
            "a key has no value",
            "write NAME = VALUE",
        ),
        (
            "[server]\n[server]\n",
            "`server` is set twice",
            "remove one",
        ),
        (
            "[log]\nlevel = \"verbose\"\n",
            "no such level",
            "error, warn, info",
        ),
        (
            "[auth.oidc]\nissuer = \"https://i\"\naudience = [\"a\"]\ntenant = \"t\"\nalgorithms = [\"HS256\"]\n",
            "symmetric",
            "RS256",
        ),
        (
            "[[raw]]\nmethod = \"GET\"\npath = \"/x\"\nupstream = \"v\"\n[[upstreams]]\nname = \"u\"\nurls = [\"http://h:1\"]\n",
            "there is no upstream \"v\"",
            "use one of u",
        ),
    ] {
        let error = mistake(text);
        assert!(error.contains(said), "{text}\n{said}\n{error}");
        assert!(error.contains(hint), "{text}\n{hint}\n{error}");
    }
}

#[test]
fn a_missing_field_says_which() {
    let error = mistake("[[upstreams]]\nurls = [\"http://127.0.0.1:1\"]\n");
    assert!(
        error.contains("the key `name` is missing") && error.contains("--> forebay.toml:1:1"),
        "{error}"
    );
}

#[test]
fn an_upstream_without_an_address_needs_a_provider_that_has_one() {
    let error = mistake("[[upstreams]]\nname = \"u\"\n");
    assert!(error.contains("has no URL"), "{error}");
    let error = mistake("[[upstreams]]\nname = \"u\"\nprovider = \"bedrock\"\n");
    assert!(error.contains("set region"), "{error}");
}

#[test]
fn a_keys_file_that_is_missing_or_empty_lets_nobody_in() {
    let error = mistake("[keys]\nfile = \"none.toml\"\n");
    assert!(
        error.contains("none.toml") && error.contains("forebay keys create"),
        "{error}"
    );
}

#[test]
fn the_file_at_the_root_is_good() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../forebay.toml");
    let source = Source::find(Some(&file)).unwrap();
    let config = load(&source, &Overrides::default()).unwrap();
    resolve(&config, &source, &[0; 32]).map(|_| ()).unwrap();
    assert_eq!(config.server.listen.port(), 8080);
    assert!(config.upstreams.is_empty());
}

/// Files as people write them, each with a mistake: its line, and what is said about it.
const MISTAKES: [(&str, usize, &[&str]); 26] = [
    (
        "[timeouts]\nconnect = 5\n",
        2,
        &["`connect`", "5", "needs a unit"],
    ),
    (
        "[limits]\nbody = \"64 MBB\"\n",
        2,
        &["\"64 MBB\" is not a size", "MiB"],
    ),
    (
        "[server]\nlisten = \"8080\"\n",
        2,
        &["`listen`", "127.0.0.1:8080"],
    ),
    (
        "[server]\nworkers = -1\n",
        2,
        &["`workers`", "not -1", "at least 0"],
    ),
    (
        "[server]\nworkers = 0\n",
        2,
        &["server.workers must be more than zero"],
    ),
    (
        "[limits]\nbody = \"1 MiB\"\nbody = \"2 MiB\"\n",
        3,
        &["`body` is set twice"],
    ),
    (
        "[log]\nformat = \"jsn\"\n",
        2,
        &["\"jsn\"", "did you mean \"json\"?"],
    ),
    (
        "[log]\nlevel = \"loud==\"\n",
        2,
        &["log.level \"loud==\"", "use error, warn"],
    ),
    (
        "[telemetry]\notlp = \"collector\"\n",
        2,
        &["\"collector\"", "http://127.0.0.1:4318"],
    ),
    (
        "[[upstreams]]\nurls = [\"http://x:1\"]\n",
        1,
        &["the key `name` is missing"],
    ),
    (
        "[[upstreams]]\nname = \"a\"\nprovider = \"opena\"\n",
        3,
        &[
            "\"opena\" is not a known provider",
            "did you mean \"openai\"?",
        ],
    ),
    (
        "[[upstreams]]\nname = \"a\"\nprovider = \"azure\"\n",
        2,
        &["has no URL", "https://NAME.openai.azure.com"],
    ),
    (
        "[[upstreams]]\nname = \"a\"\nprovider = \"bedrock\"\n",
        2,
        &["has no URL", "set region"],
    ),
    (
        "[[upstreams]]\nname = \"a\"\n",
        2,
        &["has no URL", "http://HOST:PORT"],
    ),
    (
        "[[upstreams]]\nname = \"a\"\nprovider = \"bedrock\"\nregion = \"us-east-1\"\n[upstreams.options]\napi = \"convers\"\n",
        6,
        &[
            "\"convers\" is not a value of `api`",
            "did you mean \"converse\"?",
        ],
    ),
    (
        "[[upstreams]]\nname = \"a\"\nprovider = \"bedrock\"\nregion = \"us-east-1\"\noptions = { project = \"p\" }\n",
        5,
        &["`project` is an option of vertex, not of bedrock"],
    ),
    (
        "[[upstreams]]\nname = \"a\"\nprovider = \"vertex\"\noptions = { location = \"us-east1\" }\n",
        3,
        &["Vertex needs options.project"],
    ),
    (
        "[[upstreams]]\nname = \"a\"\nprovider = \"oci\"\noptions = { compartmnt = \"c\" }\n",
        4,
        &["unknown key `compartmnt`", "did you mean `compartment`?"],
    ),
    (
        "[[upstreams]]\nname = \"a\"\nurls = [\"10.0.0.7:8000\"]\n",
        3,
        &["begins with http:// or https://"],
    ),
    (
        "[[upstreams]]\nname = \"a\"\nurls = [\"http://x:1\"]\nmodels = [\"gpt-4o\"]\n",
        4,
        &["`models` must be a table", "not a list"],
    ),
    (
        "[[upstreams]]\nname = \"a\"\nurls = [\"http://x:1\"]\n[[upstreams]]\nname = \"a\"\nurls = [\"http://y:1\"]\n",
        5,
        &["the upstream \"a\" already exists"],
    ),
    (
        "[[upstreams]]\nname = \"a\"\nurls = [\"https://x\"]\nca_file = \"no.pem\"\n",
        4,
        &["no.pem", "can't be read"],
    ),
    (
        "[[tenants]]\nname = \"\"\n",
        2,
        &["the tenant name is empty"],
    ),
    (
        "[keys]\nfile = \"none.toml\"\n",
        2,
        &["none.toml", "forebay keys create"],
    ),
    (
        "[limits]\nbody = \"900 GiB\"\n",
        2,
        &["limits.body (900 GiB)", "limits.memory (256 MiB)"],
    ),
    (
        "[catalogue]\nfiles = [\"prices.toml\"]\n",
        2,
        &["prices.toml", "can't be read"],
    ),
];

#[test]
fn every_mistake_names_its_line_its_value_and_a_way_out() {
    for (text, line, words) in MISTAKES {
        let error = mistake(text);
        let place = format!("--> forebay.toml:{line}:");
        for word in words.iter().chain(&[place.as_str()]) {
            assert!(
                error.contains(word),
                "{text}\n{word} is missing in:\n{error}"
            );
        }
    }
}

#[test]
fn a_certificate_that_is_not_there_is_shown_where_it_is_named() {
    use forebay_host::config::refused_tls;
    use forebay_host::listener::TlsKeys;
    let folder = Folder::new();
    let text = "[server.tls]\ncert = \"no.pem\"\nkey = \"no.key\"\n";
    let file = folder.write("forebay.toml", text);
    let source = Source::find(Some(&file)).unwrap();
    let config = load(&source, &Overrides::default()).unwrap();
    let error = TlsKeys::load(config.server.tls.as_ref().unwrap(), &source.base).unwrap_err();
    let error = refused_tls(&source, &error).to_string();
    assert!(
        error.contains("forebay.toml:2:")
            && error.contains("no.pem")
            && error.contains("server.tls.cert"),
        "{error}"
    );
}

#[test]
fn a_base_url_that_names_an_endpoint_is_pointed_at() {
    let folder = Folder::new();
    let text = "[[upstreams]]\nname = \"a\"\nurls = [\"http://x:1/v1/chat/completions\"]\n";
    let source = Source::find(Some(&folder.write("forebay.toml", text))).unwrap();
    let config = load(&source, &Overrides::default()).unwrap();
    let found = forebay_host::config::findings(&config, &source).join("\n");
    assert!(
        found.contains("forebay.toml:3:") && found.contains("leave out /chat/completions"),
        "{found}"
    );
}

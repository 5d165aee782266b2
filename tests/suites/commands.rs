//! The other commands: keys that a running gateway takes up, and the check of a configuration.

use std::path::Path;
use std::process::{Command, Output};

use forebay_tests::config::ADMIN_TOKEN;
use forebay_tests::forebay::binary;
use forebay_tests::prompts::chat;
use forebay_tests::{Client, Config, Engine, Forebay, eventually};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("RUST_LOG");
    command.output().expect("forebay can be run")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Makes a key and gives it: it is what stdout has.
fn create(folder: &Path, more: &[&str]) -> String {
    let mut arguments = vec!["keys", "create", "--file", "keys.toml", "--tenant", "acme"];
    arguments.extend(more);
    let output = run(folder, &arguments);
    assert!(output.status.success(), "{}", said(&output));
    let key = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    assert!(key.starts_with("fb-") && key.len() > 60, "{key}");
    key
}

#[tokio::test]
async fn keys_are_made_rotated_and_ended_while_the_gateway_serves() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    let first = create(folder.path(), &["--model", "forebay-*"]);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(!kept.contains(&first), "the key itself is not kept");

    let engine = Engine::instant().await;
    let config = Config::new(format!("[keys]\nfile = {:?}\n", file.display().to_string()));
    let forebay = Forebay::start(config.upstream("sim", &engine.url(), "")).await;
    let with = |key: &str| {
        forebay
            .client
            .with_header("authorization", &format!("Bearer {key}"))
    };
    let becomes = async |client: Client, status: u16| {
        eventually(&format!("a status of {status}"), || async {
            (client.chat(&chat("hello")).await.status == status).then_some(())
        })
        .await;
    };
    assert_eq!(with(&first).chat(&chat("hello")).await.status, 200);

    let second = create(folder.path(), &["--model", "gpt-*"]);
    becomes(with(&second), 403).await;
    let id = first.split('-').nth(1).unwrap();
    let output = run(
        folder.path(),
        &["keys", "rotate", "--file", "keys.toml", id],
    );
    assert!(output.status.success(), "{}", said(&output));
    let successor = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    becomes(with(&successor), 200).await;
    // The old one works on for a day, so that clients have time.
    assert_eq!(with(&first).chat(&chat("hello")).await.status, 200);
    let output = run(
        folder.path(),
        &["keys", "expire", "--file", "keys.toml", id],
    );
    assert!(output.status.success(), "{}", said(&output));
    becomes(with(&first), 401).await;

    let id = successor.split('-').nth(1).unwrap();
    let output = run(
        folder.path(),
        &["keys", "expire", "--file", "keys.toml", id],
    );
    assert!(output.status.success(), "{}", said(&output));
    becomes(with(&successor), 401).await;

    let listed = said(&run(
        folder.path(),
        &["keys", "list", "--file", "keys.toml"],
    ));
    assert!(
        listed.contains("acme") && listed.contains("expired") && listed.contains("gpt-*"),
        "{listed}"
    );
    for key in [&first, &second, &successor] {
        assert!(!listed.contains(key.as_str()), "{listed}");
    }
    let output = run(
        folder.path(),
        &["keys", "expire", "--file", "keys.toml", "nobody"],
    );
    assert!(
        !output.status.success() && said(&output).contains("nobody"),
        "{}",
        said(&output)
    );
}

#[tokio::test]
async fn a_configuration_is_checked_without_serving() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(folder.path().join("forebay.toml"), text).unwrap();
    write("[limits]\nbody = \"1 MiB\"\n");
    let good = run(folder.path(), &["check"]);
    assert!(good.status.success(), "{}", said(&good));
    write("[limits]\nbodies = 1\n");
    let bad = run(folder.path(), &["check"]);
    assert!(
        !bad.status.success() && said(&bad).contains("forebay.toml:2:1"),
        "{}",
        said(&bad)
    );

    let schema = run(folder.path(), &["check", "--schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).expect("JSON");
    assert_eq!(schema["additionalProperties"], false);
    for section in [
        "server",
        "limits",
        "timeouts",
        "upstreams",
        "policies",
        "keys",
    ] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
    let nothing = run(folder.path(), &["serve", "--config", "nowhere.toml"]);
    assert!(
        !nothing.status.success() && said(&nothing).contains("nowhere.toml"),
        "{}",
        said(&nothing)
    );
}

#[tokio::test]
async fn an_operator_sees_upstreams_and_purges_the_cache_at_the_command_line() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(Config::default().upstream("sim", &engine.url(), "")).await;
    assert_eq!(forebay.client.chat(&chat("hello")).await.status, 200);
    forebay.stored().await;
    let folder = forebay.folder().to_owned();
    let admin = forebay.admin.to_string();
    let ask = async |words: &[&str]| {
        let mut command = tokio::process::Command::new(binary());
        command
            .args(words)
            .args(["--admin", &admin, "--output", "json"])
            .current_dir(&folder)
            .env_remove("RUST_LOG")
            .env("FOREBAY_TEST_ADMIN_TOKEN", ADMIN_TOKEN);
        let output = command.output().await.expect("forebay can be run");
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON")
    };
    assert_eq!(ask(&["upstreams"]).await[0]["name"], "sim");
    assert_eq!(ask(&["cache"]).await["total_entries"], 1);
    assert_eq!(ask(&["purge", "--tenant", "nobody"]).await["purged"], 0);
    assert_eq!(ask(&["purge", "--all"]).await["purged"], 1);
    assert_eq!(ask(&["reload"]).await["reloaded"], true);
}

/// Commands that ask a running gateway.
const ASKING: [&[&str]; 7] = [
    &["upstreams"],
    &["cache"],
    &["purge", "--all"],
    &["why"],
    &["why", "req-1"],
    &["top", "--once"],
    &["reload"],
];

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_named_with_what_to_do() {
    let engine = Engine::instant().await;
    let forebay = Forebay::start(Config::default().upstream("sim", &engine.url(), "")).await;
    let folder = tempfile::tempdir().unwrap();
    let refused = async |admin: &str, token: &str, words: &[&str], message: &str| {
        let mut command = tokio::process::Command::new(binary());
        command
            .args(words)
            .args(["--admin", admin])
            .current_dir(folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("FOREBAY_ADMIN_TOKEN", token);
        let output = command.output().await.expect("forebay can be run");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert!(said.contains(message), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}: {said}");
    };
    for words in ASKING {
        let nobody = "no gateway of this user is running at 127.0.0.1:1";
        refused("127.0.0.1:1", "", words, nobody).await;
        let silent = "no gateway answers at 127.0.0.1:1";
        refused("127.0.0.1:1", "a-token", words, silent).await;
        let admin = forebay.admin.to_string();
        refused(&admin, "wrong", words, "refuses the admin token").await;
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let piped = |line: &str| {
        let mut shell = Command::new("bash");
        shell
            .args(["-c", &format!("set -o pipefail; {line}")])
            .current_dir(folder.path())
            .env("FOREBAY", binary());
        shell.output().expect("bash can be run")
    };
    // More than a pipe holds, for a reader that has gone.
    let output = piped("\"$FOREBAY\" catalogue list --output json | true");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        said(&output)
    );
    let output = piped("\"$FOREBAY\" check --config nowhere.toml 2> >(true)");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

#[tokio::test]
async fn a_first_configuration_is_written_checked_and_examined() {
    let engine = Engine::instant().await;
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["init", "--vllm", &engine.url()]);
    assert!(output.status.success(), "{}", said(&output));
    let again = run(folder.path(), &["init", "--openai"]);
    assert!(
        !again.status.success() && said(&again).contains("--force"),
        "{}",
        said(&again)
    );
    let checked = run(folder.path(), &["check"]);
    assert!(checked.status.success(), "{}", said(&checked));
    assert!(!said(&checked).contains("warning"), "{}", said(&checked));
    let examined = run(folder.path(), &["doctor"]);
    assert!(
        said(&examined).contains("upstream vllm: ")
            && said(&examined).contains("accepts connections"),
        "{}",
        said(&examined)
    );
    let nobody = run(
        folder.path(),
        &["init", "--force", "--engine", "http://127.0.0.1:1"],
    );
    assert!(nobody.status.success(), "{}", said(&nobody));
    let examined = run(folder.path(), &["doctor", "--output", "json"]);
    assert!(!examined.status.success());
    let findings: serde_json::Value = serde_json::from_slice(&examined.stdout).expect("JSON");
    assert!(findings["wrong"].as_u64() >= Some(1), "{findings}");
}

#[tokio::test]
async fn what_was_probably_not_meant_is_pointed_at() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        std::fs::write(folder.path().join("forebay.toml"), text).unwrap();
        run(folder.path(), &["check"])
    };
    let twice =
        check("[server]\nlisten = \"127.0.0.1:9000\"\n[admin]\nlisten = \"127.0.0.1:9000\"\n");
    assert!(
        !twice.status.success() && said(&twice).contains("forebay.toml:4:"),
        "{}",
        said(&twice)
    );
    let itself = check("[[upstreams]]\nname = \"a\"\nurls = [\"http://localhost:8080\"]\n");
    assert!(
        !itself.status.success() && said(&itself).contains("this gateway itself"),
        "{}",
        said(&itself)
    );
    let missing =
        check("[[upstreams]]\nname = \"a\"\nurls = [\"https://x\"]\nca_file = \"no-such.pem\"\n");
    assert!(
        !missing.status.success() && said(&missing).contains("no-such.pem"),
        "{}",
        said(&missing)
    );
    let region =
        check("[[upstreams]]\nname = \"b\"\nprovider = \"openai\"\nregion = \"atlantis\"\n");
    assert!(
        region.status.success()
            && said(&region).contains("atlantis")
            && said(&region).contains("has no key"),
        "{}",
        said(&region)
    );
}

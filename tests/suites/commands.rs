//! The other commands: keys that a running gateway takes up, and the check of a configuration.

use std::path::Path;
use std::process::{Command, Output};

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

//! The program as a person at a terminal uses it.

use std::process::{Command, Output};

use crate::support::Folder;
use forebay_gateway::identity::KeyRing;
use forebay_host::keys::KeyFile;

fn forebay(folder: &Folder, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(args)
        .current_dir(folder.path())
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn ring(folder: &Folder) -> KeyRing {
    let keys = KeyFile::read(&folder.path().join("keys.toml")).unwrap();
    KeyRing::new(
        keys.records
            .iter()
            .map(forebay_host::keys::StoredKey::to_record)
            .collect(),
        &[],
        b"master",
    )
}

#[test]
fn keys_are_made_used_rotated_and_ended() {
    let folder = Folder::new();
    let now = std::time::SystemTime::now;
    let first = out(&forebay(
        &folder,
        &[
            "keys",
            "create",
            "--tenant",
            "a",
            "--model",
            "gpt-*",
            "--requests-per-minute",
            "60",
        ],
    ));
    assert!(first.starts_with("fb-"), "{first}");
    let text = std::fs::read_to_string(folder.path().join("keys.toml")).unwrap();
    assert!(
        !text.contains(&first) && !text.contains(first.rsplit('-').next().unwrap()),
        "the secret is not kept"
    );

    let identity = ring(&folder).identify(Some(&first), now()).unwrap();
    assert_eq!(
        (&*identity.key.tenant, identity.key.requests_per_minute),
        ("a", Some(60))
    );
    assert!(identity.may_use("gpt-4o") && !identity.may_use("llama"));
    let flipped = format!(
        "{}{}",
        &first[..first.len() - 1],
        if first.ends_with('0') { '1' } else { '0' }
    );
    for wrong in [&flipped, &first[..first.len() - 1], "fb-x-y", ""] {
        assert!(
            ring(&folder).identify(Some(wrong), now()).is_err(),
            "{wrong}"
        );
    }

    let id = first.split('-').nth(1).unwrap();
    let second = out(&forebay(
        &folder,
        &["keys", "rotate", "--overlap", "0s", id],
    ));
    assert!(ring(&folder).identify(Some(&first), now()).is_err());
    assert_eq!(
        ring(&folder)
            .identify(Some(&second), now())
            .unwrap()
            .key
            .requests_per_minute,
        Some(60)
    );

    // A second successor would live only as long as the overlap.
    let again = forebay(&folder, &["keys", "rotate", id]);
    let said = String::from_utf8_lossy(&again.stderr);
    let new = second.split('-').nth(1).unwrap();
    assert!(
        !again.status.success() && said.contains(&format!("already been replaced by `{new}`")),
        "{said}"
    );
    // An expired key stays expired, and the command says so.
    let expired = out(&forebay(&folder, &["keys", "expire", id, "--in", "1h"]));
    assert_eq!(expired, format!("the key {id} has expired"));

    let listed = out(&forebay(&folder, &["keys", "list"]));
    assert!(
        listed.contains(id) && listed.contains("expired") && !listed.contains(&second),
        "{listed}"
    );

    out(&forebay(
        &folder,
        &[
            "keys",
            "expire",
            second.split('-').nth(1).unwrap(),
            "--in",
            "1h",
        ],
    ));
    assert!(ring(&folder).identify(Some(&second), now()).is_ok());
    assert!(
        ring(&folder)
            .identify(Some(&second), now() + std::time::Duration::from_secs(3601))
            .is_err()
    );

    let unknown = forebay(&folder, &["keys", "expire", "nobody"]);
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no key `nobody`"));
}

#[cfg(unix)]
#[test]
fn the_keys_file_is_private_and_stays_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    out(&forebay(&folder, &["keys", "create", "--tenant", "a"]));
    let file = folder.path().join("keys.toml");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = forebay(&folder, &["keys", "list"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("can be read by others"));
}

#[test]
fn keys_made_at_the_same_time_are_all_kept() {
    let folder = Folder::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| out(&forebay(&folder, &["keys", "create", "--tenant", "a"])));
        }
    });
    assert_eq!(
        KeyFile::read(&folder.path().join("keys.toml"))
            .unwrap()
            .records
            .len(),
        8
    );
}

#[test]
fn a_key_that_could_never_be_used_is_not_made() {
    let folder = Folder::new();
    for (flags, said) in [
        (["--requests-per-minute", "0"], "1.."),
        (["--tokens-per-minute", "0"], "1.."),
        (["--expires-in", "0s"], "--expires-in is 0"),
        (["--model", ""], "--model is empty"),
    ] {
        let args = [&["keys", "create", "--tenant", "a"][..], &flags].concat();
        let refused = forebay(&folder, &args);
        let error = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && error.contains(said), "{error}");
    }
    assert!(!folder.path().join("keys.toml").exists());
}

#[test]
fn the_schema_names_every_section() {
    let folder = Folder::new();
    let schema: serde_json::Value =
        serde_json::from_str(&out(&forebay(&folder, &["check", "--schema"]))).unwrap();
    for section in [
        "server",
        "admin",
        "limits",
        "timeouts",
        "upstreams",
        "keys",
        "cache",
        "policies",
        "log",
        "telemetry",
        "secrets",
    ] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn a_mistake_ends_the_program_with_its_place() {
    let folder = Folder::new();
    folder.write("forebay.toml", "[server]\nlistn = 1\n");
    for command in ["check", "serve"] {
        let output = forebay(&folder, &[command]);
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            text.contains("--> forebay.toml:2:1") && text.contains("did you mean `listen`?"),
            "{text}"
        );
    }
}

#[test]
fn a_component_that_is_not_there_is_named() {
    let folder = Folder::new();
    folder.write("forebay.toml", "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[policies.guardrails]\ncomponent = \"mine.wasm\"\n[policies.prefix_cache]\ncomponent = \"p.wasm\"\n[policies.cloud_selector]\ncomponent = \"c.wasm\"\n");
    let output = forebay(&folder, &["serve"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && text.contains("the prefix-cache component"),
        "{text}"
    );
}

/// What the environment of a running gateway says of the allocator.
#[cfg(target_os = "linux")]
fn allocator_options(folder: &Folder, set: &[(&str, &str)]) -> Vec<String> {
    use std::io::{BufRead as _, BufReader};
    let mut serving = Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(["serve", "--no-policies", "--listen", "127.0.0.1:0"])
        .args(["--admin", "127.0.0.1:0"])
        .current_dir(folder.path())
        .env_remove("MIMALLOC_ARENA_EAGER_COMMIT")
        .env_remove("MIMALLOC_PURGE_DELAY")
        .envs(set.iter().copied())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let out = serving.stdout.take().unwrap();
    let line = BufReader::new(out).lines().next().unwrap().unwrap();
    assert!(line.contains("listening on"), "{line}");
    let environment = std::fs::read(format!("/proc/{}/environ", serving.id())).unwrap();
    serving.kill().unwrap();
    serving.wait().unwrap();
    let mut options: Vec<String> = String::from_utf8_lossy(&environment)
        .split('\0')
        .filter(|variable| variable.starts_with("MIMALLOC_"))
        .map(str::to_owned)
        .collect();
    options.sort();
    options
}

#[cfg(target_os = "linux")]
#[test]
fn a_gateway_gives_memory_back_unless_its_operator_says_otherwise() {
    let folder = Folder::new();
    let all = ["MIMALLOC_ARENA_EAGER_COMMIT=0", "MIMALLOC_PURGE_DELAY=0"];
    assert_eq!(allocator_options(&folder, &[]), all);
    let own = allocator_options(&folder, &[("MIMALLOC_PURGE_DELAY", "500")]);
    assert_eq!(own, [all[0], "MIMALLOC_PURGE_DELAY=500"]);
}

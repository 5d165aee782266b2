//! Class: what is written to disk. A release holds no secret, and a damaged file is as good as none.

use std::os::unix::fs::PermissionsExt as _;

use forebay_tests::prompts::chat;
use forebay_tests::{Config, Engine, Forebay, Scripted, binary};

/// Runs `forebay bake` over this configuration.
async fn bake(text: &str) -> (tempfile::TempDir, std::process::Output) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("forebay.toml");
    std::fs::write(&file, text).unwrap();
    let output = tokio::process::Command::new(binary())
        .args(["bake", "--open", "--config"])
        .arg(&file)
        .arg("--out")
        .arg(folder.path().join("out"))
        .env("CLOUD_KEY", "sk-live-from-the-environment")
        .output()
        .await
        .unwrap();
    (folder, output)
}

/// Whether any file under a folder holds this text.
fn holds(folder: &std::path::Path, text: &str) -> bool {
    let Ok(files) = std::fs::read_dir(folder) else {
        return false;
    };
    files.map(|file| file.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(text.len()).any(|w| w == text.as_bytes())
    })
}

#[tokio::test]
async fn a_release_holds_no_secret() {
    let upstream = |headers: &str| {
        format!(
            "[[upstreams]]\nname = \"cloud\"\nurls = [\"https://cloud.example\"]\nkey = \"env:CLOUD_KEY\"\nheaders = {{ {headers} }}\n"
        )
    };
    let (folder, output) = bake(&upstream("x-team-token = \"sk-live-in-a-header\"")).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("env:NAME"), "{said}");
    assert!(!said.contains("sk-live"), "it is not repeated: {said}");
    assert!(!holds(&folder.path().join("out"), "sk-live"));

    let (folder, output) = bake(&upstream("x-team-token = \"env:CLOUD_KEY\"")).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(!holds(&folder.path().join("out"), "sk-live"));
    assert!(holds(&folder.path().join("out"), "cloud_key"));
}

#[tokio::test]
async fn header_values_are_references_like_all_secrets() {
    let upstream = Scripted::saying("").await;
    let config = Config::new("")
        .upstream(
            "cloud",
            &upstream.url(),
            "headers = { x-a = \"env:A_TOKEN\", x-b = \"file:b\", x-c = \"plain\" }",
        )
        .env("A_TOKEN", "from-env")
        .file("b", "from-file\n");
    let forebay = Forebay::start(config).await;
    let _ = forebay.client.chat(&chat("hello")).await;
    let heard = upstream.received();
    let header = |name: &str| heard[0].header(name).unwrap_or_default().to_owned();
    assert_eq!(
        [header("x-a"), header("x-b"), header("x-c")],
        ["from-env", "from-file", "plain"]
    );
    let shown = forebay.administrator().get("/config").await.text();
    assert!(
        !shown.contains("from-env") && !shown.contains("from-file"),
        "{shown}"
    );
    forebay.has_not_logged(&["from-env", "from-file"]);
    let missing = Config::new("").upstream(
        "cloud",
        &upstream.url(),
        "headers = { x-a = \"env:NO_SUCH\" }",
    );
    let refusal = Forebay::refuses(missing).await;
    assert!(refusal.said.contains("env:NO_SUCH"), "{}", refusal.said);
}

#[tokio::test]
async fn damaged_files_of_the_cache_of_components_are_a_miss() {
    let engine = Engine::instant().await;
    let cache = tempfile::tempdir().unwrap();
    std::fs::set_permissions(cache.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let config = || {
        let folder = cache.path().display().to_string();
        engine
            .behind("")
            .table(&format!("[policies]\ncache_dir = {folder:?}"))
    };
    drop(Forebay::start(config()).await);
    let files = || {
        let files = std::fs::read_dir(cache.path()).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.retain(|path| {
            path.extension()
                .is_some_and(|e| e == "cwasm" || e == "wasm")
        });
        files.sort();
        files
    };
    let kept = files();
    assert!(!kept.is_empty());
    type Damage = fn(&[u8]) -> Vec<u8>;
    let damages: [Damage; 2] = [
        |bytes| bytes[..bytes.len() / 2].to_vec(),
        |bytes| {
            // One byte in the code: nothing else would notice.
            let mut bytes = bytes.to_vec();
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            bytes
        },
    ];
    for damage in damages {
        let written: Vec<Vec<u8>> = kept
            .iter()
            .map(|path| {
                let damaged = damage(&std::fs::read(path).unwrap());
                std::fs::write(path, &damaged).unwrap();
                damaged
            })
            .collect();
        let forebay = Forebay::start(config()).await;
        assert_eq!(forebay.client.chat(&chat("hello")).await.status, 200);
        drop(forebay);
        for (path, damaged) in kept.iter().zip(written) {
            assert_ne!(std::fs::read(path).unwrap(), damaged, "{}", path.display());
        }
    }
}

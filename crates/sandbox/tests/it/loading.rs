//! What happens to components and configurations that are wrong, foreign, or known already.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use forebay_gateway::policy::Policies;
use forebay_sandbox::{LoadError, Sandbox, SandboxOptions, bake};
use serde_json::json;
use wac_graph::{CompositionGraph, EncodeOptions, types::Package};

use crate::guests::{caller, count, guest, judged, small, sources};

async fn refused(guardrails: Vec<u8>) -> LoadError {
    Sandbox::load(sources(guardrails), small())
        .await
        .map(drop)
        .unwrap_err()
}

#[tokio::test]
async fn what_is_no_component_does_not_compile() {
    for bytes in [
        &b"not a component"[..],
        b"\0asm\x0d\0\x01\0garbage",
        b"(module)",
    ] {
        let error = refused(bytes.to_vec()).await;
        assert!(
            matches!(
                error,
                LoadError::Compile {
                    policy: "guardrails",
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_component_of_another_world_breaks_the_contract() {
    let error = refused(guest("prefix-cache", "", "")).await;
    assert!(
        matches!(
            error,
            LoadError::Contract {
                policy: "guardrails",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_component_built_for_the_first_contract_is_named_with_the_way_out() {
    for outdated in [
        r#"(component (instance $i) (export "forebay:edge/guardrails@0.1.0" (instance $i)))"#,
        r#"(component (import "forebay:edge/types@0.1.0" (instance)))"#,
    ] {
        let error = refused(wat::parse_str(outdated).unwrap()).await;
        assert!(matches!(error, LoadError::Outdated { .. }), "{error}");
        for word in ["0.1.0", "forebay:guardrails@0.2.0", "docs/migrating-0.2.md"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}

#[tokio::test]
async fn a_refused_configuration_says_so_in_the_policys_words() {
    let refuse = "(i32.store (i32.const 2048) (i32.const 1))";
    let error = refused(guest("guardrails", "configure", refuse)).await;
    assert_eq!(
        error.to_string(),
        "the guardrails policy refuses its configuration: no, said the guest"
    );
}

#[tokio::test]
async fn a_trap_in_configure_is_no_start() {
    let error = refused(guest("guardrails", "configure", "unreachable")).await;
    assert!(
        matches!(
            error,
            LoadError::Start {
                policy: "guardrails",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_component_of_components_is_configured_in_each_instance() {
    let mut graph = CompositionGraph::new();
    let bytes = guest("guardrails", "", "");
    let package = Package::from_bytes("test:guest", None, bytes, graph.types_mut()).unwrap();
    let package = graph.register_package(package).unwrap();
    let instance = graph.instantiate(package);
    let name = "forebay:guardrails/guardrails@0.2.0";
    let export = graph.alias_instance_export(instance, name).unwrap();
    graph.export(export, name).unwrap();
    let mut sources = sources(graph.encode(EncodeOptions::default()).unwrap());
    sources.guardrails.config = json!("12345678");

    let baked = bake(sources.clone(), small()).await.unwrap();
    assert_eq!(baked.unconfigured, ["guardrails"]);
    let sandbox = Sandbox::load(sources, small()).await.unwrap();
    for _ in 0..3 {
        let mut session = sandbox.session(&caller("a"), 0).await.unwrap();
        let verdict = judged(&mut session, &caller("a"), "hello").await.unwrap();
        assert_eq!(
            (count(&verdict, "configured"), count(&verdict, "calls")),
            (10, 1)
        );
    }
    sandbox.guard(&caller("a")).await.unwrap();
}

#[tokio::test]
async fn the_digest_covers_components_and_configurations() {
    let digest = async |guardrails: Vec<u8>, config: &str| {
        let mut sources = sources(guardrails);
        sources.guardrails.config = serde_json::from_str(config).unwrap();
        bake(sources, small()).await.unwrap().digest
    };
    let plain = || guest("guardrails", "", "");
    let first = digest(plain(), r#"{"a":1,"b":{"c":2,"d":3}}"#).await;
    assert_eq!(first, digest(plain(), r#"{"b":{"d":3,"c":2},"a":1}"#).await);
    assert_ne!(first, digest(plain(), r#"{"a":1,"b":{"c":2,"d":4}}"#).await);
    assert_ne!(
        first,
        digest(
            guest("guardrails", "check", "nop"),
            r#"{"a":1,"b":{"c":2,"d":3}}"#
        )
        .await
    );
}

/// A folder of this test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("forebay-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn cached(dir: &Path) -> SandboxOptions {
    SandboxOptions {
        cache_dir: Some(dir.to_owned()),
        ..small()
    }
}

async fn serves(options: SandboxOptions) {
    let sandbox = Sandbox::load(sources(guest("guardrails", "", "")), options)
        .await
        .unwrap();
    let mut session = sandbox.session(&caller("a"), 0).await.unwrap();
    judged(&mut session, &caller("a"), "hello").await.unwrap();
}

#[tokio::test]
async fn snapshots_and_compiled_components_are_kept_in_a_private_folder() {
    let folder = Folder::new("private");
    serves(cached(&folder.0)).await;
    let kept = folder.files();
    assert_eq!(
        kept.iter()
            .filter(|name| name.ends_with(".snapshot.wasm"))
            .count(),
        3
    );
    assert_eq!(
        kept.iter().filter(|name| name.ends_with(".cwasm")).count(),
        3
    );
    serves(cached(&folder.0)).await;
    assert_eq!(folder.files(), kept);
    // What is there but broken is made anew.
    for name in kept.iter().filter(|name| name.ends_with(".cwasm")) {
        std::fs::write(folder.0.join(name), b"broken").unwrap();
    }
    serves(cached(&folder.0)).await;
}

#[tokio::test]
async fn a_folder_that_others_may_enter_is_not_used() {
    let folder = Folder::new("shared");
    std::fs::create_dir(&folder.0).unwrap();
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o755)).unwrap();
    serves(cached(&folder.0)).await;
    assert!(folder.files().is_empty());
}

#[tokio::test]
async fn a_component_that_exports_nothing_breaks_the_contract() {
    let error = refused(wat::parse_str("(component)").unwrap()).await;
    assert!(
        matches!(
            error,
            LoadError::Contract {
                policy: "guardrails",
                ..
            }
        ),
        "{error}"
    );
}

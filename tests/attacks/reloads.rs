//! Class: what a reload can take away. A gateway that others can reach keeps its keys and its TLS, and
//! a key that was revoked is gone whatever else is wrong.

use forebay_tests::prompts::chat;
use forebay_tests::{Client, Config, Engine, Forebay, Key, eventually};
use rustix::process::Signal;

/// Waits until a reload was rejected that this signal asks for.
async fn rejected(forebay: &Forebay) {
    let before = forebay.metrics().await.sum("forebay_reloads_failed_total");
    forebay.signal(Signal::HUP);
    forebay
        .metric_reaches("forebay_reloads_failed_total", before + 1.0)
        .await;
}

#[tokio::test]
async fn a_gateway_that_others_reach_never_loses_its_keys() {
    let engine = Engine::instant().await;
    let key = Key::of("acme");
    let good = engine.behind("").keys(&[&key]);
    let forebay = Forebay::start(good.clone().listen("0.0.0.0:0")).await;
    let stranger = Client::new(&format!("http://127.0.0.1:{}", forebay.addr.port()));
    let known = stranger.with_header("authorization", &format!("Bearer {}", key.text));
    let text = good.to_text();
    let (before_keys, _) = text.split_once("[keys]").unwrap();
    let bad = [
        String::new(),
        "\n \n".to_owned(),
        "# a comment\n".to_owned(),
        before_keys.to_owned(),
        text[..text.len() / 2].to_owned(),
        // Judged by the address that is bound, not by what the file says of it by now.
        format!("[server]\nlisten = \"127.0.0.1:8080\"\n{before_keys}"),
        text.replace("keys.toml", "no-such-file.toml"),
    ];
    for bad in &bad {
        forebay.rewrite(&Config::verbatim(bad.clone()));
        rejected(&forebay).await;
        let reply = stranger.chat(&chat("let me in")).await;
        assert_eq!(reply.status, 401, "{bad}\n{}", reply.text());
        assert_eq!(known.chat(&chat("still here")).await.status, 200, "{bad}");
    }
    // A keys file that is being written is no list of revocations either.
    forebay.rewrite(&good.clone().file("keys.toml", ""));
    rejected(&forebay).await;
    assert_eq!(known.chat(&chat("still here")).await.status, 200);
    assert_eq!(stranger.chat(&chat("let me in")).await.status, 401);
    forebay.rewrite(&good);
    forebay.signal(Signal::HUP);
    forebay.metric_reaches("forebay_reloads_total", 1.0).await;
}

#[tokio::test]
async fn a_revoked_key_is_gone_although_the_rest_is_invalid() {
    let engine = Engine::instant().await;
    let (a, b, c) = (
        Key::named("a1", "acme"),
        Key::named("b1", "acme"),
        Key::named("c1", "acme"),
    );
    let forebay = Forebay::start(engine.behind("").keys(&[&a, &b, &c])).await;
    for key in [&a, &b, &c] {
        assert_eq!(forebay.client_of(key).chat(&chat("x")).await.status, 200);
    }
    let gone = async |key: &Key| {
        eventually("the end of a key", || async {
            (forebay.client_of(key).chat(&chat("x")).await.status == 401).then_some(())
        })
        .await;
    };
    // The configuration is broken, and so is the record of a key that stays.
    let broken = engine.behind("[limits]\nbodys = 1\n");
    forebay.rewrite(&broken.clone().keys(&[&a, &b]));
    gone(&c).await;
    let damaged = format!("{}nonsense = [\n", a.line());
    forebay.rewrite(
        &broken
            .clone()
            .file("keys.toml", damaged)
            .table("[keys]\nfile = \"keys.toml\""),
    );
    gone(&b).await;
    assert_eq!(forebay.client_of(&a).chat(&chat("x")).await.status, 200);
    // Expired, as `forebay keys expire` does it.
    let expired = a.clone().with("expires = \"2026-01-02T00:00:00Z\"");
    forebay.rewrite(&broken.keys(&[&expired]));
    gone(&a).await;
    // And with no key left nobody comes in, keyless clients least of all.
    assert_eq!(forebay.client.chat(&chat("x")).await.status, 401);
}

/// Whatever writes the keys file in place may stop in the middle, between two keys too.
#[tokio::test]
async fn a_keys_file_that_is_cut_off_revokes_nothing() {
    let engine = Engine::instant().await;
    let (a, b) = (Key::named("a1", "acme"), Key::named("b1", "acme"));
    let head =
        "# This file ends with the line \"# End of the keys.\": without it, it is not whole.\n";
    let whole = format!("{head}{}{}# End of the keys.\n", a.line(), b.line());
    let keys = |config: Config, content: &str| {
        let file = config.file("keys.toml", content);
        file.table("[keys]\nfile = \"keys.toml\"")
    };
    let (good, broken) = (engine.behind(""), engine.behind("[limits]\nbodys = 1\n"));
    let forebay = Forebay::start(keys(good.clone(), &whole)).await;
    let second = whole.rfind("[[keys]]").unwrap();
    for config in [&good, &broken] {
        for end in [head.len() / 2, head.len(), second, whole.len() - 2] {
            forebay.rewrite(&keys(config.clone(), &whole[..end]));
            rejected(&forebay).await;
            for key in [&a, &b] {
                let reply = forebay.client_of(key).chat(&chat("x")).await;
                assert_eq!(reply.status, 200, "{end}: {}", reply.text());
            }
        }
    }
    // With its end it counts, although one key is gone.
    let fewer = format!("{}# End of the keys.\n", &whole[..second]);
    forebay.rewrite(&keys(broken, &fewer));
    eventually("the end of a key", || async {
        (forebay.client_of(&b).chat(&chat("x")).await.status == 401).then_some(())
    })
    .await;
    assert_eq!(forebay.client_of(&a).chat(&chat("x")).await.status, 200);
}

/// Kubernetes replaces a mounted Secret by swapping the link `..data`, and lets the pod's group read it.
#[tokio::test]
async fn a_mounted_secret_is_followed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let engine = Engine::instant().await;
    let (old, new) = (Key::of("old"), Key::of("new"));
    let mount = tempfile::tempdir().unwrap();
    let version = |name: &str, key: &Key| {
        let folder = mount.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("keys.toml");
        std::fs::write(&file, key.line()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o440)).unwrap();
        symlink(name, mount.path().join("..data_tmp")).unwrap();
        std::fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).unwrap();
    };
    version("..2026_01", &old);
    symlink("..data/keys.toml", mount.path().join("keys.toml")).unwrap();
    let file = mount.path().join("keys.toml");
    let config = engine.behind("").table(&format!("[keys]\nfile = {file:?}"));
    let forebay = Forebay::start(config).await;
    assert_eq!(forebay.client_of(&old).chat(&chat("x")).await.status, 200);
    version("..2026_02", &new);
    eventually("the new key", || async {
        (forebay.client_of(&new).chat(&chat("x")).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(forebay.client_of(&old).chat(&chat("x")).await.status, 401);
    // Again: the watch follows the new chain of links.
    version("..2026_03", &old);
    eventually("the old key", || async {
        (forebay.client_of(&old).chat(&chat("x")).await.status == 200).then_some(())
    })
    .await;
    // What everyone can read is refused as ever.
    let real = mount.path().join("..2026_03/keys.toml");
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o444)).unwrap();
    rejected(&forebay).await;
}

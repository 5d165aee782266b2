//! Oracle Cloud: keys in every PEM, profiles, session tokens and instance principals.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::golden::golden;
use super::google::verifies;
use super::support::*;

fn auth(file: &str, passphrase: bool) -> String {
    let passphrase = if passphrase {
        "passphrase = \"env:PHRASE\""
    } else {
        ""
    };
    format!(
        "kind = \"oci\"\ntenancy = \"ocid1.tenancy.oc1..test\"\nuser = \"ocid1.user.oc1..test\"\nfingerprint = \"20:3b:97:13\"\nkey_file = \"{file}\"\n{passphrase}"
    )
}

fn world(phrase: &str) -> std::sync::Arc<World> {
    World::new(
        &[("PHRASE", phrase)],
        &[
            ("pkcs8", &format!("{KEY}OCI_API_KEY\n")),
            ("pkcs1", include_str!("keys/rsa-pkcs1.pem")),
            ("encrypted", include_str!("keys/rsa-encrypted.pem")),
            ("old", include_str!("keys/rsa-old-encrypted.pem")),
            ("public", include_str!("keys/rsa-public.pem")),
        ],
    )
}

#[test]
fn the_same_key_signs_the_same_in_every_form() {
    let sign = |file, phrase| {
        let credentials = build(&auth(file, phrase), &world("correct-horse"));
        authorization(&credentials, &Endpoint::none(), at(0))
    };
    let expected = sign("pkcs8", false);
    assert_eq!(sign("pkcs1", false), expected);
    assert_eq!(sign("encrypted", true), expected);
}

#[test]
fn a_key_that_can_not_be_used_says_why_and_the_way_out() {
    let table = [
        (
            "encrypted",
            false,
            "it is encrypted, and no passphrase is configured",
        ),
        ("encrypted", true, "the passphrase does not decrypt it"),
        ("old", true, "convert it: openssl pkcs8 -topk8"),
        ("public", false, "it holds no private key in PEM"),
        ("absent", false, "is missing: the file absent: no such file"),
    ];
    for (file, phrase, expected) in table {
        let message = build_error(&auth(file, phrase), &world("wrong"));
        assert!(message.contains(expected), "{message}");
        assert!(
            message.contains("the Oracle Cloud key (auth.key_file)"),
            "{message}"
        );
    }
}

/// A token that ends `seconds` from the start.
fn session_token(seconds: u64) -> String {
    let claims = json!({"exp": NOW + seconds}).to_string();
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
}

#[test]
fn a_profile_gives_a_key_and_inherits_from_default() {
    let file = "[DEFAULT]\nuser=ocid1.user.oc1..test\nfingerprint=20:3b:97:13\nkey_file=pkcs8\n[eu]\ntenancy=ocid1.tenancy.oc1..test\n";
    let profile = world("");
    profile.write("~/.oci/config", file);
    let credentials = build("kind = \"oci-config\"\nprofile = \"eu\"", &profile);
    let expected = build(&auth("pkcs8", false), &world(""));
    assert_eq!(
        authorization(&credentials, &Endpoint::none(), at(0)),
        authorization(&expected, &Endpoint::none(), at(0)),
    );
    assert!(build_error("kind = \"oci-config\"", &profile).contains("has no tenancy"));
    assert!(
        build_error("kind = \"oci-config\"\nprofile = \"x\"", &profile).contains("no profile [x]")
    );
}

#[test]
fn a_profiles_session_token_is_read_again_and_its_end_is_named() {
    let world = world("");
    world.write(
        "~/.oci/config",
        "[DEFAULT]\nkey_file=pkcs8\nsecurity_token_file=token\n",
    );
    let (first, second) = (session_token(3600), session_token(7200));
    world.write("token", &first);
    let credentials = build("kind = \"oci-config\"", &world);
    let value = authorization(&credentials, &Endpoint::none(), at(0));
    assert!(value.contains(&format!("keyId=\"ST${first}\"")), "{value}");
    world.write("token", &second);
    let value = authorization(&credentials, &Endpoint::none(), at(600));
    assert!(value.contains(&format!("keyId=\"ST${second}\"")));
    let error = authorize(&credentials, &Endpoint::none(), at(9000)).unwrap_err();
    assert!(error.to_string().contains("oci session refresh"), "{error}");
}

#[test]
fn an_instances_certificate_is_exchanged_for_a_token_that_names_a_session_key() {
    let token = session_token(1200);
    let reply = json!({"token": token}).to_string();
    let endpoint = Endpoint::new(move |_, request| {
        Ok(answer(
            200,
            match request.uri().path() {
                "/opc/v2/identity/cert.pem" => include_str!("keys/instance.pem"),
                "/opc/v2/identity/key.pem" => KEY,
                "/opc/v2/identity/intermediate.pem" => include_str!("keys/instance.pem"),
                "/opc/v2/instance/regionInfo" => {
                    r#"{"realmKey":"oc1","realmDomainComponent":"oraclecloud.com","regionKey":"FRA","regionIdentifier":"eu-frankfurt-1"}"#
                }
                "/v1/x509" => &reply,
                other => panic!("asked {other}"),
            },
        ))
    });
    let credentials = build("kind = \"oci-instance-principal\"", &World::new(&[], &[]));
    let value = authorization(&credentials, &endpoint, at(0));
    assert!(value.contains(&format!("keyId=\"ST${token}\"")), "{value}");
    assert_eq!(
        header(&endpoint.request(0), "authorization"),
        "Bearer Oracle"
    );

    // The federation request is signed with the certificate's key, over what Oracle's SDK signs.
    let asked = endpoint.request(endpoint.count() - 1);
    assert_eq!(
        asked.uri(),
        "https://auth.eu-frankfurt-1.oraclecloud.com/v1/x509"
    );
    let value = header(&asked, "authorization");
    let headers = golden()["federation"]["fields"]["headers"].clone();
    assert!(value.contains(&format!("headers={headers}")), "{value}");
    // As `openssl x509 -fingerprint` prints it.
    assert!(value.contains(
        "keyId=\"ocid1.tenancy.oc1..test/fed-x509/DD:88:BF:08:5F:A1:AE:EB:10:A7:3F:A8:65:39:1A:E0:4D:0F:CA:0D\""
    ));
    let lines = format!(
        "date: {}\n(request-target): post /v1/x509\ncontent-length: {}\ncontent-type: application/json\nx-content-sha256: {}",
        header(&asked, "date"),
        asked.body().len(),
        header(&asked, "x-content-sha256"),
    );
    let signature = value
        .split("signature=\"")
        .nth(1)
        .unwrap()
        .trim_end_matches('"');
    assert!(verifies(
        lines.as_bytes(),
        &STANDARD.decode(signature).unwrap()
    ));
    let body: Value = serde_json::from_slice(asked.body()).unwrap();
    assert!(body["certificate"].as_str().unwrap().starts_with("MII"));
    assert!(body["publicKey"].as_str().unwrap().starts_with("MIIB"));
    assert_eq!(
        body["intermediateCertificates"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn certificates_in_files_need_no_metadata_service() {
    let world = World::new(
        &[],
        &[("cert", include_str!("keys/instance.pem")), ("key", KEY)],
    );
    let auth = "kind = \"oci-instance-principal\"\nfederation_endpoint = \"https://auth.example/v1/x509\"\ncertificate_file = \"cert\"\nkey_file = \"key\"";
    let endpoint = Endpoint::always(200, &json!({"token": session_token(1200)}).to_string());
    authorization(&build(auth, &world), &endpoint, at(0));
    assert_eq!(endpoint.count(), 1);
    let half = "kind = \"oci-instance-principal\"\nkey_file = \"key\"";
    assert!(build_error(half, &world).contains("must be given together"));
}

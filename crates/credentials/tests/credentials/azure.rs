//! Entra and managed identities: what is asked, of whom.

use super::support::*;

const TOKEN: &str = r#"{"access_token":"t","expires_in":"86399","token_type":"Bearer"}"#;

#[test]
fn a_client_secret_is_exchanged_at_the_tenants_endpoint() {
    let world = World::new(&[("SECRET", "a+b&c")], &[]);
    let auth = r#"
kind = "entra"
tenant = "contoso.example"
client_id = "app-1"
client_secret = "env:SECRET"
authority = "https://login.microsoftonline.us/"
"#;
    let endpoint = Endpoint::always(200, TOKEN);
    assert_eq!(
        authorization(&build(auth, &world), &endpoint, at(0)),
        "Bearer t"
    );
    let request = endpoint.request(0);
    assert_eq!(
        request.uri(),
        "https://login.microsoftonline.us/contoso.example/oauth2/v2.0/token"
    );
    let form = endpoint.form(0);
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["client_id"], "app-1");
    assert_eq!(form["client_secret"], "a+b&c");
    assert_eq!(
        form["scope"],
        "https://cognitiveservices.azure.com/.default"
    );
}

#[test]
fn a_secret_is_not_sent_in_the_clear_and_a_tenant_is_no_path() {
    let world = World::new(&[("SECRET", "s")], &[]);
    let auth = |tenant: &str, authority: &str| {
        format!(
            "kind = \"entra\"\ntenant = \"{tenant}\"\nclient_id = \"a\"\nclient_secret = \"env:SECRET\"\nauthority = \"{authority}\""
        )
    };
    assert!(build_error(&auth("t", "http://login.example"), &world).contains("(auth.authority)"));
    assert!(build_error(&auth("../t", "https://login.example"), &world).contains("(auth.tenant)"));
    assert!(try_build(&auth("t", "http://127.0.0.1:8080"), &world).is_ok());
}

#[test]
fn a_machines_identity_comes_from_its_metadata_service() {
    let endpoint = Endpoint::always(200, TOKEN);
    let auth = "kind = \"managed-identity\"\nclient_id = \"id-1\"";
    let credentials = build(auth, &World::new(&[], &[]));
    assert_eq!(authorization(&credentials, &endpoint, at(0)), "Bearer t");
    let request = endpoint.request(0);
    assert_eq!(
        request.uri(),
        "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=id-1"
    );
    assert_eq!(header(&request, "metadata"), "true");
}

#[test]
fn an_apps_identity_comes_from_the_endpoint_of_its_platform() {
    let world = World::new(
        &[
            ("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token/"),
            ("IDENTITY_HEADER", "h-1"),
        ],
        &[],
    );
    let endpoint = Endpoint::always(200, TOKEN);
    let credentials = build("kind = \"managed-identity\"", &world);
    authorization(&credentials, &endpoint, at(0));
    let request = endpoint.request(0);
    assert_eq!(
        request.uri(),
        "http://127.0.0.1:41741/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fcognitiveservices.azure.com"
    );
    assert_eq!(header(&request, "x-identity-header"), "h-1");
}

#[test]
fn a_pods_token_is_exchanged_with_what_aks_sets() {
    let world = World::new(
        &[
            ("AZURE_TENANT_ID", "tenant-1"),
            ("AZURE_CLIENT_ID", "app-1"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
            ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
        ],
        &[("/token", "ey.1")],
    );
    let credentials = build("kind = \"entra-workload-identity\"", &world);
    let endpoint = Endpoint::always(200, TOKEN);
    authorization(&credentials, &endpoint, at(0));
    assert_eq!(
        endpoint.request(0).uri(),
        "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token"
    );
    let form = endpoint.form(0);
    assert_eq!(form["client_assertion"], "ey.1");
    assert_eq!(
        form["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert!(!form.contains_key("client_secret"));
    world.write("/token", "ey.2");
    authorization(&credentials, &endpoint, at(86_390));
    assert_eq!(endpoint.form(1)["client_assertion"], "ey.2");
    let message = build_error("kind = \"entra-workload-identity\"", &World::new(&[], &[]));
    assert!(message.contains("(auth.tenant) is missing: the environment variable AZURE_TENANT_ID"));
}

//! Where AWS access keys come from: profiles, containers, identity tokens, instances.

use super::support::*;

const KEYS: &str = r#"{"AccessKeyId":"ASIA1","SecretAccessKey":"s","Token":"tok-1","Expiration":"2026-01-31T13:00:00Z"}"#;

fn auth(source: &str) -> String {
    format!("kind = \"sigv4\"\nregion = \"eu-central-1\"\n[source]\n{source}\n")
}

fn scope(authorization: &str) -> &str {
    authorization
        .split("Credential=")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap()
}

#[test]
fn a_profiles_keys_are_read_again_when_they_are_rewritten() {
    let file = "[default]\naws_access_key_id=A\naws_secret_access_key=s\n[prod]\naws_access_key_id = B\naws_secret_access_key = s\naws_session_token = tok\n";
    let world = World::new(&[], &[("~/.aws/credentials", file)]);
    let credentials = build(&auth("from = \"profile\"\nprofile = \"prod\""), &world);
    let (request, used) = authorize(&credentials, &Endpoint::none(), at(0)).unwrap();
    let value = header(&request, "authorization");
    assert_eq!(scope(value), "B/20260131/eu-central-1/bedrock/aws4_request");
    assert!(value.contains("x-amz-security-token"));
    world.write("~/.aws/credentials", &file.replace("= B", "= C"));
    let body = br#"{"__type":"ExpiredTokenException"}"#;
    let rejection = credentials.rejected(used, 403, &http::HeaderMap::new(), body, at(60));
    assert_eq!(rejection, forebay_credentials::Rejection::Refresh);
    let value = authorization(&credentials, &Endpoint::none(), at(60));
    assert!(scope(&value).starts_with("C/"));
}

#[test]
fn a_profile_that_can_not_be_used_is_named() {
    let world = World::new(&[], &[("c", "[sso]\nsso_session = x\n")]);
    let source = |profile| {
        auth(&format!(
            "from = \"profile\"\nprofile = \"{profile}\"\ncredentials_file = \"c\""
        ))
    };
    let message = build_error(&source("absent"), &world);
    assert!(
        message.contains("(auth.source.profile) can't be used: there is no profile [absent] in c")
    );
    let message = build_error(&source("sso"), &world);
    assert!(
        message.contains("[sso] in c has no aws_access_key_id"),
        "{message}"
    );
}

#[test]
fn a_container_asks_where_its_platform_says_with_the_rotated_token() {
    let world = World::new(
        &[
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "http://169.254.170.23/v1/credentials",
            ),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/token"),
        ],
        &[("/token", "pod-1\n")],
    );
    let credentials = build(&auth("from = \"container\""), &world);
    let endpoint = Endpoint::always(200, KEYS);
    let value = authorization(&credentials, &endpoint, at(0));
    assert!(scope(&value).starts_with("ASIA1/"));
    assert_eq!(
        endpoint.request(0).uri(),
        "http://169.254.170.23/v1/credentials"
    );
    assert_eq!(header(&endpoint.request(0), "authorization"), "pod-1");
    world.write("/token", "pod-2");
    authorization(&credentials, &endpoint, at(3500));
    assert_eq!(header(&endpoint.request(1), "authorization"), "pod-2");
}

#[test]
fn an_ecs_tasks_relative_path_is_asked_at_its_own_address() {
    let world = World::new(
        &[(
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "/v2/credentials/x",
        )],
        &[],
    );
    let endpoint = Endpoint::always(200, KEYS);
    authorization(
        &build(&auth("from = \"container\""), &world),
        &endpoint,
        at(0),
    );
    assert_eq!(
        endpoint.request(0).uri(),
        "http://169.254.170.2/v2/credentials/x"
    );
    let message = build_error(&auth("from = \"container\""), &World::new(&[], &[]));
    assert!(
        message.contains("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        "{message}"
    );
}

#[test]
fn keys_that_have_ended_by_this_machines_clock_are_not_used() {
    let world = World::new(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x")], &[]);
    let endpoint = Endpoint::new(|_, _| {
        let mut answer = answer(200, KEYS);
        let date = httpdate::fmt_http_date(at(0)).parse().unwrap();
        answer.headers_mut().insert("date", date);
        Ok(answer)
    });
    let credentials = build(&auth("from = \"container\""), &world);
    let message = authorize(&credentials, &endpoint, at(7200))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("this machine's clock is 2 h ahead of"),
        "{message}"
    );
}

#[test]
fn an_identity_token_assumes_a_role() {
    let world = World::new(
        &[
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ],
        &[("/token", "ey.J.wt")],
    );
    // The shape of AWS's documentation of AssumeRoleWithWebIdentity.
    let xml = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Audience>a</Audience><Credentials>
<SessionToken>tok+/=</SessionToken><SecretAccessKey>s</SecretAccessKey>
<Expiration>2026-01-31T13:00:00Z</Expiration><AccessKeyId>ASIA2</AccessKeyId>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"#;
    let endpoint = Endpoint::always(200, xml);
    let credentials = build(&auth("from = \"web-identity\""), &world);
    let (request, _) = authorize(&credentials, &endpoint, at(0)).unwrap();
    assert!(scope(header(&request, "authorization")).starts_with("ASIA2/"));
    assert_eq!(header(&request, "x-amz-security-token"), "tok+/=");
    assert_eq!(
        endpoint.request(0).uri(),
        "https://sts.eu-central-1.amazonaws.com/"
    );
    let form = endpoint.form(0);
    assert_eq!(form["Action"], "AssumeRoleWithWebIdentity");
    assert_eq!(form["RoleArn"], "arn:aws:iam::1:role/r");
    assert_eq!(form["WebIdentityToken"], "ey.J.wt");
    assert_eq!(form["RoleSessionName"], "forebay");
}

#[test]
fn a_refused_identity_token_is_named_with_awss_code() {
    let world = World::new(&[], &[("/token", "ey.J.wt")]);
    let source = "from = \"web-identity\"\nrole_arn = \"r\"\ntoken_file = \"/token\"";
    let xml = r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>ExpiredTokenException</Code><Message>ey.J.wt</Message></Error></ErrorResponse>"#;
    let error = authorize(
        &build(&auth(source), &world),
        &Endpoint::always(400, xml),
        at(0),
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "upstreams \"cloud-eu\": the AWS web identity (auth.source.token_file) was refused by https://sts.eu-central-1.amazonaws.com: ExpiredTokenException, status 400"
    );
}

#[test]
fn an_instance_opens_a_session_and_asks_for_its_role() {
    let endpoint = Endpoint::new(|n, _| Ok(answer(200, ["session-1", "role-1\n", KEYS][n])));
    let credentials = build(&auth("from = \"instance\""), &World::new(&[], &[]));
    let value = authorization(&credentials, &endpoint, at(0));
    assert!(scope(&value).starts_with("ASIA1/"));
    let opened = endpoint.request(0);
    assert_eq!(
        (opened.method().as_str(), opened.uri().path()),
        ("PUT", "/latest/api/token")
    );
    let last = endpoint.request(2);
    assert_eq!(
        last.uri().path(),
        "/latest/meta-data/iam/security-credentials/role-1"
    );
    assert_eq!(header(&last, "x-aws-ec2-metadata-token"), "session-1");
}

#[test]
fn a_region_is_needed_and_checked() {
    let world = |region: &'static str| World::new(&[("AWS_REGION", region), ("K", "k")], &[]);
    let auth = "kind = \"sigv4\"\nsource = { from = \"keys\", access_key_id = \"env:K\", secret_access_key = \"env:K\" }";
    let value = authorization(&build(auth, &world("us-west-2")), &Endpoint::none(), at(0));
    assert!(scope(&value).contains("/us-west-2/"));
    assert!(build_error(auth, &world("")).contains("(auth.region)"));
    assert!(build_error(auth, &world("EU")).contains("\"EU\" is not an AWS region"));
}

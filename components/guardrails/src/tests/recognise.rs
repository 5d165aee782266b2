//! Which values each built-in entity recognises, and which look-alikes it leaves alone.

use super::*;

/// What a rule of `kind` for one entity masks in a text.
fn found(kind: &str, entity: &str, text: &str) -> Vec<String> {
    let json = format!(r#"{{"rules":[{{"name":"r","kind":"{kind}","entities":["{entity}"]}}]}}"#);
    let verdict = judge(&json, &super::text(text));
    masked(&verdict, text)
        .into_iter()
        .map(|(value, label)| {
            assert_eq!(label, entity);
            value.to_owned()
        })
        .collect()
}

fn finds(kind: &str, entity: &str, value: &str) {
    for (before, after) in [
        ("", ""),
        ("is ", " ok"),
        ("(", ")"),
        ("\"", "\","),
        ("é ", ". Next"),
    ] {
        let text = format!("{before}{value}{after}");
        assert_eq!(found(kind, entity, &text), [value], "{entity} in {text:?}");
    }
}

fn leaves(kind: &str, entity: &str, text: &str) {
    assert!(found(kind, entity, text).is_empty(), "{entity} in {text:?}");
}

#[test]
fn email_addresses() {
    for value in [
        "user@mail.example.org",
        "a@b.co",
        "first.last+tag@sub-domain.example.museum",
    ] {
        finds("pii", "EMAIL", value);
    }
    for text in [
        "user@localhost",
        "@handle",
        "a@b",
        "x@.com",
        "user @example.com",
        "a@b.c0m",
    ] {
        leaves("pii", "EMAIL", text);
    }
}

#[test]
fn credit_cards_of_known_issuers_with_a_valid_check_digit() {
    for value in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "378282246310005",
        "6011111111111117",
        "3530111333300000",
        "30569309025904",
        "2223003122003222",
    ] {
        finds("pii", "CREDIT_CARD", value);
    }
    for text in [
        "4111111111111112",
        "1234567812345670",
        "41111111111111111111111",
        "4111",
        "x4111111111111111",
        "9111111111111111",
    ] {
        leaves("pii", "CREDIT_CARD", text);
    }
}

#[test]
fn ibans_with_the_length_of_their_country() {
    for value in [
        "DE89370400440532013000",
        "GB82 WEST 1234 5698 7654 32",
        "FR1420041010050500013M02606",
        "NO9386011117947",
    ] {
        finds("pii", "IBAN", value);
    }
    for text in [
        "DE89370400440532013001",
        "XX89370400440532013000",
        "DE8937040044053201300",
    ] {
        leaves("pii", "IBAN", text);
    }
    assert_eq!(
        found("pii", "IBAN", "PAY DE89 3704 0044 0532 0130 00 AND GO NOW"),
        ["DE89 3704 0044 0532 0130 00"]
    );
}

#[test]
fn social_security_numbers_that_can_exist() {
    finds("pii", "US_SSN", "123-45-6789");
    finds("pii", "US_SSN", "123 45 6789");
    for text in [
        "000-45-6789",
        "666-45-6789",
        "900-45-6789",
        "123-00-6789",
        "123-45-0000",
        "078-05-1120",
        "123-45 6789",
        "1123-45-6789",
        "123-45-67890",
    ] {
        leaves("pii", "US_SSN", text);
    }
}

#[test]
fn phone_numbers_in_international_and_national_form() {
    for value in [
        "+14155552671",
        "+49 151 23456789",
        "+44 (20) 7946 0958",
        "415-555-2671",
        "(415) 555-2671",
        "030 1234567",
        "089/123456",
    ] {
        finds("pii", "PHONE", value);
    }
    for text in [
        "1234567",
        "+1",
        "2024-01-15",
        "115-555-2671",
        "415-055-2671",
        "4155552671",
        "+0123456789",
        "10.12.2024",
        "1.415-555-2671",
    ] {
        leaves("pii", "PHONE", text);
    }
}

#[test]
fn internet_addresses() {
    for value in [
        "192.168.0.1",
        "8.8.8.8",
        "2001:db8::8a2e:370:7334",
        "fe80::1:2",
    ] {
        finds("pii", "IP_ADDRESS", value);
    }
    for text in [
        "256.1.1.1",
        "1.2.3",
        "1.2.3.4.5",
        "01.02.03.04",
        "12:30:45",
        "std::string",
        "a::b",
        "::",
    ] {
        leaves("pii", "IP_ADDRESS", text);
    }
}

#[test]
fn wallets() {
    finds(
        "pii",
        "CRYPTO_WALLET",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    );
    finds(
        "pii",
        "CRYPTO_WALLET",
        "0x52908400098527886E0F7030069857D2E4169EE7",
    );
    leaves(
        "pii",
        "CRYPTO_WALLET",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
    );
}

#[test]
fn vendors_keys() {
    let body = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6";
    for (entity, value) in [
        ("AWS_ACCESS_KEY", "AKIAIOSFODNN7EXAMPLE".to_owned()),
        ("GITHUB_TOKEN", format!("ghp_{body}")),
        ("GITLAB_TOKEN", format!("glpat-{}", &body[..20])),
        ("SLACK_TOKEN", "xoxb-1234567890-abcdefghij".to_owned()),
        ("API_KEY", format!("sk-proj-{body}")),
        ("API_KEY", format!("sk-ant-api03-{body}")),
        ("STRIPE_KEY", format!("sk_live_{}", &body[..24])),
        ("HUGGINGFACE_TOKEN", format!("hf_{}", &body[..34])),
        ("GOOGLE_API_KEY", format!("AIza{}", &body[..35])),
    ] {
        finds("secrets", entity, &value);
    }
    for (entity, text) in [
        ("AWS_ACCESS_KEY", "AKIAIOSFODNN7EXAMPL"),
        ("API_KEY", "sk-short"),
        ("API_KEY", "task-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7b"),
        ("GITHUB_TOKEN", "ghp_short"),
    ] {
        leaves("secrets", entity, text);
    }
}

#[test]
fn tokens_with_a_header_that_names_an_algorithm() {
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
    finds("secrets", "JWT", token);
    leaves("secrets", "JWT", "eyJhbGciOiJIUzI1NiJ9");
    leaves(
        "secrets",
        "JWT",
        "eyJmb28iOiJiYXIifQ.eyJzdWIiOiIxMjM0NTY3ODkwIn0.sig",
    );
}

#[test]
fn private_keys_from_header_to_footer() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEpAIBAAKCAQEA7\n3f+/=\n-----END RSA PRIVATE KEY-----";
    finds("secrets", "PRIVATE_KEY", key);
    assert_eq!(
        found(
            "secrets",
            "PRIVATE_KEY",
            "-----BEGIN PRIVATE KEY-----\nMIIE\n"
        ),
        ["-----BEGIN PRIVATE KEY-----\nMIIE"]
    );
    leaves(
        "secrets",
        "PRIVATE_KEY",
        "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
    );
}

#[test]
fn random_values_of_secret_names() {
    let value = "q7Rz2Lx9Vb4Kt8Wm";
    for text in [
        format!("api_key = \"{value}\""),
        format!("API-KEY: {value}"),
        format!("{{\"db_password\": \"{value}\"}}"),
        format!("export AWS_SECRET_ACCESS_KEY={value}"),
    ] {
        assert_eq!(found("secrets", "GENERIC_SECRET", &text), [value], "{text}");
    }
    for text in [
        "api_key = \"your-api-key-goes-here\"",
        "commit = q7Rz2Lx9Vb4Kt8Wm",
        "password = \"aaaaaaaaaaaaaaaa1\"",
        "q7Rz2Lx9Vb4Kt8Wm",
        "the secret is q7Rz2Lx9Vb4Kt8Wm",
    ] {
        leaves("secrets", "GENERIC_SECRET", text);
    }
}

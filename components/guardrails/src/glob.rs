//! Names with `*` for any stretch, as rules use them for tenants, keys and routes.

/// Whether `name` fits `pattern`, in which `*` stands for any number of any characters.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_any_stretch() {
        for (pattern, name, expected) in [
            ("acme", "acme", true),
            ("acme", "acme2", false),
            ("acme-*", "acme-eu", true),
            ("*-eu", "acme-eu", true),
            ("*", "", true),
            ("", "x", false),
            ("/v1/*/x", "/v1/chat/x", true),
            ("/v1/*/x", "/v1/x", false),
            ("a*a", "a", false),
            ("a**b", "ab", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}

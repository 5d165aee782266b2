//! Profiles of the INI files that AWS's and Oracle's command lines share with their SDKs.

use std::collections::BTreeMap;

use crate::secret::Secret;

/// The keys of the section `[name]`, or `[profile name]`; `None` if there is no such section.
/// Lines that start with `#` or `;` are comments, keys are lower-cased.
pub(crate) fn profile(text: &str, name: &str) -> Option<BTreeMap<String, Secret>> {
    let mut found: Option<BTreeMap<String, Secret>> = None;
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default().trim();
            inside = header == name || header.strip_prefix("profile ").map(str::trim) == Some(name);
            if inside {
                found.get_or_insert_default();
            }
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && let Some(keys) = &mut found
        {
            keys.insert(
                key.trim().to_ascii_lowercase(),
                Secret::new(value.trim().to_owned()),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::profile;

    #[test]
    fn the_named_section_and_no_other_is_read() {
        let text = "[default]\nkey = a\n# key = b\n[other]\nKEY=c=d\n[profile third]\nkey=e\n";
        let key = |name| profile(text, name).map(|p| p["key"].expose().to_owned());
        assert_eq!(key("default").as_deref(), Some("a"));
        assert_eq!(key("other").as_deref(), Some("c=d"));
        assert_eq!(key("third").as_deref(), Some("e"));
        assert!(key("missing").is_none());
    }
}

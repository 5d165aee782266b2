//! The output guard: what it catches across chunks, what it holds, and that chunks never matter.

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization as _;

use super::*;

#[test]
fn a_value_across_chunks_is_masked() {
    let p = policy(RULES);
    assert_eq!(
        stream(&p, &["write to user@mai", "l.org", " now"]),
        ("write to [EMAIL] now".to_owned(), None)
    );
    assert_eq!(
        stream(&p, &["my card 4111 1111", " 1111 11", "11"]),
        ("my card [CREDIT_CARD]".to_owned(), None)
    );
}

#[test]
fn a_denied_word_across_chunks_ends_the_output_before_it() {
    let p = policy(RULES);
    let (out, denied) = stream(&p, &["about project", " fal", "con", " and more"]);
    assert_eq!(
        (out.as_str(), denied.as_deref()),
        ("about ", Some("rule-denied"))
    );
}

#[test]
fn ordinary_text_flows_with_a_word_of_delay() {
    let p = policy(RULES);
    let mut guard = Guard::new(p, &caller());
    let mut pushed = 0;
    let mut released = 0;
    for word in ["The", " quick", " brown", " fox", " jumps", ".", " Then"] {
        pushed += word.len();
        for release in guard.push(&[delta(word)]).released {
            released += release.text.len();
        }
        let held = pushed - released;
        assert!(held < " jumps.".len(), "held {held}");
    }
    assert_eq!(guard.finish(None).released[0].text, "Then");
}

#[test]
fn a_possible_match_beyond_the_cap_is_a_denial() {
    let p = policy(RULES);
    let long = format!("user@{}", "a".repeat(300));
    let (out, denied) = stream(&p, &["write to ", &long]);
    assert_eq!(
        (out.as_str(), denied.as_deref()),
        ("write to ", Some("hold-exceeded"))
    );
    let blob = "Zm9vYmFy".repeat(100);
    assert_eq!(stream(&p, &[&blob, " ok"]), (format!("{blob} ok"), None));
}

#[test]
fn channels_and_choices_are_judged_apart() {
    let mut guard = Guard::new(policy(RULES), &caller());
    let at = |choice, channel, text: &str| Delta {
        choice,
        channel,
        text: text.to_owned(),
    };
    guard.push(&[
        at(0, Channel::Content, "user@mail"),
        at(1, Channel::Content, ".org"),
        at(0, Channel::Reasoning, "bob@mail.org "),
        at(0, Channel::ToolArguments(0), "\"x@mail.org\" "),
    ]);
    let done = guard.finish(Some(0));
    let texts: Vec<&str> = done.released.iter().map(|r| r.text.as_str()).collect();
    assert_eq!(texts, ["user@mail"]);
    assert_eq!(done.hits.len(), 0);
}

#[test]
fn reasoning_and_tool_arguments_are_judged_alike() {
    for channel in [
        Channel::Reasoning,
        Channel::Refusal,
        Channel::ToolArguments(2),
    ] {
        let mut guard = Guard::new(policy(RULES), &caller());
        let mut out = String::new();
        for piece in ["\"bob@", "mail.org\" "] {
            let releases = guard.push(&[Delta {
                choice: 0,
                channel,
                text: piece.to_owned(),
            }]);
            out.extend(releases.released.into_iter().map(|r| r.text));
        }
        assert_eq!(out, "\"[EMAIL]\" ");
    }
}

/// Streams the arguments of a tool; gives what came out and the code of a denial.
fn arguments(chunks: &[&str]) -> (String, Option<String>) {
    let mut guard = Guard::new(rules().clone(), &caller());
    let mut out = String::new();
    let mut denied = None;
    let deltas = chunks.iter().map(|text| Delta {
        choice: 0,
        channel: Channel::ToolArguments(0),
        text: (*text).to_owned(),
    });
    let mut all: Vec<Releases> = deltas.map(|delta| guard.push(&[delta])).collect();
    all.push(guard.finish(Some(0)));
    for releases in all {
        out.extend(releases.released.into_iter().map(|r| r.text));
        denied = denied.or(releases.denied.map(|reason| reason.code));
    }
    (out, denied)
}

#[test]
fn escaped_arguments_are_judged_by_what_they_mean_and_go_out_as_they_came() {
    let through = r#"{"a":"tab\t \"quoted\" \u00e9 \ud83d\ude00 \\n", "b":[1,2.5e3,null]}"#;
    assert_eq!(arguments(&[through]), (through.to_owned(), None));
    assert_eq!(
        arguments(&[
            r#"{"to":"bob\u00"#,
            r#"40mail.org","x":"line\"#,
            r#"nuser@mail.org"}"#
        ]),
        (r#"{"to":"[EMAIL]","x":"line\n[EMAIL]"}"#.to_owned(), None)
    );
    let (out, denied) = arguments(&[r#"{"to":"\u0067eheim"}"#]);
    assert_eq!(
        (out.as_str(), denied.as_deref()),
        (r#"{"to":""#, Some("rule-denied"))
    );
}

#[test]
fn a_number_among_arguments_is_denied_for_no_mask_fits_there() {
    let (out, denied) = arguments(&[r#"{"card":4111111111111111}"#]);
    assert_eq!(
        (out.as_str(), denied.as_deref()),
        (r#"{"card":"#, Some("unmaskable"))
    );
    assert_eq!(
        arguments(&["card 4111111111111111 it is"]),
        ("card [CREDIT_CARD] it is".to_owned(), None)
    );
}

#[test]
fn a_denial_in_one_channel_ends_all() {
    let mut guard = Guard::new(policy(RULES), &caller());
    let releases = guard.push(&[
        delta("held"),
        Delta {
            choice: 0,
            channel: Channel::Reasoning,
            text: "geheim! ".to_owned(),
        },
        delta(" never "),
    ]);
    assert!(releases.denied.is_some() && releases.released.is_empty());
    assert!(guard.push(&[delta("more ")]).released.is_empty());
    assert!(guard.finish(None).released.is_empty());
}

#[test]
fn shadow_rules_count_output_and_change_nothing() {
    let json = r#"{"rules":[{"name":"p","kind":"pii","shadow":true}]}"#;
    let mut guard = Guard::new(policy(json), &caller());
    let releases = guard.push(&[delta("a@mail.org b@mail.org "), delta(&"x@".repeat(300))]);
    assert_eq!(releases.hits[0].count, 2);
    assert!(releases.denied.is_none());
}

#[test]
fn a_long_stream_is_forgotten() {
    let p = policy(RULES);
    let mut guard = Guard::new(p, &caller());
    let mut out = String::new();
    for i in 0..5_000 {
        let releases = guard.push(&[delta(&format!(" word{i}"))]);
        out.extend(releases.released.into_iter().map(|r| r.text));
        assert!(guard.held() < 1_024);
    }
    assert!(out.ends_with(" word4998 "));
}

/// Text made of pieces that meet rules, nearly meet them, or are plain.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("user@mail.org".to_owned()),
        Just("bob@example.com".to_owned()),
        Just("4111 1111 1111 1111".to_owned()),
        Just("DE89 3704 0044 0532 0130 00".to_owned()),
        Just("192.168.0.1.".to_owned()),
        Just("1.2.3.4.5".to_owned()),
        Just("ACME-123".to_owned()),
        Just("api_key = \"q7Rz2Lx9Vb4Kt8Wm\"".to_owned()),
        Just("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln".to_owned()),
        Just("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----".to_owned()),
        Just("project ".to_owned()),
        Just("falcon".to_owned()),
        Just("gehei".to_owned()),
        Just("m".to_owned()),
        Just("@".to_owned()),
        Just("é机".to_owned()),
        "[a-zA-Z0-9 .@:+-]{0,12}",
        "\\PC{0,6}",
        "[a-f0-9:]{0,40}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Cuts a text at characters, at the given fractions.
fn cut<'a>(text: &'a str, cuts: &[u16]) -> Vec<&'a str> {
    let mut places: Vec<usize> = cuts
        .iter()
        .map(|c| text.floor_char_boundary(text.len() * usize::from(*c) / usize::from(u16::MAX)))
        .collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|w| &text[w[0]..w[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn chunks_never_matter(text in pieces(), cuts in proptest::collection::vec(any::<u16>(), 0..40)) {
        let p = rules();
        let whole = stream(p, &[&text]);
        prop_assert_eq!(&stream(p, &cut(&text, &cuts)), &whole);
        let released = check(p, &caller(), &super::text(&whole.0));
        prop_assert_ne!(code(&released), "rule-denied");
    }

    #[test]
    fn chunks_of_arguments_never_matter(
        text in pieces(),
        raw in "(\\\\|u|d83d|de00|0040|\"|[a-z@. ]){0,20}",
        cuts in proptest::collection::vec(any::<u16>(), 0..40),
    ) {
        let json = format!("{{\"a\":\"{raw}{}\",\"n\":4.5}}", text.replace('"', "\\\""));
        let whole = arguments(&[&json]);
        prop_assert_eq!(arguments(&cut(&json, &cuts)), whole);
    }

    #[test]
    fn a_prompt_and_an_answer_are_judged_alike(text in pieces()) {
        let p = rules();
        let verdict = check(p, &caller(), &super::text(&text));
        let (out, denied) = stream(p, &[&text]);
        match denied.as_deref() {
            Some("rule-denied") => prop_assert_eq!(code(&verdict), "rule-denied"),
            Some(_) => {}
            // What both looks find is one match; which of two labels a mask bears is not told here.
            None if !is_plain(&text) => prop_assert_ne!(code(&verdict), "rule-denied"),
            None => {
                let mut expected = text.clone();
                if let Action::Edit(edits) = &verdict.action {
                    for e in edits.iter().rev() {
                        let span = e.span.start as usize..e.span.end as usize;
                        expected.replace_range(span, &format!("[{}]", e.label));
                    }
                }
                prop_assert_eq!(out, expected);
            }
        }
    }
}

/// Whether a text has no other view.
fn is_plain(text: &str) -> bool {
    matches!(crate::view::View::of(text), Ok(None))
}

/// The automata take a while to build: once for all cases.
fn rules() -> &'static Arc<Policy> {
    static RULES_BUILT: std::sync::OnceLock<Arc<Policy>> = std::sync::OnceLock::new();
    RULES_BUILT.get_or_init(|| policy(RULES))
}

#[test]
fn labels_are_judged_whole_and_leave_nothing_behind() {
    let p = policy(RULES);
    let mut guard = Guard::new(p, &caller());
    let at = |choice, channel, text: &str| Delta {
        choice,
        channel,
        text: text.to_owned(),
    };
    guard.push(&[at(7, Channel::Content, "user@mail")]);
    for n in 0..3_000 {
        let releases = guard.push(&[
            at(7, Channel::Annotation(n), "call_bob@mail.org"),
            at(7, Channel::ToolName(n), "look"),
            at(7, Channel::Error, "no user@mail.org here"),
        ]);
        let texts: Vec<&str> = releases.released.iter().map(|r| r.text.as_str()).collect();
        assert_eq!(texts, ["[EMAIL]", "look", "no [EMAIL] here"]);
        assert!(releases.denied.is_none());
    }
    // A label ends no text of the same number.
    let releases = guard.push(&[at(7, Channel::Content, ".org ")]);
    assert_eq!(releases.released[0].text, "[EMAIL] ");
    let releases = guard.push(&[at(9, Channel::ToolName(0), "geheim")]);
    assert!(releases.denied.is_some() && releases.released.is_empty());
}

/// One character after the other.
fn by_characters(text: &str) -> (String, Option<String>) {
    let pieces: Vec<String> = text.chars().map(String::from).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    stream(rules(), &pieces)
}

#[test]
fn a_word_in_another_form_is_that_word_however_it_streams() {
    for word in [
        "ge\u{200b}heim",
        "g\u{ad}e\u{2060}heim",
        "ｇｅｈｅｉｍ",
        "𝐠𝐞𝐡𝐞𝐢𝐦",
        "&#103;eheim",
        "&#x67;ehei&#109;",
        "%67ehei%6D",
        "\\u0067eheim",
        "\\x67eheim",
        "ge&it;heim",
        "ge&shyheim",
        "\\u{67}eheim",
        "\\U00000067eheim",
        "\\147eheim",
    ] {
        let text = format!("about {word} and more");
        let denied = ("about ".to_owned(), Some("rule-denied".to_owned()));
        assert_eq!(stream(rules(), &[&text]), denied, "{word}");
        assert_eq!(by_characters(&text), denied, "{word}");
    }
    for address in [
        "user&#64;mail.org",
        "ｕｓｅｒ＠ｍａｉｌ．ｏｒｇ",
        "user%40mail.org",
        "us\u{200b}er@mail.org",
    ] {
        let text = format!("write to {address} now, R&D at 100% of {address}");
        let masked = (
            "write to [EMAIL] now, R&D at 100% of [EMAIL]".to_owned(),
            None,
        );
        assert_eq!(stream(rules(), &[&text]), masked, "{address}");
        assert_eq!(by_characters(&text), masked, "{address}");
    }
    assert_eq!(
        arguments(&[r#"{"to":"user&#6"#, r#"4;mail.org","n":"&"}"#]),
        (r#"{"to":"[EMAIL]","n":"&"}"#.to_owned(), None)
    );
}

#[test]
fn what_may_be_an_escape_is_held_no_longer_than_an_escape() {
    let mut guard = Guard::new(rules().clone(), &caller());
    let mut out = String::new();
    for text in ["R&", "D at 100%", " of C:\\", "users, é", "\u{301}", " "] {
        let releases = guard.push(&[delta(text)]);
        out.extend(releases.released.into_iter().map(|r| r.text));
    }
    assert_eq!(out, "R&D at 100% of C:\\users, é\u{301} ");
}

#[test]
fn characters_that_do_not_show_hold_no_more_than_a_bound() {
    let text = format!("about g{}", "\u{200b}".repeat(3_000));
    let (out, denied) = by_characters(&text);
    assert_eq!(
        (out.as_str(), denied.as_deref()),
        ("about ", Some("hold-exceeded"))
    );
    let shadow = policy(
        r#"{"rules":[{"name":"w","kind":"dictionary","terms":["geheim"],"action":"deny","shadow":true}]}"#,
    );
    let text = format!("{text}eheim &#103;eheim");
    assert_eq!(stream(&shadow, &[&text]), (text.clone(), None));
    let pieces: Vec<String> = text.chars().map(String::from).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    assert_eq!(stream(&shadow, &pieces), (text.clone(), None));
}

/// What a term holds as one character may come as a letter and its accent, in two events.
#[test]
fn a_letter_and_its_accent_are_one_however_they_come() {
    for term in ["café", "cafe\u{301}", "été", "한글", "Ångström"] {
        let config = serde_json::json!({"rules": [
            {"name": "w", "kind": "dictionary", "terms": [term], "action": "deny"}]});
        let rules = policy(&config.to_string());
        let written: String = term.nfd().collect();
        let composed: String = term.nfc().collect();
        for word in [written, composed] {
            let text = format!("about {word} and more");
            let denied = ("about ".to_owned(), Some("rule-denied".to_owned()));
            assert_eq!(stream(&rules, &[&text]), denied, "{word}");
            let pieces: Vec<String> = text.chars().map(String::from).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            assert_eq!(stream(&rules, &pieces), denied, "{word}");
        }
        let other = "about cafeteria, ete and Angst";
        let pieces: Vec<String> = other.chars().map(String::from).collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        assert_eq!(stream(&rules, &pieces), (other.to_owned(), None), "{term}");
    }
}

/// A letter is held for its accent only where something with accents is looked for.
#[test]
fn letters_wait_for_accents_only_where_accents_are_looked_for() {
    let plain = policy(
        r#"{"rules":[{"name":"w","kind":"dictionary","terms":["geheim"],"action":"deny"}]}"#,
    );
    let mut guard = Guard::new(plain, &caller());
    let releases = guard.push(&[delta("a cafe")]);
    assert_eq!(releases.released[0].text, "a cafe");
}

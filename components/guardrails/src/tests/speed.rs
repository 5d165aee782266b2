//! How long a judgement takes, printed: `cargo test --release -- --ignored --nocapture speed`.

use std::time::Instant;

use super::*;

/// 5,000 terms of one and two words, made from syllables, as English as they need to be.
fn terms() -> Vec<String> {
    const SYLLABLES: [&str; 20] = [
        "con", "ter", "ra", "pro", "ment", "al", "vis", "ion", "gra", "dex", "mo", "lin", "ser",
        "tra", "per", "ine", "cor", "ta", "ulo", "ris",
    ];
    (0..5_000_usize)
        .map(|i| {
            let word = |n: usize| {
                format!(
                    "{}{}{}",
                    SYLLABLES[n % 20],
                    SYLLABLES[n / 20 % 20],
                    SYLLABLES[(n / 400 + n) % 20]
                )
            };
            if i % 5 == 0 {
                format!("{} {}", word(i), word(i * 7 + 3))
            } else {
                word(i)
            }
        })
        .collect()
}

fn loaded() -> String {
    let terms = terms().join("\",\"");
    format!(
        r#"{{"rules":[{{"name":"words","kind":"dictionary","terms":["{terms}"],"action":"deny"}},
            {{"name":"pii","kind":"pii"}},{{"name":"secrets","kind":"secrets"}}]}}"#
    )
}

const ENGLISH: &str = "The quick review of the quarterly report shows that, compared with last \
    year, most of our regions have grown by 12 to 15 percent; the remaining 3 are flat. Please \
    summarise the main points for the board in at most five sentences, and keep the tone calm. ";

/// The fastest of several runs: what others do to the machine only makes runs slower.
fn microseconds(times: u32, mut run: impl FnMut()) -> f64 {
    (0..times)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e6
        })
        .fold(f64::INFINITY, f64::min)
}

#[test]
#[ignore = "prints figures"]
fn speed_of_each_kind() {
    let words = terms().join("\",\"");
    for rule in [
        format!(r#""kind":"dictionary","terms":["{words}"]"#),
        format!(r#""kind":"dictionary","whole_word":false,"terms":["{words}"]"#),
        r#""kind":"pii""#.to_owned(),
        r#""kind":"pii","entities":["EMAIL"]"#.to_owned(),
        r#""kind":"pii","entities":["IP_ADDRESS"]"#.to_owned(),
        r#""kind":"pii","entities":["CREDIT_CARD","PHONE","IBAN","US_SSN"]"#.to_owned(),
        r#""kind":"secrets""#.to_owned(),
        r#""kind":"secrets","entities":["GENERIC_SECRET"]"#.to_owned(),
        r#""kind":"secrets","entities":["API_KEY"]"#.to_owned(),
        r#""kind":"regex","pattern":"\bACME-[0-9]{1,8}\b""#.to_owned(),
    ] {
        let p = policy(&format!(
            r#"{{"rules":[{{"name":"r","action":"deny",{rule}}}]}}"#
        ));
        let body: String = ENGLISH.chars().cycle().take(102_400).collect();
        let prompt = text(&body);
        let us = microseconds(50, || {
            check(&p, &caller(), &prompt);
        });
        println!(
            "100 KiB: {us:.1} µs, tables {} KiB: {:.60}",
            p.input.builtin_memory() / 1024,
            rule
        );
    }
}

#[test]
#[ignore = "prints figures"]
fn speed() {
    let json = loaded();
    let start = Instant::now();
    let p = policy(&json);
    println!("configure: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    println!("built-in tables: {} KiB", p.input.builtin_memory() / 1024);
    for kib in [2, 100] {
        let body: String = ENGLISH.chars().cycle().take(kib * 1024).collect();
        let prompt = text(&body);
        let mut passed = true;
        let us = microseconds(2_000 / u32::try_from(kib).unwrap_or(1), || {
            passed &= check(&p, &caller(), &prompt).action == Action::Allow;
        });
        assert!(passed);
        println!("check-prompt, {kib} KiB: {us:.1} µs");
    }
    let words: Vec<&str> = ENGLISH.split_inclusive(' ').collect();
    let mut guard = Guard::new(p.clone(), &caller());
    let us = microseconds(200, || {
        for word in &words {
            let releases = guard.push(&[delta(word)]);
            assert!(releases.denied.is_none());
        }
    });
    println!("push, one word: {:.2} µs", us / words.len() as f64);
}

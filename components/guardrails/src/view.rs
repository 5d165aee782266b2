//! A text as a reader takes it, for rules that look at it once more: characters that do not show are left
//! out, forms that only look different are one (NFKC), and escapes of HTML, URLs and source code stand for
//! what they mean. Ordinary text has no view of its own.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;

use crate::forms;
pub(crate) use crate::written::begun;
use crate::written::{may_hide, written};

/// The most places of one text that may be written in another form. Ordinary text in any language has far
/// fewer; each takes 8 bytes of a guest's memory.
const PLACES: usize = 1 << 20;

/// How much longer than the text its view may be. The longest form of one character, an Arabic phrase, is
/// eleven times as long, a fraction two and a half times.
const LONGER: usize = 3;

/// A text has more in other forms than any text that people write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooStrange;

/// A text in the form in which it is judged, and where each of its bytes comes from.
#[derive(Debug, Default)]
pub(crate) struct View {
    text: String,
    pieces: Vec<Piece>,
    /// How long the original is.
    len: usize,
}

/// A stretch of the view, up to the next.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where it begins in the view.
    view: u32,
    /// Where it begins in the original, and in the lowest bit whether it stands there as it is.
    from: u32,
}

/// A character with those that combine with it, as it was written.
#[derive(Default)]
struct Cluster {
    text: String,
    range: Range<usize>,
}

impl View {
    /// The view of a text; none where it is the text itself.
    pub(crate) fn of(text: &str) -> Result<Option<Self>, TooStrange> {
        let Some(first) = differs_from(text) else {
            return Ok(None);
        };
        let mut view = Self {
            text: String::with_capacity(text.len()),
            pieces: Vec::new(),
            len: text.len(),
        };
        let mut cluster = Cluster::default();
        view.push(&text[..first], 0)?;
        let mut at = first;
        while at < text.len() {
            // Of what is plain only the last may combine with what follows.
            let plain = plain_len(&text.as_bytes()[at..]);
            if plain > 1 {
                view.close(&mut cluster, text)?;
                view.push(&text[at..at + plain - 1], at)?;
                at += plain - 1;
            }
            let Some((c, len)) = written(&text[at..]) else {
                break;
            };
            let c = narrow(c);
            let range = at..at + len;
            at = range.end;
            if is_hidden(c) {
                continue;
            }
            if begins(c) {
                view.close(&mut cluster, text)?;
            }
            if cluster.text.is_empty() {
                cluster.range.start = range.start;
            }
            cluster.text.push(c);
            cluster.range.end = range.end;
        }
        view.close(&mut cluster, text)?;
        let same = view.text.len() == text.len() && view.pieces.iter().all(|piece| piece.is_same());
        Ok((!same).then_some(view))
    }

    /// What is judged.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The first byte of the view that comes from that place of the original, or from behind it.
    pub(crate) fn place(&self, from: usize) -> usize {
        let next = self.pieces.partition_point(|piece| piece.from() < from);
        let next_at = self
            .pieces
            .get(next)
            .map_or(self.text.len(), |piece| piece.view as usize);
        match next.checked_sub(1).and_then(|i| self.pieces.get(i)) {
            Some(piece) if piece.is_same() => {
                next_at.min(piece.view as usize + from - piece.from())
            }
            _ => next_at,
        }
    }

    /// The stretch of the original that a stretch of the view comes from.
    pub(crate) fn origin(&self, range: &Range<usize>) -> Range<usize> {
        let piece = |at: usize| {
            let next = self.pieces.partition_point(|p| p.view as usize <= at);
            (self.pieces.get(next.saturating_sub(1)), next)
        };
        let start = match piece(range.start).0 {
            Some(piece) if piece.is_same() => piece.from() + range.start - piece.view as usize,
            Some(piece) => piece.from(),
            None => range.start,
        };
        let end = match piece(range.end.saturating_sub(1)) {
            (Some(piece), _) if piece.is_same() => piece.from() + range.end - piece.view as usize,
            (_, next) => self.pieces.get(next).map_or(self.len, Piece::from),
        };
        start..end.max(start)
    }

    /// Ends a cluster.
    fn close(&mut self, cluster: &mut Cluster, text: &str) -> Result<(), TooStrange> {
        if cluster.text.is_empty() {
            return Ok(());
        }
        let view = self.text.len();
        let mut chars = cluster.text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) if is_plain(c) => self.text.push(c),
            (Some(c), None) => {
                forms::push_form(c, &mut self.text);
            }
            _ => self
                .text
                .extend(cluster.text.nfkc().filter(|c| !is_hidden(*c))),
        }
        let Range { start, end } = cluster.range;
        let same = self.text.get(view..) == text.get(start..end);
        cluster.text.clear();
        self.piece(view, start, same)
    }

    fn push(&mut self, text: &str, from: usize) -> Result<(), TooStrange> {
        let view = self.text.len();
        self.text.push_str(text);
        self.piece(view, from, true)
    }

    /// What was added since `view` comes from there.
    fn piece(&mut self, view: usize, from: usize, same: bool) -> Result<(), TooStrange> {
        let goes_on = self.pieces.last().is_some_and(|last| {
            same && last.is_same() && last.from() + view - last.view as usize == from
        });
        if goes_on || view == self.text.len() {
            return Ok(());
        }
        if self.pieces.len() >= PLACES || self.text.len() > LONGER * self.len + 1024 {
            return Err(TooStrange);
        }
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX >> 1);
        self.pieces.push(Piece {
            view: offset(view),
            from: offset(from) << 1 | u32::from(same),
        });
        Ok(())
    }
}

impl Piece {
    fn is_same(&self) -> bool {
        self.from & 1 == 1
    }

    fn from(&self) -> usize {
        (self.from >> 1) as usize
    }
}

/// Where a text may begin to differ from its view: at a character before the first that is not plain.
fn differs_from(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut before = 0;
    loop {
        let plain = plain_len(&bytes[at..]);
        if plain > 0 {
            before = at + plain - 1;
            at += plain;
        }
        let (c, len) = written(&text[at..])?;
        let as_it_is = text[at..].starts_with(c) && len == c.len_utf8();
        if !(as_it_is && is_plain(c)) {
            return Some(before);
        }
        before = at;
        at += len;
    }
}

/// How many bytes at the start are ASCII that shows and begins no escape. Eight are looked at together.
fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut at = 0;
    for chunk in chunks {
        let word = u64::from_le_bytes(*chunk);
        let has = |byte: u8| {
            let zero = word ^ (ONES * u64::from(byte));
            zero.wrapping_sub(ONES) & !zero
        };
        let low = word.wrapping_sub(ONES * 0x20) & !word;
        let odd = word | low | has(b'&') | has(b'%') | has(b'\\') | has(0x7f);
        if odd & HIGH != 0
            && let Some(found) = (at..)
                .zip(chunk)
                .position(|(i, _)| !is_plain_byte(bytes, i))
        {
            return at + found;
        }
        at += 8;
    }
    (at..at + rest.len())
        .find(|i| !is_plain_byte(bytes, *i))
        .unwrap_or(bytes.len())
}

fn is_plain_byte(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at) {
        Some(b'&' | b'%' | b'\\') => !may_hide(bytes.get(at..).unwrap_or_default()),
        Some(byte) => (0x20..0x7f).contains(byte) || matches!(byte, b'\n' | b'\r' | b'\t'),
        None => false,
    }
}

/// Characters that no form is written otherwise and that combine with nothing before them: those of which
/// most texts consist. What is not listed is looked up.
fn is_plain(c: char) -> bool {
    matches!(u32::from(c),
        0x09 | 0x0a | 0x0d | 0x20..=0x7e | 0xbf..=0xff | 0x391..=0x3ce | 0x400..=0x482 | 0x48a..=0x52f
        | 0x5d0..=0x5ea | 0x620..=0x64a | 0x904..=0x939 | 0xe01..=0xe30 | 0x2013..=0x2016
        | 0x2018..=0x201e | 0x2020..=0x2022 | 0x3001..=0x3003 | 0x3005..=0x3029 | 0x3041..=0x3096
        | 0x30a1..=0x30fa | 0x30fc | 0x4e00..=0x9fff | 0xac00..=0xd7a3 | 0x1_f300..=0x1_f6ff)
}

/// Full-width ASCII as ASCII: what NFKC makes of it, at less cost.
fn narrow(c: char) -> char {
    match u32::from(c) {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

/// Whether nothing before a character changes with it.
fn begins(c: char) -> bool {
    is_plain(c) || forms::begins(c)
}

/// How many characters that combine with one before them are looked at: languages take three at most.
const COMBINED: usize = 16;

/// Where the last character of a text up to `end` begins that what follows may yet change, such as a letter
/// that gets an accent; `end` where it may not.
pub(crate) fn last_cluster(text: &str, end: usize) -> usize {
    let known = text.get(..end).unwrap_or_default();
    let last = known.char_indices().rev().take(COMBINED);
    let base = last.into_iter().find(|(_, c)| !is_hidden(*c) && begins(*c));
    match base {
        Some((at, c)) if c.is_alphabetic() => at,
        _ => end,
    }
}

/// Characters that do not show: controls, and those that Unicode calls default ignorable.
pub(crate) fn is_hidden(c: char) -> bool {
    matches!(u32::from(c),
        0..=8 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f..=0x84 | 0x86..=0x9f | 0xad | 0x34f | 0x61c | 0x115f
        | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x202a..=0x202e
        | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
        | 0x1_bca0..=0x1_bca3 | 0x1_d173..=0x1_d17a | 0xe_0000..=0xe_0fff)
}

#[cfg(test)]
mod tests {
    use unicode_normalization::char::canonical_combining_class;
    use unicode_normalization::{IsNormalized, is_nfkc_quick};

    use super::*;

    fn seen(text: &str) -> String {
        match View::of(text).unwrap() {
            Some(view) => view.text().to_owned(),
            None => text.to_owned(),
        }
    }

    #[test]
    fn ordinary_text_has_no_view() {
        for text in [
            "",
            "plain text, 100% of it & more \\ so\n",
            "größer, naïve, Ångström",
            "Привет, мир",
            "你好世界。東京タワー",
            "שלום עולם",
            "R&D; a%b; C:\\users\\new \\9 \\u{zz} \\Users",
            "🎉 done",
        ] {
            assert!(View::of(text).unwrap().is_none(), "{text}");
        }
    }

    #[test]
    fn a_word_is_itself_however_it_is_hidden() {
        for text in [
            "ge\u{200b}heim",
            "ge\u{ad}he\u{2060}im",
            "g\u{200d}e\u{202e}heim",
            "ge\u{fe0f}heim\u{e0001}",
            "ge\u{8}heim\u{0}",
            "ｇｅｈｅｉｍ",
            "𝐠𝐞𝐡𝐞𝐢𝐦",
            "ⓖⓔⓗⓔⓘⓜ",
            "&#103;eheim",
            "&#x67;eh&#101im",
            "%67ehei%6D",
            "\\u0067eheim",
            "\\x67eheim",
            "ge&ZeroWidthSpace;he&shy;im",
            "ge&#8203;heim",
            "ge&it;he&NegativeVeryThinSpace;im",
            "ge&shyheim",
            "&gfr;&eopf;&hscr;eim",
            "\\u{67}eheim",
            "\\U00000067eheim",
            "\\147ehe\\151m",
        ] {
            assert_eq!(seen(text), "geheim", "{text}");
        }
        assert_eq!(seen("ann&commat;x&period;org"), "ann@x.org");
        assert_eq!(seen("ann＠x．org"), "ann@x.org");
        assert_eq!(seen("Cafe\u{301}"), "Café");
        assert_eq!(seen("%C3%A9t%C3%A9"), "été");
        assert_eq!(seen("ﬁne"), "fine");
        assert_eq!(seen("gr&uuml;n gr&uumln"), "grün grün");
    }

    #[test]
    fn a_stretch_of_the_view_leads_back_to_all_that_it_comes_from() {
        for (text, word, origin) in [
            ("to a\u{200b}b now", "ab", "a\u{200b}b"),
            ("to ａb now", "ab", "ａb"),
            ("to aｂ\u{200b} now", "ab", "aｂ\u{200b}"),
            ("to &#97;b! now", "ab", "&#97;b"),
            ("x½y", "1", "½"),
            ("é e\u{301}\u{323}x", "x", "x"),
            ("größer ｇut", "größer", "größer"),
        ] {
            let view = View::of(text).unwrap().unwrap();
            let start = view.text().find(word).unwrap();
            let range = view.origin(&(start..start + word.len()));
            assert_eq!(&text[range], origin, "{text}");
        }
    }

    #[test]
    fn every_stretch_of_a_view_is_a_stretch_of_the_text() {
        let pieces = [
            "a",
            "é",
            "e\u{301}",
            "\u{200b}",
            "ｘ",
            "&#64;",
            "%e9",
            "%C3%A9",
            "\u{1100}\u{1161}",
            "½",
            "\u{301}",
            "\\u0041",
            "한",
        ];
        let mut seed = 7_usize;
        for _ in 0..2_000 {
            let mut text = String::new();
            for _ in 0..9 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push_str(pieces[(seed >> 33) % pieces.len()]);
            }
            let Some(view) = View::of(&text).unwrap() else {
                continue;
            };
            let bounds: Vec<usize> = (0..=view.text().len())
                .filter(|i| view.text().is_char_boundary(*i))
                .collect();
            for pair in bounds.windows(2) {
                let origin = view.origin(&(pair[0]..pair[1]));
                assert!(
                    text.get(origin.clone()).is_some_and(|t| !t.is_empty()),
                    "{text:?} {pair:?} {origin:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_nothing_but_other_forms_is_refused() {
        assert!(View::of(&"\u{fdfa}".repeat(2_000)).is_err());
        assert!(View::of(&"½".repeat(10_000)).is_ok());
        assert!(View::of(&"a½".repeat(PLACES / 2 + 1)).is_err());
    }

    #[test]
    fn what_is_taken_for_plain_is() {
        for c in (0_u32..0x2_0000)
            .filter_map(char::from_u32)
            .filter(|c| is_plain(*c))
        {
            let quick = is_nfkc_quick(std::iter::once(c));
            assert!(
                quick == IsNormalized::Yes && canonical_combining_class(c) == 0,
                "{c:?}"
            );
            assert!(!is_hidden(c), "{c:?}");
        }
    }
}

//! Reversible masks: keyed placeholders go upstream and into the store, values come back only to their client.
//!
//! A placeholder depends on the tenant's secret, the label and the value's place in the
//! conversation, never on the value: two clients of a tenant who differ only in private values
//! send the same masked prompt and share an answer. Turns are numbered from the conversation's
//! beginning, so that a value keeps its placeholder while the conversation grows. A value that
//! is masked once is masked wherever else it stands: an answer that a client sends back holds
//! it again, without what made a rule find it. A placeholder that a client writes itself is
//! escaped; one that is not in this request's table is never restored.

mod context;
mod restore;

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, MatchKind};
use forebay_dialect::{Piece, Place, PlaceEdit, PlaceKind, json_string};

pub(crate) use self::restore::Restorer;
use crate::identity::keyed;
use crate::policy::{Edit, PolicyError, Reason};

/// The masks of one request. It does not print: its values are what must not rest anywhere.
#[derive(Clone, Default)]
pub(crate) struct MaskTable {
    entries: Vec<Mask>,
    /// Entries by their placeholder without its brackets.
    by_word: HashMap<String, usize>,
    /// All of these words, sorted.
    words: Vec<String>,
    longest: usize,
    has_names: bool,
}

#[derive(Clone)]
struct Mask {
    /// The placeholder without its brackets.
    word: String,
    value: String,
    /// It stands for a whole identifier somewhere, and is written there without brackets.
    is_name: bool,
}

impl Mask {
    fn placeholder(&self, as_name: bool) -> String {
        match as_name {
            true => self.word.clone(),
            false => format!("[{}]", self.word),
        }
    }
}

impl std::fmt::Debug for MaskTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MaskTable({} masks)", self.entries.len())
    }
}

/// The most distinct values one prompt may have masked: a list of addresses of half a megabyte.
/// It bounds the table's memory; time grows with the prompt alone.
const MAX_MASKS: usize = 16_384;

/// Values shorter than this are masked only where a rule finds them: elsewhere they are as
/// likely to be something else.
const RECURRING: usize = 4;

/// Why no masks are made.
#[derive(Debug)]
pub(crate) enum MaskError {
    /// The prompt is turned away: something in it can't be masked.
    Refused(Reason),
    /// The policy answered nonsense.
    Policy(PolicyError),
}

/// An edit in the making, and the order of entries.
struct Found {
    place: u32,
    start: u32,
    end: u32,
    mask: usize,
    as_name: bool,
}

impl MaskTable {
    /// Makes the table of a verdict's edits, and the edits of the request that put the masks in.
    pub(crate) fn build(
        secret: &[u8; 32],
        places: &[Place<'_>],
        edits: &[Edit],
    ) -> Result<(Self, Vec<PlaceEdit>), MaskError> {
        let mut builder = Builder {
            secret,
            places,
            pieces: HashMap::new(),
            table: Self::default(),
            by_value: HashMap::new(),
            counts: HashMap::new(),
        };
        let mut found = builder.verdict(edits)?;
        builder.table.index();
        builder.recurring(&mut found);
        builder.table.index();
        let table = builder.table;
        let edit = |found: &Found| PlaceEdit {
            place: found.place,
            range: found.start..found.end,
            text: table.entries[found.mask].placeholder(found.as_name),
        };
        let mut out: Vec<PlaceEdit> = found.iter().map(edit).collect();
        out.extend(table.impostors(places, &found));
        out.sort_by_key(|edit| (edit.place, edit.range.start));
        Ok((table, out))
    }

    /// Whether nothing was masked.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn index(&mut self) {
        self.by_word = self
            .entries
            .iter()
            .enumerate()
            .map(|(index, mask)| (mask.word.clone(), index))
            .collect();
        self.words = self.by_word.keys().cloned().collect();
        self.words.sort_unstable();
        self.longest = self.words.iter().map(String::len).max().unwrap_or(0);
        self.has_names = self.entries.iter().any(|mask| mask.is_name);
    }

    /// Where the client wrote one of these placeholders itself, it is escaped with a tilde.
    fn impostors(&self, places: &[Place<'_>], found: &[Found]) -> Vec<PlaceEdit> {
        let Some(search) = search(self.words.iter().map(String::as_str)) else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for (index, place) in (0_u32..).zip(places) {
            if matches!(place.kind, PlaceKind::Vocabulary | PlaceKind::Signed) {
                continue;
            }
            let taken = taken(found, index);
            for word in search.find_iter(place.text.as_ref()) {
                let (start, end) = (word.start() as u32, word.end() as u32);
                if overlaps(taken, start, end) {
                    continue;
                }
                let first = &place.text[word.start()..word.start() + 1];
                out.push(PlaceEdit {
                    place: index,
                    range: start..start + 1,
                    text: format!("~{first}"),
                });
            }
        }
        out
    }
}

struct Builder<'b> {
    secret: &'b [u8; 32],
    places: &'b [Place<'b>],
    /// Where text may be replaced, of the places that were asked for.
    pieces: HashMap<u32, Vec<Piece>>,
    table: MaskTable,
    by_value: HashMap<(String, String), usize>,
    /// Entries of each label.
    counts: HashMap<String, u64>,
}

impl Builder<'_> {
    /// The edits that the policy asks for, sorted by place.
    fn verdict(&mut self, edits: &[Edit]) -> Result<Vec<Found>, MaskError> {
        let turn = |edit: &Edit| {
            let place = self.places.get(edit.place as usize);
            let is_signed = place.is_some_and(|place| place.kind == PlaceKind::Signed);
            let turn = place.map_or(0, |place| place.turn);
            (turn, is_signed, edit.place, edit.start)
        };
        let mut order: Vec<&Edit> = edits.iter().collect();
        order.sort_by_key(|edit| turn(edit));
        let mut found: Vec<Found> = Vec::with_capacity(edits.len());
        for edit in order {
            let place = self
                .places
                .get(edit.place as usize)
                .filter(|place| {
                    let range = edit.start as usize..edit.end as usize;
                    place.text.get(range).is_some()
                })
                .ok_or_else(|| {
                    MaskError::Policy(PolicyError::Nonsense {
                        policy: "guardrails",
                        detail: format!("an edit lies outside of place {}", edit.place),
                    })
                })?;
            let piece = self
                .piece(edit.place, edit.start, edit.end)
                .ok_or_else(|| unmaskable(&edit.label, place))?;
            let (start, end) = match piece.is_name {
                true => (piece.start, piece.end),
                false => (edit.start, edit.end),
            };
            let value = value_of(place, start, end);
            let known = self.by_value.get(&(edit.label.clone(), value.clone()));
            let mask = match known {
                Some(known) => *known,
                // What nobody has masked before was not masked when it was signed.
                None if place.kind == PlaceKind::Signed => {
                    return Err(unmaskable(&edit.label, place));
                }
                None => self.enter(&edit.label, value)?,
            };
            self.table.entries[mask].is_name |= piece.is_name;
            found.push(Found {
                place: edit.place,
                start,
                end,
                mask,
                as_name: piece.is_name,
            });
        }
        found.sort_by_key(|found| (found.place, found.start));
        found.dedup_by_key(|found| (found.place, found.start));
        Ok(found)
    }

    /// The piece of a place that holds this range.
    fn piece(&mut self, place: u32, start: u32, end: u32) -> Option<Piece> {
        let places = self.places;
        let pieces = self.pieces.entry(place).or_insert_with(|| {
            let place = places.get(place as usize);
            place.map(Place::pieces).unwrap_or_default()
        });
        let after = pieces.partition_point(|piece| piece.start <= start);
        let piece = after.checked_sub(1).and_then(|at| pieces.get(at)).copied();
        piece.filter(|piece| end <= piece.end)
    }

    fn enter(&mut self, label: &str, value: String) -> Result<usize, MaskError> {
        if self.table.entries.len() >= MAX_MASKS {
            return Err(MaskError::Refused(Reason {
                code: "too-many-masks".to_owned(),
                detail: format!("the prompt has more than {MAX_MASKS} distinct values to mask"),
            }));
        }
        let count = self.counts.entry(label.to_owned()).or_default();
        *count += 1;
        let tag = keyed(
            self.secret,
            &[b"forebay mask v1", label.as_bytes(), &count.to_be_bytes()],
        );
        let word = format!(
            "{label}_{count}_{:02x}{:02x}{:02x}{:02x}",
            tag[0], tag[1], tag[2], tag[3]
        );
        let mask = self.table.entries.len();
        self.by_value
            .insert((label.to_owned(), value.clone()), mask);
        self.table.entries.push(Mask {
            word,
            value,
            is_name: false,
        });
        Ok(mask)
    }

    /// Masks masked values wherever else they stand.
    fn recurring(&mut self, found: &mut Vec<Found>) {
        let mut patterns: Vec<String> = Vec::new();
        let mut masks: Vec<usize> = Vec::new();
        for (index, mask) in self.table.entries.iter().enumerate() {
            if mask.value.len() < RECURRING {
                continue;
            }
            let quoted = json_string(&mask.value);
            let escaped = &quoted[1..quoted.len() - 1];
            if escaped != mask.value {
                patterns.push(escaped.to_owned());
                masks.push(index);
            }
            patterns.push(mask.value.clone());
            masks.push(index);
        }
        let Some(search) = search(patterns.iter().map(String::as_str)) else {
            return;
        };
        let mut more = Vec::new();
        let places = self.places;
        for (index, place) in (0_u32..).zip(places) {
            for value in search.find_iter(place.text.as_ref()) {
                let (start, end) = (value.start(), value.end());
                let mask = masks[value.pattern().as_usize()];
                if overlaps(taken(found, index), start as u32, end as u32)
                    || !stands_alone(&place.text, start, end)
                {
                    continue;
                }
                let Some(piece) = self.piece(index, start as u32, end as u32) else {
                    continue;
                };
                let is_whole = (piece.start, piece.end) == (start as u32, end as u32);
                // A name that only holds the value is another name.
                if piece.is_name && !is_whole {
                    continue;
                }
                let is_name = self.table.entries[mask].is_name;
                self.table.entries[mask].is_name |= piece.is_name;
                more.push(Found {
                    place: index,
                    start: start as u32,
                    end: end as u32,
                    mask,
                    as_name: piece.is_name
                        || (is_name && is_whole && place.kind == PlaceKind::Json),
                });
            }
        }
        found.append(&mut more);
        found.sort_by_key(|found| (found.place, found.start));
    }
}

/// A search for any of these texts; none where there are none. The longest match wins.
fn search<'p>(patterns: impl Iterator<Item = &'p str>) -> Option<AhoCorasick> {
    let patterns: Vec<&str> = patterns.collect();
    if patterns.is_empty() {
        return None;
    }
    let mut builder = AhoCorasick::builder();
    builder.match_kind(MatchKind::LeftmostLongest);
    // It fails only beyond 2^31 states, and the values of a request are far below.
    builder.build(patterns).ok()
}

/// The edits of one place. `found` is sorted.
fn taken(found: &[Found], place: u32) -> &[Found] {
    let start = found.partition_point(|found| found.place < place);
    let end = found.partition_point(|found| found.place <= place);
    &found[start..end]
}

/// Whether a range overlaps one of the edits of a place, which are sorted and apart.
fn overlaps(taken: &[Found], start: u32, end: u32) -> bool {
    let after = taken.partition_point(|found| found.end <= start);
    taken.get(after).is_some_and(|found| found.start < end)
}

/// Whether a value is no part of a longer word.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let (before, value, after) = (&text[..start], &text[start..end], &text[end..]);
    let joined_before = is_word(before.chars().next_back()) && is_word(value.chars().next());
    let joined_after = is_word(value.chars().next_back()) && is_word(after.chars().next());
    !joined_before && !joined_after
}

/// What a stretch of a place means: in JSON, escapes are undone.
fn value_of(place: &Place<'_>, start: u32, end: u32) -> String {
    let text = place
        .text
        .get(start as usize..end as usize)
        .unwrap_or_default();
    if place.kind == PlaceKind::Json && text.contains('\\') {
        serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.to_owned())
    } else {
        text.to_owned()
    }
}

fn unmaskable(label: &str, place: &Place<'_>) -> MaskError {
    let why = match place.kind {
        PlaceKind::Json => "is not within one string of the JSON there",
        PlaceKind::Signed => "is signed by the provider",
        _ => "is a word of the format itself",
    };
    MaskError::Refused(Reason {
        code: "unmaskable".to_owned(),
        detail: format!("{label} in {} can't be masked: it {why}", place.path),
    })
}

#[cfg(test)]
mod tests;

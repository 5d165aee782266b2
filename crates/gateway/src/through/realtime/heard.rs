//! What an upstream says, as its client may hear it: text is judged as it comes, and held until a
//! rule can't match it any more; every other string is judged whole. Sound can't be judged.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use forebay_dialect::canonical::Channel;
use forebay_dialect::passing::{Member, Passing};

use super::super::REALTIME;
use super::events::{ANSWERS, SOUND};
use crate::error::{ErrorKind, GatewayError};
use crate::policy::{Delta, Hit, OutputGuard, PolicyError, Releases};
use crate::receive::guard::{denied, policy_failed};

/// Texts that are under way at once: a response has one or two.
const STRETCHES: usize = 64;
/// Strings that were found clean, such as ids, which come with each piece of text.
const CLEAN: usize = 1024;
/// Stretches that one guard judges before another takes its place: it remembers each.
const GUARDED: u32 = 4096;

/// The output guard of one connection.
pub(super) struct Hearing<G> {
    guard: G,
    /// A rule can change or end what is said.
    enforced: bool,
    /// The texts under way.
    stretches: BTreeMap<String, Stretch>,
    next: u32,
    clean: HashSet<String>,
    pub(super) hits: Vec<Hit>,
}

struct Stretch {
    choice: u32,
    channel: Channel,
    /// Its last event, the mould of one for text that was held.
    last: Passing,
    /// Where in it the text is.
    at: usize,
}

/// What an event says of the text that it is a piece of.
struct Piece {
    /// The text that it belongs to.
    stretch: String,
    ends: bool,
    channel: Channel,
}

impl<G: OutputGuard> Hearing<G> {
    pub(super) fn new(guard: G, enforced: bool) -> Self {
        Self {
            guard,
            enforced,
            stretches: BTreeMap::new(),
            next: 0,
            clean: HashSet::new(),
            hits: Vec::new(),
        }
    }

    /// Whether the guard has judged so much that another has to take its place, and can.
    pub(super) fn is_worn(&self) -> bool {
        self.next > GUARDED && self.stretches.is_empty()
    }

    /// Another guard takes the place of this.
    pub(super) fn renew(&mut self, guard: G) {
        self.guard = guard;
        self.next = 0;
    }

    /// Takes an event, and gives those that go out.
    pub(super) async fn pass(&mut self, event: Bytes) -> Result<Vec<Bytes>, GatewayError> {
        let kind = kind_of(&event);
        let sounds = kind.contains("audio.delta");
        let table = if sounds { SOUND } else { ANSWERS };
        let event = Passing::read_answer(event, table).map_err(|error| {
            let error = format!("the upstream sent an event that is not JSON: {error}");
            GatewayError::new(ErrorKind::UpstreamInvalid, error)
        })?;
        let said = event.said();
        if self.enforced && said.iter().any(|said| said.member == Member::Media) {
            return Err(sound());
        }
        let mut out = Vec::new();
        let piece = piece(&event, &kind);
        let text = match &piece {
            Some(piece) if !piece.ends => said
                .iter()
                .position(|said| said.path == "delta" && said.member == Member::Text),
            _ => None,
        };
        if let Some(piece) = &piece
            && piece.ends
        {
            out.extend(self.end(&piece.stretch).await?);
        }
        if kind == "response.done" {
            while let Some(stretch) = self.stretches.keys().next().cloned() {
                out.extend(self.end(&stretch).await?);
            }
        }
        let mut changed = self.whole(&event, text).await?;
        if let (Some(at), Some(piece)) = (text, piece) {
            let words = event.said().get(at).map(|said| said.text.clone());
            let words = words.unwrap_or_default();
            let held = words.is_empty();
            let freed = self.piece(piece, words, &event, at).await?;
            if freed.is_empty() && !held {
                return Ok(out);
            }
            changed.push((at, freed));
        }
        out.push(event.with(&changed, None));
        Ok(out)
    }

    /// A piece of a text: what of it may go out.
    async fn piece(
        &mut self,
        piece: Piece,
        text: String,
        event: &Passing,
        at: usize,
    ) -> Result<String, GatewayError> {
        if !self.stretches.contains_key(&piece.stretch) && self.stretches.len() >= STRETCHES {
            let error = format!("the upstream has more than {STRETCHES} texts open at once");
            return Err(GatewayError::new(ErrorKind::UpstreamInvalid, error));
        }
        let next = &mut self.next;
        let stretch = self.stretches.entry(piece.stretch).or_insert_with(|| {
            *next += 1;
            Stretch {
                choice: *next,
                channel: piece.channel,
                last: event.clone(),
                at,
            }
        });
        stretch.last = event.clone();
        stretch.at = at;
        let (choice, channel) = (stretch.choice, stretch.channel);
        let delta = Delta {
            choice,
            channel,
            text,
        };
        let releases = self.guard.push(vec![delta]).await;
        let mut freed = String::new();
        for delta in self.take(releases)? {
            if delta.choice == choice {
                freed.push_str(&delta.text);
            }
        }
        Ok(freed)
    }

    /// A text has ended: what was held of it, as an event of its own.
    async fn end(&mut self, stretch: &str) -> Result<Option<Bytes>, GatewayError> {
        let Some(stretch) = self.stretches.remove(stretch) else {
            return Ok(None);
        };
        let releases = self.guard.finish(Some(stretch.choice)).await;
        let freed: String = self
            .take(releases)?
            .into_iter()
            .map(|delta| delta.text)
            .collect();
        if freed.is_empty() {
            return Ok(None);
        }
        let texts = self.whole(&stretch.last, Some(stretch.at)).await?;
        let texts = [texts, vec![(stretch.at, freed)]].concat();
        Ok(Some(stretch.last.with(&texts, None)))
    }

    /// Judges the strings of an event, each by itself, but for one; gives those that a rule has changed.
    async fn whole(
        &mut self,
        event: &Passing,
        but: Option<usize>,
    ) -> Result<Vec<(usize, String)>, GatewayError> {
        let mut deltas = Vec::new();
        let mut places: BTreeMap<u32, (usize, String)> = BTreeMap::new();
        for (at, said) in event.said().iter().enumerate() {
            if Some(at) == but
                || said.member == Member::Media
                || said.text.is_empty()
                || self.clean.contains(&said.text)
            {
                continue;
            }
            self.next += 1;
            deltas.push(Delta {
                choice: self.next,
                channel: Channel::Content,
                text: said.text.clone(),
            });
            places.insert(self.next, (at, String::new()));
        }
        if deltas.is_empty() {
            return Ok(Vec::new());
        }
        let choices: Vec<u32> = places.keys().copied().collect();
        let releases = self.guard.push(deltas).await;
        let mut freed = self.take(releases)?;
        for choice in choices {
            let releases = self.guard.finish(Some(choice)).await;
            freed.extend(self.take(releases)?);
        }
        for delta in freed {
            if let Some((_, text)) = places.get_mut(&delta.choice) {
                text.push_str(&delta.text);
            }
        }
        let mut changed = Vec::new();
        for (at, text) in places.into_values() {
            match event.said().get(at) {
                Some(said) if said.text == text => self.is_clean(text),
                _ => changed.push((at, text)),
            }
        }
        Ok(changed)
    }

    fn is_clean(&mut self, text: String) {
        // 64: ids are shorter; longer texts hardly come twice.
        if text.len() > 64 {
            return;
        }
        if self.clean.len() >= CLEAN {
            self.clean.clear();
        }
        self.clean.insert(text);
    }

    fn take(
        &mut self,
        releases: Result<Releases, PolicyError>,
    ) -> Result<Vec<Delta>, GatewayError> {
        let releases = releases.map_err(|error| policy_failed(&error))?;
        self.hits.extend(releases.hits);
        match releases.denied {
            Some(reason) => Err(denied(&reason)),
            None => Ok(releases.released),
        }
    }
}

/// An event's type; empty where it has none.
pub(super) fn kind_of(event: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Event {
        #[serde(default, rename = "type")]
        kind: String,
    }
    serde_json::from_slice::<Event>(event).map_or_else(|_| String::new(), |event| event.kind)
}

/// Which text an event is a piece or the end of.
fn piece(event: &Passing, kind: &str) -> Option<Piece> {
    let (base, ends) = match kind.strip_suffix(".delta") {
        Some(base) => (base, false),
        None => (
            kind.strip_suffix(".done")
                .or_else(|| kind.strip_suffix(".completed"))
                .or_else(|| kind.strip_suffix(".failed"))?,
            true,
        ),
    };
    #[derive(serde::Deserialize)]
    struct Place {
        #[serde(default)]
        item_id: String,
        #[serde(default)]
        content_index: u32,
    }
    let place: Place = serde_json::from_slice(event.body()).ok()?;
    Some(Piece {
        stretch: format!("{base} {} {}", place.content_index, place.item_id),
        ends,
        channel: match kind.contains("arguments") {
            true => Channel::ToolArguments(0),
            false => Channel::Content,
        },
    })
}

fn sound() -> GatewayError {
    let message = format!(
        "an output rule applies and can't check audio: request text only (`output_modalities`: [\"text\"]), or the operator sets guard = \"off\" for \"{}\" ([[through]])",
        REALTIME.name
    );
    GatewayError::new(ErrorKind::OutputDenied, message).with_code("unreadable")
}

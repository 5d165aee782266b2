//! A form with files, read piece by piece: its fields are kept, of its files only names and sizes.
//! The body goes on as it came, unless a field has to say something else.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::ops::Range;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use forebay_dialect::passing::{Member, Said, Table};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};

use super::rest;
use crate::error::{ErrorKind, GatewayError};

/// The pieces in which a body is read: a file is never in memory a second time.
const PIECE: usize = 64 << 10;
/// The most pieces in which the head of a part may come: no head is longer than one piece.
const HEAD_PIECES: usize = 2;
/// The most parts of a form: OpenAI takes 16 pictures, and has some twenty fields.
const MAX_PARTS: usize = 64;
/// The most bytes of a field that is no file: a prompt, in the largest case.
const MAX_FIELD: usize = 1 << 20;
/// The most bytes of a name.
const MAX_NAME: usize = 256;

/// A form.
pub(super) struct Form {
    body: Bytes,
    boundary: String,
    fields: Vec<Field>,
    said: Vec<Said>,
    /// What stands in the heads of its parts besides.
    beside: Vec<String>,
    /// The name under which the first file goes on.
    renamed: Option<String>,
}

/// A file of a form.
pub(super) struct File<'f> {
    form: &'f Form,
    pub(super) name: String,
}

impl File<'_> {
    /// What is in the form's first file: a part of the form's body, not a copy of it.
    pub(super) fn content(&self) -> Result<Bytes, GatewayError> {
        let body = &self.form.body;
        let (mut at, mut found) = (0, None);
        each(body.clone(), &self.form.boundary, |part| {
            let is_file = part.file.is_some();
            if found.is_none() {
                at += 1;
                found = is_file.then(|| length(&mut part.field)).transpose()?;
            }
            Ok(())
        })?;
        let lost = || invalid("a file has no end".to_owned());
        let length = found.ok_or_else(lost)?;
        let place = place_of(body, &self.form.boundary, at).ok_or_else(lost)?;
        match place.len() == length {
            true => Ok(body.slice(place)),
            false => Err(lost()),
        }
    }
}

struct Field {
    name: String,
    /// Its text; none where it is a file.
    text: Option<String>,
}

/// A part as it is read.
struct Part<'p> {
    name: String,
    file: Option<String>,
    media: Option<String>,
    /// What its head says besides.
    rest: Vec<String>,
    field: multer::Field<'p>,
}

impl Form {
    /// The form's boundary, as the head tells it.
    ///
    /// # Errors
    ///
    /// When the head does not say that it is a form.
    pub(super) fn boundary(head: &HeaderMap) -> Result<(String, HeaderValue), GatewayError> {
        let mut claims = head.get_all(header::CONTENT_TYPE).iter();
        let claim = claims.next().filter(|_| claims.next().is_none());
        let boundary = claim
            .and_then(|claim| claim.to_str().ok())
            .and_then(|claim| multer::parse_boundary(claim).ok());
        match (boundary, claim) {
            (Some(boundary), Some(claim)) => Ok((boundary, claim.clone())),
            _ => Err(GatewayError::new(
                ErrorKind::UnsupportedMedia,
                "the body must be a form: send it with content-type multipart/form-data and a boundary",
            )),
        }
    }

    /// Reads a form. What `table` does not list can't be read by any rule.
    pub(super) fn read(body: Bytes, boundary: String, table: Table) -> Result<Self, GatewayError> {
        let mut form = Self {
            body,
            boundary,
            fields: Vec::new(),
            said: Vec::new(),
            beside: Vec::new(),
            renamed: None,
        };
        let (body, boundary) = (form.body.clone(), form.boundary.clone());
        rest::bounded(&body, &boundary)?;
        each(body, &boundary, |part| {
            form.beside.append(&mut part.rest);
            let text = match &part.file {
                Some(_) => None,
                None => Some(text(&mut part.field, &part.name)?),
            };
            let name = std::mem::take(&mut part.name);
            form.field(name, part.file.take(), text, table)
        })?;
        Ok(form)
    }

    fn field(
        &mut self,
        name: String,
        file: Option<String>,
        text: Option<String>,
        table: Table,
    ) -> Result<(), GatewayError> {
        let listed = table.iter().find(|(row, _)| *row == name);
        let again = self.fields.iter().any(|known| known.name == name);
        // What comes twice is read once by some, and twice or last by others.
        if again && !name.ends_with("[]") && file.is_none() {
            return Err(invalid("a field occurs twice".to_owned()).with_param(listed.map(|l| l.0)));
        }
        let shown = listed.map_or("(unnamed)", |(row, _)| row);
        let (member, said) = match (&text, listed) {
            (Some(text), Some((_, member))) => (*member, text.clone()),
            _ => (Member::Media, String::new()),
        };
        // The same positions as the fields.
        self.said.push(Said::new(shown.to_owned(), member, said));
        self.fields.push(Field { name, text });
        if let Some(file) = file.filter(|file| !file.is_empty()) {
            let path = format!("{shown}.filename");
            self.said.push(Said::new(path, Member::Word, file));
            self.fields.push(Field {
                name: String::new(),
                text: None,
            });
        }
        Ok(())
    }

    /// What goes on that no table lists: fields, their names, and what the heads of parts say besides.
    pub(super) fn words(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let said = self.said.iter().zip(&self.fields);
        let unlisted = said.filter(|(said, _)| said.path == "(unnamed)");
        let fields = unlisted.flat_map(|(_, field)| {
            let text = field.text.as_deref().map(|text| ("(unnamed)", text));
            [Some(("the name of (unnamed)", field.name.as_str())), text]
        });
        let heads = self.beside.iter();
        let heads = heads.map(|head| ("the head of a part", head.as_str()));
        fields.flatten().chain(heads)
    }

    /// A field's text.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        field.text.as_deref()
    }

    /// The one file that it has; none where it has several.
    pub(super) fn file(&self) -> Option<File<'_>> {
        let named = |said: &&Said| said.path.ends_with(".filename");
        let mut files = self.said.iter().filter(named);
        let name = files
            .next()
            .filter(|_| files.next().is_none())?
            .text
            .clone();
        Some(File { form: self, name })
    }

    /// The file goes on under this name.
    pub(super) fn rename_file(&mut self, name: String) {
        self.renamed = Some(name);
    }

    /// The file is text that somebody has read, line by line.
    pub(super) fn file_is_read(&mut self) {
        for (said, field) in self.said.iter_mut().zip(&self.fields) {
            if field.name == "file" && field.text.is_none() {
                said.member = Member::Word;
            }
        }
    }

    /// The body as it came.
    pub(super) fn body(&self) -> &Bytes {
        &self.body
    }

    /// All that it says.
    pub(super) fn said(&self) -> &[Said] {
        &self.said
    }

    /// The body with other texts in the places of some, given by their position in
    /// [`Self::said`], with another model, and with another content of its one file. It is a copy
    /// only where something differs.
    pub(super) fn with(
        &self,
        texts: &[(usize, String)],
        model: Option<&str>,
        file: Option<&[u8]>,
    ) -> Result<Bytes, GatewayError> {
        let instead = |at: usize| {
            let field = self.fields.get(at)?;
            let old = field.text.as_deref()?;
            let new = match (field.name.as_str(), model) {
                ("model", Some(model)) => model,
                _ => texts.iter().find(|(of, _)| *of == at)?.1.as_str(),
            };
            (new != old).then_some(new)
        };
        let differs = (0..self.fields.len()).any(|at| instead(at).is_some());
        if !differs && self.renamed.is_none() && file.is_none() {
            return Ok(self.body.clone());
        }
        let more = file.map_or(0, <[u8]>::len);
        let mut out = BytesMut::with_capacity(self.body.len() + more + 1024);
        let mut at = 0;
        each(self.body.clone(), &self.boundary, |part| {
            let named = part.file.as_ref().is_some_and(|file| !file.is_empty());
            if part.file.is_some()
                && let Some(name) = &self.renamed
            {
                part.file = Some(name.clone());
            }
            put_head(&mut out, &self.boundary, part);
            let place = at;
            at += 1 + usize::from(named);
            let new = match part.file.is_some() {
                true => file,
                false => instead(place).map(str::as_bytes),
            };
            match new {
                Some(new) if memchr::memmem::find(new, self.boundary.as_bytes()).is_some() => {
                    return Err(invalid("a field contains the form's boundary".to_owned()));
                }
                Some(new) => out.extend_from_slice(new),
                None => copy(&mut part.field, &mut out)?,
            }
            out.extend_from_slice(b"\r\n");
            Ok(())
        })?;
        out.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        Ok(out.freeze())
    }
}

/// Reads a form part by part. Nothing waits: the body is all there.
fn each(
    body: Bytes,
    boundary: &str,
    mut take: impl FnMut(&mut Part<'_>) -> Result<(), GatewayError>,
) -> Result<(), GatewayError> {
    let (mut next, mut came) = (0, false);
    // A piece at a time: a reader that gets them all at once puts them into one.
    let pieces = stream::poll_fn(move |_| {
        came = !came;
        if !came {
            return Poll::Pending;
        }
        let piece = next..body.len().min(next + PIECE);
        next = piece.end;
        let piece = (!piece.is_empty()).then(|| body.slice(piece));
        Poll::Ready(piece.map(Ok::<Bytes, Infallible>))
    });
    let mut form = multer::Multipart::new(pieces, boundary);
    let mut parts = 0;
    while let Some(field) = now(form.next_field(), HEAD_PIECES)? {
        parts += 1;
        if parts > MAX_PARTS {
            return Err(invalid(format!("it has more than {MAX_PARTS} parts")));
        }
        if !rest::has_one_name(field.headers()) {
            return Err(invalid(
                "a part of the form must have exactly one plain name".to_owned(),
            ));
        }
        let name = field.name().unwrap_or_default().to_owned();
        let file = field.file_name().map(str::to_owned);
        let long = file.as_ref().is_some_and(|file| file.len() > MAX_NAME);
        if name.is_empty() || name.len() > MAX_NAME || long {
            return Err(invalid(format!(
                "a part has no name, or one of more than {MAX_NAME} bytes"
            )));
        }
        let media = field.content_type().map(|media| media.to_string());
        let rest = rest::beside(field.headers());
        let mut part = Part {
            name,
            file,
            media,
            rest,
            field,
        };
        take(&mut part)?;
        // To its end: what is read next is a head.
        length(&mut part.field)?;
    }
    Ok(())
}

/// A step of reading. It goes on with every piece, so many at most.
fn now<T>(
    step: impl Future<Output = Result<T, multer::Error>>,
    pieces: usize,
) -> Result<T, GatewayError> {
    let mut step = pin!(step);
    for _ in 0..=pieces {
        match step.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(value)) => return Ok(value),
            Poll::Ready(Err(error)) => return Err(invalid(error.to_string())),
            Poll::Pending => {}
        }
    }
    Err(invalid("the head of a part is too long".to_owned()))
}

/// The next piece of a part's content.
fn chunk(field: &mut multer::Field<'_>) -> Result<Option<Bytes>, GatewayError> {
    // A piece that is no more than the beginning of an edge says nothing yet.
    now(field.chunk(), HEAD_PIECES)
}

fn text(field: &mut multer::Field<'_>, name: &str) -> Result<String, GatewayError> {
    let mut out = Vec::new();
    while let Some(piece) = chunk(field)? {
        if out.len() + piece.len() > MAX_FIELD {
            let error = format!("the field \"{name}\" has more than {MAX_FIELD} bytes");
            return Err(invalid(error));
        }
        out.extend_from_slice(&piece);
    }
    String::from_utf8(out).map_err(|_| invalid(format!("the field \"{name}\" is not UTF-8")))
}

/// The bytes of a part's content.
fn length(field: &mut multer::Field<'_>) -> Result<usize, GatewayError> {
    let mut length = 0;
    while let Some(piece) = chunk(field)? {
        length += piece.len();
    }
    Ok(length)
}

/// Where the content of a form's part stands, counted from one.
fn place_of(body: &[u8], boundary: &str, part: usize) -> Option<Range<usize>> {
    let line = format!("--{boundary}");
    let edge = format!("\r\n{line}");
    let find = |from: usize, what: &str| {
        let found = memchr::memmem::find(body.get(from..)?, what.as_bytes())?;
        Some(from + found)
    };
    let mut at = find(0, &line)?;
    for number in 1..=part {
        let begin = find(at, "\r\n\r\n")? + 4;
        // The blank line of a part without content is its edge's as well.
        let end = find(begin - 2, &edge)?.max(begin);
        if number == part {
            return Some(begin..end);
        }
        at = end;
    }
    None
}

fn copy(field: &mut multer::Field<'_>, out: &mut BytesMut) -> Result<(), GatewayError> {
    while let Some(piece) = chunk(field)? {
        out.extend_from_slice(&piece);
    }
    Ok(())
}

fn put_head(out: &mut BytesMut, boundary: &str, part: &Part<'_>) {
    let mut head = format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"",
        quoted(&part.name)
    );
    if let Some(file) = &part.file {
        let _ = write!(head, "; filename=\"{}\"", quoted(file));
    }
    head.push_str("\r\n");
    if let Some(media) = &part.media {
        let _ = write!(head, "content-type: {media}\r\n");
    }
    head.push_str("\r\n");
    out.extend_from_slice(head.as_bytes());
}

/// A name within quotes, as browsers write it (the HTML standard, "multipart form data").
fn quoted(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

pub(super) fn invalid(what: String) -> GatewayError {
    GatewayError::new(
        ErrorKind::InvalidRequest,
        format!("could not read the form: {what}"),
    )
    .with_code("invalid_form")
}

#[cfg(test)]
mod tests;

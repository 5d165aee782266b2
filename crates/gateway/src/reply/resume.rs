//! Event ids: opaque to the client, they name one stream and a place in it.

/// The part of an id that is the same for all events of a stream.
pub(crate) fn prefix(stream: u64) -> String {
    format!("{stream:016x}.")
}

/// Reads an id: the stream and the index of the last event the client has.
pub(crate) fn parse(id: &str) -> Option<(u64, usize)> {
    let (stream, index) = id.trim().split_once('.')?;
    (stream.len() == 16).then_some(())?;
    Some((u64::from_str_radix(stream, 16).ok()?, index.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_nonsense_does_not() {
        assert_eq!(
            parse(&format!("{}{}", prefix(u64::MAX), 7)),
            Some((u64::MAX, 7))
        );
        for bad in [
            "",
            "7",
            "x.7",
            "00000000000000zz.1",
            "0000000000000001.",
            "1.1",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

//! What a refusal means for the replica that sent it, and for the request.

use http::StatusCode;

/// Whose fault a refusal is, as far as its status tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The request's: every other upstream would refuse it too.
    Request,
    /// The upstream works and has too much to do.
    Busy,
    /// The upstream works and does not have what was asked for.
    Missing,
    /// The upstream does not accept the gateway's own account: credentials, permission, payment.
    Account,
    /// The upstream is broken.
    Broken,
}

impl Verdict {
    /// The verdict on a status. `told`: the upstream says when to come back, so it is busy rather
    /// than broken.
    pub(super) fn of(status: StatusCode, told: bool) -> Self {
        match status.as_u16() {
            429 => Self::Busy,
            503 | 529 if told => Self::Busy,
            401..=403 => Self::Account,
            404 => Self::Missing,
            // AWS answers 424 where the model itself failed.
            // A redirect is not followed: who sends one is not where the configuration says. Nobody
            // asked for another protocol (101), and beyond 599 a status means nothing.
            100..=199 | 300..=399 | 408 | 424 | 425 | 500.. => Self::Broken,
            _ => Self::Request,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_one_meaning() {
        let of = |code: u16, told| Verdict::of(StatusCode::from_u16(code).unwrap(), told);
        for (code, verdict) in [
            (101, Verdict::Broken),
            (304, Verdict::Broken),
            (307, Verdict::Broken),
            (400, Verdict::Request),
            (401, Verdict::Account),
            (402, Verdict::Account),
            (404, Verdict::Missing),
            (413, Verdict::Request),
            (422, Verdict::Request),
            (424, Verdict::Broken),
            (429, Verdict::Busy),
            (500, Verdict::Broken),
            (503, Verdict::Broken),
            (529, Verdict::Broken),
            (599, Verdict::Broken),
            (999, Verdict::Broken),
        ] {
            assert_eq!(of(code, false), verdict, "{code}");
        }
        assert_eq!(of(503, true), Verdict::Busy);
        assert_eq!(of(500, true), Verdict::Broken);
    }
}

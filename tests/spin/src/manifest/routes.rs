//! Which component a path leads to. Rules as in Spin: the most exact route wins, `/...` takes the rest.

use crate::error::StartError;

/// The routes of an application.
#[derive(Debug)]
pub(crate) struct Router {
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    written: String,
    segments: Vec<Segment>,
    /// Which of the components.
    component: usize,
}

/// A part between two slashes. Earlier variants are more exact and win.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Named(String),
    Rest,
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RouteMatch<'a> {
    /// Which of the components.
    pub(crate) component: usize,
    /// The route as written.
    pub(crate) route: &'a str,
    /// The route without its trailing wildcard.
    pub(crate) prefix: &'a str,
    /// What the trailing wildcard took, with its slash: `/rest`, or nothing.
    pub(crate) rest: String,
    /// What `:name` segments took.
    pub(crate) named: Vec<(&'a str, String)>,
}

impl Router {
    /// Routes and the number of the component that each leads to. A repeated route replaces the earlier one.
    pub(crate) fn new(
        routes: impl IntoIterator<Item = (String, usize)>,
    ) -> Result<Self, StartError> {
        let mut router = Self { routes: Vec::new() };
        for (written, component) in routes {
            let segments = parse(&written)?;
            if segments.first() == Some(&Segment::Literal(".well-known".into()))
                && segments.get(1) == Some(&Segment::Literal("spin".into()))
            {
                return Err(StartError::invalid(
                    "trigger.http.route",
                    format!("{written:?} is under /.well-known/spin/, which is reserved"),
                ));
            }
            if let Some(same) = router.routes.iter().position(|r| r.segments == segments) {
                tracing::warn!(
                    route = written,
                    "the route is repeated: the last one counts"
                );
                router.routes.remove(same);
            }
            router.routes.push(Route {
                written,
                segments,
                component,
            });
        }
        // Spin ranks segment by segment; where one route has ended it is the more exact one.
        router.routes.sort_by_key(|route| {
            route
                .segments
                .iter()
                .map(|segment| match segment {
                    Segment::Literal(_) => 0_u8,
                    Segment::Named(_) => 1,
                    Segment::Rest => 2,
                })
                .collect::<Vec<_>>()
        });
        Ok(router)
    }

    /// Where this path leads, if anywhere.
    pub(crate) fn find(&self, path: &str) -> Option<RouteMatch<'_>> {
        self.routes.iter().find_map(|route| route.matches(path))
    }
}

fn parse(written: &str) -> Result<Vec<Segment>, StartError> {
    let invalid = |why: &str| {
        Err(StartError::invalid(
            "trigger.http.route",
            format!("{written:?} {why}"),
        ))
    };
    let mut segments = Vec::new();
    for part in written.split('/').filter(|part| !part.is_empty()) {
        if segments.last() == Some(&Segment::Rest) {
            return invalid("has something behind its wildcard");
        }
        segments.push(match part {
            "..." | "*" => Segment::Rest,
            _ => match part.strip_prefix(':') {
                Some("") => return invalid("has a : without a name"),
                Some(name) => Segment::Named(name.to_owned()),
                None => Segment::Literal(part.to_owned()),
            },
        });
    }
    Ok(segments)
}

impl Route {
    fn matches(&self, path: &str) -> Option<RouteMatch<'_>> {
        let mut left = path;
        let mut named = Vec::new();
        let mut rest = None;
        for segment in &self.segments {
            if *segment == Segment::Rest {
                rest = Some(left.to_owned());
                left = "";
                break;
            }
            left = left.trim_start_matches('/');
            let (part, behind) = left.split_at(left.find('/').unwrap_or(left.len()));
            match segment {
                Segment::Literal(literal) if literal == part => {}
                Segment::Named(name) if !part.is_empty() => {
                    named.push((name.as_str(), part.to_owned()));
                }
                _ => return None,
            }
            left = behind;
        }
        if !left.trim_start_matches('/').is_empty() {
            return None;
        }
        let prefix = self.written.strip_suffix("/...").unwrap_or(&self.written);
        Some(RouteMatch {
            component: self.component,
            route: &self.written,
            prefix,
            rest: rest.unwrap_or_default(),
            named,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[&str]) -> Router {
        let numbered = routes.iter().enumerate();
        Router::new(numbered.map(|(number, route)| ((*route).to_owned(), number))).unwrap()
    }

    #[test]
    fn the_most_exact_route_wins_whatever_the_order() {
        let router = router(&["/...", "/v1/...", "/v1/:kind/list", "/v1/models/list"]);
        let to = |path| router.find(path).unwrap().component;
        assert_eq!(to("/"), 0);
        assert_eq!(to("/v2/chat"), 0);
        assert_eq!(to("/v1"), 1);
        assert_eq!(to("/v1/chat/completions"), 1);
        assert_eq!(to("/v1/files/list"), 2);
        assert_eq!(to("/v1/models/list"), 3);
    }

    #[test]
    fn wildcards_and_names_say_what_they_took() {
        let router = router(&["/users/:id/..."]);
        let found = router.find("/users/7/a/b/").unwrap();
        assert_eq!(
            (found.route, found.prefix),
            ("/users/:id/...", "/users/:id")
        );
        assert_eq!(found.rest, "/a/b/");
        assert_eq!(found.named, [("id", "7".to_owned())]);
        assert_eq!(router.find("/users/7").unwrap().rest, "");
        assert_eq!(router.find("/users/7/").unwrap().rest, "/");
        assert!(router.find("/users").is_none());
    }

    #[test]
    fn a_path_that_no_route_takes_leads_nowhere() {
        let router = router(&["/hello"]);
        assert!(router.find("/hello/world").is_none());
        assert!(router.find("/hellos").is_none());
        assert!(router.find("/hello/").is_some());
    }

    #[test]
    fn reserved_and_malformed_routes_are_refused() {
        for route in ["/.well-known/spin/health", "/a/.../b", "/a/:"] {
            let error = Router::new([(route.to_owned(), 0)]).unwrap_err();
            assert!(error.to_string().contains(route), "{error}");
        }
    }
}

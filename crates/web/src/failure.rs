//! From the errors of use cases to answers: what the caller may know goes into the body, what the log needs
//! travels with the response and is logged once, at the edge.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue};
use portcullis_app::fault::Fault;
use portcullis_app::limits::Limited;
use portcullis_core::validation;
use portcullis_edge::code::Code;
use portcullis_edge::problem::{FieldError, Problem};

/// What the log needs, in the extensions of a response.
#[derive(Clone, Debug)]
pub(crate) struct Logged(pub(crate) String);

/// An answer that is an error.
pub(crate) struct Failure {
    problem: Problem,
    log: Option<String>,
}

/// What handlers return.
pub(crate) type Answer<T = Response> = Result<T, Failure>;

impl Failure {
    /// One of the stable codes.
    pub(crate) fn new(code: Code) -> Self {
        Problem::new(code).into()
    }

    /// With something for the log.
    pub(crate) fn logged(code: Code, log: impl Into<String>) -> Self {
        Self { problem: Problem::new(code), log: Some(log.into()) }
    }

    /// With text of its own for the caller.
    pub(crate) fn told(code: Code, detail: &str) -> Self {
        Problem::new(code).detail(detail).into()
    }

    /// What it is.
    pub(crate) fn code(&self) -> Code {
        self.problem.code()
    }

    /// Put together again.
    pub(crate) const fn of(problem: Problem, log: Option<String>) -> Self {
        Self { problem, log }
    }

    /// Taken apart, for endpoints that answer in another form: the problem, and what the log needs.
    pub(crate) fn into_parts(self) -> (Problem, Option<String>) {
        (self.problem, self.log)
    }

    /// Put together again.
    pub(crate) const fn rejoined(problem: Problem, log: Option<String>) -> Self {
        Self { problem, log }
    }

    /// One wrong field.
    pub(crate) fn field(field: &str, code: &'static str, message: &str) -> Self {
        Problem::validation(vec![FieldError::new(field, code, message)]).into()
    }

    /// Wrong fields, as the rules found them.
    pub(crate) fn fields(errors: Vec<validation::FieldError>) -> Self {
        let errors = errors.into_iter().map(|error| FieldError::new(error.field, error.code, error.message));
        Problem::validation(errors.collect()).into()
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem, log: None }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let code = match &fault {
            Fault::StoreUnavailable(_) | Fault::Stale => Code::StoreUnavailable,
            Fault::HashingBusy { .. } => Code::HashingBusy,
            Fault::ServerKeyMissing(_) | Fault::SigningKeyMissing(_) => Code::KeyUnavailable,
            Fault::Internal(_) => Code::InternalError,
        };
        let mut problem = Problem::new(code);
        if let Fault::HashingBusy { retry_after } = &fault {
            problem = problem.retry_after(retry_after.as_secs().max(1));
        }
        Self { problem, log: Some(fault.to_string()) }
    }
}

/// 429 with the headers of draft-ietf-httpapi-ratelimit-headers.
impl From<Limited> for Failure {
    fn from(limited: Limited) -> Self {
        let Limited { name, retry_after, rate } = limited;
        let wait = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        let policy = format!("\"{name}\";q={};w={}", rate.count, rate.per.as_secs());
        let state = format!("\"{name}\";r=0;t={wait}");
        let mut problem = Problem::new(Code::RateLimited).retry_after(wait.max(1));
        for (header, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                problem = problem.header(HeaderName::from_static(header), value);
            }
        }
        problem.into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response::<Body>();
        if let Some(log) = self.log {
            response.extensions_mut().insert(Logged(log));
        }
        response
    }
}

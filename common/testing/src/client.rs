use http::{HeaderMap, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Who asks.
#[derive(Clone, Debug)]
pub enum As<'a> {
    /// Nobody: no token.
    Anyone,
    /// The holder of this token.
    Token(&'a str),
}

impl<'a> From<&'a String> for As<'a> {
    fn from(token: &'a String) -> Self {
        Self::Token(token)
    }
}

impl<'a> From<&'a str> for As<'a> {
    fn from(token: &'a str) -> Self {
        Self::Token(token)
    }
}

/// A plain HTTP client for tests.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
}

/// An answer with its body read.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of the server at `base`.
    pub fn new(base: &str) -> Self {
        #[expect(clippy::disallowed_methods, reason = "tests speak as strangers do")]
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            http,
        }
    }

    /// A request to be completed by the test.
    pub fn request<'a>(&self, method: Method, path: &str, who: impl Into<As<'a>>) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match who.into() {
            As::Anyone => request,
            As::Token(token) => request.bearer_auth(token),
        }
    }

    /// `GET`
    pub async fn get<'a>(&self, path: &str, who: impl Into<As<'a>>) -> Answer {
        Self::send(self.request(Method::GET, path, who)).await
    }

    /// `POST` with a JSON body
    pub async fn post<'a>(&self, path: &str, who: impl Into<As<'a>>, body: &Value) -> Answer {
        Self::send(self.request(Method::POST, path, who).json(body)).await
    }

    /// `PUT` with a JSON body
    pub async fn put<'a>(&self, path: &str, who: impl Into<As<'a>>, body: &Value) -> Answer {
        Self::send(self.request(Method::PUT, path, who).json(body)).await
    }

    /// `PATCH` with a JSON body
    pub async fn patch<'a>(&self, path: &str, who: impl Into<As<'a>>, body: &Value) -> Answer {
        Self::send(self.request(Method::PATCH, path, who).json(body)).await
    }

    /// `DELETE`
    pub async fn delete<'a>(&self, path: &str, who: impl Into<As<'a>>) -> Answer {
        Self::send(self.request(Method::DELETE, path, who)).await
    }

    /// Send a prepared request.
    pub async fn send(request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer {
            status,
            headers,
            body: response.bytes().await.unwrap().to_vec(),
        }
    }
}

impl Answer {
    /// The body as JSON; panics with the body if it is none.
    pub fn json(&self) -> Value {
        self.parse()
    }

    /// The body as `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {} {}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The answer, if its status is `status`; else the test fails and shows the body.
    #[track_caller]
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "mostly called for the check alone"
    )]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    /// The problem's code, after checking that this is a whole problem document with `status`.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let document = self.json();
        assert_eq!(document["status"], status);
        for member in ["type", "title", "instance", "request_id"] {
            assert!(document[member].is_string(), "{member} is missing: {document}");
        }
        assert_eq!(
            document["request_id"],
            self.headers["x-request-id"].to_str().unwrap()
        );
        document["type"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    }

    /// A header as text.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no header {name}"))
            .to_str()
            .unwrap()
    }
}

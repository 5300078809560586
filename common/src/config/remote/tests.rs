use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde_json::json;

use super::*;

const ANSWER: &str = r#"{"name":"svc","profiles":["default"],"label":null,"version":"abc","state":null,"propertySources":[
    {"name":"file:config/svc.yml","source":{"a.b":1,"l[0]":"x","invalid.secret":"<n/a>"}},
    {"name":"file:config/application.yml","source":{"a.b":2,"a.c":true,"l[0]":"p","l[1]":"q"}}]}"#;

/// A config-server that always says the same.
async fn server(status: u16, body: &'static str) -> Url {
    async fn answer(State((status, body)): State<(u16, &'static str)>, headers: HeaderMap) -> Response {
        // svc:p@ss in base64
        let known = headers
            .get("authorization")
            .is_some_and(|value| value == "Basic c3ZjOnBAc3M=");
        let status = if known { status } else { 401 };
        (StatusCode::from_u16(status).unwrap(), body).into_response()
    }
    let router = Router::new()
        .route("/svc/default", axum::routing::get(answer))
        .with_state((status, body));
    let address = common_testing::serve(router).await;
    Url::parse(&format!("http://svc:p%40ss@{address}/")).unwrap()
}

/// An address where nobody listens.
fn nobody() -> Url {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    Url::parse(&format!("http://svc:p%40ss@127.0.0.1:{port}")).unwrap()
}

fn settings(timeout_ms: u64) -> ConfigServerSettings {
    ConfigServerSettings {
        url: None,
        profile: "default".to_owned(),
        timeout_ms,
        require_signature: false,
        cache_dir: None,
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("settings-{}", uuid::Uuid::now_v7())))
    }

    fn settings(&self) -> ConfigServerSettings {
        ConfigServerSettings {
            cache_dir: Some(self.0.clone()),
            ..settings(2_000)
        }
    }

    fn file(&self) -> PathBuf {
        self.0.join("svc-default.settings")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn values() -> Value {
    json!({"a": {"b": 1, "c": true}, "l": ["x"]})
}

#[tokio::test]
async fn the_answer_is_merged_and_nested() {
    let url = server(200, ANSWER).await;
    assert_eq!(fetch(&url, "svc", &settings(2_000)).await.unwrap(), values());
}

#[tokio::test]
async fn the_last_good_answer_stands_in_while_the_server_is_away() {
    let folder = Folder::new();
    let (good, settings) = (server(200, ANSWER).await, folder.settings());
    let source = Source::new(&good, "svc", &settings);
    assert_eq!(source.last_good(), None);
    source.accepted(&source.fetch().await.unwrap());

    let away = ConfigServerSettings {
        timeout_ms: 300,
        ..settings
    };
    for bad in [
        nobody(),
        server(500, "").await,
        server(403, "").await,
        server(200, "{}").await,
        server(200, "<").await,
    ] {
        let source = Source::new(&bad, "svc", &away);
        assert!(source.fetch().await.is_err());
        assert_eq!(source.last_good(), Some(values()));
    }
    assert_eq!(Source::new(&nobody(), "other", &away).last_good(), None);
}

#[test]
fn the_copy_is_private_sealed_and_refused_when_touched() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let settings = folder.settings();
    let url = nobody();
    let source = Source::new(&url, "svc", &settings);
    source.accepted(&values());
    assert_eq!(
        std::fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let mut bytes = std::fs::read(folder.file()).unwrap();
    assert!(
        !bytes.windows(3).any(|window| window == b"\"a\""),
        "the copy is readable"
    );
    let mut other_password = url.clone();
    other_password.set_password(Some("other")).unwrap();
    assert_eq!(Source::new(&other_password, "svc", &settings).last_good(), None);
    for at in [0, 1, bytes.len() - 1] {
        bytes[at] ^= 1;
        std::fs::write(folder.file(), &bytes).unwrap();
        assert_eq!(source.last_good(), None, "byte {at}");
        bytes[at] ^= 1;
    }
    std::fs::write(folder.file(), b"").unwrap();
    assert_eq!(source.last_good(), None);
}

#[tokio::test]
async fn a_refusal_is_final_and_a_late_server_is_waited_for() {
    let mut url = server(200, ANSWER).await;
    url.set_password(Some("wrong")).unwrap();
    let started = Instant::now();
    let error = fetch(&url, "svc", &settings(30_000)).await.unwrap_err();
    assert!(matches!(error, RemoteError::Refused(StatusCode::UNAUTHORIZED)));
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(!error.to_string().contains("wrong"));

    let error = fetch(&nobody(), "svc", &settings(500)).await.unwrap_err();
    assert!(
        matches!(error, RemoteError::Away(_)) && !error.to_string().contains("p%40ss"),
        "{error}"
    );
}

/// What listens at a wrong address may know everything but the secret, and is not told it.
#[tokio::test]
async fn an_answer_without_a_signature_is_refused_where_one_is_required() {
    async fn record(State(seen): State<Arc<Mutex<Vec<String>>>>, headers: HeaderMap) -> Response {
        let sent = headers["authorization"].to_str().unwrap().to_owned();
        seen.lock().unwrap().push(sent);
        let forged = "0".repeat(64);
        ([(SIGNATURE, forged)], ANSWER).into_response()
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let router = Router::new().fallback(record).with_state(Arc::clone(&seen));
    let address = common_testing::serve(router).await;
    let url = Url::parse(&format!("http://svc:p%40ss@{address}/")).unwrap();
    let strict = ConfigServerSettings {
        require_signature: true,
        ..settings(2_000)
    };
    let error = fetch(&url, "svc", &strict).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unsigned), "{error}");
    let seen = seen.lock().unwrap();
    assert!(
        seen.iter().all(|sent| sent.starts_with("Signed svc:")),
        "{seen:?}"
    );
    assert!(
        !seen.is_empty()
            && !seen
                .iter()
                .any(|sent| sent.contains("p@ss") || sent.contains("cEBz"))
    );
}

mod layers {
    use super::super::super::{Layer, SHARED_DEFAULTS, Settings, When, read};
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Booking {
        limit: u32,
        names: Vec<String>,
    }

    impl Settings for Booking {
        fn check(&self) -> Result<(), String> {
            if self.limit > 100 {
                Err("limit: at most 100".to_owned())
            } else {
                Ok(())
            }
        }
    }

    /// Defaults and environment of a service whose config-server is at `url`.
    fn local(url: &Url, folder: &Folder) -> Vec<Layer> {
        let defaults = Layer::yaml("defaults", SHARED_DEFAULTS).unwrap();
        let own = Layer::new("service defaults", json!({"limit": 1, "names": ["default"]}));
        let server = json!({"url": url, "timeout_ms": 300, "cache_dir": folder.0});
        vec![
            defaults,
            own,
            Layer::new(
                "environment",
                json!({"config_server": server, "names": ["environment"]}),
            ),
        ]
    }

    async fn limit(url: &Url, folder: &Folder, when: When) -> Option<u32> {
        let state = read::<Booking>("svc", local(url, folder), when).await.ok()?;
        assert_eq!(
            state.own.names,
            ["environment"],
            "the environment is the strongest"
        );
        Some(state.own.limit)
    }

    async fn serving(limit: &'static str) -> Url {
        let body = format!(
            r#"{{"propertySources":[{{"name":"x","source":{{"limit":{limit},"names[0]":"remote"}}}}]}}"#
        );
        server(200, body.leak()).await
    }

    #[tokio::test]
    async fn config_server_stands_over_the_defaults() {
        assert_eq!(
            limit(&serving("7").await, &Folder::new(), When::Start).await,
            Some(7)
        );
        assert_eq!(limit(&nobody(), &Folder::new(), When::Start).await, Some(1));
    }

    #[tokio::test]
    async fn a_value_that_does_not_fit_is_refused_and_the_last_good_one_is_used_at_the_start() {
        let folder = Folder::new();
        for bad in ["\"many\"", "-1", "101", "null", "\"\""] {
            let bad = serving(bad).await;
            assert_eq!(limit(&bad, &folder, When::Refresh).await, None);
            assert_eq!(
                limit(&bad, &folder, When::Start).await,
                None,
                "there is no copy yet"
            );
        }
        assert_eq!(limit(&serving("7").await, &folder, When::Refresh).await, Some(7));
        assert_eq!(limit(&serving("101").await, &folder, When::Refresh).await, None);
        assert_eq!(limit(&serving("101").await, &folder, When::Start).await, Some(7));
        assert_eq!(limit(&nobody(), &folder, When::Start).await, Some(7));
    }

    #[tokio::test]
    async fn a_level_that_is_none_is_refused_like_any_bad_value() {
        let leveled = |level: &str| {
            let source = format!(r#"{{"limit":7,"log.level":"{level}"}}"#);
            format!(r#"{{"propertySources":[{{"name":"x","source":{source}}}]}}"#)
        };
        let bad = server(200, leveled("inof").leak()).await;
        let folder = Folder::new();
        assert_eq!(limit(&bad, &folder, When::Refresh).await, None);
        assert_eq!(limit(&bad, &folder, When::Start).await, None);
        let good = server(200, leveled("warn").leak()).await;
        assert_eq!(limit(&good, &folder, When::Start).await, Some(7));
        let copy = std::fs::read(folder.file()).unwrap();
        assert_eq!(
            limit(&bad, &folder, When::Start).await,
            Some(7),
            "the last good one"
        );
        assert_eq!(
            std::fs::read(folder.file()).unwrap(),
            copy,
            "which is not overwritten"
        );
    }

    #[test]
    fn texts_become_what_the_defaults_are() {
        let defaults = json!({"on": false, "n": 1, "t": "x", "none": null, "list": ["a"], "minutes": [1], "in": {"n": 1}});
        let mut values = json!({"on": "true", "n": "7", "t": "7", "none": "", "list": "", "minutes": "60, 30", "in": {"n": "2"},
            "unknown": "1"});
        fit(&mut values, &defaults);
        let expected = json!({"on": true, "n": 7, "t": "7", "none": null, "list": [], "minutes": [60, 30], "in": {"n": 2},
            "unknown": "1"});
        assert_eq!(values, expected);
        let mut misfits =
            json!({"on": "perhaps", "n": "many", "list": ["b"], "t": 3, "in": "flat", "none": [""]});
        let before = misfits.clone();
        fit(&mut misfits, &defaults);
        assert_eq!(
            misfits, before,
            "what does not fit is left for the typed settings to refuse"
        );
    }

    #[tokio::test]
    async fn a_refresh_without_config_server_changes_nothing() {
        let folder = Folder::new();
        assert_eq!(limit(&serving("7").await, &folder, When::Start).await, Some(7));
        assert_eq!(limit(&nobody(), &folder, When::Refresh).await, None);
    }

    /// The shared sections are looked at before anything is kept, as the service's own are.
    #[tokio::test]
    async fn a_bad_shared_value_never_becomes_the_last_good_one() {
        let folder = Folder::new();
        assert_eq!(limit(&serving("7").await, &folder, When::Start).await, Some(7));
        let body = r#"{"propertySources":[{"name":"x","source":{"limit":8,"http_client.timeout_ms":0}}]}"#;
        let bad = server(200, body).await;
        assert_eq!(limit(&bad, &folder, When::Refresh).await, None);
        assert_eq!(limit(&bad, &folder, When::Start).await, Some(7));
        assert_eq!(limit(&nobody(), &folder, When::Start).await, Some(7));
    }
}

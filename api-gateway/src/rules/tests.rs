use super::*;
use crate::config::DEFAULTS;
use crate::domain::table::Lookup;

/// The default settings with `yaml` over them.
fn settings(yaml: &str) -> Result<Arc<Config>, String> {
    let live = common::config::from_yaml::<Config>("api-gateway", &[DEFAULTS, yaml]);
    live.map(|live| live.current())
        .map_err(|error| format!("{error:#}"))
}

fn route_refused(entry: &str) -> String {
    settings(&format!("gateway: {{ routes: [ {entry} ] }}")).expect_err("these settings make no sense")
}

#[test]
fn the_embedded_table_compiles_and_names_the_deciding_service() {
    let rules = Rules::compile(&settings("").expect("good defaults"), &Directory::default(), None)
        .expect("good defaults");
    let expected = [
        ("/login", Method::POST, "user-service", Access::Public),
        ("/doctors/1", Method::GET, "user-service", Access::Any),
        (
            "/doctors/1/slots",
            Method::GET,
            "appointment-service",
            Access::Any,
        ),
        (
            "/records/1/2/file",
            Method::GET,
            "medical-record-service",
            Access::Any,
        ),
        (
            "/notify",
            Method::POST,
            "notification-service",
            Access::Roles(vec![Role::Admin]),
        ),
        (
            "/webhooks/twilio/status",
            Method::POST,
            "notification-service",
            Access::Public,
        ),
    ];
    for (path, method, service, access) in expected {
        let Lookup::Found(route) = rules.table.find(path, &method) else {
            panic!("{method} {path} is missing")
        };
        assert_eq!(
            (route.target.name.as_str(), &route.access),
            (service, &access),
            "{method} {path}"
        );
    }
}

#[test]
fn a_table_that_makes_no_sense_is_refused_by_name() {
    let cases = [
        (
            "{ path: login, methods: [POST], service: u, who: public }",
            "template",
        ),
        ("{ path: /, methods: [GET], service: u, who: public }", "reserved"),
        (
            "{ path: '/{x}', methods: [GET], service: u, who: public }",
            "reserved",
        ),
        (
            "{ path: /internal/users, methods: [GET], service: u, who: any }",
            "reserved",
        ),
        (
            "{ path: /actuator/env, methods: [GET], service: u, who: any }",
            "reserved",
        ),
        (
            "{ path: /a//b, methods: [GET], service: u, who: any }",
            "template",
        ),
        ("{ path: /a, methods: [], service: u, who: any }", "method"),
        ("{ path: /a, methods: [TRACE], service: u, who: any }", "method"),
        ("{ path: /a, methods: [get], service: u, who: any }", "method"),
        ("{ path: /a, methods: [GET, GET], service: u, who: any }", "twice"),
        ("{ path: /a, methods: [GET], service: u, who: [] }", "nobody"),
        ("{ path: /a, methods: [GET], service: u, who: everybody }", "who"),
        ("{ path: /a, methods: [GET], service: u, who: [NURSE] }", "who"),
        ("{ path: /a, methods: [GET], service: u }", "who"),
        (
            "{ path: /a, methods: [GET], service: u, who: any, limit: none }",
            "none",
        ),
        (
            "{ path: /a, methods: [GET], service: u, who: any, timeout_ms: 0 }",
            "timeout",
        ),
        (
            "{ path: /a, methods: [GET], service: u, who: any, retries: 3 }",
            "retries",
        ),
    ];
    for (entry, word) in cases {
        let error = route_refused(entry);
        assert!(error.contains(word), "{entry}: {error}");
    }
    assert!(settings("gateway: { routes: [] }").is_err());
}

#[test]
fn other_settings_that_make_no_sense_are_refused_too() {
    for yaml in [
        "gateway: { trusted_proxies: [nonsense] }",
        "gateway: { monitors: [nonsense] }",
        "gateway: { cors_origins: ['*'] }",
        "gateway: { rate_limit: { scale: 0 } }",
        "gateway: { rate_limit: { classes: { login: { per_minute: 0, burst: 1 } } } }",
        "gateway: { unknown: 1 }",
    ] {
        assert!(settings(yaml).is_err(), "{yaml}");
    }
}

#[test]
fn a_refresh_keeps_the_buckets_of_unchanged_classes() {
    let before = Rules::compile(&settings("").expect("good"), &Directory::default(), None).expect("good");
    let changed = settings("gateway: { rate_limit: { classes: { login: { per_minute: 1, burst: 1 } } } }")
        .expect("good");
    let after = Rules::compile(&changed, &Directory::default(), Some(&before)).expect("good");
    assert!(Arc::ptr_eq(&before.classes["user"], &after.classes["user"]));
    assert!(Arc::ptr_eq(&before.token_checks, &after.token_checks));
    let _place = before.in_flight.take(1).expect("a place");
    assert_eq!(
        after.in_flight.open(),
        1,
        "what is under way goes on being counted"
    );
    assert!(!Arc::ptr_eq(&before.classes["login"], &after.classes["login"]));
}

#[test]
fn every_operation_that_is_described_has_a_way_in() {
    let rules = Rules::compile(&settings("").expect("good"), &Directory::default(), None).expect("good");
    let document: serde_json::Value = serde_json::from_str(include_str!("../../openapi.json")).expect("JSON");
    for (template, item) in document["paths"].as_object().expect("paths") {
        for method in item
            .as_object()
            .expect("operations")
            .keys()
            .filter(|key| known(&key.to_uppercase()).is_some())
        {
            let path = template.replace(['{', '}'], "");
            let found = rules
                .table
                .find(&path, &known(&method.to_uppercase()).expect("known"));
            let is_own = crate::routes::Pages::template(&path).is_some();
            assert!(is_own || matches!(found, Lookup::Found(_)), "{method} {template}");
        }
    }
}

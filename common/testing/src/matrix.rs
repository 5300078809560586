use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;

use crate::Answer;

/// Who may do what, as a table that a person can read: a line per operation, a column per caller, a status in each cell.
///
/// The first line names the callers. A line is a method, a path as the service describes it, optionally one word that
/// tells several lines of one operation apart, and a status per caller.
pub struct Matrix {
    callers: Vec<&'static str>,
    rows: Vec<Row>,
}

/// One line of a [`Matrix`].
pub struct Row {
    /// The method.
    pub method: Method,
    /// The path's template.
    pub path: &'static str,
    /// What tells this line from others of the operation; empty where there is only one.
    pub case: &'static str,
    statuses: Vec<u16>,
}

impl Matrix {
    /// The table in `text`.
    pub fn read(text: &'static str) -> Self {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let head = lines.next().unwrap().split_whitespace();
        let callers: Vec<&str> = head.skip_while(|word| *word != "anyone").collect();
        let rows: Vec<Row> = lines.map(Row::read).collect();
        for row in &rows {
            assert_eq!(row.statuses.len(), callers.len(), "{}", row.name());
        }
        Self { callers, rows }
    }

    /// An operation in the service's OpenAPI `document` has a line, and a line an operation. `HEAD` is part of `GET`.
    pub fn covers(&self, document: &impl serde::Serialize) {
        let document = serde_json::to_value(document).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let methods = item.as_object().unwrap().keys();
            described.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
        }
        let listed = self.rows.iter().map(|row| match row.method {
            Method::HEAD => format!("GET {}", row.path),
            _ => format!("{} {}", row.method, row.path),
        });
        assert_eq!(described, listed.collect());
    }

    /// Every cell is as it says; `attempt` does the operation of a row as a caller, to things of its own.
    pub async fn holds(&self, service: &str, attempt: impl AsyncFn(&Row, &'static str) -> Answer) {
        let mut wrong = Vec::new();
        for row in &self.rows {
            for (caller, status) in self.callers.iter().zip(&row.statuses) {
                let answer = attempt(row, caller).await;
                if answer.status != *status {
                    let (got, said) = (answer.status, answer.text());
                    wrong.push(format!(
                        "{} as {caller}: {got} instead of {status} {said}",
                        row.name()
                    ));
                } else if *status >= 400 && row.method != Method::HEAD {
                    answer.problem(*status);
                }
            }
        }
        let (rows, callers) = (self.rows.len(), self.callers.len());
        #[expect(clippy::print_stdout, reason = "how much was tried, for whoever runs it")]
        {
            println!(
                "access: {service}, {rows} operations and relations x {callers} callers = {} attempts, {} not as written",
                rows * callers,
                wrong.len()
            );
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

impl Row {
    fn read(line: &'static str) -> Self {
        let mut words = line.split_whitespace();
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let mut words = words.peekable();
        let case = words.next_if(|word| word.parse::<u16>().is_err());
        Self {
            method: method.parse().unwrap(),
            path,
            case: case.unwrap_or_default(),
            statuses: words.map(|status| status.parse().unwrap()).collect(),
        }
    }

    /// The line without its statuses.
    pub fn name(&self) -> String {
        format!("{} {} {}", self.method, self.path, self.case)
            .trim_end()
            .to_owned()
    }
}

/// Spellings that are the id of nothing: of another kind, in another form, or no id at all. `id` is a good one.
pub fn strange_ids(id: &str, of_another_kind: &[String]) -> Vec<String> {
    let malformed = [
        format!("{{{id}}}"),
        format!("urn:uuid:{id}"),
        id.replace('-', ""),
        format!("{id}%00"),
        format!("{id}'"),
        format!("{id}%20"),
        "0".to_owned(),
        "-1".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "%ff".to_owned(),
        "00000000-0000-0000-0000-000000000000".to_owned(),
        "x".repeat(5000),
    ];
    of_another_kind.iter().cloned().chain(malformed).collect()
}

/// Values that are no id in a JSON body.
pub fn strange_values(id: &str) -> Vec<Value> {
    use serde_json::json;
    vec![
        json!(null),
        json!(1),
        json!(-1),
        json!("0"),
        json!([id]),
        json!({"$ne": null}),
        json!(format!("{{{id}}}")),
    ]
}

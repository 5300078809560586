//! The metrics as a list of families, read back from the exposition that the recorder writes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Map, Value, json};

/// How the name of a timer's peak ends.
const PEAK: &str = "_max";

/// Labels of one sample.
type Labels = BTreeMap<String, String>;

/// A metric with all its samples.
#[derive(Debug, Default)]
pub(super) struct Family {
    name: String,
    kind: String,
    help: String,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: Labels,
    value: f64,
    /// As it was written, to be written again.
    line: String,
}

/// Read an exposition in Prometheus's text format 0.0.4, as our own recorder writes it.
pub(super) fn parse(text: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    let mut help = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest
                .split_once(' ')
                .map_or_else(String::new, |(_, text)| text.to_owned());
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let help = std::mem::take(&mut help);
            families.push(Family {
                name: name.to_owned(),
                kind: kind.to_owned(),
                help,
                samples: Vec::new(),
            });
        } else if let (Some(family), Some(sample)) = (families.last_mut(), sample(line)) {
            family.samples.push(sample);
        }
    }
    families
}

fn sample(line: &str) -> Option<Sample> {
    let (head, value) = line.rsplit_once(' ')?;
    let (name, labels) = match head.split_once('{') {
        Some((name, rest)) => (name, labels(rest.strip_suffix('}')?)),
        None => (head, Labels::new()),
    };
    Some(Sample {
        name: name.to_owned(),
        value: value.parse().ok()?,
        line: canonical(line, labels.get("le")),
        labels,
    })
}

/// OpenMetrics wants a bucket's bound to look like a float, and a scraper that changes its format must find the same
/// series.
fn canonical(line: &str, bound: Option<&String>) -> String {
    match bound {
        Some(bound) if bound.bytes().all(|byte| byte.is_ascii_digit()) => {
            line.replace(&format!("le=\"{bound}\""), &format!("le=\"{bound}.0\""))
        }
        _ => line.to_owned(),
    }
}

/// `a="x",b="y"`, where values may hold escaped quotes.
fn labels(text: &str) -> Labels {
    let mut labels = Labels::new();
    let mut rest = text;
    while let Some((name, tail)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut characters = tail.char_indices();
        let mut end = tail.len();
        while let Some((index, character)) = characters.next() {
            match character {
                '"' => {
                    end = index + 1;
                    break;
                }
                '\\' => value.extend(
                    characters
                        .next()
                        .map(|(_, escaped)| if escaped == 'n' { '\n' } else { escaped }),
                ),
                other => value.push(other),
            }
        }
        labels.insert(name.trim_start_matches(',').to_owned(), value);
        rest = &tail[end..];
    }
    labels
}

impl Family {
    /// The name without what Prometheus demands at the end of a counter's.
    fn bare(&self) -> &str {
        match self.kind.as_str() {
            "counter" => self.name.strip_suffix("_total").unwrap_or(&self.name),
            _ => &self.name,
        }
    }

    /// Micrometer's name: dots, and no unit at the end.
    fn dotted(&self) -> String {
        let name = self.bare();
        let unit = self.unit().and_then(|unit| name.strip_suffix(unit));
        unit.map_or(name, |name| name.trim_end_matches('_'))
            .replace('_', ".")
    }

    fn unit(&self) -> Option<&'static str> {
        let name = self.bare();
        ["seconds", "bytes", "files"]
            .into_iter()
            .find(|unit| name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
    }

    /// Something is measured again and again, so that there is a longest.
    fn is_timer(&self) -> bool {
        ["histogram", "summary"].contains(&self.kind.as_str())
    }

    /// Asked for by its name in either format, or by that of one of its series.
    fn is_named(&self, wanted: &[String]) -> bool {
        wanted.iter().any(|name| {
            *name == self.name || name == self.bare() || self.samples.iter().any(|s| s.name == *name)
        })
    }

    fn statistic(&self, sample: &Sample) -> Option<&'static str> {
        match self.kind.as_str() {
            "counter" => Some("COUNT"),
            "gauge" => Some("VALUE"),
            _ if sample.name.ends_with("_count") => Some("COUNT"),
            _ if sample.name.ends_with("_sum") => Some(if self.unit() == Some("seconds") {
                "TOTAL_TIME"
            } else {
                "TOTAL"
            }),
            _ => None,
        }
    }
}

/// The family of the peaks that belong to `family`, if it is a timer.
fn peaks<'a>(families: &'a [Family], family: &Family) -> Option<&'a Family> {
    families
        .iter()
        .find(|other| family.is_timer() && other.name.strip_suffix(PEAK) == Some(&family.name))
}

/// Names of all metrics, sorted. A timer's peak is a statistic of it and no metric of its own.
pub(super) fn names(families: &[Family]) -> BTreeSet<String> {
    let own = families.iter().filter(|family| {
        let timer = family.name.strip_suffix(PEAK);
        !families
            .iter()
            .any(|other| other.is_timer() && Some(other.name.as_str()) == timer)
    });
    own.map(Family::dotted).collect()
}

/// One metric summed over the samples that have all `tags`; `None` if there is none.
pub(super) fn one(families: &[Family], name: &str, tags: &[(String, String)]) -> Option<Value> {
    let family = families.iter().find(|family| family.dotted() == name)?;
    let fits = |sample: &&Sample| {
        tags.iter()
            .all(|(tag, value)| sample.labels.get(tag) == Some(value))
    };
    let chosen: Vec<&Sample> = family.samples.iter().filter(fits).collect();
    let mut totals: BTreeMap<&'static str, f64> = BTreeMap::new();
    for sample in &chosen {
        if let Some(statistic) = family.statistic(sample) {
            *totals.entry(statistic).or_default() += sample.value;
        }
    }
    if totals.is_empty() {
        return None;
    }
    if let Some(peaks) = peaks(families, family) {
        let longest = peaks.samples.iter().filter(fits).map(|sample| sample.value);
        totals.insert("MAX", longest.fold(0.0, f64::max));
    }
    let asked: Vec<&String> = tags.iter().map(|(tag, _)| tag).collect();
    let mut available: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (tag, value) in chosen.iter().flat_map(|sample| &sample.labels) {
        if tag != "le" && !asked.contains(&tag) {
            available.entry(tag).or_default().insert(value);
        }
    }
    let mut document = Map::new();
    document.insert("name".to_owned(), json!(name));
    document.insert("description".to_owned(), json!(family.help));
    document.insert("baseUnit".to_owned(), json!(family.unit()));
    let measurements = totals
        .iter()
        .map(|(statistic, value)| json!({ "statistic": statistic, "value": value }));
    document.insert("measurements".to_owned(), measurements.collect());
    let tags = available
        .iter()
        .map(|(tag, values)| json!({ "tag": tag, "values": values }));
    document.insert("availableTags".to_owned(), tags.collect());
    Some(Value::Object(document))
}

/// Prometheus's text format 0.0.4, of the families that `wanted` names (all when empty).
pub(super) fn text(families: &[Family], wanted: &[String]) -> String {
    render(families, wanted, |family| family.name.clone(), "")
}

/// OpenMetrics 1.0.0: a counter's family is named without `_total`, and the end is marked.
pub(super) fn open_metrics(families: &[Family], wanted: &[String]) -> String {
    render(families, wanted, |family| family.bare().to_owned(), "# EOF\n")
}

fn render(families: &[Family], wanted: &[String], name: impl Fn(&Family) -> String, end: &str) -> String {
    let mut text = String::new();
    for family in families
        .iter()
        .filter(|family| wanted.is_empty() || family.is_named(wanted))
    {
        let name = name(family);
        // Writing into a string cannot fail.
        if !family.help.is_empty() {
            let _ = writeln!(text, "# HELP {name} {}", family.help);
        }
        let _ = writeln!(text, "# TYPE {name} {}", family.kind);
        for sample in &family.samples {
            let _ = writeln!(text, "{}", sample.line);
        }
    }
    text.push_str(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP http_server_requests_seconds time\n# TYPE http_server_requests_seconds histogram\n\
        http_server_requests_seconds_bucket{uri=\"/a\",le=\"1.0\"} 2\n\
        http_server_requests_seconds_count{uri=\"/a\",status=\"200\"} 2\n\
        http_server_requests_seconds_sum{uri=\"/a\",status=\"200\"} 0.5\n\
        http_server_requests_seconds_count{uri=\"/b \\\"c\\\"\",status=\"404\"} 1\n\
        # TYPE http_server_requests_seconds_max gauge\n\
        http_server_requests_seconds_max{uri=\"/a\",status=\"200\"} 0.4\n\
        http_server_requests_seconds_max{uri=\"/b \\\"c\\\"\",status=\"404\"} 0.7\n\
        # TYPE logs_total counter\nlogs_total 7\n\
        # TYPE process_files_max_files gauge\nprocess_files_max_files 9\n\
        # TYPE pool gauge\npool 3\n# TYPE pool_max gauge\npool_max 20\n";

    #[test]
    fn a_metric_is_summed_over_the_samples_that_fit() {
        let families = parse(TEXT);
        assert_eq!(
            names(&families).into_iter().collect::<Vec<_>>(),
            [
                "http.server.requests",
                "logs",
                "pool",
                "pool.max",
                "process.files.max"
            ],
            "a peak is a statistic, a limit is not"
        );
        let all = one(&families, "http.server.requests", &[]).unwrap();
        assert_eq!(
            all["measurements"],
            json!([
                {"statistic": "COUNT", "value": 3.0},
                {"statistic": "MAX", "value": 0.7},
                {"statistic": "TOTAL_TIME", "value": 0.5},
            ])
        );
        assert_eq!(
            all["availableTags"][1],
            json!({"tag": "uri", "values": ["/a", "/b \"c\""]})
        );
        let tag = |value: &str| [("uri".to_owned(), value.to_owned())];
        assert_eq!(
            one(&families, "http.server.requests", &tag("/a")).unwrap()["measurements"][0]["value"],
            2.0
        );
        assert_eq!(one(&families, "http.server.requests", &tag("/x")), None);
        assert_eq!(one(&families, "nothing", &[]), None);
        assert_eq!(
            one(&families, "pool", &[]).unwrap()["measurements"],
            json!([{"statistic": "VALUE", "value": 3.0}])
        );
    }

    #[test]
    fn both_formats_hold_the_same_samples() {
        let families = parse(TEXT);
        assert_eq!(text(&families, &[]), TEXT);
        let open = open_metrics(&families, &["logs_total".to_owned()]);
        assert_eq!(open, "# TYPE logs counter\nlogs_total 7\n# EOF\n");
        for name in ["logs", "pool_max", "http_server_requests_seconds_count"] {
            let some = text(&families, &[name.to_owned()]);
            assert!(
                some.contains(name) && some.matches("# TYPE").count() == 1,
                "{name}: {some}"
            );
        }
    }

    #[test]
    fn bounds_of_buckets_look_like_floats_in_both_formats() {
        let families =
            parse("# TYPE t histogram\nt_bucket{uri=\"/1\",le=\"10\"} 2\nt_bucket{le=\"+Inf\"} 3\n");
        for text in [text(&families, &[]), open_metrics(&families, &[])] {
            assert!(text.contains("t_bucket{uri=\"/1\",le=\"10.0\"} 2\n"), "{text}");
            assert!(text.contains("t_bucket{le=\"+Inf\"} 3\n"), "{text}");
        }
    }
}

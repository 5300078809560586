//! Writing JSON.

use serde::{Serialize, Serializer};

use super::view::InstanceView;
use super::{Applications, Detail};
use crate::domain::lease::Shown;
use crate::domain::names::AppName;

#[derive(Serialize)]
struct ApplicationsDocument<'a> {
    applications: ApplicationsView<'a>,
}

#[derive(Serialize)]
struct ApplicationsView<'a> {
    #[serde(rename = "versions__delta")]
    version: String,
    #[serde(rename = "apps__hashcode")]
    hash: &'a str,
    application: Vec<ApplicationView<'a>>,
}

#[derive(Serialize)]
struct ApplicationDocument<'a> {
    application: ApplicationView<'a>,
}

#[derive(Serialize)]
struct ApplicationView<'a> {
    name: &'a str,
    instance: Instances<'a>,
}

struct Instances<'a>(&'a [Shown], Detail);

#[derive(Serialize)]
struct InstanceDocument<'a> {
    instance: InstanceView<'a>,
}

impl Serialize for Instances<'_> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_seq(self.0.iter().map(|shown| InstanceView::new(shown, self.1)))
    }
}

/// `{"applications": …}`
pub fn applications(list: &Applications, detail: Detail) -> Vec<u8> {
    let application = list
        .apps
        .iter()
        .map(|(name, instances)| view(name, instances, detail));
    write(&ApplicationsDocument {
        applications: ApplicationsView {
            version: list.version.to_string(),
            hash: &list.hash,
            application: application.collect(),
        },
    })
}

/// `{"application": …}`
pub fn application(name: &AppName, instances: &[Shown], detail: Detail) -> Vec<u8> {
    write(&ApplicationDocument {
        application: view(name, instances, detail),
    })
}

/// `{"instance": …}`
pub fn instance(shown: &Shown, detail: Detail) -> Vec<u8> {
    write(&InstanceDocument {
        instance: InstanceView::new(shown, detail),
    })
}

/// The instance alone, to stand inside another document.
pub fn instance_value(shown: &Shown) -> serde_json::Value {
    serde_json::to_value(InstanceView::new(shown, Detail::Full)).unwrap_or_default()
}

/// The whole registry as the long poll tells it; `applications` is what [`applications`] wrote.
pub fn changes(version: u64, epoch: &str, applications: &[u8]) -> Vec<u8> {
    let mut body = format!("{{\"version\":{version},\"epoch\":\"{epoch}\",").into_bytes();
    body.extend_from_slice(applications.strip_prefix(b"{").unwrap_or(b"}"));
    body
}

fn view<'a>(name: &'a AppName, instances: &'a [Shown], detail: Detail) -> ApplicationView<'a> {
    ApplicationView {
        name: name.as_str(),
        instance: Instances(instances, detail),
    }
}

fn write(document: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and maps with text keys: there is nothing that JSON could not hold.
    serde_json::to_vec(document).unwrap_or_default()
}

//! From what is asked for to the property sources that answer it: checked, read, decrypted.

use serde_json::Value;

use crate::AppState;
use crate::domain::access::Reader;
use crate::domain::cipher::CIPHER;
use crate::domain::document::Property;
use crate::domain::environment::{Environment, PropertySource, folders, sources};
use crate::domain::names::Target;
use crate::error::Error;

const NOT_YOURS: &str = "a service reads its own configuration and the shared one only";

/// The address, checked, and whether this reader may ask for it.
pub(super) fn target(
    reader: &Reader,
    name: &str,
    profiles: &str,
    label: Option<&str>,
) -> Result<Target, Error> {
    if name == "actuator" {
        // Monitoring endpoints that do not exist must not look like empty configuration.
        return Err(Error::NotFound);
    }
    let target = Target::parse(name, profiles, label)?;
    if !reader.may_ask_for(&target.applications) {
        return Err(refused(reader, &target.name));
    }
    Ok(target)
}

/// All that answers the request, the strongest source first.
pub(super) async fn environment(
    state: &AppState,
    reader: &Reader,
    target: Target,
) -> Result<Environment, Error> {
    let mut found = Vec::new();
    let mut versions = Vec::new();
    for (label, folders) in places(state, &target) {
        let tree = state.repository.tree(label).await?;
        // The last label wins, as the last profile does.
        found.splice(0..0, sources(&tree, &target, &folders)?);
        versions.extend(tree.version.clone());
    }
    if let Some(foreign) = found
        .iter()
        .find(|source| !state.credentials.may_read_properties(reader, &source.path))
    {
        return Err(refused(reader, &foreign.path));
    }
    if found.is_empty() && !state.accept_empty {
        return Err(Error::NotFound);
    }
    for source in &mut found {
        decrypt(state, source);
    }
    found.splice(0..0, state.overrides.clone());
    let version = (!versions.is_empty()).then(|| versions.join(","));
    Ok(Environment {
        target,
        version,
        sources: found,
    })
}

/// The labels to read, weakest first, each with the folders to look in.
pub(super) fn places<'a>(state: &AppState, target: &'a Target) -> Vec<(Option<&'a str>, Vec<String>)> {
    if state.repository.has_label_folders() {
        return vec![(None, folders(target, &state.search_paths, true))];
    }
    let folders = folders(target, &state.search_paths, false);
    match &target.label {
        None => vec![(None, folders)],
        Some(_) => target
            .labels()
            .map(|label| (Some(label), folders.clone()))
            .collect(),
    }
}

pub(super) fn refused(reader: &Reader, what: &str) -> Error {
    tracing::warn!(
        reader = reader.name(),
        what,
        "refused: not this reader's configuration"
    );
    Error::Forbidden(NOT_YOURS)
}

/// Decrypt the source's secrets. One that cannot be is replaced by a mark; its reader must not take it for a value.
fn decrypt(state: &AppState, source: &mut PropertySource) {
    if !state.keyring.can_read() {
        // Without any key the client may have one: it gets the value as it is.
        return;
    }
    let owner = state.credentials.owner(&source.path);
    for property in &mut source.properties {
        let Value::String(sealed) = &property.value else {
            continue;
        };
        if !sealed.starts_with(CIPHER) {
            continue;
        }
        match state.keyring.decrypt(owner, sealed) {
            Ok(plain) => property.value = plain.into(),
            Err(error) => {
                tracing::warn!(key = property.key, source = source.name, %error, "cannot be decrypted");
                let key = format!("invalid.{}", property.key);
                *property = Property {
                    key,
                    value: "<n/a>".into(),
                    position: property.position,
                };
            }
        }
    }
}

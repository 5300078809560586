use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The whole header that a token of ours has. Anything more (`crit`, `jku`, `jwk`, `x5u`, `zip`, `b64`) is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) alg: Algorithm,
    pub(super) typ: Option<String>,
    pub(super) kid: Option<String>,
}

/// A token in its parts, of which only the header has been read.
pub(super) struct Signed<'t> {
    pub(super) header: Header,
    message: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Signed<'t> {
    /// Take `token` apart; `None` if it is none.
    pub(super) fn read(token: &'t str) -> Option<Self> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        Some(Self {
            header: object(&header)?,
            message,
            payload,
            signature,
        })
    }

    /// The payload, if `key` signed it with `algorithm` and the header says so.
    pub(super) fn payload(&self, key: &DecodingKey, algorithm: Algorithm) -> Option<Vec<u8>> {
        let signed = self.header.alg == algorithm
            && jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), key, algorithm).ok()?;
        signed.then(|| URL_SAFE_NO_PAD.decode(self.payload).ok())?
    }
}

/// `T` from the members of a JSON object. A list of the values alone would fill a struct as well.
pub(super) fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    let json = json.starts_with(b"{").then_some(json)?;
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests;

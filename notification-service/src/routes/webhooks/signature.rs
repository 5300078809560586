//! The providers' signatures over their webhooks.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

/// Whether Twilio signed a form of these fields for this URL with this token.
pub fn twilio(token: &str, url: &str, fields: &[(String, String)], signature: &str) -> bool {
    let Ok(signature) = STANDARD.decode(signature) else {
        return false;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    let form = signed_form(fields);
    // Both spellings of the address are in use: with and without the scheme's own port.
    spellings(url)
        .iter()
        .any(|url| hmac::verify(&key, format!("{url}{form}").as_bytes(), &signature).is_ok())
}

/// Names in byte order, each followed by its value; of a repeated name each distinct value in order.
fn signed_form(fields: &[(String, String)]) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in fields {
        sorted.entry(name).or_default().insert(value);
    }
    let pairs = sorted
        .into_iter()
        .flat_map(|(name, values)| values.into_iter().map(move |value| [name, value]));
    pairs.flatten().collect()
}

fn spellings(url: &str) -> Vec<String> {
    let mut all = vec![url.to_owned()];
    if let Ok(parsed) = Url::parse(url)
        && let Some(host) = parsed.host_str()
        && let Some(port) = parsed.port_or_known_default()
    {
        let (bare, full) = (format!("://{host}/"), format!("://{host}:{port}/"));
        all.push(url.replacen(&bare, &full, 1));
        if parsed.port().is_none() {
            all.push(url.replacen(&full, &bare, 1));
        }
    }
    all
}

/// Whether SendGrid signed `body`, as it came, at `timestamp` with the private half of this key (base64 of its DER form).
pub fn sendgrid(public_key: &str, timestamp: &str, body: &[u8], signature: &str) -> bool {
    let (Ok(key), Ok(signature)) = (STANDARD.decode(public_key), STANDARD.decode(signature)) else {
        return false;
    };
    let message = [timestamp.as_bytes(), body].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
        .verify(&message, &signature)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const TOKEN: &str = "12345";

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn call() -> Vec<(String, String)> {
        fields(&[
            ("CallSid", "CA1234567890ABCDE"),
            ("Digits", "1234"),
            ("From", "+14158675309"),
            ("To", "+18005551212"),
            ("Caller", "+14158675309"),
        ])
    }

    #[test]
    fn twilios_published_examples_verify() {
        assert!(twilio(TOKEN, URL, &call(), "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
        // Signed for the address with its port, and asked about without, and the other way round.
        assert!(twilio(TOKEN, URL, &call(), "kvajT1Ptam85bY51eRf/AJRuM3w="));
        let with_port = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
        assert!(twilio(TOKEN, with_port, &call(), "kvajT1Ptam85bY51eRf/AJRuM3w="));
        assert!(twilio(TOKEN, with_port, &call(), "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
        let repeated = [
            ("Sid", "CA123"),
            ("SidAccount", "AC123"),
            ("Digits", "5678"),
            ("Digits", "1234"),
        ];
        assert!(twilio(
            TOKEN,
            URL,
            &fields(&repeated),
            "IK+Dwps556ElfBT0I3Rgjkr1wJU="
        ));
        let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        let json = format!("{URL}&bodySHA256={hash}");
        assert!(twilio(TOKEN, &json, &[], "a9nBmqA0ju/hNViExpshrM61xv4="));
    }

    #[test]
    fn whatever_is_changed_spoils_twilios_signature() {
        let good = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        assert!(!twilio("12346", URL, &call(), good));
        assert!(!twilio(
            TOKEN,
            "https://mycompany.com/myapp.php?foo=1&bar=3",
            &call(),
            good
        ));
        assert!(!twilio(
            TOKEN,
            "http://mycompany.com/myapp.php?foo=1&bar=2",
            &call(),
            good
        ));
        assert!(!twilio(
            TOKEN,
            "https://mycompany.com:8443/myapp.php?foo=1&bar=2",
            &call(),
            good
        ));
        let mut changed = call();
        changed[1].1 = "1235".to_owned();
        assert!(!twilio(TOKEN, URL, &changed, good));
        let mut more = call();
        more.push(("Extra".to_owned(), String::new()));
        assert!(!twilio(TOKEN, URL, &more, good));
        assert!(!twilio(TOKEN, URL, &call()[1..], good));
        for bad in [
            "",
            "RSOYDt4T1cUTdK1PDd93/VVr8B8",
            "RSOYDt4T1cUTdK1PDd93/VVr8B9=",
            "x",
            good.trim_end_matches('='),
        ] {
            assert!(!twilio(TOKEN, URL, &call(), bad), "{bad}");
        }
    }

    // The key, signature and payload that SendGrid's own library for Node is tested with (MIT; sendgrid-nodejs,
    // eventwebhook.spec.js).
    const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";
    const SIGNATURE: &str =
        "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=";
    const TIMESTAMP: &str = "1600112502";
    const EVENT: &str = include_str!("../../../tests/data/sendgrid_event.json");

    /// As sent: compact, ended by CR LF.
    fn payload() -> Vec<u8> {
        format!("{}\r\n", EVENT.trim_end()).into_bytes()
    }

    #[test]
    fn sendgrids_published_example_verifies() {
        assert!(sendgrid(KEY, TIMESTAMP, &payload(), SIGNATURE));
    }

    #[test]
    fn whatever_is_changed_spoils_sendgrids_signature() {
        let payload = payload();
        assert!(!sendgrid(KEY, "1600112503", &payload, SIGNATURE));
        assert!(!sendgrid(KEY, TIMESTAMP, payload.trim_ascii_end(), SIGNATURE));
        let again = serde_json::from_slice::<serde_json::Value>(&payload).unwrap();
        assert!(!sendgrid(
            KEY,
            TIMESTAMP,
            &serde_json::to_vec_pretty(&again).unwrap(),
            SIGNATURE
        ));
        assert!(!sendgrid(KEY, TIMESTAMP, &payload, "MEUCIQ=="));
        assert!(!sendgrid("", TIMESTAMP, &payload, SIGNATURE));
        assert!(!sendgrid(
            &STANDARD.encode([4; 65]),
            TIMESTAMP,
            &payload,
            SIGNATURE
        ));
    }
}

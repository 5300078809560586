//! Who may read what: a service its own files and the shared ones, `admin` everything.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use common::config::signature::SigningKey;

use super::document::FORMATS;

/// The credential that reads every application, encrypts and decrypts.
pub const ADMIN: &str = "admin";
const SHARED: &str = "application";
const SHORTEST: usize = 32;

/// All credentials. Secrets are kept as hashes: nothing here could print them.
pub struct Credentials {
    entries: Vec<(String, Digest)>,
}

impl Credentials {
    /// Read `name:secret` pairs; refuse names that come twice and secrets that could be guessed.
    pub fn parse<'a>(pairs: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut entries: Vec<(String, Digest)> = Vec::new();
        for pair in pairs.map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, secret) = pair
                .split_once(':')
                .ok_or("a credential must be written name:secret")?;
            if name.is_empty() || entries.iter().any(|(known, _)| known == name) {
                return Err(format!("the credential '{name}' comes twice or has no name"));
            }
            if secret.len() < SHORTEST {
                return Err(format!(
                    "the secret of '{name}' is shorter than {SHORTEST} characters"
                ));
            }
            entries.push((name.to_owned(), digest(&SHA256, secret.as_bytes())));
        }
        if entries.is_empty() {
            return Err("no credentials are configured, so nobody could read anything".to_owned());
        }
        Ok(Self { entries })
    }

    /// The reader that this name and secret belong to. Every entry is compared, so that the time tells nothing.
    pub fn reader(&self, name: &str, secret: &str) -> Option<Reader> {
        let given = digest(&SHA256, secret.as_bytes());
        let same_secret = |hash: &Digest| verify_slices_are_equal(hash.as_ref(), given.as_ref()).is_ok();
        let matches = self.entries.iter().fold(None, |found, (known, hash)| {
            // The secret first: whether the name exists must not show in the time.
            if same_secret(hash) && known == name {
                Some(known)
            } else {
                found
            }
        });
        matches.map(|name| Reader { name: name.clone() })
    }

    /// Who `name` is, and the key of its secret, for somebody who proves to know it in another way.
    pub fn signer(&self, name: &str) -> Option<(Reader, SigningKey)> {
        let (name, hash) = self.entries.iter().find(|(known, _)| known == name)?;
        Some((
            Reader { name: name.clone() },
            SigningKey::from_hash(hash.as_ref()),
        ))
    }

    /// The application that a file belongs to: the innermost folder that is called like one, else the longest name
    /// that the file's begins with. Looking at the file and not at the request matters: `svc` with the profile
    /// `internal` and `svc-internal` are read from files of the same name.
    pub fn owner<'a>(&'a self, path: &'a str) -> Option<&'a str> {
        let known = || {
            self.entries
                .iter()
                .map(|(name, _)| name.as_str())
                .chain([SHARED])
                .filter(|name| *name != ADMIN)
        };
        let mut segments = path.rsplit('/');
        let file = segments.next().unwrap_or_default();
        if let Some(folder) = segments.find(|folder| *folder != SHARED && known().any(|name| name == *folder))
        {
            return Some(folder);
        }
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let belongs = |name: &&str| {
            stem.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        known().filter(belongs).max_by_key(|name| name.len())
    }

    /// May this reader see a file through the properties of its own application?
    pub fn may_read_properties(&self, reader: &Reader, path: &str) -> bool {
        reader.is_admin()
            || self
                .owner(path)
                .is_none_or(|owner| owner == SHARED || owner == reader.name)
    }

    /// May this reader see the text of a file? Property files of nobody known are for `admin` only.
    pub fn may_read_text(&self, reader: &Reader, path: &str) -> bool {
        let ending = path
            .rsplit_once('.')
            .map(|(_, ending)| ending)
            .unwrap_or_default();
        let holds_properties = FORMATS.contains(&ending) || ending == "json";
        self.may_read_properties(reader, path)
            && (reader.is_admin() || !holds_properties || self.owner(path).is_some())
    }
}

/// Whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    name: String,
}

impl Reader {
    /// The credential's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// May it read and do everything?
    pub fn is_admin(&self) -> bool {
        self.name == ADMIN
    }

    /// May it ask for these applications?
    pub fn may_ask_for(&self, applications: &[String]) -> bool {
        self.is_admin() || applications.iter().all(|application| *application == self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn credentials() -> Credentials {
        let pairs: Vec<String> = ["svc", "svc-internal", "other", "admin"]
            .map(|name| format!("{name}:{name}-{SECRET}"))
            .into();
        Credentials::parse(pairs.iter().map(String::as_str)).unwrap()
    }

    fn reader(name: &str) -> Reader {
        credentials().reader(name, &format!("{name}-{SECRET}")).unwrap()
    }

    #[test]
    fn weak_missing_and_doubled_credentials_are_refused() {
        let double = [format!("a:{SECRET}"), format!("a:{SECRET}x")];
        for bad in [
            vec![],
            vec![""],
            vec!["admin"],
            vec!["admin:"],
            vec!["admin:changeme"],
            vec![":0123456789abcdef0123456789abcdef"],
        ] {
            assert!(Credentials::parse(bad.iter().copied()).is_err(), "{bad:?}");
        }
        assert!(Credentials::parse(double.iter().map(String::as_str)).is_err());
    }

    #[test]
    fn name_and_secret_belong_together() {
        assert_eq!(credentials().reader("svc", &format!("other-{SECRET}")), None);
        assert_eq!(credentials().reader("", ""), None);
        assert_eq!(credentials().reader("nobody", &format!("svc-{SECRET}")), None);
        assert_eq!(reader("svc").name(), "svc");
    }

    #[test]
    fn files_belong_to_the_longest_name() {
        let cases = [
            ("svc.yml", Some("svc")),
            ("svc-dev.yml", Some("svc")),
            ("svc-internal.yml", Some("svc-internal")),
            ("svc-internal-dev.yml", Some("svc-internal")),
            ("application-dev.yml", Some("application")),
            ("svcx.yml", None),
            ("nginx.conf", None),
            ("other/application.yml", Some("other")),
            ("other/deep/nginx.conf", Some("other")),
            ("application/svc.yml", Some("svc")),
            ("v1/svc.yml", Some("svc")),
        ];
        for (path, owner) in cases {
            assert_eq!(credentials().owner(path), owner, "{path}");
        }
    }

    #[test]
    fn a_service_reads_its_own_and_the_shared_files_only() {
        let (credentials, svc, admin) = (credentials(), reader("svc"), reader("admin"));
        for mine in [
            "svc.yml",
            "svc-dev.properties",
            "application.yml",
            "nginx.conf",
            "svc/logo.png",
        ] {
            assert!(credentials.may_read_text(&svc, mine), "{mine}");
        }
        for theirs in [
            "svc-internal.yml",
            "other.yml",
            "other/application.yml",
            "other/nginx.conf",
            "other-nginx.conf",
            "unknown.yml",
        ] {
            assert!(!credentials.may_read_text(&svc, theirs), "{theirs}");
            assert!(credentials.may_read_text(&admin, theirs), "{theirs}");
        }
        assert!(svc.may_ask_for(&["svc".to_owned()]) && svc.may_ask_for(&[]));
        assert!(!svc.may_ask_for(&["svc".to_owned(), "other".to_owned()]));
        assert!(admin.may_ask_for(&["other".to_owned()]));
    }
}

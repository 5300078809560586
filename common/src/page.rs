//! Lists in pages: bounded, by key, with cursors that only the caller they were given to can use.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::ids::UserId;
use crate::problem::Problem;

/// Entries on a page when the caller does not say.
pub const DEFAULT_LIMIT: u32 = 20;
/// Entries on a page at most.
pub const MAX_LIMIT: u32 = 100;

const TAG: usize = 16;

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct List<T> {
    /// The entries, at most `limit`.
    pub items: Vec<T>,
    /// What to pass as `cursor` for the next page; `null` on the last.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// Which page was asked for: how many entries, after which key.
#[derive(Clone)]
pub struct Page<C> {
    /// Entries wanted, 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// The key of the last entry seen; `None` on the first page.
    pub after: Option<C>,
    cursors: Cursors,
    owner: UserId,
    list: &'static str,
}

impl<C: Serialize> Page<C> {
    /// Rows to read: one more than wanted tells whether there is a next page.
    pub fn fetch(&self) -> u32 {
        self.limit + 1
    }

    /// Cut `rows` (up to [`Page::fetch`]) to the page and seal the key of its last entry.
    pub fn list<T>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> C) -> List<T> {
        let limit = self.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let next_cursor = last.map(|last| self.cursors.seal(self.owner, self.list, &key(last)));
        List {
            items: rows,
            next_cursor,
        }
    }
}

/// Seals and opens cursors. Instances with the same secret understand each other's.
#[derive(Clone)]
pub struct Cursors {
    key: Hmac<Sha256>,
}

impl Cursors {
    /// Cursors sealed under a key derived from the service's `secret`.
    pub fn new(secret: &SecretString) -> Self {
        let mut derive = keyed(secret.expose_secret().as_bytes());
        derive.update(b"list cursors");
        Self {
            key: keyed(&derive.finalize().into_bytes()),
        }
    }

    /// Check `limit` and open `cursor`: 422 for a bad limit, 400 for a cursor this caller was not given for this list.
    pub fn page<C: DeserializeOwned>(
        &self,
        owner: UserId,
        list: &'static str,
        limit: Option<u32>,
        cursor: Option<&str>,
    ) -> Result<Page<C>, Problem> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::invalid(Vec::new()).error("/limit", format!("must be 1 to {MAX_LIMIT}")));
        }
        let after = match cursor {
            None => None,
            Some(text) => Some(self.open(owner, list, text).ok_or_else(unknown_cursor)?),
        };
        Ok(Page {
            limit,
            after,
            cursors: self.clone(),
            owner,
            list,
        })
    }

    fn seal<C: Serialize>(&self, owner: UserId, list: &str, key: &C) -> String {
        let payload = serde_json::to_vec(key).unwrap_or_default();
        let mut sealed = self.tag(owner, list, &payload).to_vec();
        sealed.extend(payload);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    fn open<C: DeserializeOwned>(&self, owner: UserId, list: &str, text: &str) -> Option<C> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (tag, payload) = sealed.split_at_checked(TAG)?;
        let good: bool = self.tag(owner, list, payload).ct_eq(tag).into();
        if good {
            serde_json::from_slice(payload).ok()
        } else {
            None
        }
    }

    fn tag(&self, owner: UserId, list: &str, payload: &[u8]) -> [u8; TAG] {
        let mut mac = self.key.clone();
        mac.update(owner.uuid().as_bytes());
        mac.update(list.as_bytes());
        mac.update(&[0]);
        mac.update(payload);
        let full = mac.finalize().into_bytes();
        std::array::from_fn(|i| full[i])
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // HMAC hashes keys of any length; the fallback is unreachable and still keyed.
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()))
}

fn unknown_cursor() -> Problem {
    Problem::new(http::StatusCode::BAD_REQUEST, "unknown-cursor", "Unknown cursor")
        .detail("use next_cursor of the page before, with the same list")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors() -> Cursors {
        Cursors::new(&SecretString::from("a secret of this service"))
    }

    #[test]
    fn a_cursor_opens_only_for_its_owner_and_its_list() {
        let (me, other) = (UserId::generate(), UserId::generate());
        let page = cursors().page::<u32>(me, "visits", Some(2), None).unwrap();
        let list = page.list(vec![1, 2, 3], |row| *row);
        assert_eq!(list.items, [1, 2]);
        let cursor = list.next_cursor.unwrap();

        let open = |who, name: &'static str, text: &str| cursors().page::<u32>(who, name, None, Some(text));
        assert_eq!(open(me, "visits", &cursor).unwrap().after, Some(2));
        assert_eq!(open(other, "visits", &cursor).err().unwrap().status(), 400);
        assert_eq!(open(me, "records", &cursor).err().unwrap().status(), 400);
        assert_eq!(open(me, "visits", "x").err().unwrap().status(), 400);
        let mut forged = cursor.clone();
        forged.replace_range(cursor.len() - 1.., if cursor.ends_with('A') { "Q" } else { "A" });
        assert_eq!(open(me, "visits", &forged).err().unwrap().status(), 400);
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let page = cursors()
            .page::<u32>(UserId::generate(), "visits", Some(3), None)
            .unwrap();
        assert_eq!(page.list(vec![1, 2, 3], |row| *row).next_cursor, None);
    }

    #[test]
    fn limits_outside_1_to_100_are_refused() {
        for limit in [0, 101, u32::MAX] {
            let refused = cursors()
                .page::<u32>(UserId::generate(), "visits", Some(limit), None)
                .err()
                .unwrap();
            assert_eq!(refused.status(), 422);
        }
    }
}

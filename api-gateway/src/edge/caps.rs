//! How many connections there may be: altogether, and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::address;

/// Counts connections over all workers.
#[derive(Clone, Debug)]
pub struct Caps(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: usize,
    per_address: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<u128, usize>,
}

/// One counted connection; dropping it frees the place.
#[derive(Debug)]
pub struct Place {
    caps: Arc<Inner>,
    key: u128,
}

impl Caps {
    /// Allow `total` connections, and `per_address` of them from one address (IPv6: network).
    pub fn new(total: usize, per_address: usize) -> Self {
        Self(Arc::new(Inner {
            total,
            per_address,
            open: Mutex::default(),
        }))
    }

    /// A place for a connection from `peer`, if there is one left.
    pub fn take(&self, peer: IpAddr) -> Option<Place> {
        let key = address::limit_key(peer, false);
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.0.total {
            return None;
        }
        let from_here = open.by_address.entry(key).or_default();
        if *from_here >= self.0.per_address {
            return None;
        }
        *from_here += 1;
        open.total += 1;
        Some(Place {
            caps: Arc::clone(&self.0),
            key,
        })
    }

    /// Connections that are open now.
    pub fn open(&self) -> usize {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.caps.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(from_here) = open.by_address.get_mut(&self.key) {
            *from_here -= 1;
            if *from_here == 0 {
                open.by_address.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[test]
    fn places_are_counted_altogether_and_per_address() {
        let caps = Caps::new(3, 2);
        let first = caps.take(ip(1)).expect("the first");
        let _second = caps.take(ip(1)).expect("the second");
        assert!(caps.take(ip(1)).is_none(), "two from one address");
        let _third = caps.take(ip(2)).expect("another address");
        assert!(caps.take(ip(3)).is_none(), "three altogether");
        drop(first);
        assert_eq!(caps.open(), 2);
        assert!(caps.take(ip(1)).is_some());
    }

    #[test]
    fn addresses_without_connections_are_forgotten() {
        let caps = Caps::new(10, 10);
        for last in 0..5 {
            drop(caps.take(ip(last)));
        }
        assert!(caps.0.open.lock().expect("not poisoned").by_address.is_empty());
    }
}

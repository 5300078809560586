//! Whose address a request came from, and the key under which that address is counted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A block of addresses, such as `10.0.0.0/8` or `::1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// As IPv6; IPv4 stands in its mapped form.
    base: u128,
    mask: u128,
}

/// A text that is not a block of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a block such as 10.0.0.0/8")]
pub struct BadBlock(String);

impl FromStr for Block {
    type Err = BadBlock;

    fn from_str(text: &str) -> Result<Self, BadBlock> {
        let bad = || BadBlock(text.to_owned());
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let whole: u32 = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(whole), |length| length.parse().map_err(|_| bad()))?;
        if length > whole {
            return Err(bad());
        }
        let host_bits = whole - length;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Ok(Self {
            base: wide(address) & mask,
            mask,
        })
    }
}

impl Block {
    /// Whether the address lies in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        wide(address) & self.mask == self.base
    }
}

fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The client's own address: the peer, or what the nearest trusted proxy saw.
///
/// `forwarded` are the values of `X-Forwarded-For` in the order in which they came. Only hops written by a
/// trusted proxy count: reading goes from the right and stops at the first address that is not one.
pub fn client<'h>(
    peer: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'h str>,
    trusted: &[Block],
) -> IpAddr {
    let mut nearest = peer.to_canonical();
    let hops = forwarded.rev().flat_map(|value| value.rsplit(','));
    for hop in hops {
        if !trusted.iter().any(|block| block.contains(nearest)) {
            break;
        }
        match hop_address(hop.trim()) {
            Some(address) => nearest = address.to_canonical(),
            None => break,
        }
    }
    nearest
}

/// An address with or without a port, as proxies write it.
fn hop_address(hop: &str) -> Option<IpAddr> {
    if let Ok(address) = hop.parse() {
        return Some(address);
    }
    if let Ok(socket) = hop.parse::<std::net::SocketAddr>() {
        return Some(socket.ip());
    }
    hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// So many keys there are for all networks together while memory is short.
pub const SHARED_KEYS: usize = 1 << SHARED_BITS;
const SHARED_BITS: u32 = 17;

/// The key that a caller is counted under. An IPv6 network of 64 bits is one customer; below that anyone
/// can have as many addresses as they like. While memory is short, `shared` counts whole neighbourhoods under
/// one of a fixed number of keys.
pub fn limit_key(address: IpAddr, shared: bool) -> u128 {
    match (address.to_canonical(), shared) {
        (IpAddr::V4(address), false) => address.to_ipv6_mapped().to_bits(),
        (IpAddr::V4(address), true) => {
            share(Ipv4Addr::from_bits(address.to_bits() & 0xffff_ff00).to_ipv6_mapped())
        }
        (IpAddr::V6(address), false) => prefix(address, 64).to_bits(),
        (IpAddr::V6(address), true) => share(prefix(address, 48)),
    }
}

/// Multiplying by an odd number near the golden ratio spreads neighbours far apart in the upper bits.
fn share(network: Ipv6Addr) -> u128 {
    let spread = network
        .to_bits()
        .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    spread >> (128 - SHARED_BITS)
}

fn prefix(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn blocks(texts: &[&str]) -> Vec<Block> {
        texts.iter().map(|text| text.parse().expect("a block")).collect()
    }

    #[test]
    fn a_block_holds_its_own_addresses_only() {
        let block: Block = "10.1.0.0/16".parse().expect("a block");
        assert!(block.contains(ip("10.1.255.255")) && block.contains(ip("::ffff:10.1.0.1")));
        assert!(!block.contains(ip("10.2.0.0")) && !block.contains(ip("::1")));
        assert!(
            "0.0.0.0/0"
                .parse::<Block>()
                .expect("a block")
                .contains(ip("1.2.3.4"))
        );
        assert!(
            !"0.0.0.0/0"
                .parse::<Block>()
                .expect("a block")
                .contains(ip("2001:db8::1"))
        );
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "host",
            "10.0.0.0/x",
            "10.0.0.0/-1",
            "10.0.0/8",
        ] {
            assert!(bad.parse::<Block>().is_err(), "{bad}");
        }
    }

    #[test]
    fn nobody_but_a_trusted_proxy_names_another_address() {
        assert_eq!(client(ip("1.1.1.1"), ["9.9.9.9"].into_iter(), &[]), ip("1.1.1.1"));
        assert_eq!(
            client(ip("1.1.1.1"), ["9.9.9.9"].into_iter(), &blocks(&["10.0.0.0/8"])),
            ip("1.1.1.1")
        );
    }

    #[test]
    fn the_right_most_untrusted_hop_counts() {
        let trusted = blocks(&["10.0.0.0/8", "::1"]);
        let cases: [(&[&str], &str); 8] = [
            (&[], "10.0.0.1"),
            (&["9.9.9.9"], "9.9.9.9"),
            (&["6.6.6.6, 9.9.9.9"], "9.9.9.9"),
            (&["6.6.6.6", "9.9.9.9, 10.0.0.2"], "9.9.9.9"),
            (&["10.0.0.3"], "10.0.0.3"),
            (&["9.9.9.9, nonsense"], "10.0.0.1"),
            (&["[2001:db8::1]:443"], "2001:db8::1"),
            (&["::ffff:9.9.9.9"], "9.9.9.9"),
        ];
        for (forwarded, expected) in cases {
            let found = client(ip("10.0.0.1"), forwarded.iter().copied(), &trusted);
            assert_eq!(found, ip(expected), "{forwarded:?}");
        }
    }

    #[test]
    fn an_ipv6_network_is_counted_as_one() {
        assert_eq!(
            limit_key(ip("2001:db8::1"), false),
            limit_key(ip("2001:db8::ffff:1"), false)
        );
        assert_ne!(
            limit_key(ip("2001:db8::1"), false),
            limit_key(ip("2001:db8:0:1::1"), false)
        );
        assert_eq!(
            limit_key(ip("2001:db8::1"), true),
            limit_key(ip("2001:db8:0:1::1"), true)
        );
        assert!(limit_key(ip("2001:db8::1"), true) < SHARED_KEYS as u128);
        assert_ne!(limit_key(ip("1.2.3.4"), false), limit_key(ip("1.2.3.5"), false));
        assert_eq!(limit_key(ip("1.2.3.4"), true), limit_key(ip("1.2.3.5"), true));
        assert_eq!(
            limit_key(ip("1.2.3.4"), false),
            limit_key(ip("::ffff:1.2.3.4"), false)
        );
    }
}

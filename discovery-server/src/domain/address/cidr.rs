//! Ranges of addresses.

use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// A range such as `10.0.0.0/8` or `fc00::/7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

/// The text is not `address/prefix`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a range of addresses such as 10.0.0.0/8")]
pub struct BadCidr;

impl Cidr {
    /// Whether `address` lies within.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => same_start(
                network.to_bits().into(),
                address.to_bits().into(),
                32,
                self.prefix,
            ),
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_start(network.to_bits(), address.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

fn same_start(a: u128, b: u128, width: u8, prefix: u8) -> bool {
    let ignored = u32::from(width - prefix);
    (a ^ b).checked_shr(ignored).unwrap_or_default() == 0
}

impl FromStr for Cidr {
    type Err = BadCidr;

    fn from_str(text: &str) -> Result<Self, BadCidr> {
        let (network, prefix) = text.trim().split_once('/').ok_or(BadCidr)?;
        let network: IpAddr = network.parse().map_err(|_| BadCidr)?;
        let prefix: u8 = prefix.parse().map_err(|_| BadCidr)?;
        let width = if network.is_ipv4() { 32 } else { 128 };
        if prefix <= width {
            Ok(Self { network, prefix })
        } else {
            Err(BadCidr)
        }
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        String::deserialize(reader)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(range: &str, address: &str) -> bool {
        range.parse::<Cidr>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn the_edges_of_a_range_belong_to_it_and_their_neighbours_do_not() {
        for (range, inside, outside) in [
            (
                "10.0.0.0/8",
                ["10.0.0.0", "10.255.255.255"],
                ["9.255.255.255", "11.0.0.0"],
            ),
            (
                "172.16.0.0/12",
                ["172.16.0.0", "172.31.255.255"],
                ["172.15.255.255", "172.32.0.0"],
            ),
            (
                "192.0.2.7/32",
                ["192.0.2.7", "192.0.2.7"],
                ["192.0.2.6", "::c000:207"],
            ),
            (
                "fc00::/7",
                ["fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
                ["fbff::", "fe00::"],
            ),
        ] {
            assert!(inside.iter().all(|address| within(range, address)), "{range}");
            assert!(!outside.iter().any(|address| within(range, address)), "{range}");
        }
        assert!(
            within("0.0.0.0/0", "8.8.8.8") && within("::/0", "2001:db8::1") && !within("::/0", "8.8.8.8")
        );
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "a/8",
            "10.0.0.0/-1",
        ] {
            assert_eq!(bad.parse::<Cidr>(), Err(BadCidr), "{bad:?}");
        }
    }
}

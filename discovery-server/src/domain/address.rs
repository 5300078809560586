//! Which addresses may stand in the registry. Whoever gets an address in here receives other services' calls:
//! an address of a database, of a cloud's metadata service or of a machine elsewhere must not pass.

mod cidr;

use std::net::IpAddr;

pub use cidr::Cidr;

use super::instance::Port;

/// Addresses at which clouds hand credentials to whoever asks, beyond the link-local range.
const METADATA: [&str; 3] = ["100.100.100.200", "fd00:ec2::254", "192.0.0.192"];

/// What may be registered.
#[derive(Clone, Debug)]
pub struct AddressPolicy {
    /// Ranges within which an address must lie.
    pub allowed: Vec<Cidr>,
    /// Whether this machine itself may be meant, by loopback or by an address of its own.
    pub loopback: bool,
    /// Tells whether an address is this machine's own.
    pub is_own: fn(IpAddr) -> bool,
    /// Ends of names with dots that may be used, as `svc.cluster.local`.
    pub domains: Vec<String>,
    /// Ports on which other things than services of ours listen.
    pub refused_ports: Vec<u16>,
}

/// Why an address is refused; the text names no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Not an address in its normal form.
    #[error("ipAddr is not an IP address")]
    NotAnAddress,
    /// Outside of the ranges.
    #[error("the address is outside of the ranges that may be registered (discovery.addresses.allowed)")]
    OutOfRange,
    /// Loopback, where that is not wanted.
    #[error("a loopback address may not be registered (discovery.addresses.loopback)")]
    Loopback,
    /// Link-local, multicast, unspecified, broadcast or a cloud's metadata service.
    #[error("the address is of a kind that serves no application")]
    Special,
    /// Not a host name, or an address spelt so as to hide it.
    #[error("hostName is neither an IP address in its normal form nor a host name")]
    NotAHost,
    /// A name that somebody else's name server answers for.
    #[error("a host name with dots must end in one of discovery.addresses.domains")]
    ForeignName,
    /// The two name different machines.
    #[error("hostName is an IP address other than ipAddr")]
    TwoAddresses,
    /// A port of something else.
    #[error("the port may not be registered (discovery.addresses.refused_ports)")]
    Port,
    /// Not an absolute http or https URL, or with a user, a password or a fragment.
    #[error("not an absolute http or https URL without credentials")]
    NotAUrl,
}

impl AddressPolicy {
    /// The address, if it may be registered.
    pub fn address(&self, text: &str) -> Result<IpAddr, BadAddress> {
        let address = parse_ip(text).ok_or(BadAddress::NotAnAddress)?;
        self.check(address)?;
        Ok(address)
    }

    /// Whether `host`, a name or an address, may stand beside the address `ip`.
    ///
    /// A name is judged by its form and never looked up: what it means can change after the check. Without a dot
    /// it is answered by this network's own hosts file or name server; with one, the domain must be known.
    pub fn host(&self, host: &str, ip: IpAddr) -> Result<(), BadAddress> {
        match parse_ip(host) {
            Some(address) if address == ip => Ok(()),
            Some(_) => Err(BadAddress::TwoAddresses),
            None => self.name(host),
        }
    }

    /// Whether the open one of an instance's ports may be registered.
    pub fn port(&self, port: Port) -> Result<(), BadAddress> {
        let refused = port.enabled && (port.number == 0 || self.refused_ports.contains(&port.number));
        if refused { Err(BadAddress::Port) } else { Ok(()) }
    }

    /// Whether readers may be sent to `text`: a page of some host that may be registered.
    pub fn url(&self, text: &str) -> Result<(), BadAddress> {
        let url = url::Url::parse(text).map_err(|_| BadAddress::NotAUrl)?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        // The parser repairs much (blanks, backslashes, one slash too few): a reader may repair it differently.
        let is_as_written = ["http://", "https://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'"' && b != b'<' && b != b'>');
        if !matches!(url.scheme(), "http" | "https") || !is_plain || !is_as_written {
            return Err(BadAddress::NotAUrl);
        }
        if let Some(port) = url.port() {
            self.port(Port {
                number: port,
                enabled: true,
            })?;
        }
        match url.host() {
            Some(url::Host::Ipv4(address)) => self.check(address.into()),
            Some(url::Host::Ipv6(address)) => self.check(IpAddr::from(address).to_canonical()),
            Some(url::Host::Domain(name)) => self.name(name),
            None => Err(BadAddress::NotAUrl),
        }
    }

    fn check(&self, address: IpAddr) -> Result<(), BadAddress> {
        if address.is_loopback() {
            return if self.loopback {
                Ok(())
            } else {
                Err(BadAddress::Loopback)
            };
        }
        if is_special(address) {
            return Err(BadAddress::Special);
        }
        let known = self.allowed.iter().any(|range| range.contains(address))
            || (self.loopback && (self.is_own)(address));
        if known {
            Ok(())
        } else {
            Err(BadAddress::OutOfRange)
        }
    }

    fn name(&self, name: &str) -> Result<(), BadAddress> {
        if !is_host_name(name) {
            return Err(BadAddress::NotAHost);
        }
        let name = name.to_ascii_lowercase();
        if name == "localhost" {
            return if self.loopback {
                Ok(())
            } else {
                Err(BadAddress::Loopback)
            };
        }
        let has_dot = name.contains('.');
        let known = self.domains.iter().any(|domain| {
            name.strip_suffix(domain.as_str())
                .is_some_and(|before| before.ends_with('.'))
        });
        if has_dot && !known {
            Err(BadAddress::ForeignName)
        } else {
            Ok(())
        }
    }
}

/// Dotted quads without leading zeros and IPv6; an IPv4 address in IPv6 clothes is taken for what it is.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn is_special(address: IpAddr) -> bool {
    let by_kind = match address {
        IpAddr::V4(v4) => {
            v4.is_link_local() || v4.is_broadcast() || v4.octets()[0] == 0 || v4.octets()[0] >= 240
        }
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let is_metadata = METADATA.iter().any(|text| text.parse() == Ok(address));
    by_kind || address.is_multicast() || address.is_unspecified() || is_metadata
}

/// Labels of letters, digits and inner dashes; the last one is no number, for resolvers take
/// `2130706433`, `0x7f.1` and `127.1` for addresses.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_number = last.bytes().all(|b| b.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    name.len() <= 253 && name.split('.').all(is_label) && !is_number
}

#[cfg(test)]
mod tests;

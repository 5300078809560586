use super::*;

fn policy(loopback: bool) -> AddressPolicy {
    let ranges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
    AddressPolicy {
        allowed: ranges.iter().map(|range| range.parse().unwrap()).collect(),
        loopback,
        is_own: |address| address == IpAddr::from([192, 0, 2, 7]),
        domains: vec!["svc.cluster.local".to_owned()],
        refused_ports: vec![22, 3306],
    }
}

#[test]
fn addresses_that_lead_elsewhere_are_refused_in_every_spelling() {
    use BadAddress::{Loopback, NotAnAddress, OutOfRange, Special};
    for (text, why) in [
        ("169.254.169.254", Special),
        ("::ffff:169.254.169.254", Special),
        ("fd00:ec2::254", Special),
        ("fe80::1", Special),
        ("0.0.0.0", Special),
        ("0.1.2.3", Special),
        ("::", Special),
        ("224.0.0.1", Special),
        ("ff02::1", Special),
        ("255.255.255.255", Special),
        ("127.0.0.1", Loopback),
        ("127.8.8.8", Loopback),
        ("::1", Loopback),
        ("[::ffff:127.0.0.1]", Loopback),
        ("8.8.8.8", OutOfRange),
        ("2001:db8::1", OutOfRange),
        ("::ffff:8.8.8.8", OutOfRange),
        ("64:ff9b::7f00:1", OutOfRange),
        ("0x7f000001", NotAnAddress),
        ("2130706433", NotAnAddress),
        ("0177.0.0.1", NotAnAddress),
        ("127.1", NotAnAddress),
        ("localhost", NotAnAddress),
        ("10.0.0.1 ", NotAnAddress),
        ("10.0.0.1%eth0", NotAnAddress),
        ("", NotAnAddress),
    ] {
        assert_eq!(policy(false).address(text), Err(why), "{text:?}");
    }
}

#[test]
fn addresses_of_private_networks_pass_and_loopback_where_wanted() {
    for text in [
        "10.1.2.3",
        "172.18.0.2",
        "192.168.1.9",
        "fd12::1",
        "::ffff:10.1.2.3",
    ] {
        assert!(policy(false).address(text).is_ok(), "{text}");
    }
    assert!(policy(true).address("127.0.0.1").is_ok() && policy(true).address("::1").is_ok());
    assert_eq!(policy(true).address("169.254.169.254"), Err(BadAddress::Special));
}

#[test]
fn an_address_of_this_machine_is_as_good_as_loopback() {
    assert!(policy(true).address("192.0.2.7").is_ok());
    assert_eq!(policy(false).address("192.0.2.7"), Err(BadAddress::OutOfRange));
    assert_eq!(policy(true).address("192.0.2.8"), Err(BadAddress::OutOfRange));
}

#[test]
fn a_host_name_is_refused_when_it_hides_an_address_or_a_stranger_answers_for_it() {
    use BadAddress::{ForeignName, Loopback, NotAHost, TwoAddresses};
    let ip = "10.0.0.1".parse().unwrap();
    for (host, why) in [
        ("0x7f000001", NotAHost),
        ("2130706433", NotAHost),
        ("127.1", NotAHost),
        ("0177.0.0.1", NotAHost),
        ("localhost.", NotAHost),
        ("a..b", NotAHost),
        ("-a", NotAHost),
        ("a b", NotAHost),
        ("a/b", NotAHost),
        ("a:80", NotAHost),
        ("x@y", NotAHost),
        ("ⓛocalhost", NotAHost),
        ("localhost", Loopback),
        ("LOCALHOST", Loopback),
        ("127.0.0.1", TwoAddresses),
        ("10.0.0.2", TwoAddresses),
        ("rebind.example.com", ForeignName),
        ("metadata.google.internal", ForeignName),
        ("foo.localhost", ForeignName),
        ("evilsvc.cluster.local", ForeignName),
        ("svc.cluster.local", ForeignName),
    ] {
        assert_eq!(policy(false).host(host, ip), Err(why), "{host:?}");
    }
    for host in [
        "10.0.0.1",
        "::ffff:10.0.0.1",
        "user-service",
        "Pod_7",
        "a.svc.cluster.local",
    ] {
        assert_eq!(policy(false).host(host, ip), Ok(()), "{host:?}");
    }
    assert_eq!(policy(true).host("localhost", ip), Ok(()));
}

#[test]
fn only_an_open_port_is_judged() {
    let port = |number, enabled| policy(true).port(Port { number, enabled });
    assert_eq!(port(3306, true), Err(BadAddress::Port));
    assert_eq!(port(0, true), Err(BadAddress::Port));
    assert_eq!(port(0, false), Ok(()));
    assert_eq!(port(1, true), Ok(()));
}

#[test]
fn links_lead_only_to_hosts_that_may_be_registered() {
    for bad in [
        "javascript:alert(1)",
        "ftp://10.0.0.1/",
        "http://a:b@10.0.0.1/",
        "http://10.0.0.1/#x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://8.8.8.8/",
        "http://evil.example/",
        "http://10.0.0.1:3306/",
        "http://10.0.0.1/a b",
        "http:\\\\10.0.0.1/",
        "http:10.0.0.1/",
        "//10.0.0.1/",
        "/actuator/health",
        "http://10.0.0.1/\"><script>",
        "",
    ] {
        assert!(policy(false).url(bad).is_err(), "{bad:?}");
    }
    for good in [
        "http://10.0.0.1:8081/actuator/health",
        "https://user-service/",
        "http://[fd12::1]:80/x?y=z",
    ] {
        assert_eq!(policy(false).url(good), Ok(()), "{good:?}");
    }
    assert!(policy(true).url("http://localhost:8080/status").is_ok());
}

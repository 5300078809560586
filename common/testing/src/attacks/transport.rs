//! A good token in a place or a form in which none is taken: J14.

use common::auth::{ACCESS_TYPE, AccessClaims};

use super::Attack;
use crate::TokenMint;

pub(super) fn attacks(mint: &TokenMint, good: &AccessClaims) -> Vec<Attack> {
    let token = mint.sign(ACCESS_TYPE, good);
    let mut all = vec![
        Attack {
            query: format!("?access_token={token}"),
            ..Attack::sent("J14", "in the query", "")
        },
        form(&token),
    ];
    let lines = [
        format!("Authorization: {token}"),
        format!("Authorization: Bearer{token}"),
        format!("Authorization: Bearer\t{token}"),
        format!("Authorization: Bearer  {token}"),
        format!("Authorization: Bearer Bearer {token}"),
        format!("Authorization: Bearer {token}, Bearer {token}"),
        format!("Authorization: Bearer {token},{token}"),
        format!("Authorization: Bearer {token} {token}"),
        format!("Authorization: Bearer token={token}"),
        format!("Authorization: Bearer \"{token}\""),
        format!("Authorization: Basic {token}"),
        format!("Authorization: Token {token}"),
        format!("Authorization: JWT {token}"),
        format!("Authorization: DPoP {token}"),
        format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}"),
        format!("Authorization: Bearer {token}\r\nauthorization: Basic YTpi"),
        format!("Authorization: Basic YTpi\r\nAuthorization: Bearer {token}"),
        format!("Cookie: access_token={token}"),
        format!("Cookie: Authorization=Bearer {token}"),
        format!("Proxy-Authorization: Bearer {token}"),
        format!("X-Authorization: Bearer {token}"),
        format!("X-Forwarded-Authorization: Bearer {token}"),
        format!("X-Access-Token: {token}"),
        "Authorization: Bearer ".to_owned(),
        "Authorization: Bearer".to_owned(),
        "Authorization:".to_owned(),
        "X-User-Id: 01890a5d-ac96-774b-bcce-b302099a8057\r\nX-User-Role: ADMIN\r\nX-Roles: ADMIN".to_owned(),
    ];
    all.extend(
        lines
            .iter()
            .map(|line| Attack::sent("J14", described(line, &token), format!("{line}\r\n"))),
    );
    all.extend(unreadable(&token));
    all
}

/// Lines that are no header lines, or too much of one.
fn unreadable(token: &str) -> Vec<Attack> {
    let crooked = [
        ("a NUL", format!("Authorization: Bearer {token}\0\r\n")),
        ("a NUL in front", format!("Authorization: Bearer \0{token}\r\n")),
        (
            "more than 8 KB",
            format!("Authorization: Bearer {token}{}\r\n", "A".repeat(9000)),
        ),
        ("a folded line", format!("Authorization: Bearer\r\n {token}\r\n")),
        (
            "a space before the colon",
            format!("Authorization : Bearer {token}\r\n"),
        ),
        (
            "a letter beyond ASCII",
            format!("Authorization: Bearer {token}é\r\n"),
        ),
    ];
    let attack = |(why, lines)| Attack {
        unreadable: true,
        ..Attack::sent("J14", why, lines)
    };
    crooked.map(attack).into()
}

fn form(token: &str) -> Attack {
    let body = format!("access_token={token}");
    let lines = format!(
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
        body.len()
    );
    Attack {
        body,
        ..Attack::sent("J14", "in a form", lines)
    }
}

fn described(line: &str, token: &str) -> String {
    line.replace(token, "…").replace("\r\n", " ⏎ ")
}

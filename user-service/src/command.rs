//! What the program is asked to do by its arguments.

use anyhow::Context;

use crate::domain::audit::Mark;

const USAGE: &str = "usage: user-service [verify-audit [--expect SEQ:MAC]]";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Without arguments: serve.
    Serve,
    /// Check the audit; it must pass through this mark.
    VerifyAudit(Option<Mark>),
}

impl Command {
    /// Read the arguments after the program's name.
    pub fn parse(arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let arguments: Vec<String> = arguments.collect();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match *words.as_slice() {
            [] => Ok(Self::Serve),
            ["verify-audit"] => Ok(Self::VerifyAudit(None)),
            ["verify-audit", "--expect", mark] => Ok(Self::VerifyAudit(Some(mark.parse().context(USAGE)?))),
            _ => anyhow::bail!(USAGE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Command> {
        Command::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_is_not_understood_starts_nothing() {
        assert_eq!(parse("").unwrap(), Command::Serve);
        assert_eq!(parse("verify-audit").unwrap(), Command::VerifyAudit(None));
        let mark = format!("7:{}", "ab".repeat(32));
        assert_eq!(
            parse(&format!("verify-audit --expect {mark}")).unwrap(),
            Command::VerifyAudit(Some(mark.parse().unwrap()))
        );
        for typo in [
            "verify",
            "verify-audits",
            "--help",
            "verify-audit 7",
            "verify-audit --expect",
            "verify-audit --expect 7",
            "verify-audit --expected 7:00",
        ] {
            let refused = parse(typo).unwrap_err().to_string();
            assert!(refused.contains("usage:"), "{typo}: {refused}");
        }
    }
}

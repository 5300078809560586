//! Profile expressions such as `prod & !(eu | us)`, which decide whether a document of a file is active.

/// A parsed expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileExpression {
    /// This profile is active.
    Profile(String),
    /// Not that.
    Not(Box<Self>),
    /// All of them.
    All(Vec<Self>),
    /// At least one of them.
    Any(Vec<Self>),
}

impl ProfileExpression {
    /// Read an expression. `&` and `|` are not mixed without parentheses, as in Spring.
    pub fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text);
        let mut reader = Reader {
            tokens: &tokens,
            depth: 0,
        };
        let expression = reader.expression()?;
        if reader.tokens.is_empty() {
            Ok(expression)
        } else {
            Err(format!("cannot read the profile expression '{text}'"))
        }
    }

    /// Is it true while `active` are the active profiles?
    pub fn matches(&self, active: &[String]) -> bool {
        match self {
            Self::Profile(name) => active.contains(name),
            Self::Not(inner) => !inner.matches(active),
            Self::All(parts) => parts.iter().all(|part| part.matches(active)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(active)),
        }
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = vec![String::new()];
    for c in text.chars() {
        if "()&|!".contains(c) {
            tokens.extend([c.to_string(), String::new()]);
        } else if let Some(last) = tokens.last_mut() {
            last.push(c);
        }
    }
    tokens
        .into_iter()
        .map(|token| token.trim().to_owned())
        .filter(|token| !token.is_empty())
        .collect()
}

struct Reader<'a> {
    tokens: &'a [String],
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&str> {
        self.tokens.first().map(String::as_str)
    }

    fn take(&mut self) -> Result<String, String> {
        let (first, rest) = self
            .tokens
            .split_first()
            .ok_or("the profile expression ends early")?;
        self.tokens = rest;
        Ok(first.clone())
    }

    fn expression(&mut self) -> Result<ProfileExpression, String> {
        let first = self.term()?;
        let Some(operator) = self
            .peek()
            .filter(|token| ["&", "|"].contains(token))
            .map(str::to_owned)
        else {
            return Ok(first);
        };
        let mut parts = vec![first];
        while self.peek() == Some(operator.as_str()) {
            self.take()?;
            parts.push(self.term()?);
        }
        Ok(if operator == "&" {
            ProfileExpression::All(parts)
        } else {
            ProfileExpression::Any(parts)
        })
    }

    fn term(&mut self) -> Result<ProfileExpression, String> {
        self.depth += 1;
        if self.depth > 64 {
            return Err("the profile expression is too long".to_owned());
        }
        match self.take()?.as_str() {
            "!" => Ok(ProfileExpression::Not(Box::new(self.term()?))),
            "(" => {
                let inner = self.expression()?;
                if self.take()? == ")" {
                    Ok(inner)
                } else {
                    Err("a parenthesis is not closed".to_owned())
                }
            }
            token @ (")" | "&" | "|") => Err(format!("'{token}' stands where a profile should")),
            profile => Ok(ProfileExpression::Profile(profile.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(expression: &str, active: &[&str]) -> bool {
        let active: Vec<String> = active.iter().map(|&p| p.to_owned()).collect();
        ProfileExpression::parse(expression).unwrap().matches(&active)
    }

    #[test]
    fn operators_mean_what_they_say() {
        assert!(holds("prod", &["prod"]));
        assert!(!holds("prod", &["dev"]));
        assert!(holds("!prod", &["dev"]));
        assert!(holds("prod | staging", &["staging"]));
        assert!(!holds("prod & eu", &["prod"]));
        assert!(holds("prod & (eu | us)", &["prod", "us"]));
        assert!(holds("!(eu | us)", &["asia"]));
        assert!(!holds("!!prod", &["dev"]));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for bad in [
            "",
            "  ",
            "&",
            "a &",
            "a & b | c",
            "(a",
            "a)",
            "!",
            "()",
            "a b | ",
            "a | | b",
        ] {
            assert!(ProfileExpression::parse(bad).is_err(), "{bad:?}");
        }
        assert!(ProfileExpression::parse(&"!".repeat(10_000)).is_err());
    }
}

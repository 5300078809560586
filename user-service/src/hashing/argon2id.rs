//! The computation: argon2id hashes as PHC strings.

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::password_hash::{self, PasswordHasher};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::domain::secrets::{equal, random};
use crate::error::Error;

/// What hashes are computed in, kept from one to the next: clearing it anew for each costs a twentieth of the hash.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

/// What checking a password told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// It is the password.
    pub matches: bool,
    /// The hash was made with weaker parameters than today's.
    pub outdated: bool,
}

/// A new hash of `password`.
pub(super) fn hash(params: &Params, password: &[u8]) -> anyhow::Result<String> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let hash = argon2.hash_password_with_salt(password, &random::<16>());
    Ok(hash
        .map_err(|error| anyhow::anyhow!("a password could not be hashed: {error}"))?
        .to_string())
}

/// Whether `password` is the one that `stored` is the hash of, where `params` are today's.
pub(super) fn verify(
    params: &Params,
    password: &[u8],
    stored: &str,
    memory: &mut Memory,
) -> Result<Verified, Error> {
    let stored = Stored::parse(stored)
        .map_err(|error| anyhow::anyhow!("a stored password hash cannot be read: {error}"))?;
    let made_with = stored.argon2.params();
    Ok(Verified {
        outdated: made_with.m_cost() < params.m_cost() || made_with.t_cost() < params.t_cost(),
        matches: stored
            .is_of(password, memory)
            .map_err(|error| anyhow::anyhow!("a password could not be checked: {error}"))?,
    })
}

struct Stored {
    argon2: Argon2<'static>,
    salt: Salt,
    expected: Output,
}

impl Stored {
    fn parse(text: &str) -> Result<Self, password_hash::Error> {
        let hash = PasswordHash::new(text)?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
        let version = hash
            .version
            .map(Version::try_from)
            .transpose()?
            .unwrap_or_default();
        Ok(Self {
            argon2: Argon2::new(algorithm, version, Params::try_from(&hash)?),
            salt: hash.salt.ok_or(password_hash::Error::SaltInvalid)?,
            expected: hash.hash.ok_or(password_hash::Error::OutputSize)?,
        })
    }

    fn is_of(&self, password: &[u8], memory: &mut Memory) -> Result<bool, argon2::Error> {
        let mut buffer = [0; Output::MAX_LENGTH];
        let computed = &mut buffer[..self.expected.len()];
        let blocks = memory.at_least(self.argon2.params().block_count());
        self.argon2
            .hash_password_into_with_memory(password, &self.salt, computed, blocks)?;
        Ok(equal(computed, self.expected.as_ref()))
    }
}

impl Memory {
    fn at_least(&mut self, blocks: usize) -> &mut [Block] {
        if self.0.len() < blocks {
            self.0.resize(blocks, Block::default());
        }
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordVerifier;

    use super::*;

    fn params(memory_kib: u32, passes: u32) -> Params {
        Params::new(memory_kib, passes, 1, None).unwrap()
    }

    #[test]
    fn used_memory_leaves_no_mark_on_the_next_hash() {
        let mut memory = Memory::default();
        let today = params(64, 1);
        let right = hash(&today, b"right").unwrap();
        // Smaller, larger, with other passes, wrong in between: whatever the memory was used for before.
        let hashes = [
            right,
            hash(&params(32, 3), b"right").unwrap(),
            hash(&params(256, 2), b"right").unwrap(),
        ];
        for stored in hashes.iter().cycle().take(9) {
            assert!(!verify(&today, b"wrong", stored, &mut memory).unwrap().matches);
            assert!(verify(&today, b"right", stored, &mut memory).unwrap().matches);
            let argon2 = Argon2::default();
            assert!(
                argon2.verify_password(b"right", stored.as_str()).is_ok(),
                "as the library says"
            );
        }
        assert_eq!(memory.0.len(), 256, "as large as the largest");
    }

    #[test]
    fn the_published_hash_of_another_implementation_is_read() {
        // Printed by the reference implementation's command for "password" and "somesalt".
        let stored = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let mut memory = Memory::default();
        for (password, matches) in [(&b"password"[..], true), (b"passwore", false)] {
            let verified = verify(&params(256, 2), password, stored, &mut memory).unwrap();
            assert_eq!(verified.matches, matches);
        }
    }

    #[test]
    fn a_stored_hash_that_is_none_is_an_error_and_not_a_wrong_password() {
        for stored in [
            "",
            "plain",
            "$argon2id$v=19$m=64",
            "$scrypt$ln=1,r=8,p=1$c29tZXNhbHQ$nf65EOgLrQM",
        ] {
            assert!(
                verify(&params(64, 1), b"right", stored, &mut Memory::default()).is_err(),
                "{stored}"
            );
        }
    }
}

//! One evaluation of Argon2, and its PHC string form.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Version};
use zeroize::Zeroizing;

use super::error::HashingError;
use super::memory::Memory;
use super::params::HashParams;

/// Length of the output of new hashes, in bytes.
const OUTPUT_LEN: usize = 32;

/// Everything but the password that goes into an evaluation.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    algorithm: Algorithm,
    version: Version,
    params: HashParams,
    salt: Salt,
    output_len: usize,
}

/// A hash out of the store, parsed.
#[derive(Clone, Debug)]
pub(super) struct StoredHash {
    pub(super) recipe: Recipe,
    pub(super) expected: Output,
}

impl Recipe {
    /// For a new hash.
    pub(super) fn new(params: HashParams, salt: [u8; 16]) -> Result<Self, HashingError> {
        let salt = Salt::new(&salt).map_err(|_| HashingError::Corrupt("salt"))?;
        Ok(Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params,
            salt,
            output_len: OUTPUT_LEN,
        })
    }

    /// The hash of `password`. The same password, recipe and thus output whatever was in `memory`.
    pub(super) fn evaluate(&self, password: &[u8], memory: &mut Memory) -> Result<Output, HashingError> {
        let params = self.params.argon2(self.output_len).map_err(|_| HashingError::Corrupt("parameters"))?;
        let blocks = memory.blocks(params.block_count()).ok_or(HashingError::OutOfMemory)?;
        let mut output = Zeroizing::new([0; Output::MAX_LENGTH]);
        let output = &mut output[..self.output_len];
        Argon2::new(self.algorithm, self.version, params)
            .hash_password_into_with_memory(password, &self.salt, output, blocks)
            .map_err(|_| HashingError::Corrupt("parameters"))?;
        Output::new(output).map_err(|_| HashingError::Corrupt("output"))
    }

    /// Whether a hash made so should be replaced by one with `params`.
    pub(super) fn is_outdated(&self, params: HashParams) -> bool {
        self.params != params
            || self.algorithm != Algorithm::Argon2id
            || self.version != Version::V0x13
            || self.output_len != OUTPUT_LEN
    }

    /// The PHC string of this recipe and its `output`.
    pub(super) fn phc(&self, output: Output) -> Result<String, HashingError> {
        let params = self.params.argon2(self.output_len).ok();
        let params = params.and_then(|params| ParamsString::try_from(&params).ok());
        let hash = PasswordHash {
            algorithm: self.algorithm.ident(),
            version: Some(self.version.into()),
            params: params.ok_or(HashingError::Corrupt("parameters"))?,
            salt: Some(self.salt),
            hash: Some(output),
        };
        Ok(hash.to_string())
    }
}

impl StoredHash {
    /// A PHC string of `argon2id`, `argon2i` or `argon2d`; without a version it is the old 1.0, as the reference
    /// implementation reads it. Parameters are bounded by [`HashParams::validate`].
    pub(super) fn parse(phc: &str) -> Result<Self, HashingError> {
        let hash = PasswordHash::new(phc).map_err(|_| HashingError::Corrupt("not a PHC string"))?;
        let algorithm =
            Algorithm::new(hash.algorithm).map_err(|_| HashingError::Corrupt("unknown algorithm"))?;
        let version = hash.version.map_or(Ok(Version::V0x10), Version::try_from);
        let version = version.map_err(|_| HashingError::Corrupt("unknown version"))?;
        let params = stored_params(&hash.params).ok_or(HashingError::Corrupt("parameters"))?;
        let salt = hash.salt.ok_or(HashingError::Corrupt("no salt"))?;
        let expected = hash.hash.ok_or(HashingError::Corrupt("no output"))?;
        let recipe = Recipe { algorithm, version, params, salt, output_len: expected.len() };
        Ok(Self { recipe, expected })
    }
}

/// Exactly `m`, `t` and `p`. Others (`keyid`, `data`) are none we ever wrote or import.
fn stored_params(params: &ParamsString) -> Option<HashParams> {
    let params = (params.iter().count() == 3).then_some(HashParams {
        memory_kib: params.get_decimal("m")?,
        iterations: params.get_decimal("t")?,
        parallelism: params.get_decimal("p")?,
    })?;
    params.validate().is_ok().then_some(params)
}

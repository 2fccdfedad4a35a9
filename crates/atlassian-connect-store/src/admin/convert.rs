//! Counts the encrypted and plain values of a store, or converts them all.

use serde_json::Value;

use crate::place::KeyPages;
use crate::sealed::SealedStore;
use crate::sealed::keys::{SealState, is_for_the_store};
use crate::{Place, StoreError};

/// How values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueForm {
    /// Encrypted with the first key.
    Sealed,
    /// In clear, as ACE writes them.
    Clear,
}

/// How many values of a store are encrypted, and with which keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Encrypted with the first key.
    pub sealed: u64,
    /// Encrypted with another available key.
    pub sealed_before: u64,
    /// In clear.
    pub clear: u64,
    /// Cannot be decrypted: the key is missing, or the value was altered.
    pub unopened: u64,
    /// The reasons for the first few of those.
    pub reasons: Vec<String>,
    /// Whether all values were counted.
    pub is_whole: bool,
}

/// How many reasons are kept.
const REASONS: usize = 5;

impl Census {
    /// How many values were counted.
    #[must_use]
    pub fn values(&self) -> u64 {
        self.sealed + self.sealed_before + self.clear + self.unopened
    }

    fn count(&mut self, found: Result<SealState, StoreError>) -> Option<SealState> {
        match found {
            Ok(SealState::Sealed) => self.sealed += 1,
            Ok(SealState::SealedBefore) => self.sealed_before += 1,
            Ok(SealState::Clear) => self.clear += 1,
            Err(error) => {
                self.unopened += 1;
                if self.reasons.len() < REASONS {
                    self.reasons.push(error.to_string());
                }
                return None;
            }
        }
        found.ok()
    }
}

/// The result of a conversion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversion {
    /// Values that it has converted.
    pub converted: u64,
    /// How the values were stored at the last pass.
    pub left: Census,
    /// Whether it ended because nothing was left to convert. Otherwise other processes keep writing in another form.
    pub is_settled: bool,
}

/// A value that is moved during a pass can be missed; the next pass finds it. If this many passes are not enough,
/// another process keeps writing in another form.
const PASSES: usize = 5;

impl SealedStore {
    /// Counts up to `limit` values.
    ///
    /// # Errors
    /// The store's error. A value that cannot be decrypted is not an error.
    pub async fn census(&self, limit: u64) -> Result<Census, StoreError> {
        Ok(self.pass(None, limit, &|| {}).await?.0)
    }

    /// Converts every value to `form`, while the add-on runs. Each value is replaced by compare and swap, and nothing
    /// else changes. Safe to stop and restart at any time.
    ///
    /// # Errors
    /// The store's error, or [`StoreError::Configuration`] if no key is configured. Values that cannot be
    /// decrypted are not an error: they stay unchanged and are counted.
    pub async fn convert(&self, form: ValueForm) -> Result<Conversion, StoreError> {
        self.convert_with(form, &|| {}).await
    }

    /// The same. `looked_at` is called for each value of each pass.
    ///
    /// # Errors
    /// As [`SealedStore::convert`].
    pub async fn convert_with(&self, form: ValueForm, looked_at: &(dyn Fn() + Sync)) -> Result<Conversion, StoreError> {
        if form == ValueForm::Sealed && self.keys.first().is_none() {
            return Err(StoreError::configuration(
                "no encryption key is configured: set AC_STORE_ENCRYPTION_KEYS (create one with `openssl rand -base64 32`)",
            ));
        }
        let mut done = Conversion::default();
        for _ in 0..PASSES {
            let (left, converted, missed) = self.pass(Some(form), u64::MAX, looked_at).await?;
            done.converted += converted;
            done.left = left;
            done.is_settled = converted + missed == 0;
            if done.is_settled {
                break;
            }
        }
        Ok(done)
    }

    /// One pass over the values. Returns the counts, how many were converted, and how many changed before they could
    /// be.
    async fn pass(
        &self,
        form: Option<ValueForm>,
        limit: u64,
        looked_at: &(dyn Fn() + Sync),
    ) -> Result<(Census, u64, u64), StoreError> {
        let (mut census, mut converted, mut missed) = (Census::default(), 0, 0);
        let mut pages = KeyPages::default();
        while let Some((page, kind)) = pages.next(self.inner.as_ref()).await? {
            for (owner, mut keys) in page.owners {
                keys.dedup();
                for key in &keys {
                    let place = Place::new(kind, &owner, key);
                    if is_for_the_store(place) {
                        continue;
                    }
                    if census.values() >= limit {
                        return Ok((census, converted, missed));
                    }
                    for held in self.inner.values(place).await? {
                        looked_at();
                        let Some(found) = census.count(self.find(place, &held)) else { continue };
                        match form {
                            Some(ValueForm::Sealed) if found != SealState::Sealed => {}
                            Some(ValueForm::Clear) if found != SealState::Clear => {}
                            _ => continue,
                        }
                        if self.convert_one(place, held, form).await? {
                            converted += 1;
                        } else {
                            missed += 1;
                        }
                    }
                }
            }
        }
        census.is_whole = true;
        Ok((census, converted, missed))
    }

    /// How a value is stored. Fails if it cannot be decrypted.
    fn find(&self, place: Place<'_>, held: &Value) -> Result<SealState, StoreError> {
        let found = self.keys.find(place, held)?;
        if found != SealState::Clear {
            self.keys.open(place, held.clone())?;
        }
        Ok(found)
    }

    async fn convert_one(&self, place: Place<'_>, held: Value, form: Option<ValueForm>) -> Result<bool, StoreError> {
        let value = self.keys.open(place, held.clone())?;
        let value = if form == Some(ValueForm::Sealed) { self.keys.seal(place, &value)? } else { value };
        self.inner.exchange(place, Some(&held), Some(&value)).await
    }
}

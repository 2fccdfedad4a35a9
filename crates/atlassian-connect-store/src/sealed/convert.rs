//! Every value of a store, counted by its form, or brought into one.

use serde_json::Value;

use super::SealedStore;
use super::keys::{Found, is_for_the_store};
use crate::place::KeyPages;
use crate::{Place, StoreError};

/// How values are to stand in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By the first key.
    Sealed,
    /// As ACE writes them.
    Clear,
}

/// How the values of a store stand there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Sealed by the first key.
    pub sealed: u64,
    /// Sealed by another key that there is.
    pub sealed_before: u64,
    /// In clear.
    pub clear: u64,
    /// Not to be opened: by a missing key, or because they were altered.
    pub unopened: u64,
    /// Why, of the first few.
    pub reasons: Vec<String>,
    /// Whether all values were looked at.
    pub is_whole: bool,
}

/// Reasons that are kept.
const REASONS: usize = 5;

impl Census {
    /// How many values were looked at.
    #[must_use]
    pub fn values(&self) -> u64 {
        self.sealed + self.sealed_before + self.clear + self.unopened
    }

    fn count(&mut self, found: Result<Found, StoreError>) -> Option<Found> {
        match found {
            Ok(Found::Sealed) => self.sealed += 1,
            Ok(Found::SealedBefore) => self.sealed_before += 1,
            Ok(Found::Clear) => self.clear += 1,
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

/// What a conversion has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversion {
    /// Values that it has converted.
    pub converted: u64,
    /// How the values stood there when it looked last.
    pub left: Census,
    /// Whether it ended because nothing was left to convert; else others write in another form meanwhile.
    pub is_settled: bool,
}

/// A value that is moved while a pass is under way can slip through it, and the next pass finds it. More passes than
/// this find something only when somebody writes in another form all the time.
const PASSES: usize = 5;

impl SealedStore {
    /// Looks at so many values.
    ///
    /// # Errors
    /// What the store answers; that a value does not open is none.
    pub async fn census(&self, limit: u64) -> Result<Census, StoreError> {
        Ok(self.pass(None, limit).await?.0)
    }

    /// Brings every value into `form`, beside an add-on that serves: each value is exchanged for itself if it is still
    /// there, and nothing else is touched. It may be stopped at any time and begun anew.
    ///
    /// # Errors
    /// What the store answers, [`StoreError::Configuration`] where there is no key to seal with. Values that do not
    /// open are no error: they stay as they are, and are counted.
    pub async fn convert(&self, form: Form) -> Result<Conversion, StoreError> {
        if form == Form::Sealed && self.keys.first().is_none() {
            return Err(StoreError::Configuration(
                "there is no key to seal with: set AC_STORE_ENCRYPTION_KEYS (`openssl rand -base64 32` makes one)"
                    .to_owned(),
            ));
        }
        let mut done = Conversion::default();
        for _ in 0..PASSES {
            let (left, converted, missed) = self.pass(Some(form), u64::MAX).await?;
            done.converted += converted;
            done.left = left;
            done.is_settled = converted + missed == 0;
            if done.is_settled {
                break;
            }
        }
        Ok(done)
    }

    /// One look at the values; answers what was found, how many were converted, and how many others changed first.
    async fn pass(&self, form: Option<Form>, limit: u64) -> Result<(Census, u64, u64), StoreError> {
        let (mut census, mut converted, mut missed) = (Census::default(), 0, 0);
        let mut pages = KeyPages::default();
        while let Some((page, is_forge)) = pages.next(self.inner.as_ref()).await? {
            for (owner, mut keys) in page.tenants {
                keys.dedup();
                for key in &keys {
                    let place = if is_forge { Place::of_forge(&owner, key) } else { Place::of_tenant(&owner, key) };
                    if is_for_the_store(place) {
                        continue;
                    }
                    if census.values() >= limit {
                        return Ok((census, converted, missed));
                    }
                    for held in self.inner.values(place).await? {
                        let Some(found) = census.count(self.find(place, &held)) else { continue };
                        match form {
                            Some(Form::Sealed) if found != Found::Sealed => {}
                            Some(Form::Clear) if found != Found::Clear => {}
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

    /// How a value stands there, and that it opens.
    fn find(&self, place: Place<'_>, held: &Value) -> Result<Found, StoreError> {
        let found = self.keys.find(place, held)?;
        if found != Found::Clear {
            self.keys.open(place, held.clone())?;
        }
        Ok(found)
    }

    async fn convert_one(&self, place: Place<'_>, held: Value, form: Option<Form>) -> Result<bool, StoreError> {
        let value = self.keys.open(place, held.clone())?;
        let value = if form == Some(Form::Sealed) { self.keys.seal(place, &value)? } else { value };
        self.inner.exchange(place, &held, &value).await
    }
}

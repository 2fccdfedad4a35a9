//! The record of an installation while it is changed: what another node writes meanwhile is not overwritten.

use serde::Deserialize as _;
use serde_json::Value;

use super::record::{INSTALLATION, InstallationRecord, value};
use crate::store::{Place, Store, StoreError};

/// How often a record is written again that another node has changed.
const TRIES: usize = 20;

/// A record, and the row that it was read from.
pub(super) struct Draft<'a> {
    store: &'a dyn Store,
    id: &'a str,
    row: Option<Value>,
    pub(super) record: InstallationRecord,
}

impl<'a> Draft<'a> {
    pub(super) async fn read(store: &'a dyn Store, id: &'a str) -> Result<Self, StoreError> {
        let row = store.get(Place::of_forge(id, INSTALLATION)).await?;
        let record = row.as_ref().and_then(|row| InstallationRecord::deserialize(row).ok()).unwrap_or_default();
        Ok(Self { store, id, row, record })
    }

    /// Whether nobody has written a record yet.
    pub(super) fn is_new(&self) -> bool {
        self.row.is_none()
    }

    /// Reads it again, and drops what was changed.
    pub(super) async fn reread(&mut self) -> Result<(), StoreError> {
        *self = Self::read(self.store, self.id).await?;
        Ok(())
    }

    /// Writes what `change` makes of the record, even if other nodes write meanwhile: then of theirs.
    pub(super) async fn write(
        &mut self,
        change: impl Fn(InstallationRecord) -> InstallationRecord,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            self.record = change(std::mem::take(&mut self.record));
            if self.save().await? {
                return Ok(());
            }
            self.reread().await?;
        }
        Err(StoreError::unavailable("other nodes keep writing the record of this installation"))
    }

    /// Writes the record, if it has changed. `false`: another node has written one meanwhile, and this one is not kept.
    pub(super) async fn save(&mut self) -> Result<bool, StoreError> {
        let new = value(&self.record)?;
        let is_written = match &self.row {
            Some(row) if *row == new => true,
            row => self.store.exchange(Place::of_forge(self.id, INSTALLATION), row.as_ref(), Some(&new)).await?,
        };
        if is_written {
            self.row = Some(new);
        }
        Ok(is_written)
    }
}

//! Where the descriptor comes from, to be read again.

use std::path::PathBuf;

use crate::config::Config;
use crate::descriptor::{Descriptor, DescriptorError, Transformer};

/// The descriptor's file, and what the add-on changes of it.
#[derive(Clone)]
pub struct DescriptorSource {
    /// `atlassian-connect.json`.
    pub file: PathBuf,
    /// See [`crate::AddonBuilder::descriptor_transformer`].
    pub transformer: Option<Transformer>,
}

impl std::fmt::Debug for DescriptorSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DescriptorSource").field("file", &self.file).finish_non_exhaustive()
    }
}

impl DescriptorSource {
    /// Reads the file as it is now.
    ///
    /// # Errors
    /// [`DescriptorError`].
    pub fn load(&self, config: &Config) -> Result<Descriptor, DescriptorError> {
        Descriptor::load(&self.file, config, self.transformer.as_ref())
    }
}

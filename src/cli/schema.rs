//! `devcluster schema`: prints the JSON Schema of the configuration.

use crate::config;

/// Prints the JSON Schema (draft 2020-12) of devcluster.yaml, or of a profile's file.
#[derive(Debug, Clone, clap::Args)]
pub struct SchemaArgs {
    /// Which file's schema.
    #[arg(value_enum, default_value_t = SchemaOf::Config)]
    pub of: SchemaOf,
}

/// A file that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SchemaOf {
    /// devcluster.yaml.
    Config,
    /// A profile in a file of its own.
    Profile,
}

/// The schema.
pub fn run(args: &SchemaArgs) -> serde_json::Value {
    match args.of {
        SchemaOf::Config => config::schema(),
        SchemaOf::Profile => config::profile_schema(),
    }
}

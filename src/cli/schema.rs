//! `devcluster schema`: prints the JSON Schema of the configuration.

use super::printer;
use crate::config;

/// What `schema` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which file's schema
    #[arg(value_enum, default_value_t = SchemaOf::Config)]
    of: SchemaOf,
}

/// A file that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SchemaOf {
    /// devcluster.yaml
    Config,
    /// A profile in a file of its own
    Profile,
}

/// Prints the schema, always as JSON: it is one.
pub fn run(args: &Args) {
    let schema = match args.of {
        SchemaOf::Config => config::schema(),
        SchemaOf::Profile => config::profile_schema(),
    };
    printer::value(printer::Format::Json, &schema);
}

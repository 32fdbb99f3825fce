//! `devcluster render`

use super::exit::CliError;
use super::{Global, printer};
use crate::cluster::state::State;
use crate::event::{Event, Reporter};
use crate::manifest::{self, RenderContext, emit};
use crate::operation::error::OperationError;

/// What `render` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the charts' hooks, too
    #[arg(long)]
    hooks: bool,
}

/// Prints what production would apply. No engine and no cluster is needed.
pub async fn run(global: &Global, args: Args) -> Result<(), CliError> {
    let config = global.config()?;
    let progress = global.progress();
    let state = State::open(&config.cluster.name).map_err(OperationError::from)?;
    let context = RenderContext { state_directory: state.directory().to_owned(), cluster_version: None };
    let rendered =
        manifest::render(&config, &context, progress.as_ref()).await.map_err(OperationError::from)?;
    for warning in &rendered.warnings {
        progress.report(Event::Warning(warning.to_string()));
    }
    for field in &rendered.volatile {
        progress.report(Event::Note(format!(
            "{} {} comes out differently each time it is rendered; its first value is kept",
            field.object, field.pointer
        )));
    }
    let mut objects = rendered.objects;
    if args.hooks {
        objects.extend(rendered.hooks.into_iter().map(|hook| hook.object));
    }
    if global.output == printer::Format::Json {
        let items: Vec<&serde_json::Value> = objects.iter().map(|object| &object.value).collect();
        printer::value(
            global.output,
            &serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}),
        );
    } else {
        printer::data(&emit::to_yaml(&objects));
    }
    Ok(())
}

//! `api-resources`: the kinds that the server has, by the names that verbs take.

use clap::Args;

use crate::client;
use crate::context::Context;
use crate::failure::{Ended, Failure};
use crate::output::table;

/// List the kinds that the server has, and their short names
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint api-resources")]
pub(crate) struct ApiResources {}

pub(crate) async fn run(_: ApiResources, cx: &mut Context) -> Result<Ended, Failure> {
    let kinds = client::all(&cx.client).await;
    let kinds = kinds.map_err(|error| error.during("failed to list the server's kinds"))?;
    let row = |(path, short): (client::KindPath, Vec<String>)| {
        let version = match path.group.as_str() {
            "" => path.version,
            group => format!("{group}/{}", path.version),
        };
        vec![path.plural, short.join(","), version, path.namespaced.to_string(), path.kind]
    };
    let rows: Vec<_> = kinds.into_iter().map(row).collect();
    cx.out.line(table(&["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"], &rows))?;
    Ok(Ended::Well)
}

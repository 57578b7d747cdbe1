//! `node`: what only an operator can know about a node.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::client::escape;
use crate::context::Context;
use crate::failure::{Ended, Failure};

/// State what only an operator can know about a node
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint node confirm-lost n1
  setpoint node confirm-lost n1 n2 n3
  setpoint node confirm-lost n1 --force")]
pub(crate) struct Node {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// State that nodes are lost, so that replacements which are held proceed
    #[command(after_help = "\
Examples:
  setpoint node confirm-lost n1 n2
  setpoint node confirm-lost n1 --force")]
    ConfirmLost {
        /// The nodes
        #[arg(required = true, value_name = "NODE")]
        nodes: Vec<String>,
        /// Also of a node that still renews its lease; it is back with its next renewal
        #[arg(long)]
        force: bool,
    },
}

pub(crate) async fn run(node: Node, cx: &mut Context) -> Result<Ended, Failure> {
    let Verb::ConfirmLost { nodes, force } = node.verb;
    for node in &nodes {
        let path = format!("/setpoint/v1/nodes/{}/confirm-lost?force={force}", escape(node));
        let done = cx.client.post(&path, &json!({})).await;
        done.map_err(|error| error.during(format!("failed to confirm that node/{node} is lost")))?;
        cx.out.line(format!("node/{node} confirmed lost"))?;
    }
    Ok(Ended::Well)
}

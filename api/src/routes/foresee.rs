//! Dry runs by the server: what a request would do, judged by the engine, and nothing appended.

use std::sync::Arc;

use serde_json::Value;
use setpoint_schemas::{RequestItem, Resource};

use super::Call;
use super::submit::{only_item, request_of};
use crate::KindInfo;
use crate::auth::Actor;
use crate::model::Entry;
use crate::ports::Foreseen;
use crate::render;
use crate::secrets;
use crate::state::Shared;
use crate::status::ApiError;

/// What these items would do as one request.
pub(crate) async fn foresee(
    state: &Shared,
    actor: &Actor,
    manager: (String, bool),
    items: Vec<RequestItem>,
) -> Result<Foreseen, ApiError> {
    let request = request_of(state, actor, manager, items)?;
    Ok(state.parts.requests.foresee(request).await?)
}

impl Call {
    /// What one item would leave; a refusal becomes the error that it would be.
    pub(crate) async fn foresee_one(
        &self,
        kind: &KindInfo,
        item: RequestItem,
    ) -> Result<Option<Arc<Resource>>, ApiError> {
        let (name, creates) = (item.name.clone(), item.verb == setpoint_schemas::Verb::Create);
        let manager = (self.params.manager(&self.headers), self.params.flag("force"));
        let foreseen = foresee(&self.app.state, &self.actor, manager, vec![item]).await?;
        only_item(kind, &name, foreseen.verdict, creates)?;
        Ok(foreseen.resources.into_iter().next().flatten())
    }

    /// The object that one item would leave, as it would be answered.
    pub(crate) async fn foreseen_object(
        &self,
        kind: &KindInfo,
        item: RequestItem,
    ) -> Result<Value, ApiError> {
        let (namespace, name) = (item.namespace.clone(), item.name.clone());
        let foreseen = self.foresee_one(kind, item).await?;
        let present = self.app.state.parts.model.get(&kind.group_kind(), &namespace, &name);
        let entry = match (foreseen, present) {
            (Some(resource), Some(Entry::Pod(mut pod))) => {
                pod.owner = Some(resource);
                Entry::Pod(pod)
            }
            (Some(resource), Some(Entry::Node(mut node))) => {
                node.resource = Some(resource);
                Entry::Node(node)
            }
            (Some(resource), _) => Entry::Resource(resource),
            (None, Some(present)) => present,
            (None, None) => return Err(ApiError::not_found(kind, &name)),
        };
        let object = render::object(&entry);
        let secret = secrets::is_secret(&object);
        Ok(if secret { secrets::opened(&self.app.state.parts.sealer, object) } else { object })
    }
}

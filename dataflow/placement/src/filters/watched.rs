//! A node that is only watched takes no pod, whatever the pod bears or names: nothing is ever done
//! there. Kubernetes has no such nodes.

use super::{Filter, Refusal, Stage};

pub(super) const FILTER: Filter = Filter {
    name: "NodeWatched",
    stage: Stage::Static,
    refuse: |view, slot| {
        let watched = view.nodes.node(slot).info().watched;
        watched.then_some(Refusal::Phrase("node(s) were only watched"))
    },
};

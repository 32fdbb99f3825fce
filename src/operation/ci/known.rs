//! What is known of the manifests before anything is made of them: Secrets' values, which nothing may tell, and the images.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;

use crate::cluster::state::State;
use crate::config::Config;
use crate::event::Reporter;
use crate::handoff::ci::secret_values;
use crate::manifest::{self, RenderContext};
use crate::operation::attestation;
use crate::operation::error::OperationError;
use crate::operation::lock;
use crate::operation::session::Existing;
use crate::operation::status;
use crate::parity::requirements;

/// What Helm keeps of its releases is no value that anyone would tell, and large.
const HELM: &str = "helm.sh/release.v1";

/// What is known.
#[derive(Default)]
pub(super) struct Known {
    /// Secrets' values.
    pub secrets: Vec<Vec<u8>>,
    /// Images as the manifests write them.
    pub images: BTreeSet<String>,
}

/// Reads the manifests.
pub(super) async fn read(config: &Config, reporter: &dyn Reporter) -> Result<Known, OperationError> {
    let state = State::open(&config.cluster.name)?;
    let context = RenderContext { state_directory: state.directory().to_owned(), cluster_version: None };
    let rendered = manifest::render(config, &context, reporter).await?;
    let mut objects = rendered.objects;
    objects.extend(rendered.hooks.into_iter().map(|hook| hook.object));
    let mut secrets: Vec<Vec<u8>> = objects.iter().flat_map(|object| secret_values(&object.value)).collect();
    // The keys that the environment has are, too.
    let keys = [lock::KEY, attestation::KEY];
    secrets.extend(keys.into_iter().filter_map(|key| std::env::var(key).ok()).map(String::into_bytes));
    let images = requirements(&objects, None).images.into_iter().flat_map(|image| image.written).collect();
    Ok(Known { secrets, images })
}

/// The values of the Secrets that live beside the system: operators and hooks make some that no manifest has.
pub(super) async fn live_secrets(existing: &Existing) -> Result<Vec<Vec<u8>>, OperationError> {
    let mut values = Vec::new();
    for namespace in status::namespaces(existing).await? {
        let api = Api::<Secret>::namespaced(existing.cluster.client.clone(), &namespace);
        let list = api.list(&ListParams::default()).await;
        let list = list.map_err(|error| OperationError::request("list Secrets", error))?;
        let own = list.items.into_iter().filter(|secret| secret.type_.as_deref() != Some(HELM));
        values.extend(own.flat_map(|secret| secret.data.into_iter().flatten()).map(|(_, value)| value.0));
    }
    Ok(values)
}

//! The connection to a cluster, what it serves, and plain requests for objects as JSON.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use kube::discovery::{Discovery, Scope};
use kube::{Api, Client, Config, Resource as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApplyError;
use crate::manifest::{Gvk, Object};

/// The field manager of everything that is applied, for objects of production and objects of our own.
pub const MANAGER: &str = "devcluster";
/// The namespace for objects of our own.
pub const SYSTEM_NAMESPACE: &str = "devcluster-system";
/// How many requests are under way at once unless told otherwise: each is a connection of its own.
pub const CONCURRENCY: usize = 8;

/// How the API server serves one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resource {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// The name in URLs, such as `deployments`.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// kube's form of it.
    pub fn api_resource(&self) -> ApiResource {
        ApiResource {
            group: self.gvk.group.clone(),
            version: self.gvk.version.clone(),
            api_version: self.gvk.api_version(),
            kind: self.gvk.kind.clone(),
            plural: self.plural.clone(),
        }
    }

    /// The namespace that objects written in `namespace` really live in: none for cluster-scoped kinds, `default` where
    /// none was written.
    pub fn namespace<'a>(&self, namespace: &'a str) -> Option<&'a str> {
        match (self.namespaced, namespace) {
            (false, _) => None,
            (true, "") => Some("default"),
            (true, namespace) => Some(namespace),
        }
    }

    fn request(&self, namespace: &str) -> Request {
        Request::new(DynamicObject::url_path(&self.api_resource(), self.namespace(namespace)))
    }
}

/// What a cluster serves, by kind.
pub type Kinds = BTreeMap<Gvk, Resource>;

/// A connection to one cluster. Clones share the connections and what is known about kinds.
#[derive(Clone)]
pub struct Cluster {
    /// The client for everything that is not an object's JSON: logs, exec, watches.
    pub client: Client,
    kinds: Arc<RwLock<Kinds>>,
}

impl Cluster {
    /// Connects as `context` of the kubeconfig at `path` says, or as its current context does. Sends nothing yet.
    pub async fn connect(path: &Path, context: Option<&str>) -> Result<Self, ApplyError> {
        let broken = |message: String| ApplyError::Kubeconfig { path: path.to_owned(), message };
        let kubeconfig = Kubeconfig::read_from(path).map_err(|error| broken(error.to_string()))?;
        let options = KubeConfigOptions { context: context.map(Into::into), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| broken(error.to_string()))?;
        let client = client(&config).map_err(|error| broken(error.to_string()))?;
        Ok(Self::new(client))
    }

    /// Over a client that exists already.
    pub fn new(client: Client) -> Self {
        Self { client, kinds: Arc::default() }
    }

    /// Asks the cluster what it serves: two requests.
    pub async fn discover(&self) -> Result<(), ApplyError> {
        let run = Discovery::new(self.client.clone()).run_aggregated().await;
        let discovery = match run {
            Ok(discovery) => discovery,
            // Before Kubernetes 1.26 there is no aggregated form: a request for each group.
            Err(kube::Error::Api(_) | kube::Error::SerdeError(_)) => Discovery::new(self.client.clone())
                .run()
                .await
                .map_err(|error| ApplyError::request("ask the cluster what it serves", &error))?,
            Err(error) => return Err(ApplyError::request("ask the cluster what it serves", &error)),
        };
        let mut found = Kinds::new();
        for group in discovery.groups() {
            for version in group.versions() {
                for (resource, capabilities) in group.versioned_resources(version) {
                    let gvk = Gvk::new(&resource.api_version, &resource.kind);
                    let namespaced = capabilities.scope == Scope::Namespaced;
                    found.insert(gvk.clone(), Resource { gvk, plural: resource.plural, namespaced });
                }
            }
        }
        self.learn(found.into_values());
        Ok(())
    }

    /// Adds kinds that are known without asking, from an inventory or a CRD.
    pub fn learn(&self, resources: impl IntoIterator<Item = Resource>) {
        let mut kinds = self.kinds.write().unwrap_or_else(PoisonError::into_inner);
        kinds.extend(resources.into_iter().map(|resource| (resource.gvk.clone(), resource)));
    }

    /// How `object`'s kind is served, if that is known: see [`Cluster::discover`] and [`Cluster::learn`].
    pub fn resolve(&self, object: &Object) -> Option<Resource> {
        self.resolve_gvk(&object.gvk())
    }

    /// How a kind is served, if that is known.
    pub fn resolve_gvk(&self, gvk: &Gvk) -> Option<Resource> {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner).get(gvk).cloned()
    }

    /// How a kind is served under any version of its group, a stable one first.
    pub fn resolve_kind(&self, group: &str, kind: &str) -> Option<Resource> {
        let kinds = self.kinds.read().unwrap_or_else(PoisonError::into_inner);
        let served = kinds.values().filter(|known| known.gvk.group == group && known.gvk.kind == kind);
        served
            .min_by_key(|known| known.gvk.version.contains("alpha") || known.gvk.version.contains("beta"))
            .cloned()
    }

    /// All that is known about kinds.
    pub fn kinds(&self) -> Kinds {
        self.kinds.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// kube's typed access to a kind's objects, for watches and subresources.
    pub fn api(&self, resource: &Resource, namespace: &str) -> Api<DynamicObject> {
        let kind = resource.api_resource();
        match resource.namespace(namespace) {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind),
            None => Api::all_with(self.client.clone(), &kind),
        }
    }

    /// One object; `None` where it or its kind does not exist.
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, kube::Error> {
        let request = resource.request(namespace).get(name, &kube::api::GetParams::default());
        absent_is_none(self.client.request(request.map_err(kube::Error::BuildRequest)?).await)
    }

    /// The objects of a kind in a namespace (all of a cluster-scoped kind), in pages of 500. Empty where the kind or the
    /// namespace does not exist. Items carry no `apiVersion` and `kind`.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: Option<&str>,
    ) -> Result<Vec<Value>, kube::Error> {
        let mut params = ListParams::default().limit(500);
        params.label_selector = selector.map(Into::into);
        let mut items = Vec::new();
        loop {
            let request = resource.request(namespace).list(&params).map_err(kube::Error::BuildRequest)?;
            let Some(mut page) = absent_is_none(self.client.request::<Value>(request).await)? else {
                return Ok(items);
            };
            if let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) {
                items.extend(found);
            }
            match page.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(token) if !token.is_empty() => params.continue_token = Some(token.into()),
                _ => return Ok(items),
            }
        }
    }

    /// Patches an object; with [`Patch::Apply`] creates it where needed.
    pub async fn patch(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        params: &PatchParams,
        patch: &Patch<&Value>,
    ) -> Result<Value, kube::Error> {
        let request = resource.request(namespace).patch(name, params, patch);
        self.client.request(request.map_err(kube::Error::BuildRequest)?).await
    }

    /// Creates an object.
    pub async fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        value: &Value,
    ) -> Result<Value, kube::Error> {
        let params = PostParams { dry_run: false, field_manager: Some(MANAGER.into()) };
        let request = resource.request(namespace).create(&params, value.to_string().into_bytes());
        self.client.request(request.map_err(kube::Error::BuildRequest)?).await
    }

    /// Replaces an object; its `metadata.resourceVersion` must be the live one.
    pub async fn replace(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        value: &Value,
    ) -> Result<Value, kube::Error> {
        let params = PostParams { dry_run: false, field_manager: Some(MANAGER.into()) };
        let request = resource.request(namespace).replace(name, &params, value.to_string().into_bytes());
        self.client.request(request.map_err(kube::Error::BuildRequest)?).await
    }

    /// Deletes an object; what it owns follows in the background. False where it was gone already.
    pub async fn delete(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<bool, kube::Error> {
        let mut params = DeleteParams::background();
        params.preconditions =
            uid.map(|uid| kube::api::Preconditions { resource_version: None, uid: Some(uid.into()) });
        let request = resource.request(namespace).delete(name, &params);
        let answer = self.client.request::<Value>(request.map_err(kube::Error::BuildRequest)?).await;
        Ok(absent_is_none(answer)?.is_some())
    }
}

fn absent_is_none<T>(answer: Result<T, kube::Error>) -> Result<Option<T>, kube::Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// A client on a connector of our own: kube's leaves Nagle's algorithm on, which costs every later connection up to
/// 45 ms. A connection must be made within 10 s.
pub fn client(config: &Config) -> Result<Client, kube::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(Duration::from_secs(10)));
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .build(config.rustls_https_connector_with_connector(tcp)?);
    let service = tower::ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(tower::BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}

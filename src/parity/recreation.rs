//! What a provider settles when it makes a cluster, and why a cluster made one way cannot become another.

use serde::{Deserialize, Serialize};

/// What is settled when a cluster is made and stays so while it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fixed {
    /// How many nodes there are. More than are needed do no harm.
    pub nodes: usize,
    /// The node image; none for the provider's default.
    pub node_image: Option<String>,
    /// The host's ports of the ingress, HTTP and HTTPS.
    pub ports: (u16, u16),
    /// The Pods' range, where one was asked for.
    pub pod_subnet: Option<String>,
    /// The Services' range, where one was asked for.
    pub service_subnet: Option<String>,
}

/// What is wanted of it. What is not asked for may be as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// How many nodes the manifests need.
    pub nodes: usize,
    /// The node image.
    pub node_image: Option<String>,
    /// The port for HTTP.
    pub http_port: Option<u16>,
    /// The port for HTTPS.
    pub https_port: Option<u16>,
    /// The Pods' range.
    pub pod_subnet: Option<String>,
    /// The Services' range.
    pub service_subnet: Option<String>,
}

impl Fixed {
    /// Why a cluster made like this must be made anew; empty where it can stay.
    pub fn reasons(&self, wanted: &Wanted) -> Vec<String> {
        let mut reasons = Vec::new();
        if wanted.nodes > self.nodes {
            reasons.push(format!("the manifests need {} nodes and it has {}", wanted.nodes, self.nodes));
        }
        if let Some(image) =
            wanted.node_image.as_ref().filter(|image| Some(*image) != self.node_image.as_ref())
        {
            let was = self.node_image.as_deref().unwrap_or("the provider's own");
            reasons.push(format!("the node image is to be {image} and was {was}"));
        }
        for (asked, is, name) in
            [(wanted.http_port, self.ports.0, "HTTP"), (wanted.https_port, self.ports.1, "HTTPS")]
        {
            if let Some(asked) = asked.filter(|asked| *asked != is) {
                reasons.push(format!("{name} is to be on port {asked} and is on {is}"));
            }
        }
        for (asked, is, name) in [
            (&wanted.pod_subnet, &self.pod_subnet, "Pods"),
            (&wanted.service_subnet, &self.service_subnet, "Services"),
        ] {
            // A range that only some earlier manifest needed does no harm.
            if let Some(asked) = asked.as_ref().filter(|asked| Some(*asked) != is.as_ref()) {
                let is = is.as_deref().unwrap_or("the default");
                reasons.push(format!("the range of {name} is to be {asked} and is {is}"));
            }
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed() -> Fixed {
        Fixed { nodes: 2, node_image: None, ports: (80, 443), pod_subnet: None, service_subnet: None }
    }

    #[test]
    fn what_is_not_asked_for_may_be_as_it_is() {
        let had = Fixed {
            node_image: Some("node:1".into()),
            pod_subnet: Some("10.9.0.0/16".into()),
            service_subnet: Some("10.8.0.0/16".into()),
            ..fixed()
        };
        assert_eq!(had.reasons(&Wanted { nodes: 1, ..Wanted::default() }), Vec::<String>::new());
    }

    #[test]
    fn each_setting_is_a_reason_of_its_own() {
        let wanted = [
            Wanted { nodes: 3, ..Wanted::default() },
            Wanted { node_image: Some("node:1".into()), ..Wanted::default() },
            Wanted { http_port: Some(8080), ..Wanted::default() },
            Wanted { https_port: Some(8443), ..Wanted::default() },
            Wanted { pod_subnet: Some("10.0.0.0/16".into()), ..Wanted::default() },
            Wanted { service_subnet: Some("10.0.0.0/16".into()), ..Wanted::default() },
        ];
        let reasons: Vec<String> = wanted.iter().flat_map(|wanted| fixed().reasons(wanted)).collect();
        insta::assert_snapshot!(reasons.join("\n"), @r"
        the manifests need 3 nodes and it has 2
        the node image is to be node:1 and was the provider's own
        HTTP is to be on port 8080 and is on 80
        HTTPS is to be on port 8443 and is on 443
        the range of Pods is to be 10.0.0.0/16 and is the default
        the range of Services is to be 10.0.0.0/16 and is the default
        ");
    }
}

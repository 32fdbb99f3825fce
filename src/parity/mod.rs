//! What the manifests need and what provides it; pure.

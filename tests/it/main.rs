//! Fast tests against a real API server that runs on the host; no cluster is needed.

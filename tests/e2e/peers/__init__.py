"""Programs of environments that are not ours: servers and clients that the sidecar stands between."""

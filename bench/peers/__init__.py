"""Programs that run inside the peers' own environments, with the contract of `bench/policy.yaml` written by hand."""

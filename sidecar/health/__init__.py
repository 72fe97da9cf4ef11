"""Is it right, and may it serve? Probes of the model, independent facts of the environment, readiness per policy.

In: what the model's server, the pod and the processes say. Out: `Readiness` with a reason per policy, and the health
port that tells it. Never: a change of anything, a word to the observers, a policy's constant compared with itself.
"""

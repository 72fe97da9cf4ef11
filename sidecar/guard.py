"""One policy, compiled: bytes → decision. Pure; the gateway and every reader of the journal use the same one."""

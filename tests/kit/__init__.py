"""Fakes for tests of the data port: a scripted model server, a raw caller, a running gateway, simple guards."""

"""The ways to run an app on this machine, behind one Protocol."""

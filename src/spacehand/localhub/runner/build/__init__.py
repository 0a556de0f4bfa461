"""From a commit to an environment an app can run in."""

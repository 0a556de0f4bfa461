"""Speed beside a peer, both measured in turn in one run, told as ratios."""

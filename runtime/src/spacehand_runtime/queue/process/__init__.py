"""Jobs in processes of this machine, forked from one that was started before."""

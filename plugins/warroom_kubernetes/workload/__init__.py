"""One workload as it stands, asked of the cluster: revisions, pods, its own word, and who would put it back."""

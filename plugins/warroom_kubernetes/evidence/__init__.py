"""What is kept of a cluster before anything is changed."""

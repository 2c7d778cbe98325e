"""From a space to its arms and replicates: what is to be trained."""

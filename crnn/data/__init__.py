"""Fashion-MNIST: found or fetched, verified, decoded once."""

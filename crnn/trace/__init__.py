"""Images on their way through the network, stage by stage."""

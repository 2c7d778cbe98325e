"""What the network is: its settings, its shapes, its layers."""

"""What to run, and running it: spaces, designs, storage, the runner."""

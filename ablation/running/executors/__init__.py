"""Where trainings run: in worker processes here, or in this very process."""

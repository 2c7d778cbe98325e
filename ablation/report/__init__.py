"""From trials to understanding: tables, effects, plots, reports. Never imports torch."""

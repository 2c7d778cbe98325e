"""Whether a training repeats, resumes, and depends on its seed and settings: found by training."""

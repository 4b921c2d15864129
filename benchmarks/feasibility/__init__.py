"""Is the answer to "can it be done?" right? The corpus, the truth, the calibration and the figures."""

"""Work for many processes or machines: folds, trials, and scoring many pictures."""

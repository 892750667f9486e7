"""What our things are called in MLflow's registry; apart, so that who needs the names need not load MLflow."""

MODEL_NAME = "gymspotter"
CHAMPION, CHALLENGER = "champion", "challenger"

"""What benchmarks/scaling.py is made of: a simulated cluster, the fit to it, and the model on paper."""

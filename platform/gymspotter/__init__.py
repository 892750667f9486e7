"""gymspotter: gym video to 3D skeletons, skeletons to the name of the exercise, on a laptop or a Ray cluster."""

__version__ = "0.1.0"

"""The pieces of benchmarks/serve.py and benchmarks/live_pose.py."""

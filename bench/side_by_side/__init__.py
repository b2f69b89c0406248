"""Runs pipedup and what people use instead side by side. bench/run is the way in."""

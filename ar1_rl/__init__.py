"""The driving domain and the library core of ar1-rl. It imports none of the three packages that stand on it."""

__version__ = "0.1.0"
